from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.errors import ConfigError
from labelcodec.parts import of_this_process, share

COUNTS = st.integers(1, 200)


@given(COUNTS, COUNTS)
def test_parts_have_every_item_once_and_are_alike(items, count):
    shares = [share(items, (index, count)) for index in range(1, count + 1)]
    assert [position for positions in shares for position in positions] == list(range(items))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_processes_under_torchrun_divide_a_part(monkeypatch):
    assert of_this_process((3, 4)) == (3, 4)
    monkeypatch.setenv("WORLD_SIZE", "2")
    processes = []
    for index in (1, 2):
        for rank in ("0", "1"):
            monkeypatch.setenv("RANK", rank)
            processes.append(of_this_process((index, 2)))
    assert processes == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_ranks_that_are_no_numbers(monkeypatch):
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(ConfigError, match="RANK is 'first'"):
        of_this_process((1, 1))


def test_encoding_a_part_imports_no_torch():
    code = "import sys, labelcodec.parts, labelcodec.transcode; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
