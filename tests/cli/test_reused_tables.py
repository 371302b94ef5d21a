"""`encode --tables` from the command line."""

from __future__ import annotations

from tests.cli.call import call


def test_tables_of_another_file(capsys, workplace) -> None:
    call(capsys, "encode", "dump", "three.slc", "--codec", "topk:k=3")
    shown = call(capsys, "encode", "labels.slc", "again.slc", "--tables", "three.slc", "--json")
    header = shown.json()["header"]
    assert header["codec"] == {"name": "topk", "config": {"k": 3}}


def test_either_a_codec_or_tables(capsys, workplace) -> None:
    call(capsys, "encode", "dump", "three.slc", "--codec", "topk:k=3")
    both = call(
        capsys, "encode", "labels.slc", "b.slc", "--codec", "dense", "--tables", "three.slc"
    )
    assert both.status == 2
    assert "pass either --codec or --tables" in both.err
    neither = call(capsys, "encode", "labels.slc", "b.slc")
    assert "--codec or --tables is required" in neither.err
    absent = call(capsys, "encode", "labels.slc", "b.slc", "--tables", "none.slc")
    assert "none.slc" in absent.err
