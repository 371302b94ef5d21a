"""Containers whose images and augmentation are drawn from the header's recipe."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest

import labelcodec
from labelcodec import Crop, Header, Labels, Writer
from labelcodec.analysis.description import describe_set
from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec, pack_sizes
from labelcodec.batch import LabelBatch
from labelcodec.codecs.components import SEEDED, join, split
from labelcodec.container import RecordReader, RecordWriter
from labelcodec.errors import CorruptError, DataError, FormatError
from labelcodec.merging import merge
from labelcodec.verification import verify
from tests.codecs.content import same

RECIPE = AugmentationSpec(
    7, images=50, batch=16, size=(32, 32), sizes=(64, 48), cutout=0.5, operations=2
)
HEADER = Header(6, images=50, image_size=(32, 32), mix="cutmix", recipe=RECIPE)


def batch(number: int, recipe: AugmentationSpec = RECIPE) -> LabelBatch:
    index, augmentation = draw(recipe, number)
    value = np.random.default_rng(number).normal(size=(len(index), 6)).astype(np.float16)
    return LabelBatch(number, recipe.place(number)[0], index, augmentation, Labels(6, value))


def write(path, *numbers: int, header: Header = HEADER):
    with Writer(path, header, "dense") as writer:
        for number in numbers:
            writer.add(batch(number, header.recipe))
    return path


@pytest.mark.parametrize("numbers", [(0, 1, 2, 3), (3, 11), (7,), (400_000, 2)])
def test_batches_come_back(tmp_path, numbers):
    """Whole epochs, pruned ones, a partial last batch alone, in any order."""
    with labelcodec.open(write(tmp_path / "a.slc", *numbers)) as reader:
        assert reader.header.recipe == RECIPE
        for found, number in zip(reader, sorted(numbers), strict=True):
            assert same(found, batch(number))
    assert verify(tmp_path / "a.slc").problems == ()


def test_nothing_is_stored_a_sample(tmp_path):
    with labelcodec.open(write(tmp_path / "a.slc", *range(40))) as reader:
        for i in range(len(reader)):
            assert set(reader.component_bytes(i)) == {"label values", "framing and index"}
            assert set(reader.usage(i)[1]) <= {"label values"}


def test_f_takes_less_than_a_tenth_of_a_byte_a_sample():
    """In a small label set: 1000 images, 10 epochs."""
    recipe = replace(RECIPE, images=1000, batch=128)
    with_recipe, without = (
        len(msgpack.packb(Header(1000, recipe=one).to_map())) for one in (recipe, None)
    )
    assert with_recipe - without <= 0.1 * 10 * 1000


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda b: replace(b, image_index=b.image_index[::-1].copy()), "image indices"),
        (lambda b: replace(b, epoch=1), "epoch"),
        (lambda b: with_part(b, flip=~b.augmentation.flip), "flips"),
        (lambda b: with_part(b, flip=None), "flips"),
        (lambda b: with_part(b, crop=None), "crop boxes"),
        (lambda b: with_part(b, crop=Crop(b.augmentation.crop.fractions(), None)), "image sizes"),
        (lambda b: with_part(b, mix=replace(b.augmentation.mix, ratio=0.5)), "mix ratios"),
        (lambda b: with_part(b, mix=replace(b.augmentation.mix, box=(0, 1, 0, 1))), "mix boxes"),
        (lambda b: with_part(b, cutout=None), "cutouts"),
        (lambda b: with_part(b, randaugment=None), "randaugment operations"),
    ],
)
def test_other_batches_are_refused(tmp_path, change, part):
    with (
        pytest.raises(DataError, match=f"batch 2: {part} differ"),
        Writer(tmp_path / "a.slc", HEADER, "dense") as writer,
    ):
        writer.add(change(batch(2)))


def with_part(one: LabelBatch, **parts) -> LabelBatch:
    return replace(one, augmentation=replace(one.augmentation, **parts))


def test_shards_of_one_recipe_merge(tmp_path):
    one, other = write(tmp_path / "a.slc", 0, 2), write(tmp_path / "b.slc", 1, 3)
    merge([one, other], tmp_path / "all.slc")
    with labelcodec.open(tmp_path / "all.slc") as reader:
        assert [found.number for found in reader] == [0, 1, 2, 3]
        assert all(same(found, batch(found.number)) for found in reader)


@pytest.mark.parametrize("key", ["images", "image_size", "mix"])
def test_a_header_at_odds_with_its_recipe(tmp_path, key):
    other = replace(HEADER, **{key: {"images": 9, "image_size": (8, 8), "mix": "mixup"}[key]})
    with pytest.raises(FormatError, match=f"header key {key!r} is .* the recipe has"):
        Writer(tmp_path / "a.slc", other, "dense")


def copied(path, out, batch_of=lambda *row: row):
    """The container again, every (payload, samples, number, epoch) through `batch_of`."""
    with RecordReader(path) as source, RecordWriter(out, source.header) as writer:
        writer.add_section(ord("S").to_bytes(), source.side(0))
        for i in range(len(source)):
            index = source.index
            row = (int(column[i]) for column in (index.samples, index.number, index.epoch))
            payload, samples, number, epoch = batch_of(bytes(source.batch(i)[1]), *row)
            writer.add_batch(payload, side=0, samples=samples, number=number, epoch=epoch)
    return out


@pytest.mark.parametrize("stream", sorted(SEEDED))
def test_a_stored_stream_beside_a_recipe(tmp_path, stream):
    def with_stream(payload, *row):
        return join(dict(split(memoryview(payload))) | {stream: b"\0"}), *row

    path = copied(write(tmp_path / "a.slc", 0), tmp_path / "b.slc", with_stream)
    with (
        labelcodec.open(path) as reader,
        pytest.raises(CorruptError, match=f"stream {int(stream)} "),
    ):
        reader[0]


@pytest.mark.parametrize(
    ("samples", "number", "epoch"), [(16, 0, 1), (16, 3, 0), (2, 0, 0), (16, 2**40, 2**38)]
)
def test_a_batch_that_the_recipe_does_not_have(tmp_path, samples, number, epoch):
    path = write(tmp_path / "a.slc", 0)
    path = copied(path, tmp_path / "b.slc", lambda payload, *_: (payload, samples, number, epoch))
    with labelcodec.open(path) as reader, pytest.raises(CorruptError, match="recipe"):
        reader[0]


def test_images_of_many_sizes(tmp_path):
    sizes = np.random.default_rng(0).integers(9, 400, (50, 2))
    recipe = replace(RECIPE, sizes=pack_sizes(sizes))
    with labelcodec.open(
        write(tmp_path / "a.slc", 5, header=replace(HEADER, recipe=recipe))
    ) as reader:
        assert same(reader[0], batch(5, recipe))
        assert describe_set(reader)["header"]["recipe"]["sizes"] == "of 50 images"
