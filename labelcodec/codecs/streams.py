"""The streams of a batch and the directory in front of them (SPEC, section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from labelcodec.entropy import varint
from labelcodec.errors import CorruptError, UnsupportedError


class Stream(IntEnum):
    """Numbers of the streams; a reader may skip an unknown number from 128 on, no other."""

    IMAGE_INDEX = 1
    CROP = 2
    FLIP = 3
    MIX_INDEX = 4
    MIX_RATIO = 5
    MIX_BOX = 6
    CUTOUT = 7
    RANDAUGMENT = 8
    LABEL_INDEX = 9
    LABEL_VALUES = 10
    LABEL_FLOOR = 11


DRAWN = frozenset(range(Stream.IMAGE_INDEX, Stream.LABEL_INDEX))  # what a recipe stands for
OPTIONAL = 128
_BY_NUMBER = {int(stream): stream for stream in Stream}  # far quicker than the enum's own look-up

COMPONENT = {
    Stream.IMAGE_INDEX: "image index",
    Stream.CROP: "crop",
    Stream.FLIP: "flip",
    Stream.MIX_INDEX: "mix index",
    Stream.MIX_RATIO: "mix ratio",
    Stream.MIX_BOX: "mix box",
    Stream.CUTOUT: "cutout",
    Stream.RANDAUGMENT: "randaugment",
    Stream.LABEL_INDEX: "label index",
    Stream.LABEL_VALUES: "label values",
    Stream.LABEL_FLOOR: "label values",
}
SIDE_INFORMATION = "side information"
FRAMING = "framing and index"
COMPONENTS = (*dict.fromkeys(COMPONENT.values()), SIDE_INFORMATION, FRAMING)


def join(streams: Mapping[Stream, bytes]) -> bytes:
    """Count, then number and length of each stream in order of number, then their bytes."""
    ordered = sorted(streams.items())
    directory = b"".join(bytes([number]) + varint.encode(len(data)) for number, data in ordered)
    return bytes([len(ordered)]) + directory + b"".join(data for _, data in ordered)


def split(data: memoryview) -> dict[Stream, memoryview]:
    """The known streams of a batch; unknown optional ones are left out.

    Raises:
        CorruptError: the directory does not cover the data exactly, or is out of order.
        UnsupportedError: a stream this library does not know and may not skip.
    """
    if not data:
        raise CorruptError("a batch without a stream directory")
    count, position, last, total = data[0], 1, 0, 0
    directory = []
    for _ in range(count):
        if position + 1 >= len(data):
            raise CorruptError("a stream directory runs past its batch")
        number, length = data[position], data[position + 1]
        if length < 0x80:  # a varint of one byte, by far the most frequent
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
        stream = _BY_NUMBER.get(number)
        if stream is not None:
            streams[stream] = data[position : position + length]
        elif number < OPTIONAL:
            raise UnsupportedError(f"stream {number} is not known to this version of labelcodec")
        position += length
    return streams
