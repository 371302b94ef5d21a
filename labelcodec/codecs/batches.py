"""A whole batch to bytes and back: streams of its images, its augmentation and its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labelcodec.batch import MAX_SAMPLES, LabelBatch, Labels
from labelcodec.codecs import crop, recorded, registry, side, streams
from labelcodec.codecs.crop import CropTables
from labelcodec.codecs.drawn import check_drawn, redraw
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.streams import COMPONENT, Stream
from labelcodec.entropy.coding import Usage
from labelcodec.errors import CorruptError, DataError, LabelcodecError
from labelcodec.header import Header

MAX_VALUES = 1 << 23  # label values of a batch


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
    def fit(
        cls, header: Header, samples: Sequence[LabelBatch], expected: int | None = None
    ) -> BatchCoder:
        """Tables for batches like the (prepared) samples; none give empty tables.

        `expected` is the number of labels of the whole file, where it is known.
        """
        codec = registry.from_config(header.codec, header.config, "header")
        stored = samples if header.recipe is None else ()
        crops = [b.augmentation.crop for b in stored if b.augmentation.crop is not None]
        pictures = [Pictures(b.image_index, b.augmentation) for b in samples]
        coder = codec.fit((b.labels for b in samples), header.classes, expected, pictures)
        return cls(header, codec, CropTables.fit(crops), coder)

    @classmethod
    def load(cls, header: Header, data: bytes, where: str) -> BatchCoder:
        """The coder whose `side_information` these bytes are.

        Raises:
            CorruptError: malformed tables, or a header that does not fit its codec.
            UnsupportedError: an unknown codec.
        """
        codec = registry.from_config(header.codec, header.config, where)
        _check_kept(header, codec, where)
        parts = side.unpack(data, where)
        return cls(
            header,
            codec,
            CropTables.load(parts["crop"]),
            codec.load(parts["labels"], header.classes),
        )

    def side_information(self) -> bytes:
        """The trained tables as one zstd frame of msgpack (SPEC, section 4.2)."""
        parts = {"crop": self.crops.dump(), "labels": self.labels.dump()}
        return side.pack(parts)

    def encode(self, batch: LabelBatch) -> bytes:
        """Streams of a batch whose labels are prepared.

        Raises:
            DataError: it does not belong to this header, or has what no stream can hold.
        """
        check(self.header, batch)
        parts = self.labels.encode(batch.labels, Pictures(batch.image_index, batch.augmentation))
        if self.header.recipe is None:
            parts |= recorded.encode(batch, self.crops)
        return streams.join(parts)

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
        if header.recipe is None:
            index, augmentation = recorded.decode(parts, samples, self.crops)
        else:
            if stored := parts.keys() & streams.DRAWN:
                raise CorruptError(f"stream {min(stored)} in a file whose recipe draws it")
            index, augmentation = redraw(header.recipe, number, epoch, samples)
        labels = self.labels.decode(parts, samples, self._blank, Pictures(index, augmentation))
        if labels.k != header.k:
            raise CorruptError(f"k={labels.k}, the header says {header.k}")
        return LabelBatch(number, epoch, index, augmentation, labels)

    @cached_property
    def _blank(self) -> Labels:
        """Labels without content, that say what all labels of the file share."""
        h = self.header
        nothing = np.zeros((0, 0), np.float16)
        return Labels(h.classes, nothing, None, h.space, h.tail, h.precision)

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
        if Stream.CROP in sizes and batch.augmentation.crop is not None:
            coded = crop.usage(batch.augmentation.crop, sizes[Stream.CROP])
            if coded is not None:
                used[COMPONENT[Stream.CROP]] = coded
        return used


def check(header: Header, batch: LabelBatch) -> None:
    """Check that a batch with prepared labels belongs to the header.

    Raises:
        DataError: naming the batch and what differs.
    """
    labels = batch.labels
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
    if header.recipe is not None:
        check_drawn(header.recipe, batch)


def _check_kept(header: Header, codec: Codec, where: str) -> None:
    """The header's k is one that the codec can have stored; batches are sized by it."""
    try:
        good = codec.kept(header.k, header.tail)[0] == header.k
    except LabelcodecError:
        good = False
    if not good:
        raise CorruptError(f"{where}: codec {header.codec} with k={header.k} in the header")
