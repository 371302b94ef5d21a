from __future__ import annotations

import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec.codecs.components import COMPONENTS
from labelcodec.container import RecordReader, RecordWriter
from labelcodec.errors import CorruptError, MismatchError
from labelcodec.merging import merge
from labelcodec.reader import Reader
from tests.codecs.content import recipes, same
from tests.labelsets import NAMES, TOPK, batches, write

CONTENT = batches(range(12))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("set") / "whole.slc", CONTENT, names=NAMES)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> list[Path]:
    """Three shards with tables of their own, their batches interleaved."""
    root = tmp_path_factory.mktemp("shards")
    return [
        write(
            root / f"part-{i}.slc",
            CONTENT[i::3],
            header={"source": {"bytes": 10 + i, "order_sha256": "0"}},
        )
        for i in range(3)
    ]


def all_the_same(reader, content=CONTENT) -> bool:
    return len(reader) == len(content) and all(map(same, reader, content))


@settings(max_examples=15, deadline=None)
@given(recipes(), st.permutations(range(5)), st.integers(1, 3))
def test_files_and_shards(tmp_path_factory, recipe, numbers, count):
    root = tmp_path_factory.mktemp("set")
    codec = "topk" if recipe.k else "dense"
    content = batches(numbers, recipe)
    paths = [write(root / f"{i}.slc", content[i::count], recipe, codec) for i in range(count)]
    merge(paths, root / "merged.slc")
    expected = sorted(content, key=lambda batch: batch.number)
    for paths_or_glob in (paths, str(root / "?.slc"), root / "merged.slc"):
        with labelcodec.open(paths_or_glob) as reader:
            assert all_the_same(reader, expected)


class TestOpening:
    def test_paths(self, whole, shards):
        with labelcodec.open(str(whole)) as reader:
            assert reader.paths == (whole,)
        pattern = shards[0].with_name("part-*.slc")
        for given_ in (shards, [str(path) for path in shards], pattern, str(pattern)):
            with labelcodec.open(given_) as reader:
                assert reader.paths == tuple(shards)
                assert all_the_same(reader)

    def test_a_name_with_brackets_is_a_file(self, whole, tmp_path):
        odd = tmp_path / "labels[1].slc"
        odd.write_bytes(whole.read_bytes())
        with labelcodec.open(odd) as reader:
            assert all_the_same(reader)

    @pytest.mark.parametrize("paths", ["none-*.slc", "none.slc", []])
    def test_nothing_there(self, paths):
        with pytest.raises(FileNotFoundError):
            labelcodec.open(paths)

    def test_the_same_batch_twice(self, whole, shards):
        with pytest.raises(MismatchError, match=r"part-1.*: batch number 1 is also in .*whole"):
            labelcodec.open([whole, shards[1]])

    @pytest.mark.parametrize(
        "change",
        [{"classes": 13}, {"teacher": {"name": "another"}}, {"epochs": 3, "extra": {"later": 1}}],
    )
    def test_shards_of_another_set(self, shards, tmp_path, change):
        recipe = replace(TOPK, classes=change.get("classes", 12))
        other = write(tmp_path / "b.slc", batches([99], recipe), recipe, header=change)
        keys = "epochs, later" if "extra" in change else next(iter(change))
        message = rf"b\.slc: its header differs from that of .*part-0\.slc in {keys};"
        with pytest.raises(MismatchError, match=message):
            labelcodec.open([shards[0], other])

    def test_shards_whose_image_names_differ(self, tmp_path):
        one = write(tmp_path / "a.slc", batches([0]), names=NAMES)
        other = write(tmp_path / "b.slc", batches([1]), names=NAMES[::-1])
        with (
            labelcodec.open([one, other]) as reader,
            pytest.raises(MismatchError, match="image names differ"),
        ):
            _ = reader.names

    def test_header(self, whole, shards):
        with labelcodec.open(whole) as reader:
            header = reader.header
        assert (header.classes, header.k, header.codec, header.tail) == (12, 4, "topk", "zero")
        with labelcodec.open(shards) as reader:
            assert reader.header.source == {"bytes": 33}

    @pytest.mark.parametrize("bad", ["many", None, 1.5, [1]])
    def test_sources_of_no_known_size(self, shards, tmp_path, bad):
        other = write(tmp_path / "b.slc", batches([99]), header={"source": {"bytes": bad}})
        with labelcodec.open([shards[0], other]) as reader:
            assert reader.header.source == {"bytes": 10}


