"""A label set in parts: shards of several machines are what one run writes."""

from __future__ import annotations

import os
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer
from labelcodec.codecs.topk.codec import TopK
from labelcodec.container import RecordReader
from labelcodec.errors import ConfigError, LabelcodecWarning, MismatchError
from labelcodec.transcode.decode_container import decode
from labelcodec.transcode.encode_dump import encode
from labelcodec.transcode.recode_container import recode
from tests.formats.builders import LPQLD, edit, epoch_dump, fkd_dump, flat_dump, left, loader_order
from tests.formats.token_sources import CLASSES, columns
from tests.formats.token_sources import folder as token_folder

FULL = replace(LPQLD, k=None)  # of 12 classes, so that tables are fitted in a moment


class Stop(Exception):
    """Where a part is killed."""


@pytest.fixture
def hundred(tmp_path):
    """A dump of a hundred batches of four labels."""
    return flat_dump(tmp_path / "dump", loader_order(40, 10), 4, FULL)


@pytest.fixture
def full(tmp_path):
    """Full labels of twelve classes in sixteen batches, without a word on their source."""
    rng = np.random.default_rng(0)
    path = tmp_path / "full.slc"
    with Writer(path, Header(12, images=32), "dense") as writer:
        for number in range(16):
            value = (rng.normal(size=(32, 3)) @ rng.normal(size=(3, 12))).astype(np.float16)
            batch = LabelBatch(number, 0, np.arange(32), Augmentation(), Labels(12, value))
            writer.add(batch)
    return path


def stop_at(batches: int):
    def progress(done, total, activity):
        if done == batches and activity == "encoding":
            raise Stop

    return progress


def shards(folder, count: int, stem: str = "labels") -> list:
    return [folder / f"{stem}-{rank}-of-{count}.slc" for rank in range(count)]


def records(paths) -> dict[int, bytes]:
    """The stored bytes of every batch, by its number."""
    stored = {}
    for path in paths:
        with RecordReader(path) as reader:
            for i in range(len(reader)):
                stored[int(reader.index.number[i])] = bytes(reader.batch(i)[1])
    return stored


