"""Threads of the program: the same bytes for any number, none that spins, torch's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from labelcodec.pipeline import threads
from labelcodec_cli import environment
from labelcodec_cli.main import COMMANDS
from tests.cli.call import FIXTURE, call

OWN = {"LABELCODEC_THREADS", "OMP_NUM_THREADS", *environment.DEFAULTS}
CODEC = "transform:rank=40,step=4,peaks=5"
AFTER = """
import os
from labelcodec_cli.main import main
try:
    main(["codecs", "--json"])
except SystemExit:
    pass
import numpy
numpy.ones((512, 512)) @ numpy.ones((512, 512))
print(len(os.listdir("/proc/self/task")), os.environ["OMP_WAIT_POLICY"])
"""


def python(*args: object, **variables: str) -> str:
    """What a fresh interpreter prints, in an environment with no word of threads but these."""
    clean = {name: value for name, value in os.environ.items() if name not in OWN}
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        env=clean | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_threads_do_not_change_what_encode_writes(tmp_path: Path) -> None:
    """Tables are fitted and batches encoded, with OpenBLAS free to follow OMP_NUM_THREADS."""
    contents = set()
    for count in (1, 2, 3):
        target = tmp_path / f"{count}.slc"
        encode = ("-m", "labelcodec", "encode", FIXTURE, target, "--codec", CODEC)
        python(*encode, "--threads", count, OMP_NUM_THREADS=str(count))
        contents.add(target.read_bytes())
    assert len(contents) == 1


def test_a_call_that_is_refused_leaves_no_threads_behind(capsys, monkeypatch) -> None:
    monkeypatch.delenv("LABELCODEC_THREADS", raising=False)
    done = call(capsys, "encode", FIXTURE, "a.slc", "--threads", 3, "--mean", "nan", 0, 0)
    assert done.status == 2 and "LABELCODEC_THREADS" not in os.environ


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told by /proc")
def test_the_linear_algebra_has_one_thread_and_openmp_does_not_spin() -> None:
    last = python("-c", AFTER, OMP_NUM_THREADS="3").splitlines()[-1]
    assert last == "1 PASSIVE"


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told by /proc")
def test_the_user_has_the_last_word() -> None:
    last = python("-c", AFTER, OPENBLAS_NUM_THREADS="2", OMP_WAIT_POLICY="ACTIVE").splitlines()[-1]
    assert last.endswith(" ACTIVE")
    assert not last.startswith("1 ") or os.cpu_count() == 1


@pytest.mark.parametrize(
    "name", ["encode", "verify", "compare", "stats", "relabel", "train", "evaluate", "demo"]
)
def test_commands_that_compute_take_threads(name: str) -> None:
    assert any("--threads" in option.opts for option in COMMANDS[name].params)


def test_threads_of_a_command_are_torchs(capsys, monkeypatch) -> None:
    """While it runs; before and after it, torch has the number that it had."""
    seen = []

    def run(*_: object, **__: object) -> None:
        seen.append(torch.get_num_threads())
        raise KeyboardInterrupt

    monkeypatch.setattr("labelcodec.pipeline.evaluate_runs.evaluate_runs", run)
    before = torch.get_num_threads()
    assert call(capsys, "evaluate", "images", "run", "--threads", 3).status == 130
    assert seen == [3]
    assert torch.get_num_threads() == before
    assert threads.thread_count() == before
