"""Abuse of the index itself: bombs, malformed maps, contradictions."""

from __future__ import annotations

import struct

import msgpack
import zstandard

from labelcodec.errors import FormatError
from tests.attacks.file import HEADER, File, by_name, changed, small, with_column, with_section


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


ATTACKS = by_name(
    {
        FormatError: (
            count_huge,
            bomb_declared,
            bomb_undeclared,
            bomb_lying,
            bomb_consistent,
            sections_many,
            sections_huge,
            nested_lists,
            nested_deep,
            count_wrong,
            columns_trailing,
            map_cut,
            map_trailing,
            map_is_list,
            map_key_twice,
            map_key_missing,
            map_extension,
            section_of_one,
            section_beyond_64_bits,
            number_twice,
            number_negative,
            epoch_negative,
            samples_zero,
            samples_huge,
            two_headers,
            two_names,
            batch_as_section,
            tag_no_letter,
        ),
    }
)
