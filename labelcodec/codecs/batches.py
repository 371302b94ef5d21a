"""A whole batch to bytes and back: streams of its images, its augmentation and its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
import zstandard

from labelcodec.batch import MAX_SAMPLES, Augmentation, LabelBatch, Labels
from labelcodec.codecs import columns, crop, fields, registry, streams
from labelcodec.codecs.crop import CropTables
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.codecs.streams import COMPONENT, Stream
from labelcodec.entropy.coding import Usage
from labelcodec.errors import CorruptError, DataError
from labelcodec.header import Header

MAX_VALUES = 1 << 23  # label values of a batch
MAX_SIDE_BYTES = 1 << 28  # of the side information, decompressed
SIDE_LEVEL = 19


@dataclass(frozen=True, eq=False)
class BatchCoder:
    """Everything needed to code the batches of one container.

    Attributes:
        header: what all batches share.
        codec: the label codec's configuration.
        crops: tables of the crop stream.
        labels: the label codec with its tables.
    """

    header: Header
    codec: Codec
    crops: CropTables
    labels: Coder

    @classmethod
    def fit(cls, header: Header, samples: Sequence[LabelBatch]) -> BatchCoder:
        """Tables for batches like the (prepared) samples; none give empty tables."""
        codec = registry.from_config(header.codec, header.config, "header")
        crops = [b.augmentation.crop for b in samples if b.augmentation.crop is not None]
        coder = codec.fit((b.labels for b in samples), header.classes)
        return cls(header, codec, CropTables.fit(crops), coder)

    @classmethod
    def load(cls, header: Header, side: bytes, where: str) -> BatchCoder:
        """The coder whose `side_information` these bytes are.

        Raises:
            CorruptError: malformed tables.
            UnsupportedError: an unknown codec.
        """
        codec = registry.from_config(header.codec, header.config, where)
        parts = _unpack_side(side, where)
        return cls(
            header,
            codec,
            CropTables.load(parts["crop"]),
            codec.load(parts["labels"], header.classes),
        )

    def side_information(self) -> bytes:
        """The trained tables as one zstd frame of msgpack (SPEC, section 4.2)."""
        parts = {"crop": self.crops.dump(), "labels": self.labels.dump()}
        packed = msgpack.packb(parts, use_bin_type=True)
        return zstandard.ZstdCompressor(level=SIDE_LEVEL).compress(packed)

    def encode(self, batch: LabelBatch) -> bytes:
        """Streams of a batch whose labels are prepared."""
        self._check(batch)
        augmentation, parts = batch.augmentation, self.labels.encode(batch.labels)
        parts[Stream.IMAGE_INDEX] = fields.encode_image_index(batch.image_index)
        if augmentation.crop is not None:
            parts[Stream.CROP] = crop.encode(augmentation.crop, self.crops)
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
        return streams.join(parts)

    def _check(self, batch: LabelBatch) -> None:
        """The batch belongs to this header."""
        header, labels = self.header, batch.labels
        for name, found, expected in (
            ("classes", labels.classes, header.classes),
            ("kept classes", labels.k, header.k),
            ("space", labels.space, header.space),
            ("tail", labels.tail, header.tail),
            ("precision", labels.precision, header.precision),
        ):
            if found != expected:
                raise DataError(f"batch {batch.number}: {name} {found}, the file has {expected}")
        if labels.value.size > MAX_VALUES:
            raise DataError(
                f"batch {batch.number}: {labels.value.size} label values, at most "
                f"{MAX_VALUES} fit a batch"
            )

    def decode(self, data: memoryview, samples: int, number: int, epoch: int) -> LabelBatch:
        """Inverse of `encode`.

        Raises:
            CorruptError: a stream is missing, malformed or implies too large a batch.
            UnsupportedError: a stream this version does not know.
        """
        header = self.header
        width = header.classes if header.k is None else header.k
        if not 0 < samples <= MAX_SAMPLES or samples * width > MAX_VALUES:
            raise CorruptError(f"{samples} samples of {width} values are too large a batch")
        parts = streams.split(data)
        if Stream.IMAGE_INDEX not in parts:
            raise CorruptError("the image index stream is missing")
        blank = Labels(header.classes, _NOTHING, None, header.space, header.tail, header.precision)
        labels = self.labels.decode(parts, samples, blank)
        if labels.k != header.k:
            raise CorruptError(f"k={labels.k}, the header says {header.k}")
        index = fields.decode_image_index(parts[Stream.IMAGE_INDEX], samples)
        return LabelBatch(number, epoch, index, self._decode_augmentation(parts, samples), labels)

    def _decode_augmentation(
        self, parts: Mapping[Stream, memoryview], samples: int
    ) -> Augmentation:
        box, cutout, drawn = (
            parts.get(s) for s in (Stream.CROP, Stream.CUTOUT, Stream.RANDAUGMENT)
        )
        flip, partner = parts.get(Stream.FLIP), parts.get(Stream.MIX_INDEX)
        return Augmentation(
            crop=None if box is None else crop.decode(box, samples, self.crops),
            flip=None if flip is None else fields.decode_flip(flip, samples),
            mix=None
            if partner is None
            else fields.decode_mix(
                partner, parts.get(Stream.MIX_RATIO, _EMPTY), parts.get(Stream.MIX_BOX), samples
            ),
            cutout=None if cutout is None else fields.decode_cutout(cutout, samples),
            randaugment=None if drawn is None else fields.decode_randaugment(drawn, samples),
        )

    def stream_bytes(self, data: memoryview) -> dict[str, int]:
        """Stored bytes by component, without the stream directory."""
        sizes: dict[str, int] = {}
        for stream, part in streams.split(data).items():
            name = COMPONENT[stream]
            sizes[name] = sizes.get(name, 0) + len(part)
        return sizes

    def usage(self, batch: LabelBatch, data: memoryview) -> dict[str, Usage]:
        """Accounting of the entropy-coded streams of a decoded batch, by component."""
        sizes = {stream: len(part) for stream, part in streams.split(data).items()}
        used = self.labels.usage(batch.labels, sizes)
        if batch.augmentation.crop is not None:
            coded = crop.usage(batch.augmentation.crop, sizes[Stream.CROP])
            if coded is not None:
                used[COMPONENT[Stream.CROP]] = coded
        return used


_NOTHING = np.zeros((0, 0), np.float16)
_EMPTY = memoryview(b"")


def _unpack_side(side: bytes, where: str) -> dict[str, Any]:
    """Two maps of byte strings: 'crop' and 'labels'."""
    try:
        size = zstandard.frame_content_size(side)
    except zstandard.ZstdError as error:
        raise CorruptError(f"{where}: broken side information: {error}") from None
    if not 0 < size <= MAX_SIDE_BYTES:
        raise CorruptError(f"{where}: side information of {size} bytes, at most {MAX_SIDE_BYTES}")
    packed = columns.decompress(side, size)
    try:
        parts = msgpack.unpackb(packed, raw=False)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise CorruptError(f"{where}: broken side information: {error}") from None
    good = isinstance(parts, dict) and all(
        isinstance(parts.get(name), dict)
        and all(isinstance(value, bytes) for value in parts[name].values())
        for name in ("crop", "labels")
    )
    if not good:
        raise CorruptError(f"{where}: side information that is not two maps of byte strings")
    return dict(parts)
