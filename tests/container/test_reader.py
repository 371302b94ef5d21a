from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from labelcodec.container import RecordReader, layout, repair
from labelcodec.errors import CorruptError, FormatError, LabelcodecError
from tests.container.sample import build, payload


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build(tmp_path / "a.slc")
    return tmp_path / "a.slc"


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    reads: list[tuple[int, int]] = []
    real = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        reads.append((offset, size))
        return real(fd, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    return reads


def test_one_read_a_batch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordReader(path) as reader:
        reads = count_reads(monkeypatch)
        for position in (2, 0, 3):
            assert reader.batch(position)[1] == payload(position)
        index = reader.index
        assert reads == [(int(index.offset[i]), int(index.size[i])) for i in (2, 0, 3)]


def test_opening_reads_no_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.slc"
    build(path, range(2000), sides=[bytes(100_000)])
    reads = count_reads(monkeypatch)
    with RecordReader(path) as reader:
        batches = (int(reader.index.offset[0]), int(reader.index.offset[-1]))
        assert sum(size for _, size in reads) < 12_000
    assert len(reads) == 4  # preamble, trailer, index, header
    assert not any(batches[0] <= offset <= batches[1] for offset, _ in reads)


def test_short_reads_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread
    with RecordReader(path) as reader:
        monkeypatch.setattr(os, "pread", lambda fd, size, at: real(fd, min(size, 3), at))
        reader.verify()


@pytest.mark.parametrize("position", [-1, 4])
def test_no_such_batch(path: Path, position: int) -> None:
    with RecordReader(path) as reader, pytest.raises(IndexError, match="of 4"):
        reader.batch(position)


@pytest.mark.parametrize("number", [-1, 1])
def test_no_such_side_information(path: Path, number: int) -> None:
    with RecordReader(path) as reader, pytest.raises(IndexError, match="of 1"):
        reader.side(number)


def test_closed(path: Path) -> None:
    reader = RecordReader(path)
    reader.close()
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.batch(0)


def test_descriptors_are_freed(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        RecordReader(path)
    with pytest.raises(CorruptError):
        _truncated(path, path.stat().st_size - 1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RecordReader(tmp_path / "none.slc")


def test_unfinished_file(path: Path) -> None:
    path.rename(f"{path}.partial")
    with pytest.raises(CorruptError, match=r"never finished.*labelcodec repair .*a\.slc`$"):
        RecordReader(path)


def test_index_columns_are_read_only(path: Path) -> None:
    with RecordReader(path) as reader, pytest.raises(ValueError, match="read-only"):
        reader.index.number[0] = 7


def _truncated(path: Path, size: int) -> None:
    os.truncate(path, size)
    with RecordReader(path) as reader:
        reader.verify()


def test_every_truncation(path: Path) -> None:
    with RecordReader(path) as reader:
        index = reader.index
    for size in reversed(range(path.stat().st_size)):
        with pytest.raises(FormatError) as caught:
            _truncated(path, size)
        if size >= layout.PREAMBLE.size:
            assert isinstance(caught.value, CorruptError)
            savable = size >= index.offset[0] + index.size[0]
            assert (f"labelcodec repair {path}" in str(caught.value)) == savable
        else:
            assert "not a labelcodec container" in str(caught.value)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="is a folder"):
        RecordReader(tmp_path)
    with pytest.raises(FormatError, match="is a folder"):
        repair(tmp_path)


def test_a_read_that_fails_names_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(fd: int, size: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with RecordReader(path) as reader:
        monkeypatch.setattr(os, "pread", fails)
        with pytest.raises(OSError, match=re.escape(str(path))):
            reader.batch(0)


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(LabelcodecError), RecordReader(path) as reader:
            reader.verify()


@pytest.mark.parametrize(
    ("read", "offset"),
    [
        (lambda reader: reader.batch(1), lambda reader: int(reader.index.offset[1])),
        (lambda reader: reader.side(0), lambda reader: reader.index.of(b"S")[0].offset),
        (lambda reader: reader.names(), lambda reader: reader.index.of(b"n")[0].offset),
    ],
)
def test_damage_is_located(
    path: Path, read: Callable[[RecordReader], object], offset: Callable[[RecordReader], int]
) -> None:
    with RecordReader(path) as reader:
        at = offset(reader)
        with open(path, "r+b") as file:
            file.seek(at + layout.FRAME.size + 2)
            file.write(b"\xfe")
        with pytest.raises(CorruptError, match=f"byte {at}: checksum of the"):
            read(reader)


def test_file_cut_while_open(path: Path) -> None:
    with RecordReader(path) as reader:
        os.truncate(path, int(reader.index.offset[2]) + 3)
        with pytest.raises(CorruptError, match="found 3 bytes, expected"):
            reader.batch(2)
