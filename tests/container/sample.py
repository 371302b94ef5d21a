"""Small containers for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelcodec.container import RecordReader, RecordWriter

HEADER: dict[str, Any] = {"classes": 10, "config": {"k": 3}, "mix": None}


def payload(number: int) -> bytes:
    return bytes([number % 256]) * (1 + number % 5)


def add(writer: RecordWriter, number: int, side: int = 0) -> None:
    writer.add_batch(
        payload(number), side=side, samples=number + 1, number=number, epoch=number // 2
    )


def build(
    path: Path,
    numbers: Sequence[int] = range(4),
    *,
    sides: Sequence[bytes] = (b"side",),
    names: bytes | None = b"names",
    header: dict[str, Any] = HEADER,
) -> bytes:
    """Write a container; batch i uses side i modulo their count. Returns the file's bytes."""
    with RecordWriter(path, header) as writer:
        for side in sides:
            writer.add_section(b"S", side)
        if names is not None:
            writer.add_section(b"n", names)
        for number in numbers:
            add(writer, number, number % len(sides))
    return path.read_bytes()


def content(path: Path) -> dict[int, tuple[bytes, bytes, int, int]]:
    """Number -> side information, codec bytes, samples, epoch, after a full verify."""
    with RecordReader(path) as reader:
        reader.verify()
        out = {}
        for position in range(len(reader)):
            side, data = reader.batch(position)
            index = reader.index
            out[int(index.number[position])] = (
                reader.side(side),
                bytes(data),
                int(index.samples[position]),
                int(index.epoch[position]),
            )
        return out


def expected(
    numbers: Sequence[int], sides: Sequence[bytes] = (b"side",)
) -> dict[int, tuple[bytes, bytes, int, int]]:
    """What `content` must give for a file of `build`."""
    return {n: (sides[n % len(sides)], payload(n), n + 1, n // 2) for n in numbers}


def read(reader: RecordReader, position: int) -> tuple[int, bytes]:
    """Importable by a spawned worker."""
    side, data = reader.batch(position)
    return side, bytes(data)
