"""Fuzz of dump files: hostile files are read in child processes with limits.

    python -m tests.fuzz.dumps --cases 200000 [--seed N]

Nothing but a DumpError may come out, within two seconds of CPU time, without a crash, and in
256 MiB over the file's size. What the compiled reader accepts is what the reference reads.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.errors import LabelcodecError
from labelcodec.formats.batch_list import parse_batch_list
from labelcodec.torch_file import Tensor, read_torch_file
from tests.fuzz.dump_cases import case
from tests.torch_file.archives import DECLINED, at_once_or_declined

SECONDS = 2.0
MEMORY = 256 << 20
PER_CHILD = 5000


@dataclass
class Report:
    """What the cases did.

    Attributes:
        seconds: CPU seconds that one case may take.
        cases: how many were read.
        outcomes: (kind of case, error class or 'read') -> how many.
        slowest: CPU seconds of the slowest case.
        grown: bytes by which a child grew at most.
        crashes, hangs, too_large, others: descriptions of the cases that failed.
    """

    seconds: float = SECONDS
    cases: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: float = 0.0
    grown: int = 0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        return self.crashes + self.hangs + self.too_large + self.others

    def lines(self) -> list[str]:
        """For people."""
        kinds = sorted({kind for kind, _ in self.outcomes})
        rows = [
            f"  {kind}: "
            + ", ".join(
                f"{n} {what}" for (k, what), n in sorted(self.outcomes.items()) if k == kind
            )
            for kind in kinds
        ]
        return [
            f"{self.cases} cases: {len(self.crashes)} crashes, {len(self.others)} other errors, "
            f"{len(self.hangs)} over {self.seconds:.0f} s of CPU time, "
            f"{len(self.too_large)} over {MEMORY >> 20} MiB more than the file's size",
            f"slowest {self.slowest:.2f} s, a process grew by {self.grown / 2**20:.1f} MiB",
            *rows,
            *self.failures[:20],
        ]


@dataclass(frozen=True)
class Suite:
    """How cases are made and used.

    Attributes:
        make: kind and content of a case, from seed and number.
        use: uses the content; returns what came of it.
        seconds: CPU seconds that one case may take.
        room: bytes of address space that one case may take, over its size.
    """

    make: Callable[[int, int], tuple[str, Any]]
    use: Callable[[Any], str]
    seconds: float
    room: int = MEMORY


def run(
    cases: int,
    seed: int = 0,
    per_child: int = PER_CHILD,
    make: Callable[[int, int], tuple[str, Any]] | None = None,
    use: Callable[[Any], str] | None = None,
    seconds: float | None = None,
    room: int = MEMORY,
) -> Report:
    """Use `cases` hostile inputs, by default files, `per_child` in one process."""
    suite = Suite(make or case, use or _read, seconds or SECONDS, room)
    report, start = Report(seconds=suite.seconds), 0
    context = multiprocessing.get_context("fork")
    while start < cases:
        stop = min(start + per_child, cases)
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(suite, seed, start, stop, theirs))
        child.start()
        theirs.close()
        start += _receive(ours, report, 20 * suite.seconds)
        with contextlib.suppress(ProcessLookupError):  # it has ended, or never will
            os.killpg(child.pid, signal.SIGKILL)
        child.join()
        if start < stop:
            report.crashes.append(f"seed {seed}, case {start}: exit status {child.exitcode}")
            report.cases += 1
            start += 1
    return report


def _receive(connection: Connection, report: Report, seconds: float) -> int:
    """Add the reports of a child's cases, until it ends or is silent; how many there were."""
    for number in itertools.count():
        try:
            part: Report | None = connection.recv() if connection.poll(seconds) else None
        except EOFError:
            part = None
        if part is None:
            return number
        report.cases += part.cases
        report.outcomes += part.outcomes
        report.slowest = max(report.slowest, part.slowest)
        report.grown = max(report.grown, part.grown)
        for name in ("hangs", "too_large", "others"):
            getattr(report, name).extend(getattr(part, name))
    raise AssertionError


def _child(suite: Suite, seed: int, start: int, stop: int, connection: Connection) -> None:
    os.setpgid(0, 0)  # its own children end with it
    before = _resident()
    signal.signal(signal.SIGPROF, _alarm)
    signal.signal(signal.SIGALRM, _alarm)
    warnings.simplefilter("ignore")
    for number in range(start, stop):
        report = Report(cases=1)
        kind, data = suite.make(seed, number)
        name = f"seed {seed}, case {number} ({kind})"
        report.outcomes[kind, _try(suite, data, name, report)] += 1
        report.grown = _resident() - before
        connection.send(report)


class OvertimeError(BaseException):
    """A case takes too long; of no type that the library could catch."""


def _alarm(*_: object) -> None:
    raise OvertimeError


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _try(suite: Suite, data: Any, name: str, report: Report) -> str:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + len(data) + suite.room, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, suite.seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * suite.seconds)  # where it waits for something
    start = time.process_time()
    try:
        outcome = suite.use(data)
    except OvertimeError:
        outcome = "hang"
        report.hangs.append(name)
    except MemoryError:
        outcome = "too large"
        report.too_large.append(name)
    except Exception:
        outcome = "other error"
        report.others.append(f"{name}:\n{traceback.format_exc()}")
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    report.slowest = max(report.slowest, time.process_time() - start)
    return outcome


def _read(data: bytes) -> str:
    """The class of the error; 'parsed' for content of SRe2L's form, 'read' for any other.

    'slowly' if the compiled reader left it to the reference.
    """
    at_once = at_once_or_declined(data) is not DECLINED
    try:
        saved = read_torch_file(data)
    except LabelcodecError as error:
        return type(error).__name__
    _use(saved)
    how = "" if at_once else " slowly"
    try:
        parse_batch_list(saved, Path("a.tar"))
    except LabelcodecError:
        return f"read{how}"
    return f"parsed{how}"


def _use(saved: Any) -> None:
    """Touch every value."""
    if isinstance(saved, (list, tuple)):
        for inner in saved:
            _use(inner)
    elif isinstance(saved, dict):
        _use(list(saved.values()))
    elif isinstance(saved, Tensor):
        saved.numpy().tobytes()
    elif isinstance(saved, np.ndarray):
        saved.tobytes()


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz of dump files.")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    report = run(chosen.cases, chosen.seed)
    print(*report.lines(), sep="\n")
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
