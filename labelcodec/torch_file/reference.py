"""Reading of the archive that torch.save writes: the reference implementation of `compiled`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.torch_file.limits import MAX_PICKLE
from labelcodec.torch_file.unpickler import unpickle
from labelcodec.torch_file.values import Buffer, Bytes, to_values
from labelcodec.torch_file.zip_archive import Member, checked, read_directory, shown

__all__ = ["read_archive"]

_ORDERS = {b"little": "<", b"big": ">"}


def read_archive(data: Buffer, opaque: bool = False) -> Any:
    """Read an archive; arguments, result and errors as of `read_torch_file`."""
    members = read_directory(data)
    folder = next(iter(members), b"").partition(b"/")[0] + b"/"
    name = folder + b"data.pkl"
    if name not in members:
        raise DumpError("a zip archive, not a file that torch.save wrote")
    if members[name].size > MAX_PICKLE:
        raise UnsafeError(f"refused, its pickle is larger than {MAX_PICKLE} bytes")
    pickled = unpickle(_content(data, members, name), opaque=opaque)
    order = b"little"
    if folder + b"byteorder" in members:
        order = _content(data, members, folder + b"byteorder")
    if order not in _ORDERS:
        raise DumpError(f"damaged: its byte order is {order[:20]!a}")
    return to_values(pickled.value, _ArchiveStorages(data, members, folder, _ORDERS[order]))


def _content(data: Buffer, members: dict[bytes, Member], name: bytes) -> bytes:
    content = checked(data, members[name], name)
    return data[content.start : content.start + content.size]


@dataclass(frozen=True, slots=True)
class _ArchiveStorages:
    """The storages of an archive; each checksum is checked once."""

    data: Buffer
    members: dict[bytes, Member]
    folder: bytes
    order: str
    known: dict[str, Bytes] = field(default_factory=dict)

    def content(self, key: str) -> Bytes:
        """As `Storages.content`."""
        if key not in self.known:
            name = self.folder + b"data/" + key.encode("utf-8", "backslashreplace")
            if name not in self.members:
                raise DumpError(f"damaged: its archive has no {shown(name)}")
            self.known[key] = checked(self.data, self.members[name], name)
        return self.known[key]
