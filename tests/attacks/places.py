"""Abuse of where the index says that the records lie."""

from __future__ import annotations

from labelcodec.errors import FormatError
from tests.attacks.file import HEADER, File, by_name, small, with_column, with_section


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


ATTACKS = by_name(
    {
        FormatError: (
            hole,
            overlap,
            same_place_twice,
            section_offset_huge,
            section_size_huge,
            batch_size_huge,
            batch_size_small,
            section_size_small,
            batch_size_negative,
            sums_overflow,
            out_of_order,
            header_missing,
            header_second,
            header_elsewhere,
        ),
    }
)
