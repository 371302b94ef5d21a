"""Abuse inside intact frames: batch prefixes, the header, sections nobody knows."""

from __future__ import annotations

import msgpack

from labelcodec.errors import CorruptError, FormatError, UnsupportedError
from tests.attacks.file import by_name, small


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


ATTACKS = by_name(
    {
        UnsupportedError: (critical_section,),
        CorruptError: (prefix_other, prefix_long_varint, side_beyond, side_renumbered),
        FormatError: (
            header_big,
            header_list,
            header_int_keys,
            header_key_twice,
            header_utf8,
            header_extension,
            header_deep,
        ),
    }
)
