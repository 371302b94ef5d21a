from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labelcodec_cli.console import run
from labelcodec_cli.main import cli
from tests.cli.call import FIXTURE


@pytest.fixture(scope="session")
def encoded(tmp_path_factory) -> Path:
    """A folder with the fixture encoded in full (labels.slc) and as its top 10 (small.slc)."""
    folder = tmp_path_factory.mktemp("encoded")
    assert run(cli, ["encode", str(FIXTURE), str(folder / "labels.slc")]) == 0
    top = ["encode", str(FIXTURE), str(folder / "small.slc"), "--codec", "topk:k=10"]
    assert run(cli, top) == 0
    return folder


@pytest.fixture
def workplace(tmp_path, monkeypatch, encoded) -> Path:
    """The current directory: dump/, labels.slc, small.slc, and labels.slc cut into two shards."""
    import labelcodec

    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIXTURE, "dump")
    for name in ("labels.slc", "small.slc"):
        shutil.copy(encoded / name, name)
    with labelcodec.open("labels.slc") as reader:
        for i, batch in enumerate(reader):
            with labelcodec.Writer(f"shard-{i}.slc", reader.header, "dense") as writer:
                writer.add(batch)
    return tmp_path
