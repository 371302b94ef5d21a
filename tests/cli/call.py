"""Runs the program in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from labelcodec_cli.console import run
from labelcodec_cli.main import cli

FIXTURE = Path(__file__).parents[2] / "labelcodec/fixtures/in1k-two-batches"


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def call(capsys: Any, *args: object) -> Outcome:
    capsys.readouterr()
    status = run(cli, [str(arg) for arg in args])
    return Outcome(status, *capsys.readouterr())
