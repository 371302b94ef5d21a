"""The example plug-in, installed: its codec and its layout work in every command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import labelcodec

FIXTURE = Path(labelcodec.__file__).parent / "fixtures/in1k-two-batches"


def run(*args: object) -> str:
    command = [sys.executable, "-m", "labelcodec", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_small() -> None:
    folder = Path(__file__).parent / "plugin"
    files = [*folder.glob("*.toml"), *folder.glob("*_example/*.py")]
    assert len(files) == 4
    assert sum(len(path.read_text().splitlines()) for path in files) < 150


def test_its_codec(tmp_path) -> None:
    target = tmp_path / "small.slc"
    assert "x-dense8" in run("codecs")
    run("encode", FIXTURE, target, "--codec", "x-dense8")
    assert "sound" in run("verify", target)
    stats = json.loads(run("stats", target, "--json", "--plot", tmp_path / "stats.png"))
    assert 128_000 < stats["components"]["label values"] < 270_000
    assert "not measured" in run("plan", "--classes", 1000, "--ipc", 10, "--codec", "x-dense8")
    fidelity = json.loads(run("stats", target, "--against", FIXTURE, "--json"))
    assert 0 < fidelity["fidelity"]["tv"]["1"] < 0.05


def test_its_layout(tmp_path) -> None:
    run("encode", FIXTURE, tmp_path / "labels.slc")
    run("decode", tmp_path / "labels.slc", tmp_path / "dump", "--layout", "x-jsonl")
    run("encode", tmp_path / "dump", tmp_path / "again.slc")
    assert "x-jsonl" in run("stats", tmp_path / "dump")
    first, second = (labelcodec.open(tmp_path / name) for name in ("labels.slc", "again.slc"))
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left.image_index, right.image_index)
        np.testing.assert_array_equal(left.labels.value, right.labels.value)
