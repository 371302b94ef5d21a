from __future__ import annotations

from pathlib import Path

import pytest

from labelcodec.container.paths import missing_shards, shard_paths, shard_pattern


def test_missing_shards_are_named_in_order():
    names = [path.name for path in shard_paths(Path("a.slc"), 11)]
    assert missing_shards(names) == []
    present = [names[i] for i in (9, 0, 10, 3, 5, 6, 7, 8)]
    assert missing_shards(present) == ["a-1-of-11.slc", "a-2-of-11.slc", "a-4-of-11.slc"]
    assert missing_shards(["b-000-of-002.slc"]) == ["b-1-of-2.slc"]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["a.slc", "a-0-of-2.slc"],
        ["a-0-of-2.slc", "b-0-of-2.slc"],
        ["a-0-of-2.slc", "a-0-of-3.slc"],
        ["a-2-of-2.slc"],
        ["a-0-of-1.slc"],
        ["a-0-of-999999999.slc"],
    ],
)
def test_names_that_do_not_tell(names):
    assert missing_shards(names) == []


def test_the_pattern_of_a_set():
    assert shard_pattern(Path("x/a-3-of-64.slc")) == Path("x/a-*-of-64.slc")
    assert shard_pattern(Path("x/a.slc")) == Path("x/a.slc")
