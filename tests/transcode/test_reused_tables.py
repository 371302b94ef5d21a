"""Label tables of one file, used for the labels of another."""

from __future__ import annotations

import numpy as np
import pytest

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer
from labelcodec.analysis import compare_sets
from labelcodec.codecs import side_info
from labelcodec.container import RecordReader
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.transcode.encode_dump import encode
from labelcodec.transcode.recode_container import recode
from spec.vector_cases.transform import teacher
from tests.formats.builders import epoch_dump, loader_order

IMAGES, BATCH, CLASSES = 8, 64, 12


def labels(path, seed: int, names=None, classes: int = CLASSES, fingerprint=None):
    """Dense labels of eight images, which differ by their mean labels."""
    means = teacher(99, IMAGES, classes)
    with Writer(
        path, Header(classes, images=IMAGES, fingerprint=fingerprint), "dense", names=names
    ) as writer:
        for number in range(8):
            index = np.arange(BATCH) % IMAGES
            value = teacher(seed + number, BATCH, classes) + means[index]
            kept = Labels(classes, value.astype(np.float16))
            writer.add(LabelBatch(number, 0, index, Augmentation(), kept))
    return path


def tables(path) -> dict[str, bytes]:
    with RecordReader(path) as records:
        return dict(side_info.unpack(records.side(0), str(path))["labels"])


NAMES = [f"{i}.png" for i in range(IMAGES)]


@pytest.mark.parametrize(
    "spec", ["vq:codes=2", "transform:rank=4,step=1.5,peaks=1", "topk:k=3", "dense"]
)
def test_the_tables_are_those_of_the_file(tmp_path, spec):
    recode(labels(tmp_path / "a.slc", 1, NAMES), tmp_path / "tiny.slc", spec)
    more = labels(tmp_path / "b.slc", 50, NAMES)
    report = recode(more, tmp_path / "more.slc", tables=tmp_path / "tiny.slc")
    used, stored = tables(tmp_path / "tiny.slc"), tables(tmp_path / "more.slc")
    used.pop("reached", None)
    assert stored == used
    assert report.header.codec == spec.partition(":")[0]
    assert ["at temperature 1" in line for line in report.notes] == [True] * (
        spec[0] in "vt" and spec[:4] != "topk"
    )
    with labelcodec.open(tmp_path / "more.slc") as coded, labelcodec.open(more) as full:
        fidelity = compare_sets(full, coded).fidelity
        if spec == "dense":
            assert fidelity.kl[1.0] == 0
        elif spec != "topk:k=3":
            assert fidelity.kl[1.0] < 1


def test_the_same_labels_give_the_same_batches(tmp_path):
    source = labels(tmp_path / "a.slc", 1, NAMES)
    recode(source, tmp_path / "tiny.slc", "vq:codes=2")
    recode(source, tmp_path / "again.slc", tables=tmp_path / "tiny.slc")
    with RecordReader(tmp_path / "tiny.slc") as one, RecordReader(tmp_path / "again.slc") as two:
        assert len(one.index) == 8
        assert all(one.batch(i)[1] == two.batch(i)[1] for i in range(8))


@pytest.mark.parametrize("names", [None, [f"other-{i}.png" for i in range(IMAGES)]])
def test_image_means_of_other_images_are_left_out(tmp_path, names):
    recode(labels(tmp_path / "a.slc", 1, NAMES), tmp_path / "tiny.slc", "vq:codes=2")
    assert "means" in tables(tmp_path / "tiny.slc")
    more = labels(tmp_path / "b.slc", 50, names)
    report = recode(more, tmp_path / "more.slc", tables=tmp_path / "tiny.slc")
    assert "means" not in tables(tmp_path / "more.slc")
    note = report.notes[0]
    assert "image means" in note and str(tmp_path / "tiny.slc") in note
    with labelcodec.open(tmp_path / "more.slc") as coded, labelcodec.open(more) as full:
        assert compare_sets(full, coded).fidelity.kl[1.0] < 2


def test_image_means_of_the_same_folder_are_kept(tmp_path):
    source = labels(tmp_path / "a.slc", 1, fingerprint="ab" * 32)
    recode(source, tmp_path / "tiny.slc", "vq:codes=2")
    recode(source, tmp_path / "again.slc", tables=tmp_path / "tiny.slc")
    assert "means" in tables(tmp_path / "again.slc")
    other = labels(tmp_path / "b.slc", 1, fingerprint="cd" * 32)
    recode(other, tmp_path / "other.slc", tables=tmp_path / "tiny.slc")
    assert "means" not in tables(tmp_path / "other.slc")


