"""Containers whose image indices follow from the data loader's seed."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest

import labelcodec
from labelcodec import Header, LabelBatch, Labels, Writer
from labelcodec.augmentation.sampler_order import SamplerOrder
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.container import RecordReader, RecordWriter
from labelcodec.errors import ConfigError, CorruptError, FormatError
from labelcodec.merging import merge
from labelcodec.transcode.decode_container import decode
from labelcodec.transcode.encode_dump import encode
from labelcodec.transcode.recode_container import recode
from labelcodec.verification import verify
from tests.codecs.content import same
from tests.formats.builders import EPOCH_SIDE, epoch_dump, flat_dump, loader_order, same_dumps
from tests.test_seeded import copied

ORDER = SamplerOrder(42, images=50, batch=16, batches=4, permutations=2)
HEADER = Header(6, images=50, image_order=ORDER)
INDEX = "image index"


def batch(number: int, *, shuffled: bool = False) -> LabelBatch:
    index = ORDER.image_index(number, number // 4)
    value = np.random.default_rng(number).normal(size=(len(index), 6)).astype(np.float16)
    drawn = LabelBatch(number, number // 4, index, labelcodec.Augmentation(), Labels(6, value))
    return replace(drawn, image_index=index[::-1].copy()) if shuffled else drawn


def write(path, *batches: LabelBatch, header: Header = HEADER):
    with Writer(path, header, "dense") as writer:
        for drawn in batches:
            writer.add(drawn)
    return path


def index_bytes(path) -> list[int]:
    with labelcodec.open(path) as reader:
        return [reader.component_bytes(i).get(INDEX, 0) for i in range(len(reader))]


@pytest.mark.parametrize("numbers", [(0, 1, 2, 3), (3, 11), (4007, 6), (7,)])
def test_images_that_the_recipe_gives_are_not_stored(tmp_path, numbers):
    """Whole epochs, pruned ones, a partial last batch alone, in any order."""
    path = write(tmp_path / "a.slc", *map(batch, numbers))
    assert index_bytes(path) == [0] * len(numbers)
    assert verify(path).problems == ()
    with labelcodec.open(path) as reader:
        assert reader.header.image_order == ORDER
        for stored, number in zip(reader, sorted(numbers), strict=True):
            assert same(stored, batch(number))


def test_other_images_are_stored(tmp_path):
    """Other order, another number of samples, an epoch that the recipe numbers otherwise."""
    batches = [
        batch(0),
        batch(1, shuffled=True),
        replace(batch(3), number=2),
        replace(batch(4), epoch=0),
        replace(batch(9), epoch=7),
    ]
    path = write(tmp_path / "a.slc", *batches)
    assert [size > 0 for size in index_bytes(path)] == [False, True, True, True, True]
    with labelcodec.open(path) as reader:
        assert all(same(a, b) for a, b in zip(reader, batches, strict=True))


def test_shards_merge(tmp_path):
    paths = [
        write(tmp_path / "a.slc", batch(0), batch(2)),
        write(tmp_path / "b.slc", batch(1, shuffled=True), batch(3)),
    ]
    merge(paths, tmp_path / "all.slc")
    with labelcodec.open(tmp_path / "all.slc") as reader, labelcodec.open(paths) as shards:
        for i, shuffled in enumerate((False, True, False, False)):
            assert same(reader[i], batch(i, shuffled=shuffled))
            assert same(shards[i], reader[i])


def test_a_damaged_file_is_repaired(tmp_path):
    path = write(tmp_path / "a.slc", *map(batch, range(4)))
    with labelcodec.open(path) as reader:
        offset = int(reader.shards.readers[0].index.offset[1])
    data = bytearray(path.read_bytes())
    data[offset + 30] ^= 1
    path.write_bytes(data[:-9])
    labelcodec.repair(path)
    with labelcodec.open(path) as reader:
        assert [b.number for b in reader] == [0, 2, 3]
        assert all(same(b, batch(b.number)) for b in reader)


@pytest.mark.parametrize(
    ("samples", "number", "epoch"), [(16, 0, 1), (16, 3, 0), (2, 0, 0), (16, 2**40, 2**38)]
)
def test_a_batch_that_the_recipe_does_not_have(tmp_path, samples, number, epoch):
    path = write(tmp_path / "a.slc", batch(0))
    path = copied(path, tmp_path / "b.slc", lambda payload, *_: (payload, samples, number, epoch))
    with labelcodec.open(path) as reader, pytest.raises(CorruptError, match="no batch"):
        reader[0]


def test_the_header():
    spec = AugmentationSpec(7, images=50, batch=16, size=(32, 32), sizes=(64, 48))
    with pytest.raises(ConfigError, match="either"):
        replace(HEADER, recipe=spec)
    with pytest.raises(FormatError, match="'images' is 9, the recipe has 50"):
        Header.from_map(replace(HEADER, images=9).to_map(), "file")
    packed = msgpack.unpackb(msgpack.packb(HEADER.to_map()))
    assert Header.from_map(packed, "file") == HEADER


SPEC = AugmentationSpec(
    1, images=50, batch=1, size=(8, 8), sizes=(8, 8), scale=None, flip=None, mix=None
)


@pytest.mark.parametrize("recipe", [SPEC, ORDER], ids=["augmentation", "order"])
def test_few_labels_cannot_ask_for_large_permutations(tmp_path, recipe):
    """A file of a few hundred bytes cost seconds and hundreds of megabytes."""
    header = Header(6).to_map() | {"recipe": recipe.to_map()}
    most = (1 << 20) + 16 * 16
    for images in (most, most + 1, 1 << 24):
        path = tmp_path / f"{images}.slc"
        recipe_map = {**recipe.to_map(), "images": images}
        with RecordWriter(path, header | {"recipe": recipe_map}) as writer:
            writer.add_batch(
                b"\0", side=writer.add_section(b"S", b"\0"), samples=16, number=0, epoch=0
            )
        if images == most:
            labelcodec.open(path).close()
        else:
            with pytest.raises(CorruptError, match=f"{images} images for 16 labels"):
                labelcodec.open(path)


LOADER = loader_order(20, 3)


@pytest.mark.parametrize(
    "build",
    [
        lambda root: epoch_dump(root, LOADER, 6),
        lambda root: epoch_dump(root, LOADER, 6, side_file=EPOCH_SIDE, stop=5),
        lambda root: flat_dump(root, LOADER, 6),
    ],
    ids=["sre2l", "lpld", "lpqld"],
)
def test_a_dump_with_the_order_of_its_loader(tmp_path, build):
    root = build(tmp_path / "dump")
    encode(root, tmp_path / "a.slc")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert reader.header.image_order == SamplerOrder(42, 20, 6, 4, 2)
    assert set(index_bytes(tmp_path / "a.slc")) == {0}
    decode(tmp_path / "a.slc", tmp_path / "again")
    assert same_dumps(root, tmp_path / "again")
    recode(tmp_path / "a.slc", tmp_path / "b.slc", "topk:k=2")
    assert set(index_bytes(tmp_path / "b.slc")) == {0}


def test_a_dump_with_the_order_of_another_seed(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(20, 3, seed=5), 6)
    encode(root, tmp_path / "a.slc", loader_seed=5)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert reader.header.image_order == SamplerOrder(5, 20, 6, 4, 2)


def test_a_dump_of_another_order(tmp_path):
    orders = [list(range(20))] * 3
    root = epoch_dump(tmp_path / "dump", orders, 6, side_file=EPOCH_SIDE)
    encode(root, tmp_path / "a.slc")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert reader.header.image_order is None
        assert (
            np.concatenate([b.image_index for b in reader]).tolist()
            == np.concatenate(orders).tolist()
        )


def test_a_dump_of_which_an_epoch_differs(tmp_path):
    """The batches that differ store their images; nothing is lost."""
    orders = [LOADER[0], LOADER[1][::-1], LOADER[2]]
    root = epoch_dump(tmp_path / "dump", orders, 6, side_file=EPOCH_SIDE)
    encode(root, tmp_path / "a.slc")
    sizes = index_bytes(tmp_path / "a.slc")
    assert [size > 0 for size in sizes] == [False] * 4 + [True] * 4 + [False] * 4
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert (
            np.concatenate([b.image_index for b in reader]).tolist()
            == np.concatenate(orders).tolist()
        )
    decode(tmp_path / "a.slc", tmp_path / "again")
    assert same_dumps(root, tmp_path / "again")


def test_a_container_without_a_recipe_gets_one(tmp_path):
    path = write(
        tmp_path / "a.slc", *map(batch, range(4)), header=replace(HEADER, image_order=None)
    )
    with RecordReader(path) as records:
        assert "recipe" not in records.header
    recode(path, tmp_path / "b.slc", "dense")
    assert set(index_bytes(tmp_path / "b.slc")) == {0}
    with labelcodec.open(tmp_path / "b.slc") as reader:
        assert all(same(reader[i], batch(i)) for i in range(4))
