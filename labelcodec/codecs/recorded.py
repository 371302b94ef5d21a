"""Image indices and recorded augmentation of a batch to streams and back (SPEC, section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Augmentation, LabelBatch
from labelcodec.codecs import crop, fields
from labelcodec.codecs.crop import CropTables
from labelcodec.codecs.streams import Stream
from labelcodec.errors import CorruptError


def encode(batch: LabelBatch, crops: CropTables) -> dict[Stream, bytes]:
    """Streams 1 to 8, those of parts that were not recorded left out.

    Raises:
        DataError: what no stream can hold.
    """
    augmentation = batch.augmentation
    parts = {Stream.IMAGE_INDEX: fields.encode_image_index(batch.image_index)}
    if augmentation.crop is not None:
        parts[Stream.CROP] = crop.encode(augmentation.crop, crops)
    if augmentation.flip is not None:
        parts[Stream.FLIP] = fields.encode_flip(augmentation.flip)
    if augmentation.mix is not None:
        parts[Stream.MIX_INDEX] = fields.encode_partner(augmentation.mix.partner)
        parts[Stream.MIX_RATIO] = fields.encode_ratio(augmentation.mix.ratio)
        if augmentation.mix.box is not None:
            parts[Stream.MIX_BOX] = fields.encode_box(augmentation.mix.box)
    if augmentation.cutout is not None:
        parts[Stream.CUTOUT] = fields.encode_cutout(augmentation.cutout)
    if augmentation.randaugment is not None:
        parts[Stream.RANDAUGMENT] = fields.encode_randaugment(augmentation.randaugment)
    return parts


def decode(
    parts: Mapping[Stream, memoryview], samples: int, crops: CropTables
) -> tuple[NDArray[np.int64], Augmentation]:
    """Image indices and augmentation, the inverse of `encode`.

    Raises:
        CorruptError: a stream is missing or malformed.
    """
    if Stream.IMAGE_INDEX not in parts:
        raise CorruptError("the image index stream is missing")
    index = fields.decode_image_index(parts[Stream.IMAGE_INDEX], samples)
    box, cutout, drawn = (parts.get(s) for s in (Stream.CROP, Stream.CUTOUT, Stream.RANDAUGMENT))
    flip, partner = parts.get(Stream.FLIP), parts.get(Stream.MIX_INDEX)
    augmentation = Augmentation(
        crop=None if box is None else crop.decode(box, samples, crops),
        flip=None if flip is None else fields.decode_flip(flip, samples),
        mix=None
        if partner is None
        else fields.decode_mix(
            partner, parts.get(Stream.MIX_RATIO, _EMPTY), parts.get(Stream.MIX_BOX), samples
        ),
        cutout=None if cutout is None else fields.decode_cutout(cutout, samples),
        randaugment=None if drawn is None else fields.decode_randaugment(drawn, samples),
    )
    return index, augmentation


_EMPTY = memoryview(b"")
