"""Files of torch before 1.6, or of `_use_new_zipfile_serialization=False`.

Five pickles (magic number, protocol version, facts about the machine, the object, the keys of its
storages) and then, for each key, the number of values (int64) and the values, unaligned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labelcodec.errors import DumpError
from labelcodec.torch_file.descriptions import SavedStorage
from labelcodec.torch_file.limits import MAX_PICKLE
from labelcodec.torch_file.unpickler import Unpickled, unpickle
from labelcodec.torch_file.values import Bytes, to_values, width_of

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_FIRST_OPCODES = (b"\x80", b"c", b"(")  # of a pickle, of any protocol
_NOT_OURS = "not a file that torch.save wrote"


@dataclass(frozen=True, slots=True)
class _LegacyStorages:
    order: str
    contents: dict[str, Bytes]

    def content(self, key: str) -> Bytes:
        if key not in self.contents:
            raise DumpError(f"damaged: storage {key[:20]!a} is missing")
        return self.contents[key]


def read_legacy(data: bytes, opaque: bool = False) -> Any:
    """Read a file without an archive around it.

    Args:
        data: the whole file.
        opaque: as in `read_torch_file`.

    Returns:
        As `read_torch_file`.

    Raises:
        UnsafeError: it names something that labels do not need.
        DumpError: it is truncated, damaged or not a torch file.
    """
    if data[257:262] == b"ustar":
        raise DumpError(f"a tar archive, {_NOT_OURS}. Unpack it if it holds label files.")
    if data[:1] not in _FIRST_OPCODES:
        raise DumpError(_NOT_OURS if data else "truncated: it is empty")
    magic = _next(data, 0)
    if magic.value != _MAGIC or type(magic.value) is not int:
        raise DumpError(_NOT_OURS)
    version = _next(data, magic.end)
    facts = _next(data, version.end)
    if version.value != _VERSION or not isinstance(facts.value, dict):
        raise DumpError("damaged: it does not begin as a torch file without an archive does")
    if facts.value.get("little_endian") is not True:
        raise DumpError(
            "written on a big-endian machine without an archive. Load it where it was written and "
            "save it again with torch.save."
        )
    described = _next(data, facts.end, opaque)
    keys = _next(data, described.end)
    contents = _contents(data, keys, described.storages)
    return to_values(described.value, _LegacyStorages("<", contents))


def _next(data: bytes, start: int, opaque: bool = False) -> Unpickled:
    """Interpret the pickle at `start`; `end` is a position in `data`."""
    pickled = unpickle(data[start : start + MAX_PICKLE], opaque=opaque)
    return Unpickled(pickled.value, start + pickled.end, pickled.storages)


def _contents(data: bytes, keys: Unpickled, storages: list[SavedStorage]) -> dict[str, Bytes]:
    """Find the values of each storage."""
    first: dict[Any, SavedStorage] = {}
    for storage in storages:
        if type(storage.key) is str:
            first.setdefault(storage.key, storage)
    at = keys.end
    contents: dict[str, Bytes] = {}
    for key in keys.value if type(keys.value) is list else ():
        if type(key) is not str or key not in first:
            raise DumpError("damaged: it lists a storage that its object does not use")
        count = int.from_bytes(data[at : at + 8], "little")
        size = count * width_of(first[key].dtype)
        at += 8
        if at + size > len(data):
            raise DumpError(f"truncated: storage {key[:20]!a} ends after the file")
        contents[key] = Bytes(data, at, size)
        at += size
    return contents
