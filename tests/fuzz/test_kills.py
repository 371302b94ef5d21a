"""A few kills; `python -m tests.fuzz.kills` makes many."""

from __future__ import annotations

import sys

import pytest

from tests.fuzz.kills import kills


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_killed_jobs_go_on_to_the_same_bytes():
    assert sum(kills(2, seed=0).values()) >= 2
