"""The size of an index, judged by the first bytes of its file."""

from __future__ import annotations

import numpy as np
import pytest

from labelcodec.container import layout
from labelcodec.container.index import Index, Section, encode
from labelcodec.container.index_size import expected_tail


@pytest.mark.parametrize(
    ("size", "spread"), [(3207, 17), (11_837, 47), (3625, 194), (20_000, 300), (183_783, 1612)]
)
def test_it_is_judged_within_a_fourth(size: int, spread: int) -> None:
    total = 200_000_000
    sizes = np.random.default_rng(1).normal(size, spread, total // size).astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    number = np.arange(len(sizes))
    same = np.full(len(sizes), 128)
    index = Index(offset, sizes, same, number, number // 8, (Section(b"H", 12, 100),))
    head = bytes(layout.PREAMBLE.size)
    for each in sizes[:30].tolist():
        length = each - layout.FRAME.size
        head += layout.FRAME.pack(layout.BATCH, length, 0) + bytes(length)
    expected = expected_tail(head[: 68 << 10], total)
    assert len(encode(index)) * 0.9 <= max(expected, 8 << 10) <= len(encode(index)) * 1.25 + 8192


@pytest.mark.parametrize("head", [b"", b"\xff" * 100, bytes(1000)])
def test_anything_may_stand_in_the_first_bytes(head: bytes) -> None:
    assert 0 < expected_tail(head, 10**9) <= 4 << 20