def test_64_parts_in_any_order_of_which_three_are_killed(tmp_path, hundred, monkeypatch):
    monkeypatch.setattr(TopK, "fit_labels", 64)  # the tables are of a sample, not of all labels
    encode(hundred, tmp_path / "whole.slc", codec="topk:k=3")
    rng, target = random.Random(0), tmp_path / "labels.slc"
    order = rng.sample(range(1, 65), 64)
    two_batches = [part for part in order if part * 100 // 64 - (part - 1) * 100 // 64 == 2]
    killed = rng.sample(two_batches, 3)
    for part in order:
        if part in killed:
            with pytest.raises(Stop):
                encode(
                    hundred,
                    target,
                    codec="topk:k=3",
                    part=(part, 64),
                    threads=1,
                    progress=stop_at(1),
                )
        else:
            encode(hundred, target, codec="topk:k=3", part=(part, 64), threads=1)
    present = shards(tmp_path, 64)
    for part in killed:
        partial = present[part - 1].with_suffix(".slc.partial")
        assert partial.exists() and not present[part - 1].exists()
        os.truncate(partial, rng.randrange(1, partial.stat().st_size))  # as kill -9 leaves it
    names = sorted(present[part - 1].name for part in killed)
    with pytest.warns(LabelcodecWarning, match="3 of 64 shards are missing") as warned:
        labelcodec.open(str(tmp_path / "labels-*-of-64.slc")).close()
    assert all(name in str(warned[0].message) for name in names)
    done = [path for path in present if path.exists()]
    with pytest.raises(MismatchError, match="3 of 64 shards are missing"):
        labelcodec.merge(done, tmp_path / "all.slc")
    for part in killed:
        encode(hundred, target, codec="topk:k=3", part=(part, 64), resume=True)
    assert records(present) == records([tmp_path / "whole.slc"])
    labelcodec.merge(rng.sample(present, 64), tmp_path / "all.slc")
    assert (tmp_path / "all.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            labelcodec.open(str(tmp_path / "labels-*-of-64.slc")) as many,
            labelcodec.open(tmp_path / "whole.slc") as one,
        ):
            assert many.header == one.header and len(many) == 100


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("spec", ["dense", "topk:k=3", "transform:rank=4,step=1.5,peaks=1"])
def test_a_container_in_parts(tmp_path, full, spec, count):
    recode(full, tmp_path / "whole.slc", spec)
    for part in range(1, count + 1):
        report = recode(full, tmp_path / "labels.slc", spec, part=(part, count))
        assert report.path == shards(tmp_path, count)[part - 1]
    labelcodec.merge(shards(tmp_path, count), tmp_path / "all.slc")
    assert (tmp_path / "all.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def token_table(root):
    """A table of the tokens' arrays, of a few rows a group."""
    token_folder(columns(), root.with_name("arrays"))
    encode(root.with_name("arrays"), root.with_name("arrays.slc"), classes=CLASSES)
    decode(root.with_name("arrays.slc"), root, layout="parquet")
    return root


SOURCES = {
    "image names": (lambda root: fkd_dump(root, "MS"), {"label_type": "MS"}),
    "tokens": (lambda root: token_folder(columns(), root), {"classes": CLASSES}),
    "parquet": (token_table, {"classes": CLASSES}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_other_sources_in_parts(tmp_path, name, monkeypatch):
    monkeypatch.setattr("labelcodec.formats.token_plan.POSITIONS", 4)
    build, options = SOURCES[name]
    root = build(tmp_path / "dump")
    whole = encode(root, tmp_path / "whole.slc", **options)
    assert whole.batches >= 3
    for part in (3, 1, 2):
        encode(root, tmp_path / "labels.slc", part=(part, 3), **options)
    labelcodec.merge(shards(tmp_path, 3), tmp_path / "all.slc")
    assert (tmp_path / "all.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def test_epoch_folders_are_read_by_one_part_each(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 4), 10)
    encode(root, tmp_path / "whole.slc")
    for part in (1, 2, 3, 4):
        encode(root, tmp_path / "labels.slc", part=(part, 4))
    epochs = []
    for path in shards(tmp_path, 4):
        with labelcodec.open(path) as reader:
            epochs.append(set(reader.index.epoch.tolist()))
    assert epochs == [{0}, {1}, {2}, {3}]
    labelcodec.merge(shards(tmp_path, 4), tmp_path / "all.slc")
    assert (tmp_path / "all.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def test_each_shard_has_its_share_of_the_source(tmp_path, hundred):
    whole = encode(hundred, tmp_path / "whole.slc").header.source
    sizes = []
    for part in range(1, 8):
        report = encode(hundred, tmp_path / "labels.slc", part=(part, 7))
        assert report.header.source["part"] == [part, 7]
        sizes.append(report.header.source["bytes"])
        assert abs(sizes[-1] - whole["bytes"] / 7) <= whole["bytes"] / 100
    assert sum(sizes) == whole["bytes"]


def test_one_part_is_the_whole(tmp_path, hundred):
    encode(hundred, tmp_path / "whole.slc")
    encode(hundred, tmp_path / "labels.slc", part=(1, 1))
    assert (tmp_path / "labels.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def test_the_tables_of_a_shard_are_those_of_all(tmp_path, full, monkeypatch):
    spec = "transform:rank=4,step=1.5,peaks=1"
    recode(full, tmp_path / "whole.slc", spec)
    recode(full, tmp_path / "labels.slc", spec, part=(2, 3))
    fitted = shards(tmp_path, 3)[1]
    monkeypatch.setattr("labelcodec.transcode.encode_batches._fitting_sample", None)  # not called
    for part in (1, 3):
        recode(full, tmp_path / "labels.slc", tables=fitted, part=(part, 3))
    again = recode(full, tmp_path / "labels.slc", tables=fitted, part=(3, 3), resume=True)
    assert "complete already" in again.notes[0]
    labelcodec.merge(shards(tmp_path, 3), tmp_path / "all.slc")
    assert (tmp_path / "all.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def test_the_tables_of_another_file_are_those_of_all_parts(tmp_path, full):
    recode(full, tmp_path / "tiny.slc", "vq:codes=2")
    recode(full, tmp_path / "whole.slc", tables=tmp_path / "tiny.slc")
    for part in (1, 2):
        recode(full, tmp_path / "labels.slc", tables=tmp_path / "tiny.slc", part=(part, 2))
    labelcodec.merge(shards(tmp_path, 2), tmp_path / "all.slc")
    assert (tmp_path / "all.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def test_tables_of_a_shard_of_other_labels(tmp_path, hundred, full):
    encode(hundred, tmp_path / "labels.slc", codec="topk:k=3", part=(1, 2))
    other = flat_dump(tmp_path / "other", loader_order(40, 4), 4, FULL)
    with pytest.raises(MismatchError, match=r"labels-0-of-2\.slc: is named as a shard beside"):
        encode(other, tmp_path / "labels.slc", tables=shards(tmp_path, 2)[0], part=(2, 2))


def test_parts_of_different_sources_are_no_set(tmp_path, hundred):
    """A second run of the teacher, whose files have the same sizes."""
    encode(hundred, tmp_path / "labels.slc", part=(1, 2))

    def other(content):
        content[-1] += 1

    for number in range(100):
        edit(hundred / f"batch_{number}.tar", other)
    encode(hundred, tmp_path / "labels.slc", part=(2, 2))
    with pytest.raises(MismatchError, match=r"part of another source than .*sample_sha256"):
        labelcodec.open(str(tmp_path / "labels-*-of-2.slc"))


def test_a_part_is_not_resumed_as_another(tmp_path, hundred):
    with pytest.raises(Stop):
        encode(hundred, tmp_path / "labels.slc", part=(1, 2), threads=1, progress=stop_at(9))
    first, second = (path.with_suffix(".slc.partial") for path in shards(tmp_path, 2))
    first.rename(second)
    with pytest.raises(MismatchError, match=r"'source\.part' is"):
        encode(hundred, tmp_path / "labels.slc", part=(2, 2), resume=True)


@pytest.mark.parametrize(
    ("part", "message"),
    [((0, 2), r"allowed are 1/2\.\.2/2"), ((3, 2), r"allowed are 1/2"), ((1, 101), "100 batches")],
)
def test_parts_that_are_none(tmp_path, hundred, part, message):
    with pytest.raises(ConfigError, match=message):
        encode(hundred, tmp_path / "labels.slc", part=part)
    assert left(tmp_path) == []
