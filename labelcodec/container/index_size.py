"""Expected size of the index of a container of which only the first bytes are known."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from labelcodec.container import layout

_LEAST, _MOST = 8 << 10, 4 << 20  # bytes
# Bytes of the index per batch, measured: it holds the sizes of batches, compressed, and they take
# the more the more they spread. Few batches say little of their spread: it is at least 1 % then.
_EVEN, _PER_BIT, _UNKNOWN = 1.4, 0.36, 5.0
_FEW, _LEAST_SPREAD = 5, 0.01


def expected_tail(head: bytes, size: int) -> int:
    """Bytes at the end of a file that should hold its index and trailer.

    Args:
        head: its first bytes.
        size: its size in bytes.
    """
    sizes = list(_batch_sizes(head))
    if not sizes:
        return _LEAST
    usual = statistics.median(sizes)
    expected = size / usual * _bytes_per_batch(sizes, usual)
    return int(min(max(expected, _LEAST), _MOST))


def _bytes_per_batch(sizes: list[int], usual: float) -> float:
    if len(sizes) < 2:
        return _UNKNOWN
    spread = statistics.median(abs(size - usual) for size in sizes)
    if len(sizes) < _FEW:
        spread = max(spread, _LEAST_SPREAD * usual)
    return min(_EVEN + _PER_BIT * math.log2(max(1.5 * spread, 1)), _UNKNOWN)


def _batch_sizes(head: bytes) -> Iterator[int]:
    """Sizes of the batches whose frames are among the first bytes."""
    at = layout.PREAMBLE.size
    while at + layout.FRAME.size <= len(head):
        tag, length, _ = layout.FRAME.unpack_from(head, at)
        at += layout.FRAME.size + length
        if tag == layout.BATCH:
            yield layout.FRAME.size + length
