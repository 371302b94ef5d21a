"""Image indices and recorded augmentation of a batch to streams and back (SPEC, section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.part import PartTables
from labelcodec.augmentation.parts import PARTS, Augmentation
from labelcodec.batch import LabelBatch
from labelcodec.codecs.components import IMAGE_INDEX, Stream
from labelcodec.entropy import packing
from labelcodec.errors import CorruptError

Tables = Mapping[str, PartTables]  # by the part's name; parts without tables are left out


def encode(batch: LabelBatch, tables: Tables) -> dict[Stream, bytes]:
    """Streams 1 to 8, those of parts that were not recorded left out.

    Raises:
        DataError: what no stream can hold.
    """
    streams = {IMAGE_INDEX: encode_image_index(batch.image_index)}
    for part in PARTS:
        value = getattr(batch.augmentation, part.name)
        if value is not None:
            streams |= part.encode(value, tables.get(part.name))
    return streams


def decode(
    streams: Mapping[Stream, memoryview], samples: int, tables: Tables
) -> tuple[NDArray[np.int64], Augmentation]:
    """Image indices and augmentation, the inverse of `encode`.

    Args:
        streams: the batch's streams.
        samples: B.
        tables: tables of the augmentation parts, by name of the part.

    Raises:
        CorruptError: a stream is missing or malformed.
    """
    if IMAGE_INDEX not in streams:
        raise CorruptError("the image index stream is missing")
    index = decode_image_index(streams[IMAGE_INDEX], samples)
    values = {part.name: part.decode(streams, samples, tables.get(part.name)) for part in PARTS}
    return index, Augmentation(**values)


def encode_image_index(index: NDArray[np.int64]) -> bytes:
    """(B,) image indices."""
    return packing.pack_ints(index)


def decode_image_index(data: memoryview, samples: int) -> NDArray[np.int64]:
    """Inverse of `encode_image_index`.

    Raises:
        CorruptError: a malformed stream, or a negative index.
    """
    index = packing.unpack_all_ints(data, samples, "image indices")
    if samples and index.min() < 0:
        raise CorruptError("a negative image index")
    return index
