"""The archive around a torch file: a zip file of stored members, as torch writes it.

The central directory is parsed here, and more strictly than `zipfile` does: every member must be
stored without compression, lie where the directory says and overlap no other. The numbers in the
comments are sections of PKWARE's APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.torch_file.limits import MAX_MEMBERS
from labelcodec.torch_file.values import Buffer, Bytes

LOCAL = struct.Struct("<4sHHHHHIIIHH")  # 4.3.7
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")  # 4.3.12
END64 = struct.Struct("<4sQHHIIQQQQ")  # 4.3.14
LOCATOR64 = struct.Struct("<4sIQI")  # 4.3.15
END = struct.Struct("<4sHHHHIIH")  # 4.3.16
_IN_ZIP64 = 0xFFFFFFFF
_ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class Member:
    """A member: its bytes are `data[start : start + size]`."""

    start: int
    size: int
    crc: int


def is_zip(data: Buffer) -> bool:
    """Whether a file begins as a zip file does."""
    return data[:2] == b"PK"


def read_directory(data: Buffer) -> dict[bytes, Member]:
    """Parse the central directory.

    Args:
        data: the whole file.

    Returns:
        Name -> member.

    Raises:
        DumpError: the archive is truncated or damaged, or something that torch does not write.
        UnsafeError: members overlap.
    """
    at, size, count = _directory_range(data)
    directory, free = at, 0
    end = at + size
    members: dict[bytes, Member] = {}
    for _ in range(count):
        if at + CENTRAL.size > end:
            raise DumpError("damaged: its zip directory is cut off")
        (signature, _, _, flags, method, _, _, crc, packed, plain, name_size, extra_size,
         comment_size, _, _, _, header) = CENTRAL.unpack_from(data, at)  # fmt: skip
        name_end = at + CENTRAL.size + name_size
        name = data[name_end - name_size : name_end]
        at = name_end + extra_size + comment_size
        if signature != b"PK\1\2" or at > end:
            raise DumpError("damaged: its zip directory holds something else")
        if method or flags & _ENCRYPTED:
            raise DumpError(
                f"{shown(name)} in it is compressed or encrypted, which torch.save never does. "
                "Load the file where it was written and save it again with torch.save."
            )
        if _IN_ZIP64 in (packed, plain, header):
            extra = data[name_end : name_end + extra_size]
            plain, packed, header = _zip64_sizes(extra, plain, packed, header)
        if packed != plain:
            raise DumpError(f"damaged: {shown(name)} in it has two sizes")
        start = _content_start(data, header, name)
        if name in members:
            raise UnsafeError(f"refused, its archive holds {shown(name)} twice")
        if header < free or start + plain > directory:
            raise UnsafeError("refused, members of its archive overlap or are out of order")
        free = start + plain
        members[name] = Member(start, plain, crc)
    return members


def shown(name: bytes) -> str:
    """A member's name in an error message."""
    return ascii(name[:60])[2:-1]


def checked(data: Buffer, member: Member, name: bytes) -> Bytes:
    """The content of a member.

    Args:
        data: the whole file.
        member: the member.
        name: its name, for the error.

    Raises:
        DumpError: its checksum fails.
    """
    view = memoryview(data)[member.start : member.start + member.size]
    if zlib.crc32(view) != member.crc:
        raise DumpError(f"damaged: the checksum of {shown(name)} in it is wrong")
    return Bytes(data, member.start, member.size)


def _directory_range(data: Buffer) -> tuple[int, int, int]:
    """Start, size and number of entries of the central directory."""
    at = len(data) - END.size
    if at < 0 or data[at : at + 4] != b"PK\5\6":
        raise DumpError("truncated: its zip directory, which ends a torch file, is missing")
    _, disk, start_disk, _, count, size, start, comment = END.unpack_from(data, at)
    locator = at - LOCATOR64.size
    if locator >= 0 and data[locator : locator + 4] == b"PK\6\7":
        _, _, end64, _ = LOCATOR64.unpack_from(data, locator)
        if end64 + END64.size != locator or data[end64 : end64 + 4] != b"PK\6\6":
            raise DumpError("damaged: its zip64 directory is not where it should be")
        _, _, _, _, disk, start_disk, _, count, size, start = END64.unpack_from(data, end64)
        at = end64
    if disk or start_disk or comment or start + size != at:
        raise DumpError("damaged: its zip directory is not where it should be")
    if count > MAX_MEMBERS:
        raise UnsafeError(f"refused, its archive has {count} members, more than {MAX_MEMBERS}")
    return start, size, count


def _zip64_sizes(extra: bytes, plain: int, packed: int, header: int) -> tuple[int, int, int]:
    """Sizes and position of a large member: the extra field holds those that are 2^32 - 1."""
    at = 0
    while at + 4 <= len(extra):
        tag, size = struct.unpack_from("<HH", extra, at)
        at += 4
        if tag == 1:
            large = iter(struct.iter_unpack("<Q", extra[at : at + size // 8 * 8]))
            values = [next(large, (_IN_ZIP64,))[0] if value == _IN_ZIP64 else value
                      for value in (plain, packed, header)]  # fmt: skip
            return values[0], values[1], values[2]
        at += size
    return plain, packed, header


def _content_start(data: Buffer, header: int, name: bytes) -> int:
    """Where a member's content starts, after a local header that names the same member."""
    name_start = header + LOCAL.size
    if name_start <= len(data):
        signature, _, _, _, _, _, _, _, _, name_size, extra_size = LOCAL.unpack_from(data, header)
        name_end: int = name_start + name_size
        if signature == b"PK\3\4" and data[name_start:name_end] == name:
            start: int = name_end + extra_size
            return start
    raise DumpError(f"damaged: {shown(name)} is not where its zip directory says")
