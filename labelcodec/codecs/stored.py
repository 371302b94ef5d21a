"""Image indices and recorded augmentation of a batch to streams and back (SPEC, section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.part import PartTables
from labelcodec.augmentation.parts import PARTS, Augmentation
from labelcodec.augmentation.sampler_order import SamplerOrder
from labelcodec.batch import LabelBatch
from labelcodec.codecs.components import IMAGE_INDEX, Stream
from labelcodec.entropy import packing
from labelcodec.errors import CorruptError
from labelcodec.sequences.data import Sequences
from labelcodec.sequences.stream import SEQUENCES, decode_sequences, encode_sequences
from labelcodec.wording import counted

Tables = Mapping[str, PartTables]  # by the part's name; parts without tables are left out


def encode(
    batch: LabelBatch, tables: Tables, order: SamplerOrder | None = None
) -> dict[Stream, bytes]:
    """Streams 1 to 8 and 16, those of parts that were not recorded left out; or those of sequences.

    Args:
        batch: the batch.
        tables: tables of the augmentation parts, by name of the part.
        order: recipe of the image order; image indices that it gives are left out, too.

    Raises:
        DataError: what no stream can hold.
    """
    if batch.sequences is not None:
        return encode_sequences(batch.sequences, batch.image_index)
    drawn = None if order is None else order.image_index(batch.number, batch.epoch)
    streams: dict[Stream, bytes] = {}
    if drawn is None or not np.array_equal(drawn, batch.image_index):
        streams[IMAGE_INDEX] = encode_image_index(batch.image_index)
    for part in PARTS:
        value = getattr(batch.augmentation, part.name)
        if value is not None:
            streams |= part.encode(value, tables.get(part.name))
    return streams


def decode(
    streams: Mapping[Stream, memoryview],
    samples: int,
    tables: Tables,
    batch: tuple[int, int] = (0, 0),
    order: SamplerOrder | None = None,
) -> tuple[NDArray[np.int64], Augmentation, Sequences | None]:
    """Image indices, augmentation and sequences, the inverse of `encode`.

    Args:
        streams: the batch's streams.
        samples: B.
        tables: tables of the augmentation parts, by name of the part.
        batch: its number and epoch.
        order: recipe of the image order, which gives image indices that are not stored.

    Raises:
        CorruptError: a stream is missing or malformed.
    """
    if SEQUENCES in streams:
        if IMAGE_INDEX in streams:
            raise CorruptError("a batch of images and of sequences")
        index, sequences = decode_sequences(streams, samples)
        return index, Augmentation(), sequences
    if IMAGE_INDEX in streams:
        index = decode_image_index(streams[IMAGE_INDEX], samples)
    elif order is None:
        raise CorruptError("the image index stream is missing")
    else:
        index = _draw_image_index(order, samples, *batch)
    values = {part.name: part.decode(streams, samples, tables.get(part.name)) for part in PARTS}
    return index, Augmentation(**values), None


def _draw_image_index(
    order: SamplerOrder, samples: int, number: int, epoch: int
) -> NDArray[np.int64]:
    drawn = order.image_index(number, epoch)
    if drawn is None or len(drawn) != samples:
        raise CorruptError(
            f"no image indices, and the recipe has no batch {number} of "
            f"{counted(samples, 'sample')} in epoch "
            f"{epoch}"
        )
    return drawn


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
