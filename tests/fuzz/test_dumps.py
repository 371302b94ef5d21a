"""A bounded run of the fuzz of dump files; `python -m tests.fuzz.dumps` is the long one."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from labelcodec.torch_file import read_torch_file
from tests.fuzz import dump_cases, dumps

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_only_our_errors_come_out() -> None:
    report = dumps.run(2000, seed=7)
    assert report.failures == [], "\n".join(report.lines())
    assert report.cases == 2000
    kinds = {kind for kind, _ in report.outcomes}
    assert kinds == {kind for kind, _ in dump_cases.KINDS}
    for kind in kinds:  # neither all good nor all bad
        outcomes = {what for k, what in report.outcomes if k == kind}
        assert {"DumpError", "UnsafeError"} & outcomes, kind
        assert {"read", "parsed"} & {what.removesuffix(" slowly") for what in outcomes}, kind
    at_once = sum(report.outcomes[kind, what] for kind in kinds for what in ("read", "parsed"))
    assert at_once > 100


def test_the_originals_are_valid() -> None:
    for data in dump_cases.originals():
        read_torch_file(data)


def test_cases_can_be_made_again() -> None:
    assert dump_cases.case(3, 14) == dump_cases.case(3, 14)
    assert dump_cases.case(3, 14) != dump_cases.case(3, 15)


def test_crashes_hangs_memory_and_other_errors_are_noticed(monkeypatch) -> None:
    def bad(data: bytes) -> str:
        number = data[0]
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 2:
            while True:
                pass
        if number == 3:
            return str(len(bytearray(1 << 30)))
        if number == 4:
            raise ValueError("other")
        if number == 5:  # as compiled code that never returns
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF, signal.SIGALRM})
            signal.pause()
        return "read"

    monkeypatch.setattr(dumps, "SECONDS", 0.2)
    monkeypatch.setattr(dumps, "case", lambda seed, number: ("kind", bytes([number])))
    monkeypatch.setattr(dumps, "_read", bad)
    report = dumps.run(6)
    failures = report.crashes, report.hangs, report.too_large, report.others
    assert [len(found) for found in failures] == [2, 1, 1, 1]
    assert "case 1" in report.crashes[0] and "case 5" in report.crashes[1]
    assert "ValueError: other" in report.others[0]
    assert report.cases == 6
