"""Files without an archive: their parts are checked as well as they can be without checksums."""

from __future__ import annotations

import io
import pickle
import tarfile

import numpy as np
import pytest
import torch

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.torch_file import read_torch_file

MAGIC = 0x1950A86A20F9469CFC6C
FACTS = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2}}


def saved(content: object) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


def parts(*values: object) -> bytes:
    return b"".join(pickle.dumps(value, 2) for value in values)


def test_unaligned_storages_are_read_aligned() -> None:
    for name in ("a", "ab", "abc", "abcd"):
        values = read_torch_file(saved([name, torch.arange(5.0)]))[1].numpy()
        assert values.flags.aligned and values.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cut", [1, 20, 21, 50, 200])
def test_truncated(cut: int) -> None:
    data = saved([torch.arange(5.0), torch.arange(3)])
    with pytest.raises(DumpError, match=r"truncated|damaged"):
        read_torch_file(data[:-cut])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated: it is empty"),
        (b"hello world" * 100, "not a file that torch.save wrote"),
        (pickle.dumps([1, 2], 2), "not a file that torch.save wrote"),
        (parts(float(MAGIC)), "not a file that torch.save wrote"),
        (parts(MAGIC, 1002, FACTS), "does not begin as"),
        (parts(MAGIC, 1001, [1]), "does not begin as"),
        (parts(MAGIC, 1001, {**FACTS, "little_endian": False}), "big-endian machine.*again"),
        (parts(MAGIC, 1001, FACTS, 7, ["0"]), "lists a storage"),
        (parts(MAGIC, 1001, FACTS, 7, [b"0"]), "lists a storage"),
        (parts(MAGIC, 1001, FACTS, 7), "breaks off"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DumpError, match=reason):
        read_torch_file(data)


def test_a_storage_longer_than_the_file() -> None:
    data = saved([torch.arange(5.0)])
    at = data.rindex(np.int64(5).tobytes())
    with pytest.raises(DumpError, match="ends after the file"):
        read_torch_file(data[:at] + b"\xff" * 8 + data[at + 8 :])
    with pytest.raises(DumpError, match="has 16 bytes in place of 20"):
        read_torch_file(data[:at] + np.int64(4).tobytes() + data[at + 8 :])


def test_a_listed_storage_is_missing() -> None:
    data = saved([torch.arange(5.0)])
    start = data.rindex(b"\x80\x02]")
    with pytest.raises(DumpError, match=r"damaged: storage .* is missing"):
        read_torch_file(data[:start] + parts([]))


def test_tar_archives_are_named() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(tarfile.TarInfo("a"))
    with pytest.raises(DumpError, match="a tar archive, not a file"):
        read_torch_file(out.getvalue())


def test_attacks_in_a_later_pickle() -> None:
    for place in range(1, 5):
        values: list[object] = [MAGIC, 1001, FACTS, 7, []]
        values[place] = print
        with pytest.raises(UnsafeError, match="print"):
            read_torch_file(parts(*values))
