"""What a layout cannot hold is refused, and nothing half-written stays."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelcodec.errors import DumpError
from labelcodec.formats import open_dump, write_dump
from tests.formats.builders import (
    LPQLD,
    ORDER_SIDE,
    Recipe,
    edit,
    epoch_dump,
    fkd_dump,
    flat_dump,
    loader_order,
    parts,
    read_all,
)


def test_target_that_is_not_empty_is_left_alone(sre2l, tmp_path):
    dump = open_dump(sre2l)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(DumpError, match="not empty"):
        write_dump(read_all(dump), tmp_path / "out", "sre2l", dump.info.types)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    with pytest.raises(DumpError, match="is a file"):
        write_dump(read_all(dump), tmp_path / "out" / "mine", "sre2l", dump.info.types)


def test_nothing_half_written_stays(sre2l, tmp_path):
    dump = open_dump(sre2l)
    batches = read_all(dump)
    batches[5] = replace(batches[5], augmentation=replace(batches[5].augmentation, flip=None))
    with pytest.raises(DumpError, match="batch 5: layout sre2l cannot hold both or neither"):
        write_dump(batches, tmp_path / "out", "sre2l", dump.info.types)
    with pytest.raises(DumpError, match="no batches"):
        write_dump([], tmp_path / "out", "sre2l", dump.info.types)
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_pruned_labels_fit_only_lpqld(sre2l, tmp_path):
    dump = open_dump(sre2l)
    kept = [batch for batch in read_all(dump) if batch.number % 3]
    with pytest.raises(
        DumpError, match=r"batch 0 was due, got batch 1 of epoch 0\. Use layout lpqld"
    ):
        write_dump(kept, tmp_path / "out", "sre2l", dump.info.types)
    whole_epochs_but_one_batch = read_all(dump)[:5]
    with pytest.raises(DumpError, match="3 batches in every epoch, epoch 1 has 2"):
        write_dump(whole_epochs_but_one_batch, tmp_path / "out", "sre2l", dump.info.types)
    write_dump(whole_epochs_but_one_batch, tmp_path / "lpld", "lpld", dump.info.types)
    write_dump(kept, tmp_path / "lpqld", "lpqld", dump.info.types)
    again = open_dump(tmp_path / "lpqld")
    assert [batch.number for batch in read_all(again)] == [1, 2, 4, 5, 7, 8]


@pytest.mark.parametrize(
    ("recipe", "layout", "message"),
    [
        (Recipe(), "fkd", "only labels from an FKD dump"),
        (replace(LPQLD, k=3), "lpld", "top-k labels; use layout lpqld"),
        (replace(LPQLD, k=None, cutout=True), "sre2l", "cutout; use layout lpld"),
        (replace(LPQLD, k=None, operations=2), "lpld", "RandAugment; use layout lpqld"),
    ],
)
def test_what_a_layout_cannot_hold(tmp_path, recipe, layout, message):
    dump = open_dump(flat_dump(tmp_path / "dump", loader_order(40, 2), 16, recipe))
    with pytest.raises(DumpError, match=message):
        write_dump(read_all(dump), tmp_path / "out", layout, dump.info.types)


def test_large_batches_do_not_fit_uint8(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(300, 2), 300)
    dump = open_dump(root)
    with pytest.raises(DumpError, match="mix partners of 300 samples: uint8 holds 256"):
        write_dump(read_all(dump), tmp_path / "out", "lpqld", dump.info.types)


def test_large_boxes_do_not_fit_uint8(sre2l, tmp_path):
    edit(sre2l / "epoch_1" / "batch_0.tar", lambda x: x[4].__setitem__(3, np.int64(256)))
    dump = open_dump(sre2l)
    with pytest.raises(DumpError, match=r"batch 3: layout lpqld cannot hold the mix box .*256"):
        write_dump(read_all(dump), tmp_path / "out", "lpqld", dump.info.types)


def test_probabilities_do_not_fit_a_layout_of_logits(tmp_path):
    dump = open_dump(fkd_dump(tmp_path / "dump", "smoothing"))
    with pytest.raises(DumpError, match="probabilities; it holds logits"):
        write_dump(read_all(dump), tmp_path / "out", "lpqld", dump.info.types)


@pytest.mark.parametrize(
    "name", ["../a.tar", "/tmp/a.tar", "a/../../b.tar", "a.sh", "a\\..\\b.tar", "c:a.tar", 3, None]
)
def test_names_that_leave_the_folder(tmp_path, name):
    dump = open_dump(fkd_dump(tmp_path / "dump", "hard"))
    with pytest.raises(DumpError, match="not the name of a file inside a dump"):
        write_dump(read_all(dump), tmp_path / "out", "fkd", dump.info.types, [name] * 3)
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


@pytest.mark.parametrize("drawn", ["float16", {"decision": "tensor.int64"}])
def test_randaugment_types_that_are_no_types(sre2l, tmp_path, drawn):
    dump = open_dump(sre2l)
    with pytest.raises(DumpError, match="cannot be"):
        write_dump(read_all(dump), tmp_path / "out", "sre2l", {"randaugment": drawn})


def test_two_images_of_one_name(tmp_path):
    dump = open_dump(fkd_dump(tmp_path / "dump", "hard"))
    with pytest.raises(DumpError, match="two batches, or"):
        write_dump(read_all(dump), tmp_path / "out", "fkd", dump.info.types, ["a.tar"] * 3)
    with pytest.raises(DumpError, match="image 1 has no file name"):
        write_dump(read_all(dump), tmp_path / "out", "fkd", dump.info.types, ["a.tar"])


@pytest.mark.parametrize("kind", ["os.system", "tensor.load", "numpy.bool", 7, ["a"], {"x": 1}])
@pytest.mark.parametrize("part", ["coords", "values", "box", "mix_index", "ratio", "indices"])
def test_types_that_are_no_types(sre2l, tmp_path, part, kind):
    dump = open_dump(sre2l)
    types = {**dump.info.types, part: kind}
    with pytest.raises(DumpError, match=f"{part} cannot be"):
        write_dump(read_all(dump), tmp_path / "out", "sre2l", types)


@pytest.mark.parametrize(
    ("layout", "fails"),
    [
        *((layout, "write_bytes") for layout in ("sre2l", "lpqld", "fkd")),
        *((layout, "write_text") for layout in ("sre2l", "lpqld")),
    ],
)
def test_full_disk(tmp_path, monkeypatch, layout, fails):
    """Labels or side file: the system's error with the file's name, and nothing is left."""
    if layout == "fkd":
        root = fkd_dump(tmp_path / "dump", "MS")
    else:
        root = epoch_dump(tmp_path / "dump", loader_order(40, 1), 16, side_file=ORDER_SIDE)
    dump = open_dump(root, label_type="MS" if layout == "fkd" else None)

    def full(self: Path, _) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, fails, full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_dump(read_all(dump), tmp_path / "out", layout, dump.info.types, dump.info.names)
    assert re.search(r"\.tar$" if fails == "write_bytes" else r"\.json$", caught.value.filename)
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_parts_builder_matches_the_layout():
    assert len(parts(3, replace(LPQLD, operations=2), np.random.default_rng(0))) == 8