def test_how_close_the_labels_are_is_measured(tmp_path):
    source = labels(tmp_path / "a.slc", 1, NAMES)
    recode(source, tmp_path / "tiny.slc", "vq:codes=2")
    report = recode(source, tmp_path / "again.slc", tables=tmp_path / "tiny.slc")
    (note,) = report.notes
    with labelcodec.open(tmp_path / "again.slc") as coded, labelcodec.open(source) as full:
        measured = compare_sets(full, coded).fidelity.kl[1.0]
    assert f"of 512 labels at temperature 1 is {measured:.3g}; it was {measured:.3g} on" in note


def test_a_run_of_other_tables_is_not_resumed(tmp_path):
    for name, seed in (("a", 1), ("b", 900)):
        recode(labels(tmp_path / f"{name}.slc", seed), tmp_path / f"tiny-{name}.slc", "vq:codes=2")
    source, target = tmp_path / "a.slc", tmp_path / "more.slc"
    recode(source, target, tables=tmp_path / "tiny-a.slc")
    with pytest.raises(MismatchError, match="begun with other tables"):
        recode(source, target, tables=tmp_path / "tiny-b.slc", resume=True)
    target.unlink()

    def interrupt(done, total, activity):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recode(source, target, tables=tmp_path / "tiny-a.slc", progress=interrupt)
    with pytest.raises(MismatchError, match="begun with other tables"):
        recode(source, target, tables=tmp_path / "tiny-b.slc", resume=True)
    recode(source, target, tables=tmp_path / "tiny-a.slc", resume=True)


def test_a_resumed_run_and_a_finished_one(tmp_path):
    recode(labels(tmp_path / "a.slc", 1, NAMES), tmp_path / "tiny.slc", "vq:codes=2")
    source, target = labels(tmp_path / "b.slc", 50, NAMES), tmp_path / "more.slc"
    recode(source, target, tables=tmp_path / "tiny.slc")
    whole = target.read_bytes()
    again = recode(source, target, tables=tmp_path / "tiny.slc", resume=True)
    assert "complete already" in again.notes[0] and target.read_bytes() == whole


def test_a_dump_takes_them_too(tmp_path):
    dump = epoch_dump(tmp_path / "dump", loader_order(20, 3), 6)
    encode(dump, tmp_path / "a.slc", codec="topk:k=3")
    encode(dump, tmp_path / "b.slc", tables=tmp_path / "a.slc")
    assert (tmp_path / "b.slc").read_bytes() == (tmp_path / "a.slc").read_bytes()


def test_what_does_not_go_together(tmp_path):
    source = labels(tmp_path / "a.slc", 1)
    recode(source, tmp_path / "tiny.slc", "vq:codes=2")
    with pytest.raises(ConfigError, match="either `codec` or `tables`"):
        recode(source, tmp_path / "b.slc", "dense", tables=tmp_path / "tiny.slc")
    with pytest.raises(ConfigError, match="pass `codec` or `tables`"):
        recode(source, tmp_path / "b.slc")
    other = labels(tmp_path / "other.slc", 1, classes=13)
    with pytest.raises(MismatchError, match=r"tiny\.slc: its tables are for 12 classes.* have 13"):
        recode(other, tmp_path / "b.slc", tables=tmp_path / "tiny.slc")
    with Writer(tmp_path / "none.slc", Header(CLASSES), "dense"):
        pass
    with pytest.raises(MismatchError, match=r"none\.slc: holds no labels"):
        recode(source, tmp_path / "b.slc", tables=tmp_path / "none.slc")
    assert not (tmp_path / "b.slc").exists()


def test_it_says_when_there_are_too_few_labels_for_the_tables(tmp_path):
    source = labels(tmp_path / "a.slc", 1)
    report = recode(source, tmp_path / "tiny.slc", "vq:codes=2")
    (note,) = report.notes
    assert "bytes per label are tables, which 512 labels share" in note
    count = int(note.split("with fewer than ")[1].split()[0])
    with labelcodec.open(tmp_path / "tiny.slc") as reader:
        reached = reader.chosen()[0]["bytes_per_label"]
    assert count == pytest.approx(512 * reached["tables"] / reached["streams"], rel=0.01)
