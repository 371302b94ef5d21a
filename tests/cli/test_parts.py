"""Encoding in parts: job arrays, and processes of torchrun."""

from __future__ import annotations

import pytest

from tests.formats.builders import EPOCH_SIDE, epoch_dump, loader_order

from .call import call


@pytest.fixture
def dump(tmp_path):
    return epoch_dump(tmp_path / "dump", loader_order(40, 2), 8, side_file=EPOCH_SIDE)


@pytest.fixture
def whole(tmp_path, dump, capsys) -> bytes:
    assert call(capsys, "encode", dump, tmp_path / "whole.slc").status == 0
    return (tmp_path / "whole.slc").read_bytes()


def joined(tmp_path, capsys, pattern: str) -> bytes:
    outcome = call(capsys, "merge", tmp_path / "all.slc", *sorted(tmp_path.glob(pattern)))
    assert outcome.status == 0, outcome.err
    return (tmp_path / "all.slc").read_bytes()


def test_parts_are_merged_to_what_one_run_writes(tmp_path, capsys, dump, whole):
    target = tmp_path / "labels.slc"
    for part in ("2/3", "1/3"):
        outcome = call(capsys, "encode", dump, target, "--part", part)
        assert outcome.status == 0, outcome.err
        assert f"part {part[0]} of 3; the source" in outcome.out
        assert f"`labelcodec annotate '{tmp_path / 'labels-*-of-3.slc'}'`" in outcome.err
    missing = call(capsys, "inspect", tmp_path / "labels-*-of-3.slc")
    assert missing.status == 0
    assert "1 of 3 shards is missing: labels-2-of-3.slc" in missing.err
    report = call(capsys, "encode", dump, target, "--part", "3/3", "--json").json()
    assert report["file"] == str(tmp_path / "labels-2-of-3.slc")
    assert joined(tmp_path, capsys, "labels-*-of-3.slc") == whole


def test_processes_of_torchrun_take_their_parts(tmp_path, capsys, dump, whole, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        outcome = call(capsys, "encode", dump, tmp_path / "labels.slc")
        assert outcome.status == 0, outcome.err
        assert f"labels-{rank}-of-2.slc" in outcome.out
        assert ("image order" in outcome.err) == (rank == "0")  # said once
    for rank, lines in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        outcome = call(capsys, "encode", dump, tmp_path / "labels.slc", "--resume", "--json")
        assert outcome.status == 0 and bool(outcome.out) == lines
    assert joined(tmp_path, capsys, "labels-*-of-2.slc") == whole


@pytest.mark.parametrize("part", ["0/2", "3/2", "2", "a/b"])
def test_parts_that_are_none(tmp_path, capsys, dump, part):
    outcome = call(capsys, "encode", dump, tmp_path / "labels.slc", "--part", part)
    assert outcome.status == 2 and "I/N" in outcome.err


def test_more_parts_than_batches(tmp_path, capsys, dump):
    outcome = call(capsys, "encode", dump, tmp_path / "labels.slc", "--part", "1/11")
    assert outcome.status == 2
    assert "--part is one of 11, of a source of 10 batches" in outcome.err
