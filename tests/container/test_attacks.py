from __future__ import annotations

import inspect
import os
import random
import time
import tracemalloc
from pathlib import Path

import pytest

from labelcodec.container import RecordReader, repair, scan
from labelcodec.errors import LabelcodecError
from tests.attacks import frames
from tests.attacks.container import ATTACKS, MODULES
from tests.attacks.file import record, small

MEMORY = 64 << 20  # bytes
SECONDS = 5.0


@pytest.mark.parametrize("name", ATTACKS)
def test_reader(name: str, tmp_path: Path) -> None:
    attack, error = ATTACKS[name]
    path = tmp_path / "hostile.slc"
    path.write_bytes(attack())
    tracemalloc.start()
    try:
        start = time.process_time()
        if error is None:
            _verify(path)
        else:
            with pytest.raises(error) as caught:
                _verify(path)
            assert type(caught.value) is error
            assert str(path) in str(caught.value)
        assert time.process_time() - start < SECONDS
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


# 65 536 records take a quarter of a minute while memory is traced.
@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - {"sections_many"}))
def test_scan_and_repair(name: str, tmp_path: Path) -> None:
    path, out = tmp_path / "hostile.slc", tmp_path / "out.slc"
    path.write_bytes(ATTACKS[name][0]())
    tracemalloc.start()
    try:
        for resynchronise in (False, True):
            try:
                scan(path, resynchronise=resynchronise)
            except LabelcodecError as error:
                assert str(path) in str(error)
        try:
            repair(path, out)
        except LabelcodecError:
            assert not list(tmp_path.glob("out*"))
        else:
            _verify(out)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def _verify(path: Path) -> None:
    with RecordReader(path) as reader:
        reader.verify()


def test_unknown_optional_section_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "later.slc"
    path.write_bytes(frames.newer_minor())
    with RecordReader(path) as reader:
        assert reader.version == (1, 7)
        assert len(reader) == 3
        (extra,) = reader.index.of(b"x")
        assert reader.section(extra) == b"from the future"


def test_the_builder_alone_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "small.slc"
    path.write_bytes(small().bytes())
    _verify(path)


def test_every_builder_is_listed() -> None:
    builders = [
        name
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not inspect.signature(function).parameters
    ]
    assert sorted(builders) == sorted(ATTACKS)


def count_bytes_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, set[int]]:
    """Bytes that a scan with resynchronisation reads, and the batch numbers it finds."""
    total = 0
    real = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        nonlocal total
        data = real(fd, size, offset)
        total += len(data)
        return data

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", pread)
        numbers = scan(path, resynchronise=True).ledger.numbers
    return total, numbers


@pytest.mark.parametrize("bad", [record(b"y", b"", length=90_001), bytes(10)])
def test_search_is_linear(bad: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five thousand damaged records, claiming half of the file or nothing: none is searched far."""
    file = small()
    file.body += (3 * record(b"n", b"") + bad) * 5_000
    path = tmp_path / "slow.slc"
    path.write_bytes(file.bytes())
    total, numbers = count_bytes_read(path, monkeypatch)
    assert numbers == {0, 1, 2}
    assert total < 30 * path.stat().st_size


def test_few_false_candidates_are_checksummed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise has some 30 bytes a kilobyte that could start a record as large as the file."""
    file = small()
    noise = random.Random(0).randbytes(1 << 18)
    file.body += b"".join(noise[i : i + 4] + b"\0" for i in range(0, len(noise), 4))
    file.batch(9, b"\0\0\x01\x09\0" + bytes(1 << 23))
    for number in (10, 11, 12):
        file.batch(number, b"\0\0\x01" + bytes([number]) + b"\0labels")
    path = tmp_path / "noise.slc"
    path.write_bytes(file.bytes())
    total, numbers = count_bytes_read(path, monkeypatch)
    assert numbers == {0, 1, 2, 9, 10, 11, 12}
    assert total < 2 * path.stat().st_size
