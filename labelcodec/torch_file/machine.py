"""State of the interpreter of pickles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelcodec.torch_file.descriptions import SavedStorage
from labelcodec.torch_file.globals import refuse


class Machine:
    """State of the interpreter: position, stack, marks (heights of the stack) and memo."""

    __slots__ = ("at", "data", "marks", "memo", "opaque", "stack", "storages", "unspent")

    def __init__(self, data: bytes, at: int, opaque: bool) -> None:
        self.data = data
        self.opaque = opaque
        self.at = at
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: list[SavedStorage] = []
        self.unspent = len(data) - at

    def spend(self, count: int) -> None:
        """As `Allowance.spend`: text is encoded once each, so that all of it fits the pickle."""
        self.unspent -= count
        if self.unspent < 0:
            refuse("makes more bytes of its text than it has")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start = self.at
        self.at = start + count
        if self.at > len(self.data):
            raise IndexError
        return self.data[start : self.at]

    def length(self, width: int) -> int:
        """The next `width` bytes, as an unsigned number."""
        start = self.at
        self.at = end = start + width
        if end > len(self.data):
            raise IndexError
        return int.from_bytes(self.data[start:end], "little")

    def items(self) -> list[Any]:
        """What was pushed since the last mark, taken off the stack."""
        mark = self.marks.pop()
        stack = self.stack
        items = stack[mark:]
        del stack[mark:]
        return items


Opcode = Callable[[Machine], None]
