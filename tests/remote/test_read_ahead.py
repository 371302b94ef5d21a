"""What is fetched ahead, and what is kept."""

from __future__ import annotations

import pickle
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.positions import Position, in_order
from labelcodec.remote import read_ahead
from labelcodec.remote.coalescing import GAP, LARGEST, coalesced
from labelcodec.remote.fetchers import NAME
from labelcodec.remote.read_ahead import ReadAhead

CONTENT = bytes(range(256)) * 400
RANGES = st.tuples(st.integers(0, 90_000), st.integers(1, 12_000))


class Fetched:
    """Fetches from memory, and notes what was fetched."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def __call__(self, offset: int, size: int) -> bytes:
        self.ranges.append((offset, size))
        return CONTENT[offset : offset + size]


@given(st.lists(RANGES))
def test_coalesced_ranges_cover_and_are_few(ranges) -> None:
    merged = list(coalesced(ranges))
    for offset, size in ranges:
        assert any(at <= offset and offset + size <= at + length for at, length in merged)
    for (at, length), (following, _) in pairwise(merged):
        assert following - (at + length) > GAP or following + 1 - at > LARGEST - 12_000


def test_requests_stay_below_the_limit() -> None:
    ranges = [(at, 1 << 20) for at in range(0, 40 << 20, 1 << 20)]
    assert [size for _, size in coalesced(ranges)] == [LARGEST] * 5


@given(st.lists(st.tuples(st.sampled_from(["read", "announce", "forget"]), st.lists(RANGES))))
def test_whatever_is_announced_the_bytes_are_those_of_the_range(steps) -> None:
    memory = ReadAhead(Fetched())
    for step, ranges in steps:
        if step == "announce":
            memory.announce(ranges)
        for offset, size in ranges:
            if step == "read":
                assert memory.read(offset, size) == CONTENT[offset : offset + size]
            elif step == "forget":
                memory.forget(offset, size)
    memory.close()


def test_announced_ranges_are_fetched_once_and_kept_within_bounds(monkeypatch) -> None:
    monkeypatch.setattr(read_ahead, "AHEAD", 8_000)
    monkeypatch.setattr(read_ahead, "KEPT", 24_000)
    fetch = Fetched()
    memory = ReadAhead(fetch)
    order = [(at * 1000, 1000) for at in (*range(0, 100, 7), *range(1, 100, 7))]
    for number, (offset, size) in enumerate(order):
        memory.announce(order[number:])
        assert memory.read(offset, size) == CONTENT[offset : offset + size]
        assert memory._bytes <= 24_000
    assert sorted(fetch.ranges) == sorted(order)
    memory.close()


def test_only_the_missing_beginning_of_a_range_is_fetched() -> None:
    fetch = Fetched()
    memory = ReadAhead(fetch)
    memory.read(5000, 1000)
    assert memory.read(4000, 1500) == CONTENT[4000:5500]
    assert fetch.ranges == [(5000, 1000), (4000, 1000)]


def test_a_failed_fetch_is_told_and_tried_again() -> None:
    failures = [OSError("gone")]

    def fetch(offset: int, size: int) -> bytes:
        if failures:
            raise failures.pop()
        return CONTENT[offset : offset + size]

    memory = ReadAhead(fetch)
    memory.announce([(0, 10)])
    with pytest.raises(OSError, match="gone"):
        memory.read(0, 10)
    assert memory.read(0, 10) == CONTENT[:10]


def test_threads_end_with_it() -> None:
    def running() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == NAME]

    before = running()
    memory = ReadAhead(Fetched())
    memory.announce([(at * 2000, 10) for at in range(40)])
    memory.read(0, 10)
    started = [thread for thread in running() if thread not in before]
    memory.close()
    for thread in started:
        thread.join(5)
    assert started and not any(thread.is_alive() for thread in started)


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=50), st.integers(1, 5), st.data())
def test_positions_know_what_follows_also_when_sent(order, workers, data) -> None:
    at = data.draw(st.integers(0, len(order) - 1))
    position = list(in_order(order))[at]
    for each in (position, pickle.loads(pickle.dumps(position))):
        assert each == order[at] and isinstance(each, int)
        assert list(each.coming()) == order[at + 1 :]
        shared = each.shared(workers)
        assert list(shared.coming()) == order[at + workers :: workers]
        assert list(pickle.loads(pickle.dumps(shared)).coming()) == list(shared.coming())


def test_a_bounded_part_of_a_long_order_is_sent() -> None:
    sent = pickle.dumps(Position(range(1_000_000), 5))
    assert len(sent) < 5000 and len(list(pickle.loads(sent).coming())) == 1024
