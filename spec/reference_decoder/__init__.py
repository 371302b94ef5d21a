"""A decoder of labelcodec containers, version 1.2, that follows SPEC.md and nothing else.

It is for reading beside the specification and for checking other decoders: plain loops, every
MUST of a reader checked, clause ids in brackets. It needs numpy, zstandard and msgpack.

    python -m spec.reference_decoder FILE.slc OUT.npz
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .columns import whole_integers
from .container import Container, read_header, read_names
from .dense import dense_tables, read_dense
from .dense2 import dense2_tables, read_dense2
from .order import draw_images, read_order
from .primitives import Arrays, Invalid, inflate, need, unpack_map
from .projector import projector_tables, read_projector
from .recipe import draw, read_recipe
from .sampled import read_sampled, sampled_tables
from .sequences import read_sequences, read_tokens
from .streams import (
    crop_tables,
    read_crop,
    read_cutout,
    read_flip,
    read_mix,
    read_randaugment,
    read_seeds,
    split_streams,
)
from .topk import read_topk, topk_tables
from .transform import read_transform, transform_tables
from .vq import read_vq, vq_tables

__all__ = ["Invalid", "decode", "named", "read"]


def read_side(data: bytes, header: dict[str, Any]) -> dict[str, Any]:
    """Tables of the crop stream and of the codec [S-1 to S-3]."""
    side = unpack_map(inflate(data, 1, 1 << 26), "S-2")
    need(isinstance(side["crop"], dict) and isinstance(side["labels"], dict), "S-2")
    need(1 + len(side) + sum(1 + len(group) for group in side.values()) <= 64, "S-2")
    label_tables = {
        "dense": dense_tables,
        "dense2": dense2_tables,
        "projector": projector_tables,
        "sampled": sampled_tables,
        "topk": topk_tables,
        "transform": transform_tables,
        "vq": vq_tables,
    }[header["codec"]["name"]]
    labels = label_tables(side["labels"], header["classes"])
    return {"crop": crop_tables(side["crop"]), "labels": labels}


BROKEN = (KeyError, IndexError, TypeError, ValueError, AttributeError)


def read(path: str | Path) -> tuple[dict[str, Any], list[str] | None, list[Arrays]]:
    """Header, image names and the batches in order of number.

    Raises:
        Invalid: the file breaks a clause, or needs what version 1.2 does not have.
    """
    try:
        return _read(Container(path))
    except BROKEN as error:
        raise Invalid(f"{type(error).__name__}: {error}") from error


def _read(file: Container) -> tuple[dict[str, Any], list[str] | None, list[Arrays]]:
    header = read_header(file.section(b"H") or b"")
    order = read_order(header)
    recipe = read_recipe(header) if order is None else None
    labels = sum(row[2] for row in file.batches)
    need((order or recipe or {"images": 1})["images"] <= (1 << 20) + 16 * labels, "R-22")
    sides = [read_side(file.side(number), header) for number in range(len(file.sides))]
    read_labels = {
        "dense": read_dense,
        "dense2": read_dense2,
        "projector": read_projector,
        "sampled": read_sampled,
        "topk": read_topk,
        "transform": read_transform,
        "vq": read_vq,
    }[header["codec"]["name"]]
    predicts = header["codec"]["name"] in ("transform", "vq")
    batches = []
    for row in sorted(file.batches, key=lambda row: row[3]):
        samples, number, epoch = row[2:]
        width = header["labels"].get("k", header["classes"])
        need(samples <= 1 << 16 and samples * width <= 1 << 23, "B-1")
        side, data = file.batch(row)
        need(side < len(sides), "C-14")
        streams, tables = split_streams(data), sides[side]
        batch: Arrays = {"number": np.array(number), "epoch": np.array(epoch)}
        if header.get("kind") == "tokens":
            need(order is None and recipe is None, "K-1")
            batch |= read_sequences(streams, samples)
        elif recipe is None:
            need(all(number not in streams for number in (12, 13, 14)), "K-1")
            if 1 in streams or order is None:
                batch["image_index"] = read_image_index(streams, samples)
            else:
                batch["image_index"] = draw_images(order, number, epoch, samples)
            batch |= read_augmentation(streams, samples, tables["crop"])
        else:
            need(all(stream > 8 and stream != 16 for stream in streams), "R-20")
            drawn = draw(recipe, number)
            need((drawn["epoch"], len(drawn["image_index"])) == (epoch, samples), "R-21")
            batch |= drawn
        more = (batch,) if predicts else ()  # what coefficients are predicted from
        batch |= read_labels(streams, samples, header, tables["labels"], *more)
        if 13 in streams:
            batch["tokens"] = read_tokens(streams[13], header.get("shift") or 0, batch)
        batches.append(batch)
    return header, read_names(file.section(b"n")), batches


def read_image_index(streams: dict[int, bytes], samples: int) -> Any:
    """Stored image indices [B-9, B-10]."""
    need(1 in streams, "B-10")
    index = whole_integers(streams[1], samples)
    need(index.min() >= 0, "B-10")
    return index


def read_augmentation(streams: dict[int, bytes], samples: int, tables: dict[str, Any]) -> Arrays:
    """Streams 2 to 8."""
    out: Arrays = {}
    if 2 in streams:
        out |= read_crop(streams[2], samples, tables)
    if 3 in streams:
        out["flip"] = read_flip(streams[3], samples)
    out |= read_mix(streams, samples)
    if 7 in streams:
        out["cutout"] = read_cutout(streams[7], samples)
    if 8 in streams:
        out |= read_randaugment(streams[8], samples)
    if 16 in streams:
        out["seeds"] = read_seeds(streams[16], samples)
    return out


def decode(path: str | Path) -> list[Arrays]:
    """One dict of arrays a batch, in order of number."""
    return read(path)[2]


def named(header: dict[str, Any], names: list[str] | None, batches: list[Arrays]) -> Arrays:
    """The file's content as the arrays of one npz file."""
    out: Arrays = {"header": np.array(json.dumps(header, sort_keys=True, default=bytes.hex))}
    if names is not None:
        out["names"] = np.array(names, np.str_)
    for batch in batches:
        out |= {f"batch{batch['number']}.{name}": array for name, array in batch.items()}
    return out