class TestIndexing:
    def test_order_is_that_of_numbers(self, tmp_path):
        path = write(tmp_path / "a.slc", batches([5, 2, 9]))
        with labelcodec.open(path) as reader:
            assert reader.index.number.tolist() == [2, 5, 9]
            assert [batch.number for batch in reader] == [2, 5, 9]
            assert reader.index.position.tolist() == [1, 0, 2]
            assert reader.index.epoch.tolist() == [0, 1, 3]
            assert reader.index.samples.tolist() == [20] * 3

    def test_from_the_end(self, whole):
        with labelcodec.open(whole) as reader:
            assert same(reader[-1], CONTENT[-1]) and same(reader[-12], CONTENT[0])
            assert same(reader[np.int64(3)], CONTENT[3])
            for i in (12, -13):
                with pytest.raises(IndexError, match=f"batch {i} of 12"):
                    reader[i]

    def test_empty(self, tmp_path):
        with labelcodec.open(write(tmp_path / "a.slc", [])) as reader:
            assert (len(reader), list(reader), reader.names) == (0, [], None)
            assert reader.overhead_bytes()["side information"] > 0

    def test_closed(self, whole):
        with labelcodec.open(whole) as reader:
            pass
        with pytest.raises(ValueError, match="closed"):
            reader[0]


class TestNames:
    def test_names(self, whole):
        with labelcodec.open(whole) as reader:
            assert reader.names == NAMES

    @pytest.mark.parametrize("names", [(), ("a",), ("é/ü",)])
    def test_few(self, tmp_path, names):
        with labelcodec.open(write(tmp_path / "a.slc", CONTENT, names=names)) as reader:
            assert reader.names == names

    @pytest.mark.parametrize("payload", [b"", b"names", zstandard.compress(b"a")[:-1]])
    def test_broken(self, whole, tmp_path, payload):
        with RecordReader(whole) as records:
            header = records.header
        with RecordWriter(tmp_path / "a.slc", header) as writer:
            writer.add_section(b"n", payload)
        with (
            labelcodec.open(tmp_path / "a.slc") as reader,
            pytest.raises(CorruptError, match=r"a\.slc: "),
        ):
            _ = reader.names


class TestAccounting:
    def test_bytes_add_up(self, whole, shards):
        for paths in ([whole], shards):
            with labelcodec.open(paths) as reader:
                total = sum(reader.overhead_bytes().values())
                for i in range(len(reader)):
                    sizes = reader.component_bytes(i)
                    assert set(sizes) <= set(COMPONENTS)
                    assert sum(sizes.values()) == reader.index.size[i]
                    total += reader.index.size[i]
                assert total == sum(path.stat().st_size for path in paths)

    def test_side_information(self, whole):
        with RecordReader(whole) as records, labelcodec.open(whole) as reader:
            (side,) = records.index.of(b"S")
            assert reader.overhead_bytes()["side information"] == side.size

    def test_usage_adds_up_over_batches(self, whole):
        with labelcodec.open(whole) as reader:
            used = [reader.usage(i)[1] for i in range(len(reader))]
            sizes = [reader.component_bytes(i) for i in range(len(reader))]
        for name in ("crop", "label index", "label values"):
            total = sum(batch[name].tables[0] for batch in used)
            symbols = 12 * 20 * (1 if name == "crop" else 4)
            assert total.sum() == symbols
            coded = [batch[name].coded_bytes for batch in used]
            assert coded == [batch[name] for batch in sizes]


class Batches:
    """What a DataLoader with batch_size=None takes: one item a batch."""

    def __init__(self, path) -> None:
        self.reader = labelcodec.open(path)

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, i: int):
        batch = self.reader[i]
        return batch.number, batch.labels.value, batch.labels.index


def read(reader: Reader, i: int):
    return reader[i]


