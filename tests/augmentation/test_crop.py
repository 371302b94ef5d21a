from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from labelcodec.augmentation.crop import Crop, stream
from labelcodec.augmentation.crop.stream import CropTables
from labelcodec.entropy import packing, tables, varint
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError, DataError
from tests.backends import BACKENDS, backend
from tests.codecs.content import Recipe, batch, recipes, same

USUAL = Recipe()


def one(recipe: Recipe = USUAL) -> Crop:
    return batch(recipe).augmentation.crop


BOXES = one()
TABLES = CropTables.fit([BOXES])


def decoded(data: bytes, samples: int = 9, table: CropTables = TABLES) -> Crop:
    return stream.decode(memoryview(data), samples, table)


@settings(max_examples=40, deadline=None)
@given(recipes().filter(lambda recipe: recipe.crop))
def test_round_trip_through_tables_of_other_boxes(recipe):
    boxes = one(recipe)
    for name in BACKENDS:
        with backend(name):
            assert same(decoded(stream.encode(boxes, TABLES), recipe.samples), boxes)


def test_forms():
    many, halves = one(Recipe(crop="many sizes")), one(Recipe(crop="float16"))
    assert [stream.encode(boxes, TABLES)[0] for boxes in (BOXES, many, halves)] == [0, 1, 0x12]
    assert stream.encode(replace(BOXES, precision="float16"), TABLES)[0] == 0x10


def test_usual_size_is_the_most_frequent():
    others = [one(Recipe(seed=seed)) for seed in range(3)]
    table = CropTables.fit([*others, BOXES, BOXES])
    assert table.size == tuple(BOXES.size[0])
    assert CropTables.fit([]).size == (1, 1)


def test_tables_round_trip():
    loaded = CropTables.from_parts(TABLES.to_parts())
    assert (loaded.size, loaded.to_parts()) == (TABLES.size, TABLES.to_parts())


@pytest.mark.parametrize("part", ["height", "width", "size"])
def test_a_missing_part(part):
    parts = TABLES.to_parts()
    del parts[part]
    with pytest.raises(CorruptError, match=f"lack '{part}'"):
        CropTables.from_parts(parts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": TABLES.to_parts()["width"]}, "number of contexts"),
        ({"width": TABLES.to_parts()["height"]}, "number of contexts"),
        ({"size": b"\0\x05"}, "0 x 5 pixels"),
        ({"size": b"\x05" + varint.encode(1 << 24)}, "pixels"),
        ({"size": b"\x05"}, "past the end"),
    ],
)
def test_malformed_tables(change, message):
    with pytest.raises(CorruptError, match=message):
        CropTables.from_parts(TABLES.to_parts() | change)


def test_fractions_of_another_type():
    with pytest.raises(DataError, match="fractions are float64, expected float32"):
        stream.encode(Crop(np.zeros((2, 4)), None), TABLES)


CODED = stream.encode(BOXES, TABLES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "unknown form"),
        (b"\x03" + CODED[1:], "unknown form"),
        (b"\x20" + CODED[1:], "unknown form"),
        (b"\x01" + packing.pack_ints(np.zeros(18, int)) + CODED[1:], "impossible size"),
        (b"\x01" + packing.pack_ints(np.full(18, 1 << 24)) + CODED[1:], "impossible size"),
        (b"\x01" + packing.pack_ints(np.full(18, 1)) + CODED[1:], "larger than its image"),
        (b"\x02\0" + bytes(143), "expected 144"),
        (CODED[:-1], "do not decode"),
        (CODED + b"\0", "do not decode"),
        (b"\0\x7f" + CODED[2:], "do not decode"),
    ],
)
def test_malformed(data, message):
    with pytest.raises(CorruptError, match=message):
        decoded(data)


def test_a_box_of_no_height():
    """The encoder stores such boxes as fractions; a coded one is refused."""
    ones = replace(BOXES, box=np.ones_like(BOXES.box))
    flat = replace(ones, box=ones.box * np.array([1, 1, 0, 1], np.int32))
    table = CropTables.fit([ones])
    assert stream.encode(flat, table)[0] == stream.FRACTIONS
    data = stream.encode(ones, table)
    assert same(decoded(data, table=table), ones)
    none = tables.fit(np.arange(124)[None] == 0)  # the symbol of 1 means 0 instead
    width = TableSet(np.repeat(table.width.freqs[1:2], 124, axis=0))
    with pytest.raises(CorruptError, match="larger than its image"):
        decoded(data, table=replace(table, height=none, width=width))


def test_usage():
    used = stream.usage(BOXES, 77)
    assert [counts.sum() for counts in used.tables] == [9, 9] and used.coded_bytes == 77
    room = BOXES.size - BOXES.box[:, 2:] + 1
    assert used.fixed_bits >= np.log2(room).sum()
    assert stream.usage(one(Recipe(crop="float32")), 77) is None
