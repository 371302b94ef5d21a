"""A container built without the library, to be spoilt before its bytes are taken."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgpack
import numpy as np
import zstandard

from labelcodec.errors import LabelcodecError

MAGIC = b"\x89SLC\r\n\x1a\n"
HEADER = msgpack.packb({"classes": 10})
Attack = Callable[[], bytes]
ByError = Mapping[type[LabelcodecError] | None, Sequence[Attack]]
Attacks = dict[str, tuple[Attack, type[LabelcodecError] | None]]


def record(tag: bytes, payload: bytes, length: int | None = None) -> bytes:
    head = tag + struct.pack("<I", len(payload) if length is None else length)
    return head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload


@dataclass
class File:
    """A small valid file in the making; attacks change it before `bytes`."""

    preamble: bytes = MAGIC + struct.pack("<HH", 1, 0)
    body: bytes = b""
    sections: list[list[int]] = field(default_factory=list)
    columns: list[list[int]] = field(default_factory=list)
    index: dict[str, object] = field(default_factory=dict)
    raw_index: bytes | None = None
    between: bytes = b""
    trailer: tuple[int, int] | None = None

    def section(self, tag: bytes, payload: bytes, length: int | None = None) -> None:
        data = record(tag, payload, length)
        self.sections.append([tag[0], 12 + len(self.body), len(data)])
        self.body += data

    def batch(
        self, number: int, payload: bytes, samples: int = 1, length: int | None = None
    ) -> None:
        data = record(b"B", payload, length)
        self.columns.append([12 + len(self.body), len(data), samples, number, 0])
        self.body += data

    def packed(self) -> bytes:
        table = np.array(self.columns, np.int64).reshape(-1, 5).T
        return np.diff(table, axis=1, prepend=np.int64(0)).astype("<i8").tobytes()

    def bytes(self) -> bytes:
        fields = {
            "sections": self.sections,
            "count": len(self.columns),
            "batches": zstandard.ZstdCompressor().compress(self.packed()),
        } | self.index
        payload = msgpack.packb(fields) if self.raw_index is None else self.raw_index
        index = record(b"I", payload)
        start = struct.pack("<QI", *(self.trailer or (12 + len(self.body), len(index))))
        crc = zlib.crc32(start, zlib.crc32(self.preamble))
        end = struct.pack("<I", crc) + b"SLC\x1a"
        return self.preamble + self.body + index + self.between + start + end


def by_name(attacks: ByError) -> Attacks:
    """Name -> attack and the error that a reader must raise, None where it must not."""
    return {one.__name__: (one, error) for error, several in attacks.items() for one in several}


def small(header: bytes = HEADER, header_length: int | None = None) -> File:
    file = File()
    file.section(b"H", header, header_length)
    file.section(b"S", b"\0\0side")
    file.section(b"n", b"names")
    for number in range(3):
        file.batch(number, b"\0\0\x01" + bytes([number]) + b"\0labels")
    return file


def changed(**fields: object) -> bytes:
    file = small()
    for name, value in fields.items():
        setattr(file, name, value)
    return file.bytes()


def with_column(column: int, row: int, value: int) -> bytes:
    file = small()
    file.columns[row][column] = value
    return file.bytes()


def with_section(row: int, *values: int) -> bytes:
    file = small()
    file.sections[row] = list(values)
    return file.bytes()
