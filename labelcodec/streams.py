"""Numbered byte streams of a batch, and the directory in front of them (SPEC, section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping

from labelcodec.entropy import varint
from labelcodec.errors import CorruptError, UnsupportedError

OPTIONAL = 128  # unknown streams may be skipped from this number on


class Stream(int):
    """Number of a stream, and the component that its bytes count towards.

    It is an int, so that the directory of a file can be looked up by number.

    Attributes:
        component: name under which `stats` adds up its bytes; streams may share one.
        colour: '#rrggbb' colour of that component in plots.
    """

    component: str
    colour: str

    def __new__(cls, number: int, component: str, colour: str) -> Stream:
        """Create a stream of this number, 1..255."""
        stream = super().__new__(cls, number)
        stream.component, stream.colour = component, colour
        return stream

    def __reduce__(self) -> tuple[type[Stream], tuple[int, str, str]]:
        """Pickle all three values, not only the number."""
        return Stream, (int(self), self.component, self.colour)

    def __repr__(self) -> str:
        return f"Stream({int(self)}, {self.component!r})"


def join(streams: Mapping[Stream, bytes]) -> bytes:
    """Serialize streams: count, then number and length of each in order, then their bytes."""
    ordered = sorted(streams.items())
    directory = b"".join(bytes([number]) + varint.encode(len(data)) for number, data in ordered)
    return bytes([len(ordered)]) + directory + b"".join(data for _, data in ordered)


def split(data: memoryview, known: Mapping[int, Stream]) -> dict[Stream, memoryview]:
    """Split a batch into the known streams; unknown optional ones are skipped.

    Args:
        data: what `join` returned.
        known: the streams that this library reads, by number.

    Raises:
        CorruptError: the directory does not cover the data exactly, or is out of order.
        UnsupportedError: a stream that this library does not know and may not skip.
    """
    if not data:
        raise CorruptError("a batch without a stream directory")
    count, position, last, total = data[0], 1, 0, 0
    directory = []
    for _ in range(count):
        if position + 1 >= len(data):
            raise CorruptError("a stream directory runs past its batch")
        number, length = data[position], data[position + 1]
        if length < 0x80:  # fast path: a one-byte varint, by far the most frequent
            position += 2
        else:
            length, position = varint.decode(data, position + 1)
        if number <= last:
            raise CorruptError(f"stream {number} comes after stream {last}")
        last = number
        total += length
        directory.append((number, length))
    if position + total != len(data):
        raise CorruptError("the streams do not fill their batch")
    streams = {}
    for number, length in directory:
        stream = known.get(number)
        if stream is not None:
            streams[stream] = data[position : position + length]
        elif number < OPTIONAL:
            raise UnsupportedError(f"stream {number} is not known to this version of labelcodec")
        position += length
    return streams
