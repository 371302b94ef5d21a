"""Writing of torch files, byte for byte as torch.save does, except for their serialization id."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

from labelcodec.torch_file.pickler import to_pickle
from labelcodec.torch_file.zip_archive import CENTRAL, END, END64, LOCAL, LOCATOR64

_ALIGNMENT = 64  # of the content of every member
_FLAGS = 0x808  # UTF-8 names; sizes and checksum follow the content
_MADE_BY, _READ_BY = 0x031E, 45


def torch_file(content: Any, name: str) -> bytes:
    """The bytes of a file that torch.load reads.

    Args:
        content: lists, tuples and dicts of `Tensor`, numpy arrays and scalars, numbers, text and
            None.
        name: the file's name without its suffix, which torch gives the folder in the archive.

    Raises:
        TypeError: the content holds something else.
    """
    pickle, storages = to_pickle(content)
    digest = hashlib.sha256(pickle)
    for storage in storages:
        digest.update(storage.data)
    members: list[tuple[str, Any]] = [
        ("data.pkl", pickle),
        (".format_version", b"1"),
        (".storage_alignment", str(_ALIGNMENT).encode()),
        ("byteorder", b"little"),
        *((f"data/{key}", storage.tobytes()) for key, storage in enumerate(storages)),
        ("version", b"3\n"),
        (".data/serialization_id", f"{int(digest.hexdigest(), 16) % 10**40:040}".encode()),
    ]
    return _archive([(f"{name}/{member}".encode(), data) for member, data in members])


def _archive(members: list[tuple[bytes, bytes]]) -> bytes:
    out, directory = bytearray(), bytearray()
    for name, data in members:
        header, crc = len(out), zlib.crc32(data)
        padding = -(header + LOCAL.size + len(name) + 4) % _ALIGNMENT
        extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        out += LOCAL.pack(b"PK\3\4", 0, _FLAGS, 0, 0, 0, 0, 0, 0, len(name), len(extra))
        out += name + extra + data
        out += struct.pack("<4sIII", b"PK\7\x08", crc, len(data), len(data))
        directory += CENTRAL.pack(
            b"PK\1\2", 0, 0, _FLAGS, 0, 0, 0, crc, len(data), len(data), len(name), 0, 0, 0, 0, 0,
            header,
        ) + name  # fmt: skip
    start, size, count = len(out), len(directory), len(members)
    out += directory
    end64 = len(out)
    out += END64.pack(
        b"PK\6\6", END64.size - 12, _MADE_BY, _READ_BY, 0, 0, count, count, size, start
    )
    out += LOCATOR64.pack(b"PK\6\7", 0, end64, 1)
    out += END.pack(b"PK\5\6", 0, 0, count, count, size, start, 0)
    return bytes(out)
