"""What the container itself puts in front of a batch's codec bytes.

    side number u16 | samples varint | number varint | epoch varint

A varint is unsigned LEB128 (seven bits a byte, lowest first) in its shortest form. The three
repeat what the index says of the batch, so that a lost index can be rebuilt.
"""

from __future__ import annotations

from labelcodec.container import layout
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError

LONGEST = layout.SIDE.size + 3 * varint.MAX_BYTES


def encode(side: int, samples: int, number: int, epoch: int) -> bytes:
    """The prefix; every value in its range (see `problem`)."""
    numbers = b"".join(map(varint.encode, (samples, number, epoch)))
    return layout.SIDE.pack(side) + numbers


def decode(payload: bytes | memoryview) -> tuple[int, int, int, int, int]:
    """Side number, samples, number, epoch and the prefix's own size in bytes.

    Raises:
        ValueError: `payload` does not start with a prefix.
    """
    if len(payload) < layout.SIDE.size:
        raise ValueError("the batch ends inside its prefix")
    (side,) = layout.SIDE.unpack_from(payload)
    samples, at = _read_varint(payload, layout.SIDE.size)
    number, at = _read_varint(payload, at)
    epoch, at = _read_varint(payload, at)
    what = problem(samples, number, epoch)
    if what:
        raise ValueError(what)
    return side, samples, number, epoch, at


def split(payload: memoryview, expected: tuple[int, int, int]) -> tuple[int, memoryview]:
    """Side number and codec bytes of a batch whose samples, number and epoch are `expected`.

    Raises:
        ValueError: the payload says otherwise.
    """
    prefix = encode(0, *expected)[layout.SIDE.size :]
    end = layout.SIDE.size + len(prefix)
    if payload[layout.SIDE.size : end] != prefix:
        raise ValueError(
            f"the batch's samples, number and epoch are not the index's {expected}; "
            "the index belongs to other data"
        )
    (side,) = layout.SIDE.unpack_from(payload)
    return side, payload[end:]


def problem(samples: int, number: int, epoch: int) -> str | None:
    """What is wrong with these values of a batch, if anything."""
    if not 1 <= samples <= layout.MAX_SAMPLES:
        return f"{samples} samples, allowed are 1..{layout.MAX_SAMPLES}"
    if not 0 <= number <= layout.MAX_NUMBER:
        return f"number {number}, allowed are 0..{layout.MAX_NUMBER}"
    if not 0 <= epoch <= layout.MAX_NUMBER:
        return f"epoch {epoch}, allowed are 0..{layout.MAX_NUMBER}"
    return None


def _read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    try:
        value, end = varint.decode(data, at)
    except CorruptError as error:
        raise ValueError(str(error)) from None
    if end - at != len(varint.encode(value)):
        raise ValueError("a varint is not in its shortest form")
    return value, end
