"""Variable-length integers: unsigned LEB128, and the zigzag map (SPEC, section 2)."""

from __future__ import annotations

from labelcodec.errors import CorruptError

Buffer = bytes | bytearray | memoryview

MAX_BYTES = 9  # 63 bits
_ONE_BYTE = [bytes([value]) for value in range(0x80)]  # by far the most frequent


def encode(value: int) -> bytes:
    """Encode an integer: seven bits per byte, lowest first, high bit set in all but the last.

    Args:
        value: 0 .. 2^63 - 1.

    Raises:
        ValueError: the value is out of range.
    """
    if 0 <= value < 0x80:
        return _ONE_BYTE[value]
    if not 0 <= value < 1 << 63:
        raise ValueError(f"{value} is outside 0..2^63-1")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: Buffer, position: int) -> tuple[int, int]:
    """Decode the integer at `position`; also returns the position after it.

    Raises:
        CorruptError: the data ends inside the integer, or it is longer than 9 bytes.
    """
    if position < len(data) and data[position] < 0x80:
        return data[position], position + 1
    value = 0
    for i in range(MAX_BYTES):
        if position + i >= len(data):
            raise CorruptError("a variable-length integer runs past the end of its data")
        byte = data[position + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position + i + 1
    raise CorruptError("a variable-length integer is longer than 9 bytes")


def zigzag(value: int) -> int:
    """Map 0, -1, 1, -2, … to 0, 1, 2, 3, …."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def unzigzag(value: int) -> int:
    """Undo `zigzag`."""
    return (value >> 1) ^ -(value & 1)


def framed(data: bytes) -> bytes:
    """A part with its length in front."""
    return encode(len(data)) + data


def unframed(data: memoryview, what: str) -> tuple[memoryview, memoryview]:
    """The part that `framed` wrote, and what follows it.

    Args:
        data: begins with the length.
        what: name of the part in error messages.

    Raises:
        CorruptError: the part is longer than the data.
    """
    length, begin = decode(data, 0)
    if length > len(data) - begin:
        raise CorruptError(f"the {what} are longer than their stream")
    return data[begin : begin + length], data[begin + length :]