class TestSharing:
    def test_threads(self, whole):
        with labelcodec.open(whole) as reader, ThreadPoolExecutor(8) as pool:
            found = pool.map(reader.__getitem__, list(range(12)) * 5)
            assert all(map(same, found, CONTENT * 5))

    def test_pickled(self, shards):
        with labelcodec.open(shards) as reader:
            data = pickle.dumps(reader)
        assert len(data) < 2000
        with pickle.loads(data) as copy:
            assert all_the_same(copy)

    def test_pickled_and_changed(self, whole, tmp_path):
        path = tmp_path / "a.slc"
        path.write_bytes(whole.read_bytes())
        with labelcodec.open(path) as reader:
            data = pickle.dumps(reader)
        os.utime(path, ns=(0, 0))
        with pytest.raises(MismatchError, match="changed since"):
            pickle.loads(data)

    def test_spawned(self, whole):
        context = multiprocessing.get_context("spawn")
        with labelcodec.open(whole) as reader, ProcessPoolExecutor(1, context) as pool:
            assert all(map(same, pool.map(read, [reader] * 12, range(12)), CONTENT))

    @pytest.mark.parametrize("start", ["fork", "spawn"])
    def test_workers_of_a_data_loader(self, whole, start):
        from torch.utils.data import DataLoader

        loader = DataLoader(
            Batches(whole),
            batch_size=None,
            num_workers=2,
            multiprocessing_context=start,
            collate_fn=None,
        )
        for epoch in range(2 if start == "fork" else 1):  # a spawned worker imports torch
            found = list(loader)
            assert [number for number, _, _ in found] == list(range(12)), epoch
            for (_, value, index), batch in zip(found, CONTENT, strict=True):
                assert np.array_equal(value, batch.labels.value)
                assert np.array_equal(index, batch.labels.index)


class TestDamage:
    def test_errors_name_file_and_batch(self, whole, tmp_path):
        data = bytearray(whole.read_bytes())
        with RecordReader(whole) as records:
            at = int(records.index.offset[5] + records.index.size[5]) - 1
        data[at] ^= 1
        path = tmp_path / "a.slc"
        path.write_bytes(data)
        with labelcodec.open(path) as reader:
            with pytest.raises(CorruptError, match=r"a\.slc: byte \d+: checksum"):
                reader[5]
            assert same(reader[4], CONTENT[4]) and same(reader[6], CONTENT[6])

    def test_side_information_is_read_when_it_is_needed(self, whole, tmp_path):
        with RecordReader(whole) as records:
            header, (_, data) = records.header, records.batch(0)
            with RecordWriter(tmp_path / "a.slc", header) as writer:
                writer.add_section(b"S", zstandard.compress(msgpack.packb([])))
                writer.add_batch(bytes(data), side=0, samples=20, number=4, epoch=0)
        message = r"a\.slc: batch 4: side information"
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert reader.overhead_bytes()
            with pytest.raises(CorruptError, match=message):
                reader[0]


def test_slices_and_positions_from_the_end(tmp_path) -> None:
    content = batches(range(5))
    with labelcodec.open(write(tmp_path / "a.slc", content)) as reader:
        assert same(reader[-1], content[4])
        assert same(reader[np.int64(2)], content[2])
        assert [batch.number for batch in reader[1:3]] == [1, 2]
        assert [batch.number for batch in reader[::-2]] == [4, 2, 0]
        assert reader[9:] == []
        for position in (5, -6):
            with pytest.raises(IndexError, match=rf"a\.slc: batch {position} of 5"):
                reader[position]
        for key in ("0", 1.5, None):
            with pytest.raises(TypeError, match="integers or slices, not by "):
                reader[key]


def test_what_a_reader_and_its_batches_look_like(tmp_path) -> None:
    paths = [write(tmp_path / f"{i}.slc", batches([i])) for i in range(2)]
    with labelcodec.open(paths) as reader:
        shown = [repr(reader), repr(reader[0]), repr(reader[0].labels)]
        labels = sum(len(batch) for batch in reader)
        size = sum(path.stat().st_size for path in paths)
    assert shown[0].startswith(f"<Reader 2 files from 0.slc: 2 batches, {labels} labels of ")
    assert shown[0].endswith(f", {size / labels:.1f} bytes per label>")
    assert shown[1].startswith("<LabelBatch 0 of epoch 0: ") and shown[2] in shown[1]
    assert all(len(text) < 240 for text in shown)
