"""Coefficients predicted from the means of images (SPEC, section 9.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .columns import integers
from .matrix import matrix
from .primitives import Arrays, Bytes, Row, need


@dataclass(frozen=True)
class Means:
    """The part `means` of X-18."""

    height: int
    width: int
    kept: Row
    unit: Row
    entries: list[Row]  # by coefficient


def read_means(parts: dict[str, bytes], rank: int) -> Means | None:
    """The part, where there is one [X-18]."""
    if "means" not in parts:
        return None
    source = Bytes(parts["means"])
    images, height, width = (source.varint() for _ in range(3))
    need(images >= 1 and images * rank <= 1 << 24, "X-18")
    need(1 <= height <= 1 << 20 and 1 <= width <= 1 << 20, "X-18")
    kept, unit = integers(source, 8), integers(source, rank)
    need(all(0 <= x <= 255 for x in kept) and all(1 <= x <= 1 << 20 for x in unit), "X-18")
    return Means(height, width, kept, unit, matrix(source, images, rank))


def own_part(batch: Arrays, means: Means) -> int:
    """How much of a picture the sample's own image has, in 256ths [X-20]."""
    if "mix_partner" not in batch:
        return 256
    if "mix_box" not in batch:
        ratio = float(batch["mix_ratio"])
        return 256 if math.isnan(ratio) else int(256 * max(min(ratio, 1.0), 0.0) + 0.5)
    top, bottom, left, right = batch["mix_box"].tolist()
    rows = max(min(bottom, means.height) - max(top, 0), 0)
    columns = max(min(right, means.width) - max(left, 0), 0)
    pixels = means.height * means.width
    return 256 - (256 * rows * columns + pixels // 2) // pixels


def crop_class(batch: Arrays, row: int) -> int:
    """Area of a crop in eighths of its image [X-21]."""
    if "crop_box" not in batch:
        return 7
    height, width = batch["crop_box"][row, 2:].tolist()
    if "crop_size" in batch:
        size = batch["crop_size"][row].tolist()
        return int(min(8 * height * width // (size[0] * size[1]), 7))
    area = 8.0 * height * width
    return 7 if math.isnan(area) else int(max(min(area, 7.0), 0.0))


def predictions(batch: Arrays, means: Means) -> list[Row]:
    """Predicted coefficients of every sample [X-22]."""
    images = batch["image_index"].tolist()
    partner = batch["mix_partner"].tolist() if "mix_partner" in batch else range(len(images))
    part, found = own_part(batch, means), []
    for a, b in enumerate(partner):
        weights = (
            (images[a], part * means.kept[crop_class(batch, a)]),
            (images[b], (256 - part) * means.kept[crop_class(batch, b)]),
        )
        row = []
        for unit, entries in zip(means.unit, means.entries, strict=True):
            total = sum(unit * entries[i] * weight for i, weight in weights if i < len(entries))
            row.append(max(min(total + (1 << 14) >> 15, 1 << 14), -(1 << 14)))
        found.append(row)
    return found


def predicted(coded: list[Row], prediction: list[Row]) -> list[Row]:
    """Coefficients of what was coded and what was predicted [X-19]."""
    need(all(abs(q) < 1 << 11 for row in coded for q in row), "X-19")
    return [
        [8 * q + p for q, p in zip(*pair, strict=True)]
        for pair in zip(coded, prediction, strict=True)
    ]
