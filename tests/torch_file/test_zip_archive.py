"""Only archives as torch writes them are read, and every content has its checksum."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
import torch

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.torch_file import read_torch_file
from labelcodec.torch_file.limits import MAX_MEMBERS
from labelcodec.torch_file.zip_archive import CENTRAL, END, LOCAL, read_directory
from tests.torch_file.archives import archive, pickle

PLAIN = archive(pickle(b"K\x07"), version=b"3")


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def edited(field: int, value: object, entry: int = 0) -> bytes:
    """`PLAIN` with another value in a field of its directory."""
    at = PLAIN.index(b"PK\1\2")
    for _ in range(entry):
        at = PLAIN.index(b"PK\1\2", at + 4)
    fields = list(CENTRAL.unpack_from(PLAIN, at))
    fields[field] = value
    return PLAIN[:at] + CENTRAL.pack(*fields) + PLAIN[at + CENTRAL.size :]


def ended(field: int, value: object) -> bytes:
    """`PLAIN` with another value in a field of its last record."""
    fields = list(END.unpack_from(PLAIN, len(PLAIN) - END.size))
    fields[field] = value
    return PLAIN[: -END.size] + END.pack(*fields)


def test_the_plain_archive_is_read() -> None:
    assert read_torch_file(PLAIN) == 7


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PLAIN[:-1], "truncated: its zip directory"),
        (PLAIN[: len(PLAIN) // 2], "truncated: its zip directory"),
        (b"PK\3\4" + bytes(200), "truncated: its zip directory"),
        (PLAIN + b"x", "truncated: its zip directory"),
        (PLAIN[1:], "not a file that torch.save wrote"),
        (zipped({"a/data.pkl": b"x"}, zipfile.ZIP_DEFLATED), "a/data.pkl in it is compressed"),
        (edited(3, 1), "compressed or encrypted"),
        (zipped({"a.txt": b"x"}), "a zip archive, not a file that torch.save wrote"),
        (zipped({}), "not a file that torch.save wrote"),
        (edited(0, b"PK\3\4"), "holds something else"),
        (edited(7, 123), "checksum of archive/data.pkl in it is wrong"),
        (edited(8, 4), "in it has two sizes"),
        (edited(10, 60000), "holds something else|cut off"),
        (edited(16, 1), "is not where its zip directory says"),
        (edited(16, 1 << 30), "is not where its zip directory says"),
        (ended(1, 1), "directory is not where"),
        (ended(5, 9), "directory is not where"),
        (ended(6, 9), "directory is not where"),
        (ended(4, 3), "directory is cut off"),
        (PLAIN.replace(b"archive/data.pkl", b"archive/date.pkl", 1), "is not where its"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DumpError, match=reason):
        read_torch_file(data)


def test_members_may_not_repeat_or_overlap() -> None:
    first = PLAIN.index(b"PK\1\2")
    entry = PLAIN[first : PLAIN.index(b"PK\1\2", first + 4)]
    end = list(END.unpack_from(PLAIN, len(PLAIN) - END.size))
    end[3:7] = end[3] + 1, end[4] + 1, end[5] + len(entry), end[6]
    twice = PLAIN[:first] + entry + PLAIN[first : -END.size] + END.pack(*end)
    with pytest.raises(UnsafeError, match=r"archive/data\.pkl twice"):
        read_torch_file(twice)
    inner = LOCAL.pack(b"PK\3\4", 0, 0, 0, 0, 0, 0, 1, 1, 9, 0) + b"archive/a" + b"x"
    outer = archive(inner, version=b"3")
    moved = outer.replace(b"archive/version", b"archive/a", 1)
    at = outer.index(inner)
    second = moved.rindex(b"PK\1\2")
    fields = list(CENTRAL.unpack_from(moved, second))
    fields[8:10], fields[10], fields[16] = (1, 1), 9, at
    start = moved.index(b"PK\1\2")
    directory = moved[start:second] + CENTRAL.pack(*fields) + b"archive/a"
    end = [b"PK\5\6", 0, 0, 2, 2, len(directory), start, 0]
    with pytest.raises(UnsafeError, match="members of its archive overlap or are out"):
        read_torch_file(moved[:start] + directory + END.pack(*end))


def test_the_number_of_members_is_bounded() -> None:
    end = END.pack(b"PK\5\6", 0, 0, 0, 0xFFFF, 0, 0, 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 0, 0, 0, 0, 0, MAX_MEMBERS + 1, 0, 0)
    with pytest.raises(UnsafeError, match=f"more than {MAX_MEMBERS}"):
        read_directory(end64 + locator + end)


def test_numbers_of_zip64() -> None:
    """Python writes them for members that might be large; torch does above 4 GiB."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w") as file,
        file.open("a/data.pkl", "w", force_zip64=True) as member,
    ):
        member.write(pickle(b"K\x07"))
    data = out.getvalue()
    assert read_torch_file(data) == 7
    at = data.index(b"PK\1\2")
    fields = list(CENTRAL.unpack_from(data, at))
    sizes = fields[8:10]
    fields[8:10], fields[11] = (0xFFFFFFFF, 0xFFFFFFFF), 20
    entry = CENTRAL.pack(*fields) + b"a/data.pkl" + struct.pack("<HHQQ", 1, 16, *sizes)
    end = END.pack(b"PK\5\6", 0, 0, 1, 1, len(entry), at, 0)
    assert read_torch_file(data[:at] + entry + end) == 7
    short = CENTRAL.pack(*fields[:11], 4, *fields[12:]) + b"a/data.pkl" + struct.pack("<HH", 1, 16)
    end = END.pack(b"PK\5\6", 0, 0, 1, 1, len(short), at, 0)
    with pytest.raises(DumpError):
        read_torch_file(data[:at] + short + end)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_changed_byte_is_noticed(at: float) -> None:
    out = io.BytesIO()
    torch.save([torch.arange(5000.0)], out)
    data = bytearray(out.getvalue())
    data[int(len(data) * at)] ^= 1
    with pytest.raises(DumpError, match=r"damaged: the checksum of archive/data/0 in it is wrong"):
        read_torch_file(bytes(data))
