"""Batches that two containers store as the same bytes, which are equal without decoding both."""

from __future__ import annotations

from labelcodec.header import OWN, REMARKS
from labelcodec.mapdiff import differing
from labelcodec.reader import Reader


class SameBytes:
    """Tells which batches of two label sets are the same bytes under the same tables.

    Args:
        a: a label set; only a `Reader` has bytes to compare.
        b: another one.
    """

    def __init__(self, a: object, b: object) -> None:
        self._readers: tuple[Reader, Reader] | None = None
        self._equal_tables: dict[tuple[tuple[int, int], tuple[int, int]], bool] = {}
        if not isinstance(a, Reader) or not isinstance(b, Reader):
            return
        if not differing(a.header.to_map(), b.header.to_map(), OWN | REMARKS):
            self._readers = (a, b)

    def of(self, i: int) -> bool:
        """Whether both sets store the batch at position i, and its tables, as the same bytes.

        Raises:
            CorruptError: one of its records is damaged.
        """
        if self._readers is None:
            return False
        a, b = self._readers
        if any(
            getattr(a.index, name)[i] != getattr(b.index, name)[i]
            for name in ("number", "epoch", "samples", "size")
        ):
            return False
        (left, left_bytes), (right, right_bytes) = a.stored(i), b.stored(i)
        if left_bytes != right_bytes:
            return False
        if (left, right) not in self._equal_tables:
            self._equal_tables[left, right] = a.tables(*left) == b.tables(*right)
        return self._equal_tables[left, right]
