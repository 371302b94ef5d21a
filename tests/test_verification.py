from __future__ import annotations

import random
from pathlib import Path

import pytest

import labelcodec
from labelcodec.container import RecordReader, layout, record
from labelcodec.errors import ConfigError
from labelcodec.verification import verify
from tests.labelsets import NAMES, batches, write


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "a.slc", batches(range(4)), names=NAMES)


def test_whole(path):
    calls = []
    report = verify(path, lambda done, total: calls.append((done, total)))
    assert (report.batches, report.samples, report.problems) == (4, 80, ())
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_every_flipped_bit_is_found(path):
    data = path.read_bytes()
    rng = random.Random(0)
    for _ in range(120):
        at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        assert verify(path).problems, (at, bit)


def test_every_cut_is_found(path):
    data = path.read_bytes()
    for size in (*range(0, 60), *range(60, len(data), 97), len(data) - 1):
        path.write_bytes(data[:size])
        assert verify(path).problems, size


def test_all_problems_are_listed(path):
    data = bytearray(path.read_bytes())
    with RecordReader(path) as records:
        index = records.index
        for at in (index.offset[1] + 20, index.offset[3] + 20, index.of(b"n")[0].offset + 15):
            data[at] ^= 1
    path.write_bytes(data)
    report = verify(path)
    assert len(report.problems) == 3 and report.batches == 4
    assert all(str(path) in problem and "checksum" in problem for problem in report.problems)


def test_what_repair_would_save(path):
    data = path.read_bytes()
    assert verify(path).savable == 0
    with RecordReader(path) as records:
        batch, side = records.index.offset[1] + 20, records.index.of(b"S")[0].offset + 15
    for damaged, savable in (
        (data[:batch] + b"\0\0\0\0" + data[batch + 4 :], 3),
        (data[:side] + b"\0\0\0\0" + data[side + 4 :], 0),
        (data[:-1], 4),
        (data[:batch], 1),
        (data[:100], 0),
        (b"", 0),
    ):
        path.write_bytes(damaged)
        report = verify(path)
        assert report.problems and report.savable == savable
        if savable == 0:
            assert not any("labelcodec repair" in problem for problem in report.problems)


def test_damaged_side_information(path):
    data = bytearray(path.read_bytes())
    with RecordReader(path) as records:
        data[records.index.of(b"S")[0].offset + 15] ^= 1
    path.write_bytes(data)
    (problem,) = verify(path).problems
    assert "checksum of the 'S' record" in problem and problem.endswith("(and 4 more like it)")


def test_damaged_tables_are_one_problem(path):
    data = bytearray(path.read_bytes())
    with RecordReader(path) as records:
        (side,) = records.index.of(b"S")
        stored = data[side.offset : side.offset + side.size]
    payload = bytes(len(stored) - layout.FRAME.size - 2)
    data[side.offset : side.offset + side.size] = record.pack(b"S", b"\0\0", payload)
    path.write_bytes(data)
    (problem,) = verify(path).problems
    assert "batch 0: " in problem and problem.endswith("(and 3 more like it)")


def test_images_that_the_folder_does_not_have(tmp_path):
    content = batches(range(3))
    most = max(int(batch.image_index.max()) for batch in content)
    for images, wrong in ((most + 1, 0), (most, 1)):
        path = write(tmp_path / f"{images}.slc", content, header={"images": images})
        problems = verify(path).problems
        assert len(problems) == wrong
        assert all(f"the header says {images} images" in problem for problem in problems)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "none.slc")


@pytest.mark.parametrize("text", ["0", "abc"])
def test_a_bad_number_of_threads_is_not_damage(monkeypatch, tmp_path, text):
    golden = next((Path(__file__).parents[1] / "spec" / "vectors").rglob("*.slc"))
    monkeypatch.setenv("LABELCODEC_THREADS", text)
    with pytest.raises(ConfigError, match="whole number"):
        verify(golden)
    monkeypatch.delenv("LABELCODEC_THREADS")
    with pytest.raises(ConfigError, match="whole number"):
        verify(golden, threads=0)


def test_labels_with_nan_are_counted(tmp_path):
    content = batches(range(3))
    content[0].labels.value[2, 0] = float("nan")
    content[1].labels.value[2:4, 1:3] = float("inf")
    path = write(tmp_path / "b.slc", content)
    report = verify(path)
    assert report.nonfinite == 3 and report.sound
    assert labelcodec.stats(path).nonfinite_labels == 3
    assert labelcodec.stats(write(tmp_path / "c.slc", batches(range(2)))).nonfinite_labels == 0
