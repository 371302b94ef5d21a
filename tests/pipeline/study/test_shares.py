from __future__ import annotations

import os

import pytest

from labelcodec.errors import ConfigError
from labelcodec.pipeline.study.shares import alone, share_of


def test_shares_are_consecutive_and_together_everything(monkeypatch) -> None:
    items = list(range(11))
    assert share_of(items, None) == items
    assert [share_of(items, (i, 3)) for i in (1, 2, 3)] == [items[:3], items[3:7], items[7:]]
    assert [each for i in range(1, 14) for each in share_of(items, (i, 13))] == items
    monkeypatch.setenv("WORLD_SIZE", "2")
    shares = []
    for i in (1, 2):
        for rank in ("0", "1"):
            monkeypatch.setenv("RANK", rank)
            shares.append(share_of(items, (i, 2)))
    assert [each for share in shares for each in share] == items
    assert [len(share) for share in shares] == [2, 3, 3, 3]


@pytest.mark.parametrize("only", [(0, 2), (3, 2), (-1, 2)])
def test_shares_that_are_none(only) -> None:
    with pytest.raises(ConfigError, match=r"allowed are 1/2\.\.2/2"):
        share_of([1], only)


def test_the_group_of_torchrun_is_hidden_from_the_pipeline(monkeypatch) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    with alone():
        assert "RANK" not in os.environ and "WORLD_SIZE" not in os.environ
        assert os.environ["LOCAL_RANK"] == "1"  # which says whose GPU it is
    assert os.environ["RANK"] == "1" and os.environ["WORLD_SIZE"] == "2"
