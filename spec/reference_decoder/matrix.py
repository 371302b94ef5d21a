"""Entropy-coded tables of the transform codec (SPEC, clause X-3)."""

from __future__ import annotations

from .columns import integers
from .entropy import Coded, Tables
from .primitives import Bytes, Row, need


def signed(value: int) -> int:
    """A signed value of a coded one [X-3]."""
    return value >> 1 ^ -(value & 1)


def matrix(source: Bytes, rows: int, width: int) -> list[Row]:
    """The columns of a table that ends its part [X-3]."""
    level = integers(source, width)
    table = Tables(source.take(source.varint()))
    need(all(0 <= x < len(table.starts) for x in level), "X-3")
    coded = Coded(source.rest(), width * rows)
    flat = coded.take(table, [x for x in level for _ in range(rows)])
    coded.close()
    need(max(flat) < 1 << 16, "X-3")
    entries = [signed(value) for value in flat]
    return [entries[rows * j : rows * (j + 1)] for j in range(width)]
