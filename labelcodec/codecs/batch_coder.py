"""A whole batch to bytes and back: streams of its images, its augmentation and its labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from labelcodec.augmentation.part import PartTables
from labelcodec.augmentation.parts import PARTS
from labelcodec.batch import MAX_SAMPLES, LabelBatch, Labels
from labelcodec.codecs import registry, side_info, stored
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import SEEDED, Stream, join, split
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.codecs.seeded import check_seeded, redraw
from labelcodec.entropy.coding import Usage
from labelcodec.errors import CorruptError, DataError, LabelcodecError
from labelcodec.header import Header
from labelcodec.sequences.stream import TOKENS
from labelcodec.sequences.token_ids import pack_tokens, unpack_tokens
from labelcodec.wording import counted

MAX_VALUES = 1 << 23  # label values of a batch


@dataclass(frozen=True, eq=False)
class BatchCoder:
    """Everything needed to code the batches of one container.

    Attributes:
        header: what all batches share.
        codec: the label codec's configuration.
        tables: of the augmentation parts that have tables, by the part's name.
        labels: the label codec with its tables.
    """

    header: Header
    codec: Codec
    tables: Mapping[str, PartTables]
    labels: Coder

    @classmethod
    def fit(
        cls,
        header: Header,
        samples: Sequence[LabelBatch],
        expected: int | None = None,
        labels: Coder | None = None,
    ) -> BatchCoder:
        """A coder with tables for batches like the samples.

        Args:
            header: what all batches share.
            samples: batches whose labels are prepared; none give empty tables.
            expected: labels of the whole file, where that is known.
            labels: a label coder with its tables, instead of one that is fitted to the samples.

        Raises:
            DataError: labels that the codec cannot fit tables to.
            UnsupportedError: an unknown codec.
        """
        codec = registry.from_config(header.codec, header.config, "header")
        stored_samples = samples if header.recipe is None else ()
        tables = _fitted_parts(stored_samples)
        if labels is None:
            contexts = [BatchContext.of(batch, header.shift) for batch in samples]
            labels = codec.fit((b.labels for b in samples), header.classes, expected, contexts)
        return cls(header, codec, tables, labels)

    @classmethod
    def trained(cls, header: Header, labels: Coder) -> BatchCoder:
        """A coder of seeded batches around a label coder that was not fitted to labels.

        Args:
            header: what all batches share, with a recipe.
            labels: the label codec with its tables.

        Raises:
            UnsupportedError: an unknown codec.
        """
        codec = registry.from_config(header.codec, header.config, "header")
        return cls(header, codec, _fitted_parts(()), labels)

    @classmethod
    def from_side_information(cls, header: Header, data: bytes, where: str) -> BatchCoder:
        """The coder whose `side_information` these bytes are.

        Args:
            header: what all batches share.
            data: the side information.
            where: file name for error messages.

        Raises:
            CorruptError: malformed tables, or a header that does not fit its codec.
            UnsupportedError: an unknown codec.
        """
        codec = registry.from_config(header.codec, header.config, where)
        _check_kept(header, codec, where)
        groups = side_info.unpack(data, where)
        tables = {}
        for part in PARTS:
            loaded = part.load_tables(groups.get(part.name, {}))
            if loaded is not None:
                tables[part.name] = loaded
        return cls(header, codec, tables, codec.from_parts(groups["labels"], header.classes))

    def side_information(self) -> bytes:
        """The trained tables as one zstd frame of msgpack (SPEC, section 4.2)."""
        groups = {name: tables.to_parts() for name, tables in self.tables.items()}
        return side_info.pack({**groups, "labels": self.labels.to_parts()})

    def encode(self, batch: LabelBatch) -> bytes:
        """Streams of a batch whose labels are prepared.

        Raises:
            DataError: it does not belong to this header, or has what no stream can hold.
        """
        check_batch(self.header, batch)
        context = BatchContext.of(batch, self.header.shift)
        streams = self.labels.encode(batch.labels, context)
        if self.header.recipe is None:
            streams |= stored.encode(batch, self.tables, self.header.image_order)
        streams |= self._token_stream(batch)
        return join(streams)

    def decode(self, data: memoryview, samples: int, number: int, epoch: int) -> LabelBatch:
        """Inverse of `encode`, as `decode_counted`, without the accounting."""
        return self._decode(data, samples, number, epoch, self.labels.decode)

    def decode_counted(
        self, data: memoryview, samples: int, number: int, epoch: int
    ) -> tuple[LabelBatch, dict[str, Usage]]:
        """Inverse of `encode`, and the accounting of the entropy-coded streams by component.

        Args:
            data: the streams of a batch record, what follows its prefix.
            samples: B.
            number: number of the batch among all that were labelled.
            epoch: its epoch, from 0.

        Raises:
            CorruptError: a stream is missing, malformed or implies too large a batch.
            UnsupportedError: a stream this version does not know.
        """
        used: dict[str, Usage] = {}

        def decode_labels(*arguments: Any) -> Labels:
            labels, of_labels = self.labels.decode_counted(*arguments)
            used.update(of_labels)
            return labels

        batch = self._decode(data, samples, number, epoch, decode_labels)
        sizes = {stream: len(content) for stream, content in split(data).items()}
        for part in PARTS:
            value = getattr(batch.augmentation, part.name)
            if value is not None and sizes.keys() & set(part.streams):
                used |= part.usage(value, sizes)
        return batch, used

    def _decode(
        self,
        data: memoryview,
        samples: int,
        number: int,
        epoch: int,
        decode_labels: Callable[..., Labels],
    ) -> LabelBatch:
        header = self.header
        width = header.classes if header.k is None else header.k
        if not 0 < samples <= MAX_SAMPLES or samples * width > MAX_VALUES:
            raise CorruptError(
                f"{counted(samples, 'sample')} of {counted(width, 'value')} are too large a batch"
            )
        streams = split(data)
        if header.recipe is None:
            index, augmentation, sequences = stored.decode(
                streams, samples, self.tables, (number, epoch), header.image_order
            )
        else:
            if surplus := streams.keys() & SEEDED:
                raise CorruptError(f"stream {int(min(surplus))} in a file whose recipe draws it")
            index, augmentation = redraw(header.recipe, number, epoch, samples)
            sequences = None
        if (sequences is not None) != (header.kind == "tokens"):
            what = "no sequences" if sequences is None else "sequences"
            raise CorruptError(f"a batch with {what} in a file of kind {header.kind!r}")
        context = BatchContext(index, augmentation)
        labels = decode_labels(streams, samples, self._blank, context)
        if labels.k != header.k:
            raise CorruptError(f"k={labels.k}, the header says {header.k}")
        if sequences is not None and TOKENS in streams:
            predicting = sequences.predicting(header.shift or 0)
            tokens = unpack_tokens(streams[TOKENS], predicting, labels.index)
            sequences = replace(sequences, tokens=tokens)
        return LabelBatch(number, epoch, index, augmentation, labels, sequences)

    def _token_stream(self, batch: LabelBatch) -> dict[Stream, bytes]:
        sequences = batch.sequences
        if sequences is None or sequences.tokens is None:
            return {}
        predicting = sequences.predicting(self.header.shift or 0)
        return {TOKENS: pack_tokens(sequences.tokens, predicting, batch.labels.index)}

    @cached_property
    def _blank(self) -> Labels:
        """Labels without content, that say what all labels of the file share."""
        h = self.header
        nothing = np.zeros((0, 0), np.float16)
        return Labels(h.classes, nothing, None, h.space, h.tail, h.precision)


def _fitted_parts(batches: Sequence[LabelBatch]) -> dict[str, PartTables]:
    """Tables of the augmentation parts that have tables, fitted to stored augmentations."""
    tables = {}
    for part in PARTS:
        values = [getattr(batch.augmentation, part.name) for batch in batches]
        fitted = part.fit_tables([value for value in values if value is not None])
        if fitted is not None:
            tables[part.name] = fitted
    return tables


def component_bytes(data: memoryview) -> dict[str, int]:
    """Stored bytes of a batch by component, without the stream directory.

    Raises:
        CorruptError: a malformed directory.
        UnsupportedError: a stream this version does not know.
    """
    sizes: dict[str, int] = {}
    for stream, content in split(data).items():
        sizes[stream.component] = sizes.get(stream.component, 0) + len(content)
    return sizes


def check_batch(header: Header, batch: LabelBatch) -> None:
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
    if (batch.sequences is not None) != (header.kind == "tokens"):
        what = "no sequences" if batch.sequences is None else "sequences"
        raise DataError(f"batch {batch.number}: has {what}, the file is of kind {header.kind!r}")
    if header.recipe is not None:
        check_seeded(header.recipe, batch)


def _check_kept(header: Header, codec: Codec, where: str) -> None:
    """The header's k is one that the codec can have stored; batches are sized by it."""
    try:
        good = codec.kept(header.k, header.tail)[0] == header.k
    except LabelcodecError:
        good = False
    if not good:
        raise CorruptError(f"{where}: codec {header.codec} with k={header.k} in the header")
