"""Fuzz of the program: changed command lines over changed files, in child processes with limits.

    python -m tests.fuzz.cli --cases 200000 [--seed N]

Whatever is typed, the program ends within five seconds of CPU time with status 0, 1, 2 or 130,
and no traceback and no "please report it" is printed; resident memory grows by 256 MiB over the
files' size at most. A run that goes on for longer than a second, as some of many epochs do, gets
a Ctrl-C when it next reports its progress.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import torch

from labelcodec_cli import console
from labelcodec_cli.main import cli
from tests.fuzz import dumps
from tests.fuzz.cli_cases import CliCase, cli_case, contents, write
from tests.fuzz.cli_world import copy, world

SECONDS, LONG = 5.0, 1.0
STATUSES = {0, 1, 2, 130}
OTHER_OUTPUT = {"--help", "-h", "--version", "--"}  # after -- words are names
PER_CHILD = 250
ADDRESSES = 4 << 30  # bytes; stacks of threads are reserved, not used


def fuzz(cases: int, seed: int = 0, per_child: int = PER_CHILD) -> dumps.Report:
    """Run `cases` command lines."""
    torch.set_num_threads(1)
    contents()
    return dumps.run(cases, seed, per_child, cli_case, use, SECONDS, ADDRESSES)


class Interrupting:
    """Progress of a run that is interrupted when it takes long."""

    def __init__(self, *_: object) -> None:
        self.stop = time.process_time() + LONG

    def __call__(self, *_: object) -> None:
        """Receive a progress report."""
        if time.process_time() > self.stop:
            raise KeyboardInterrupt


def use(case: CliCase) -> str:
    """Run the program; its status.

    Raises:
        AssertionError: the program printed what it must not, ended with another status, or took
            too much memory.
    """
    out, err = io.StringIO(), io.StringIO()
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        work = Path(folder) / "work"
        copy(world(), work)
        write(work, case.files)
        before = _measured("VmRSS")
        with (
            contextlib.chdir(work),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            patch.object(console, "ProgressLines", Interrupting),
        ):
            status = console.run(cli, list(case.args))
    shown = f"labelcodec {' '.join(map(repr, case.args))}: status {status}, "
    shown += f"changed: {sorted(case.files)}\n{err.getvalue()}"
    assert "please report it" not in shown and "Traceback" not in shown, shown
    assert "out of memory" not in shown and status in STATUSES, shown
    grown = _measured("VmHWM") - before
    assert grown < dumps.MEMORY + len(case), f"grown by {grown / 2**20:.0f} MiB\n{shown}"
    if not status and _prints_json(case.args):
        json.loads(out.getvalue(), parse_constant=lambda name: 1 // 0)
    return f"status {status}"


def _prints_json(args: tuple[str, ...]) -> bool:
    """Whether the last word is --json for sure, and no value of an option."""
    is_value = len(args) < 2 or args[-2].startswith("-")
    return args[-1:] == ("--json",) and not is_value and OTHER_OUTPUT.isdisjoint(args)


def _measured(what: str) -> int:
    """Bytes of resident memory: VmRSS is now, after which VmHWM begins anew."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            if what == "VmRSS":
                Path("/proc/self/clear_refs").write_text("5")
            return int(line.split()[1]) << 10
    raise AssertionError(f"no {what}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz of the program.")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    report = fuzz(chosen.cases, chosen.seed)
    print(*report.lines(), sep="\n")
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
