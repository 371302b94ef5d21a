from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.container import RecordReader, RecordWriter, batch_prefix, layout
from tests.container.sample import build, content, expected

NUMBERS = st.integers(0, layout.MAX_NUMBER)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BATCHES = st.lists(
    st.tuples(st.binary(max_size=40), st.integers(1, layout.MAX_SAMPLES), NUMBERS, NUMBERS),
    unique_by=lambda batch: batch[2],
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(
    header=st.dictionaries(st.text(), VALUES, max_size=4),
    batches=BATCHES,
    sides=st.lists(st.binary(max_size=20), min_size=1, max_size=3),
    names=st.none() | st.binary(max_size=20),
    late=st.booleans(),
)
def test_any_content(
    header: dict[str, Any],
    batches: list[tuple[bytes, int, int, int]],
    sides: list[bytes],
    names: bytes | None,
    late: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.slc"
        with RecordWriter(path, header) as writer:
            if not late:
                _add_sections(writer, sides, names)
            for i, (payload, samples, number, epoch) in enumerate(batches):
                writer.add_batch(
                    payload, side=i % len(sides), samples=samples, number=number, epoch=epoch
                )
            if late:
                _add_sections(writer, sides, names)
        with RecordReader(path) as reader:
            reader.verify()
            assert repr(reader.header) == repr(header)  # NaN is not equal to itself
            assert [reader.side(i) for i in range(reader.sides)] == sides
            assert reader.names() == names
            assert len(reader) == len(batches)
            index = reader.index
            for i, (payload, *values) in enumerate(batches):
                assert reader.batch(i) == (i % len(sides), payload)
                assert values == [index.samples[i], index.number[i], index.epoch[i]]


def _add_sections(writer: RecordWriter, sides: list[bytes], names: bytes | None) -> None:
    for side in sides:
        writer.add_section(b"S", side)
    if names is not None:
        writer.add_section(b"n", names)


@given(st.integers(0, 65535), st.integers(1, layout.MAX_SAMPLES), NUMBERS, NUMBERS)
def test_batch_prefix(side: int, samples: int, number: int, epoch: int) -> None:
    data = batch_prefix.encode(side, samples, number, epoch)
    assert batch_prefix.decode(data + b"rest") == (side, samples, number, epoch, len(data))
    assert len(data) <= batch_prefix.LONGEST
    for cut in range(len(data)):
        with pytest.raises(ValueError, match="end"):
            batch_prefix.decode(data[:cut])


def test_long_varints_are_refused() -> None:
    with pytest.raises(ValueError, match="shortest"):
        batch_prefix.decode(b"\0\0\x81\0\0\0")
    with pytest.raises(ValueError, match="longer than 9 bytes"):
        batch_prefix.decode(b"\0\0\x01" + b"\xff" * 9 + b"\x01\0")


def test_same_input_same_bytes(tmp_path: Path) -> None:
    one, other = (build(tmp_path / name) for name in ("a.slc", "b.slc"))
    assert one == other


def test_content(tmp_path: Path) -> None:
    sides = [b"one", b"two"]
    build(tmp_path / "a.slc", [5, 2, 9], sides=sides)
    assert content(tmp_path / "a.slc") == expected([5, 2, 9], sides)


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build(tmp_path / "whole.slc")
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:7], at))
    assert build(tmp_path / "pieces.slc") == whole
