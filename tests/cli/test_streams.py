"""Standard streams that are closed or full: the status and the files are the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

import labelcodec
from tests.labelsets import batches, write

PROGRAM = f"{sys.executable} -m labelcodec"


@pytest.fixture
def source(tmp_path):
    content = batches(range(3))
    content[0].labels.value[0, 0] = float("nan")  # so that there is something to say
    return write(tmp_path / "a.slc", content)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    arguments = ["sh", "-c", command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "closed", ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"]
)
def test_closed_streams(tmp_path, source, closed):
    target = tmp_path / "b.slc"
    command = f"{PROGRAM} encode {source} {target} --codec topk --allow-nonfinite {closed}"
    assert shell(command).returncode == 0
    assert labelcodec.verify(target).sound and labelcodec.compare(source, target).identical
    assert shell(f"{PROGRAM} verify {tmp_path / 'missing.slc'} {closed}").returncode == 1
    assert shell(f"{PROGRAM} encode {closed}").returncode == 2


def test_a_full_standard_output_is_named(source):
    result = shell(f"{PROGRAM} inspect {source} >/dev/full")
    assert result.returncode == 1
    assert result.stderr == "labelcodec: error: standard output: No space left on device\n"
