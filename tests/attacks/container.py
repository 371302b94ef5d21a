"""Hostile containers, one function an abuse, built without the library.

All checksums are right unless the name says otherwise, so each file gets as far as it can.

| abuse | functions | what a reader must say |
| --- | --- | --- |
| not a container | empty, short, foreign | FormatError |
| version | newer_major, major_zero | VersionError, FormatError |
| cut or grown | no_trailer, trailing_bytes, bytes_before_trailer | CorruptError |
| trailer aims elsewhere | index_offset_huge, index_is_itself, index_over_the_end | CorruptError |
| frames lie | header_length_huge, batch_length_huge, batch_tag_other,
  batch_checksum | CorruptError |
| index aims elsewhere | hole, overlap, same_place_twice, section_offset_huge, section_size_huge,
  section_size_small, batch_size_huge, batch_size_small, batch_size_negative, sums_overflow,
  out_of_order, header_elsewhere, header_missing, header_second | FormatError |
| index bombs | count_huge, bomb_declared, bomb_undeclared, bomb_lying, bomb_consistent,
  sections_many, sections_huge,
  nested_lists, nested_deep | FormatError |
| index malformed | count_wrong, columns_trailing, map_cut, map_trailing, map_is_list,
  map_key_twice, map_key_missing, map_extension, section_of_one,
  section_beyond_64_bits | FormatError |
| index contradicts itself | number_twice, number_negative, epoch_negative, samples_zero,
  samples_huge, two_headers, two_names, batch_as_section, tag_no_letter | FormatError |
| batch contradicts the index | prefix_other, prefix_long_varint, side_beyond, side_renumbered |
  CorruptError |
| header malformed | header_big, header_list, header_int_keys, header_key_twice, header_utf8,
  header_extension, header_deep | FormatError |
| needs what the reader lacks | critical_section | UnsupportedError |
| allowed | newer_minor | none: it must be readable |
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import msgpack
import numpy as np
import zstandard

from labelcodec.errors import (
    CorruptError,
    FormatError,
    LabelcodecError,
    UnsupportedError,
    VersionError,
)

MAGIC = b"\x89SLC\r\n\x1a\n"
HEADER = msgpack.packb({"classes": 10})
Attack = Callable[[], bytes]


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


# not a container
def empty() -> bytes:
    return b""


def short() -> bytes:
    return MAGIC[:5]


def foreign() -> bytes:
    return b"PK\x03\x04" + bytes(200)


# version
def newer_major() -> bytes:
    return changed(preamble=MAGIC + struct.pack("<HH", 2, 0))


def major_zero() -> bytes:
    return changed(preamble=MAGIC + struct.pack("<HH", 0, 0))


def newer_minor() -> bytes:
    file = small()
    file.preamble = MAGIC + struct.pack("<HH", 1, 7)
    file.section(b"x", b"from the future")
    file.index = {"later": [1, {"nested": None}]}
    return file.bytes()


# cut or grown
def no_trailer() -> bytes:
    return small().bytes()[:-20]


def trailing_bytes() -> bytes:
    return small().bytes() + b"\0"


def bytes_before_trailer() -> bytes:
    return changed(between=b"\0" * 9)


# the trailer aims elsewhere
def index_offset_huge() -> bytes:
    return changed(trailer=(1 << 60, 50))


def index_is_itself() -> bytes:
    data = small().bytes()
    return changed(trailer=(len(data) - 20, 0))


def index_over_the_end() -> bytes:
    data = small().bytes()
    return changed(trailer=(len(data) - 40, 0xFFFFFFFF))


# frames lie
def header_length_huge() -> bytes:
    return small(header_length=0xFFFFFFFF).bytes()


def batch_length_huge() -> bytes:
    file = small()
    file.batch(3, b"\0\0\x01\x03\0", length=0xFFFFFFF0)
    return file.bytes()


def batch_tag_other() -> bytes:
    file = small()
    file.section(b"x", b"\0\0\x01\x03\0")
    _, offset, size = file.sections.pop()
    file.columns.append([offset, size, 1, 3, 0])
    return file.bytes()


def batch_checksum() -> bytes:
    file = small()
    file.body = file.body[:-1] + b"!"
    return file.bytes()


# the index aims elsewhere
def hole() -> bytes:
    file = small()
    file.body += b"hidden"
    return file.bytes()


def overlap() -> bytes:
    file = small()
    file.columns[0][1] += file.columns[1][1]
    return file.bytes()


def same_place_twice() -> bytes:
    file = small()
    file.columns[1][:2] = file.columns[0][:2]
    return file.bytes()


def section_offset_huge() -> bytes:
    return with_section(1, ord("S"), 1 << 60, 20)


def section_size_huge() -> bytes:
    return with_section(1, ord("S"), 12, 1 << 60)


def batch_size_huge() -> bytes:
    return with_column(1, 2, 1 << 60)


def batch_size_small() -> bytes:
    """Tiles the file, but with a record smaller than a frame."""
    file = small()
    offset, size, *values = file.columns[2]
    file.columns[2] = [offset, 3, *values]
    file.columns.append([offset + 3, size - 3, 1, 3, 0])
    return file.bytes()


def section_size_small() -> bytes:
    file = small()
    tag, offset, size = file.sections[2]
    file.sections[2:] = [[tag, offset, 3], [ord("x"), offset + 3, size - 3]]
    return file.bytes()


def batch_size_negative() -> bytes:
    return with_column(1, 2, -20)


def sums_overflow() -> bytes:
    file = small()
    file.columns[1][:2] = [(1 << 63) - 10, 20]
    return file.bytes()


def out_of_order() -> bytes:
    file = small()
    file.columns.reverse()
    return file.bytes()


def header_missing() -> bytes:
    return File().bytes()


def header_second() -> bytes:
    file = File()
    file.section(b"S", b"\0\0side")
    file.section(b"H", HEADER)
    return file.bytes()


def header_elsewhere() -> bytes:
    file = small()
    file.sections[0], file.sections[1] = file.sections[1], file.sections[0]
    return file.bytes()


# index bombs
def count_huge() -> bytes:
    return changed(index={"count": 1 << 60})


def bomb_declared() -> bytes:
    return changed(index={"batches": zstandard.ZstdCompressor().compress(bytes(1 << 26))})


def bomb_undeclared() -> bytes:
    stream = zstandard.ZstdCompressor(write_content_size=False)
    return changed(index={"batches": stream.compress(bytes(1 << 26))})


def bomb_lying() -> bytes:
    """Declares the right 120 bytes and holds a million."""
    size = struct.pack("<I", 1 << 20)  # in the frame's header, after its magic
    data = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    assert size in data[4:12]
    return changed(index={"batches": data.replace(size, struct.pack("<I", 120), 1)})


def bomb_consistent() -> bytes:
    """Count and declared size agree on two million batches in a file of some kilobytes."""
    packed = zstandard.ZstdCompressor().compress(bytes(40 << 21))
    return changed(index={"batches": packed, "count": 1 << 21})


def sections_many() -> bytes:
    file = small()
    for _ in range(1 << 16):
        file.section(b"x", b"")
    return file.bytes()


def sections_huge() -> bytes:
    return changed(raw_index=b"\x81\xa8sections\xdd\xff\xff\xff\xff")


def nested_lists() -> bytes:
    """Four million empty lists in one megabyte, where an integer belongs."""
    many = b"\xdd" + struct.pack(">I", 1 << 20) + b"\x90" * (1 << 20)
    return changed(raw_index=b"\x81\xa8sections\x91\x93" + many)


def nested_deep() -> bytes:
    return changed(raw_index=b"\x81\xa5later" + b"\x91" * 100_000 + b"\0")


# the index is malformed
def count_wrong() -> bytes:
    return changed(index={"count": 2})


def columns_trailing() -> bytes:
    packed = zstandard.ZstdCompressor().compress(small().packed())
    return changed(index={"batches": packed + b"\0"})


def map_cut() -> bytes:
    return changed(raw_index=b"\x83\xa8sections\x91")


def map_trailing() -> bytes:
    file = small()
    fields = {"sections": file.sections, "count": 3}
    fields["batches"] = zstandard.ZstdCompressor().compress(file.packed())
    return changed(raw_index=msgpack.packb(fields) + b"\xc0")


def map_is_list() -> bytes:
    return changed(raw_index=msgpack.packb([1, 2, 3]))


def map_key_twice() -> bytes:
    file = small()
    packed = zstandard.ZstdCompressor().compress(file.packed())
    fields = msgpack.packb({"sections": file.sections, "count": 3, "batches": packed})
    return changed(raw_index=b"\x84" + fields[1:] + b"\xa5count\x03")


def map_key_missing() -> bytes:
    return changed(raw_index=msgpack.packb({"count": 3}))


def map_extension() -> bytes:
    return changed(index={"count": msgpack.ExtType(5, b"1234")})


def section_of_one() -> bytes:
    """The other two numbers follow outside the list, where a lax parser still finds them."""
    file = File()
    file.section(b"H", HEADER)
    packed = zstandard.ZstdCompressor().compress(b"")
    rest = b"\xa5count\x00\xa7batches\xc4" + bytes([len(packed)]) + packed
    file.raw_index = b"\x83\xa8sections\x91\x91" + bytes(file.sections[0]) + rest
    return file.bytes()


def section_beyond_64_bits() -> bytes:
    return with_section(1, ord("S"), (1 << 64) - 1, 20)


# the index contradicts itself
def number_twice() -> bytes:
    return with_column(3, 2, 0)


def number_negative() -> bytes:
    return with_column(3, 2, -1)


def epoch_negative() -> bytes:
    return with_column(4, 2, -1)


def samples_zero() -> bytes:
    return with_column(2, 2, 0)


def samples_huge() -> bytes:
    return with_column(2, 2, (1 << 20) + 1)


def two_headers() -> bytes:
    file = small()
    file.section(b"H", HEADER)
    return file.bytes()


def two_names() -> bytes:
    file = small()
    file.section(b"n", b"names")
    return file.bytes()


def batch_as_section() -> bytes:
    file = small()
    file.section(b"B", b"\0\0\x01\x09\0")
    return file.bytes()


def tag_no_letter() -> bytes:
    file = small()
    file.section(b"\0", b"")
    return file.bytes()


# a batch contradicts the index
def prefix_other() -> bytes:
    file = small()
    file.batch(3, b"\0\0\x01\x04\0labels")
    return file.bytes()


def prefix_long_varint() -> bytes:
    file = small()
    file.batch(3, b"\0\0\x01\x83\x00\0labels")
    return file.bytes()


def side_beyond() -> bytes:
    file = small()
    file.batch(3, b"\x01\0\x01\x03\0labels")
    return file.bytes()


def side_renumbered() -> bytes:
    file = small()
    file.section(b"S", b"\x02\0second, but says third")
    return file.bytes()


# the header is malformed
def header_big() -> bytes:
    return small(msgpack.packb({"a": bytes(1 << 20)})).bytes()


def header_list() -> bytes:
    return small(msgpack.packb([1])).bytes()


def header_int_keys() -> bytes:
    return small(msgpack.packb({1: 2})).bytes()


def header_key_twice() -> bytes:
    return small(b"\x82\xa1a\x01\xa1a\x02").bytes()


def header_utf8() -> bytes:
    return small(b"\x81\xa1a\xa1\xff").bytes()


def header_extension() -> bytes:
    return small(b"\x81\xa1a\xc7\x00\x05").bytes()


def header_deep() -> bytes:
    return small(b"\x81\xa1a" + b"\x91" * 100_000 + b"\0").bytes()


# needs what the reader lacks
def critical_section() -> bytes:
    file = small()
    file.section(b"Q", b"")
    return file.bytes()


_BY_ERROR: dict[type[LabelcodecError] | None, tuple[Attack, ...]] = {
    None: (newer_minor,),
    VersionError: (newer_major,),
    UnsupportedError: (critical_section,),
    CorruptError: (
        no_trailer, trailing_bytes, bytes_before_trailer, index_offset_huge, index_is_itself,
        index_over_the_end, header_length_huge, batch_length_huge, batch_tag_other,
        batch_checksum, prefix_other, prefix_long_varint, side_beyond, side_renumbered,
    ),
    FormatError: (
        empty, short, foreign, major_zero, hole, overlap, same_place_twice, section_offset_huge,
        section_size_huge, batch_size_huge, batch_size_negative, sums_overflow, out_of_order,
        header_elsewhere, count_huge, bomb_declared, bomb_undeclared, bomb_lying, sections_huge,
        nested_lists, nested_deep, count_wrong, columns_trailing, map_cut, map_trailing,
        map_is_list, map_key_twice, map_key_missing, map_extension, section_of_one,
        bomb_consistent, sections_many, batch_size_small, section_size_small, header_missing,
        header_second,
        section_beyond_64_bits, number_twice, number_negative, epoch_negative, samples_zero,
        samples_huge, two_headers, two_names, batch_as_section, tag_no_letter, header_big,
        header_list, header_int_keys, header_key_twice, header_utf8, header_extension,
        header_deep,
    ),
}  # fmt: skip
ATTACKS = {
    attack.__name__: (attack, error) for error, attacks in _BY_ERROR.items() for attack in attacks
}
