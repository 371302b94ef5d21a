"""Records: a frame (tag, length, CRC-32) and a payload at a byte offset (SPEC, section 3.2)."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from labelcodec.container import layout
from labelcodec.errors import CorruptError, FormatError, VersionError
from labelcodec.files.os_errors import naming
from labelcodec.files.regular import open_regular
from labelcodec.remote import Location

DAMAGED_ELSEWHERE = (
    "the file is damaged where it was published, or on its way: download it anew, and tell its "
    "publisher if the copy is damaged, too"
)


def repair_or_report(path: Location) -> str:
    """What to do about a damaged file."""
    return f"run `labelcodec repair {path}`" if isinstance(path, Path) else DAMAGED_ELSEWHERE


def pack(tag: bytes, *parts: bytes | bytearray | memoryview) -> bytes:
    """Serialize one record; its payload is the concatenation of `parts`."""
    length = sum(memoryview(part).nbytes for part in parts)
    crc = zlib.crc32(layout.FRAME.pack(tag, length, 0)[: layout.CHECKED])
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((layout.FRAME.pack(tag, length, crc), *parts))


_ARCHIVES = (b"\x1f\x8b", b"PK", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # how they begin


def preamble() -> bytes:
    """The 12-byte preamble of files that this library writes."""
    return layout.PREAMBLE.pack(layout.MAGIC, layout.MAJOR, layout.MINOR)


def check_preamble(data: bytes, path: Location) -> tuple[int, int]:
    """Check the preamble; returns the file's major and minor version.

    Args:
        data: the first bytes of the file.
        path: the file, for error messages.

    Raises:
        FormatError: the file is not a container.
        VersionError: its major version is newer than this library.
    """
    if len(data) < layout.PREAMBLE.size or not data.startswith(layout.MAGIC):
        hint = "" if isinstance(path, Path) else _hint_elsewhere(data)
        raise FormatError(
            f"{path}: not a labelcodec container: it starts with {data[:8]!r}, "
            f"expected {layout.MAGIC!r} and a version{hint}"
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


def _hint_elsewhere(data: bytes) -> str:
    """What a file elsewhere is that is no container; of files of this machine, formats/ says it."""
    if data.lstrip().startswith(b"<"):
        return "; it looks like a web page: pass the address of the file itself"
    if data.startswith(_ARCHIVES):
        return "; it looks like an archive: download and unpack it, and pass the folder of the dump"
    return ""


def open_file(path: Path) -> int:
    """Open a container for reading; returns its file descriptor.

    Raises:
        FileNotFoundError: there is no such file.
        FormatError: the path is a folder, FIFO, socket or device.
    """
    return open_regular(path, FormatError, "a container")


def read_at(fd: int, offset: int, size: int, path: Path) -> bytes:
    """Read `size` bytes at `offset`, in one pread unless the system returns fewer.

    Args:
        fd: the file.
        offset: byte offset.
        size: number of bytes.
        path: the file, for error messages.

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
    """Read the payload of a record, in one read.

    Args:
        fd: the file.
        offset: byte offset of the record's tag.
        size: size of the record in bytes, frame included. The caller has checked that it is at
            least a frame and at most what the file holds.
        tag: expected tag.
        path: the file, for error messages.

    Raises:
        CorruptError: the tag or length differs, or the checksum fails.
    """
    return payload_of(read_at(fd, offset, size, path), offset, tag, path)


def payload_of(record: bytes, offset: int, tag: bytes, path: Location) -> memoryview:
    """Payload of a record that was read.

    Args:
        record: its bytes, at least those of a frame.
        offset: byte offset of its tag, for error messages.
        tag: expected tag.
        path: the file, for error messages.

    Raises:
        CorruptError: the tag or length differs, or the checksum fails.
    """
    data = memoryview(record)
    stored_tag, length, crc = layout.FRAME.unpack_from(data)
    payload = data[layout.FRAME.size :]
    actual = zlib.crc32(payload, zlib.crc32(data[: layout.CHECKED]))
    if stored_tag == tag and length == len(payload) and actual == crc:
        return payload
    where = f"{path}: byte {offset}"
    remedy = "copy the file again" if isinstance(path, Path) else DAMAGED_ELSEWHERE
    if isinstance(path, Path) and tag not in (
        layout.HEADER,
        layout.SIDE_INFORMATION,
    ):  # repair needs these two
        remedy += f" or run `labelcodec repair {path}`"
    if stored_tag != tag:
        raise CorruptError(f"{where}: found a record {stored_tag!r}, expected {tag!r}; {remedy}")
    if length != len(payload):
        raise CorruptError(
            f"{where}: found a payload of {length} bytes, expected {len(payload)}; {remedy}"
        )
    raise CorruptError(
        f"{where}: checksum of the {tag.decode()!r} record is {actual:#010x}, "
        f"expected {crc:#010x}; {remedy}"
    )
