"""Records: a frame (tag, length, CRC-32) and a payload, at a byte offset of a file."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

from labelcodec.container import layout
from labelcodec.errors import CorruptError, FormatError, VersionError
from labelcodec.files.os_errors import naming


def pack(tag: bytes, *parts: bytes | bytearray | memoryview) -> bytes:
    """One record: frame and payload; the payload is the concatenation of `parts`."""
    length = sum(memoryview(part).nbytes for part in parts)
    crc = zlib.crc32(layout.FRAME.pack(tag, length, 0)[: layout.CHECKED])
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((layout.FRAME.pack(tag, length, crc), *parts))


def preamble() -> bytes:
    """The first 12 bytes of a file that this library writes."""
    return layout.PREAMBLE.pack(layout.MAGIC, layout.MAJOR, layout.MINOR)


def check_preamble(data: bytes, path: Path) -> tuple[int, int]:
    """Major and minor version of a file that starts with `data`.

    Raises:
        FormatError: the file is not a container.
        VersionError: its major version is newer than this library.
    """
    if len(data) < layout.PREAMBLE.size or not data.startswith(layout.MAGIC):
        raise FormatError(
            f"{path}: not a labelcodec container: it starts with {data[:8]!r}, "
            f"expected {layout.MAGIC!r} and a version"
        )
    _, major, minor = layout.PREAMBLE.unpack_from(data)
    if major > layout.MAJOR:
        raise VersionError(
            f"{path}: byte 8: found major version {major}, this library reads up to "
            f"{layout.MAJOR}; update labelcodec"
        )
    if major < 1:
        raise FormatError(f"{path}: byte 8: found major version {major}, which never existed")
    return major, minor


def open_file(path: Path) -> int:
    """File descriptor of a container, to be read.

    Raises:
        FormatError: it is a folder.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise FormatError(f"{path}: is a folder, a container is a file")
    return fd


def read_at(fd: int, offset: int, size: int, path: Path) -> bytes:
    """`size` bytes at `offset`, in one pread unless the system returns fewer.

    Raises:
        CorruptError: the file ends earlier.
    """
    data = b""
    while len(data) < size:
        try:
            more = os.pread(fd, size - len(data), offset + len(data))
        except OSError:
            with naming(path):
                raise
        if not more:
            raise CorruptError(
                f"{path}: byte {offset}: found {len(data)} bytes, expected {size}: the file was "
                f"cut short; run `labelcodec repair {path}`"
            )
        data += more
    return data


def read_record(fd: int, offset: int, size: int, tag: bytes, path: Path) -> memoryview:
    """Payload of the record of `size` bytes (frame included) at `offset`; one read.

    The caller has checked that `size` is at least a frame and at most what the file holds.

    Raises:
        CorruptError: the tag or the length is another one, or the checksum fails.
    """
    data = memoryview(read_at(fd, offset, size, path))
    found, length, crc = layout.FRAME.unpack_from(data)
    payload = data[layout.FRAME.size :]
    actual = zlib.crc32(payload, zlib.crc32(data[: layout.CHECKED]))
    if found == tag and length == len(payload) and actual == crc:
        return payload
    where = f"{path}: byte {offset}"
    remedy = "copy the file again"
    if tag not in (layout.HEADER, layout.SIDE_INFORMATION):  # without these repair saves nothing
        remedy += f" or run `labelcodec repair {path}`"
    if found != tag:
        raise CorruptError(f"{where}: found a record {found!r}, expected {tag!r}; {remedy}")
    if length != len(payload):
        raise CorruptError(
            f"{where}: found a payload of {length} bytes, expected {len(payload)}; {remedy}"
        )
    raise CorruptError(
        f"{where}: checksum of the {tag.decode()!r} record is {actual:#010x}, "
        f"expected {crc:#010x}; {remedy}"
    )
