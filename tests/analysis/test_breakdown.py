from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import labelcodec
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch, Labels
from labelcodec.codecs.components import COMPONENTS
from labelcodec.header import Header
from labelcodec.merging import merge
from tests.analysis.fakes import FakeReader, FakeUsage


def reader(tmp_path: Path, **more) -> FakeReader:
    path = tmp_path / "labels.slc"
    path.write_bytes(bytes(1000))
    header = Header(1000, mix="cutmix", images=232, epochs=10, source={"bytes": 474746})
    components = [{"crop": 100, "label values": 500}, {"crop": 90, "label values": 210}]
    overhead = {"side information": 40, "framing and index": 60}
    return FakeReader(header, [128, 104], components, overhead, (path,), **more)


def test_every_byte_is_accounted_for(tmp_path) -> None:
    seen = []
    found = breakdown(reader(tmp_path), lambda *done: seen.append(done))
    assert seen == [(1, 2), (2, 2)]
    assert tuple(found.components) == COMPONENTS
    assert sum(found.components.values()) == found.bytes_total == 1000
    assert found.components["crop"] == 190
    assert found.components["cutout"] == 0


def test_rates(tmp_path) -> None:
    found = breakdown(reader(tmp_path))
    assert (found.labels, found.batches, found.classes) == (232, 2, 1000)
    assert found.bytes_per_label == pytest.approx(1000 / 232)
    assert found.source_bytes == found.raw_bytes == 474746
    assert found.actual_rate == pytest.approx(474.746)
    assert found.actual_rate_kept_epochs == pytest.approx(4747.46)
    assert found.theoretical_rate == 10


@pytest.mark.parametrize("size", [None, True, "many", float("nan"), b"9"])
def test_a_source_of_no_known_size(tmp_path, size) -> None:
    other = reader(tmp_path)
    other.header = Header(1000, source={"bytes": size})
    assert breakdown(other).source_bytes is None


def test_entropy_of_known_symbols(tmp_path) -> None:
    # Context 0: four equally likely symbols, 8 of each in all; context 1: one symbol only.
    half = np.array([[4, 4, 4, 4], [9, 0, 0, 0]])
    use = FakeUsage((half,), fixed_bits=32.0, coded_bytes=7)
    found = breakdown(reader(tmp_path, uses=[{"crop": use}, {"crop": use}]))
    stream = found.streams["crop"]
    assert stream.bytes == 14
    assert stream.entropy_bytes == pytest.approx((32 * 2 + 64) / 8)
    assert stream.overhead_percent == pytest.approx(100 * (14 / 16 - 1))


def test_symbols_are_counted_over_the_whole_file(tmp_path) -> None:
    # Each batch alone has no entropy; together they have one bit a symbol.
    uses = [
        {"flip": FakeUsage((np.array([[8, 0]]),), 0.0, 0)},
        {"flip": FakeUsage((np.array([[0, 8]]),), 0.0, 3)},
    ]
    stream = breakdown(reader(tmp_path, uses=uses)).streams["flip"]
    assert stream.entropy_bytes == pytest.approx(2.0)
    assert stream.overhead_percent == pytest.approx(50.0)


def test_json_has_the_documented_keys(tmp_path) -> None:
    keys = (
        "labels batches classes bytes_total bytes_per_label components source_bytes raw_bytes "
        "theoretical_rate actual_rate actual_rate_kept_epochs streams chosen nonfinite_labels "
        "undecoded kind sequences kept_mass"
    )
    found = json.loads(json.dumps(breakdown(reader(tmp_path)).to_json(), allow_nan=False))
    assert list(found) == keys.split()


def test_empty_set_has_no_bytes_per_label(tmp_path) -> None:
    empty = reader(tmp_path)
    empty.samples, empty.components = [], []
    found = breakdown(empty)
    assert found.bytes_per_label is None
    assert found.actual_rate_kept_epochs is None
    assert found.actual_rate is None


@pytest.mark.parametrize("sides", [[(0, 0), (0, 1)], [(0, 0), (1, 0)]])
def test_symbols_of_other_tables_are_counted_apart(tmp_path, sides) -> None:
    uses = [
        {"flip": FakeUsage((np.array([[8, 0]]),), 0.0, 0)},
        {"flip": FakeUsage((np.array([[0, 8]]),), 0.0, 3)},
    ]
    found = breakdown(reader(tmp_path, uses=uses, sides=sides))
    assert found.streams["flip"].entropy_bytes == 0


def test_a_merged_file_has_the_streams_of_its_shards(tmp_path) -> None:
    """Two shards whose tables have one shape and nothing else in common."""
    paths = [tmp_path / "0.slc", tmp_path / "1.slc"]
    for number, path in enumerate(paths):
        rng = np.random.default_rng(number)
        labels = Labels(12, rng.normal(0, 1 + 8 * number, (500, 12)).astype(np.float16))
        batch = LabelBatch(number, 0, np.arange(500), Augmentation(), labels)
        with labelcodec.Writer(path, Header(12), "topk:k=4") as writer:
            writer.add(batch)
    merge(paths, tmp_path / "all.slc")
    apart = []
    for path in paths:
        with labelcodec.open(path) as shard:
            apart.append(breakdown(shard).streams["label values"])
    for whole in (tmp_path / "all.slc", paths):
        with labelcodec.open(whole) as reader:
            cost = breakdown(reader).streams["label values"]
        assert cost.bytes == sum(one.bytes for one in apart)
        assert cost.entropy_bytes == pytest.approx(sum(one.entropy_bytes for one in apart))


def test_shards_with_tables_of_other_shapes_are_added_up_apart() -> None:
    """A merged golden file has side information of two shapes."""
    vectors = Path(__file__).parents[2] / "spec" / "vectors" / "v1.0" / "container"
    with labelcodec.open(vectors / "merged.slc") as reader:
        found = breakdown(reader)
    assert sum(found.components.values()) == found.bytes_total
    assert all(cost.entropy_bytes <= cost.bytes for cost in found.streams.values())
