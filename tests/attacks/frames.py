"""Abuse of what frames the records: preamble, trailer, and the frames themselves."""

from __future__ import annotations

import struct

from labelcodec.errors import CorruptError, FormatError, VersionError
from tests.attacks.file import MAGIC, by_name, changed, small


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


ATTACKS = by_name(
    {
        None: (newer_minor,),
        VersionError: (newer_major,),
        CorruptError: (
            no_trailer,
            trailing_bytes,
            bytes_before_trailer,
            index_offset_huge,
            index_is_itself,
            index_over_the_end,
            header_length_huge,
            batch_length_huge,
            batch_tag_other,
            batch_checksum,
        ),
        FormatError: (empty, short, foreign, major_zero),
    }
)
