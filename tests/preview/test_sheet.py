"""The picture: boxes where they belong, and no text that cannot be drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from labelcodec.preview.replayed import view_replayed
from labelcodec.preview.sheet import CARD, FIRST, GAP, HEADER, LINE, SECOND, SIDE, draw_sheet
from tests.preview.scene import HOSTILE, labelled, levels


def drawn(view, tmp_path) -> np.ndarray:
    draw_sheet(view, tmp_path / "sheet.png")
    return np.asarray(Image.open(tmp_path / "sheet.png"))


def box_of(picture: np.ndarray, colour: str) -> list[int]:
    """First and last row and column of a colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    rows, columns = np.nonzero((picture == wanted).all(axis=2))
    return [rows.min(), rows.max() + 1, columns.min(), columns.max() + 1]


def test_pictures_and_boxes(tmp_path) -> None:
    view = view_replayed(labelled(tmp_path), 0, 4)
    sheet = drawn(view, tmp_path)
    scale = SIDE / 8
    for i, sample in enumerate(view.samples):
        y = HEADER + i // 2 * CARD[1] + LINE
        x = GAP + i % 2 * (CARD[0] + GAP)
        original = sheet[y : y + SIDE, x : x + SIDE]
        student = sheet[y : y + SIDE, x + SIDE + GAP :][:, :SIDE]
        top, left, height, width = sample.crop
        edges = np.array([top, top + height, left, left + width]) * scale
        assert box_of(original, FIRST) == np.round(edges).astype(int).tolist()
        assert box_of(student, SECOND) == [0, SIDE // 2, 0, SIDE]
        own, partner = (levels(view.samples[row].image) for row in (i, sample.partner))
        assert (student[10, 10] == partner).all() and (student[-5, 10] == own).all()
        assert sheet[y : y + 5 * LINE, x + 2 * (SIDE + GAP) :][:, :90].std() > 0  # bars and text


def test_names_that_cannot_be_drawn(tmp_path) -> None:
    view = view_replayed(labelled(tmp_path), 0, 1)
    (sample,) = view.samples
    for name in (HOSTILE, "漢字\n\x00", "x" * 500, ""):
        shown = replace(sample, name=name, class_name=name)
        assert (
            drawn(replace(view, samples=(shown,)), tmp_path).shape[1] == 2 * (CARD[0] + GAP) + GAP
        )


def test_images_of_extreme_shapes(tmp_path) -> None:
    view = view_replayed(labelled(tmp_path), 0, 1)
    (sample,) = view.samples
    for shape in ((1, 900, 3), (900, 1, 3), (1, 1, 3)):
        pixels = np.zeros(shape, np.uint8)
        shown = replace(sample, original=pixels, student=pixels, crop=(0, 0, 1, 1))
        drawn(replace(view, samples=(shown,)), tmp_path)
