"""CPU and wall seconds of a command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spent:
    """What a process took.

    Attributes:
        cpu: seconds of CPU time, of user and system, of all threads and awaited children.
        wall: seconds from start to end.
    """

    cpu: float
    wall: float


def usual_environment() -> dict[str, str]:
    """The environment without limits on threads, and without switches for bytecode."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.endswith("_THREADS") and key != "PYTHONDONTWRITEBYTECODE"
    }


def python(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, **options: Any
) -> Spent:
    """Run this Python with `arguments`.

    Args:
        arguments: what follows the interpreter's name.
        environment: of the process; by default `usual_environment`.
        options: of subprocess.Popen.

    Raises:
        SystemExit: the process failed; its output says why.
    """
    env = dict(usual_environment() if environment is None else environment)
    command = [sys.executable, *arguments]
    start = time.perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, **options) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return Spent(usage.ru_utime + usage.ru_stime, wall)
