"""A bounded run of the fuzz of the program; `python -m tests.fuzz.cli` is the long one."""

from __future__ import annotations

import sys

import pytest

from tests.fuzz import cli
from tests.fuzz.cli import CliCase

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_every_outcome_is_a_status_and_a_message() -> None:
    report = cli.fuzz(150, seed=3)
    assert report.failures == [], "\n".join(report.lines())
    statuses = {status for _, status in report.outcomes}
    assert {"status 0", "status 1", "status 2"} <= statuses


@pytest.mark.parametrize("args", [("encode", "loop", "new.slc"), ("encode", "dump0", "loop")])
def test_a_link_to_itself(args) -> None:
    assert cli.use(CliCase(args, 0)) == "status 1"


def test_an_internal_error_fails(monkeypatch) -> None:
    def broken() -> None:
        raise KeyError("x")

    monkeypatch.setattr("labelcodec.codecs.registry.describe", broken)
    with pytest.raises(AssertionError, match="please report it"):
        cli.use(CliCase(("codecs",), 0))
