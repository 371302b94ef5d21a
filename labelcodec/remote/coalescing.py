"""Merging of neighbouring ranges into larger ones, so that fewer requests are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

LARGEST = 8 << 20  # bytes of a request for several records
GAP = 1 << 10  # bytes between two records that are fetched with them

Range = tuple[int, int]


def coalesced(ranges: Iterable[Range]) -> Iterator[Range]:
    """Ranges that cover these, as (offset, size) by ascending offset.

    Neighbours are merged up to `LARGEST` bytes; a range that is larger stays whole.
    """
    start = end = -1
    for offset, size in sorted(ranges):
        if start >= 0 and offset - end <= GAP and max(end, offset + size) - start <= LARGEST:
            end = max(end, offset + size)
            continue
        if start >= 0:
            yield start, end - start
        start, end = offset, offset + size
    if start >= 0:
        yield start, end - start
