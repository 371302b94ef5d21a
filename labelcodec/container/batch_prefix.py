"""The prefix that the container puts before a batch's codec bytes (SPEC, section 3.6).

    side number u16 | samples varint | number varint | epoch varint

A varint is unsigned LEB128 (seven bits per byte, lowest first) in its shortest form. Samples,
number and epoch repeat the index entry, so that a lost index can be rebuilt.
"""

from __future__ import annotations

from labelcodec.container import layout
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError
from labelcodec.wording import counted

LONGEST = layout.SIDE.size + 3 * varint.MAX_BYTES


def encode(side: int, samples: int, number: int, epoch: int) -> bytes:
    """Encode a prefix; values must be in range (see `problem`).

    Args:
        side: number of the side information.
        samples: number of samples in the batch.
        number: batch number.
        epoch: epoch of the batch.
    """
    return layout.SIDE.pack(side) + _numbers(samples, number, epoch)


def decode(payload: bytes | memoryview) -> tuple[int, int, int, int, int]:
    """Decode a prefix: side number, samples, number, epoch, and the prefix's size in bytes.

    Raises:
        ValueError: `payload` does not start with a valid prefix.
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
    """Split a batch into side number and codec bytes.

    Args:
        payload: payload of the batch record.
        expected: samples, number and epoch from the index.

    Raises:
        ValueError: the prefix does not match the index.
    """
    numbers = _numbers(*expected)
    end = layout.SIDE.size + len(numbers)
    if payload[layout.SIDE.size : end] != numbers:
        raise ValueError(
            f"the batch's samples, number and epoch are not the index's {expected}; "
            "the index belongs to other data"
        )
    (side,) = layout.SIDE.unpack_from(payload)
    return side, payload[end:]


def _numbers(samples: int, number: int, epoch: int) -> bytes:
    return varint.encode(samples) + varint.encode(number) + varint.encode(epoch)


def problem(samples: int, number: int, epoch: int) -> str | None:
    """What is wrong with these values of a batch; None if nothing is.

    Args:
        samples: B, allowed are 1..2^20.
        number: number of the batch, 0..2^63 - 1.
        epoch: its epoch, 0..2^63 - 1.
    """
    if not 1 <= samples <= layout.MAX_SAMPLES:
        return f"{counted(samples, 'sample')}, allowed are 1..{layout.MAX_SAMPLES}"
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
