"""Writing of label sets: tables are fitted to a sample of the labels, then all are encoded."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.binding.agreement import Agreement
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder, check_batch
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.fitting_sample import label_bytes, sample_limit, sampled_batches
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.container import RecordWriter
from labelcodec.container.layout import NAMES, SIDE_INFORMATION
from labelcodec.container.partial_reader import StoredBatch
from labelcodec.errors import DataError, LabelcodecWarning, MismatchError
from labelcodec.header import Header
from labelcodec.image_names import pack_names
from labelcodec.label_space import looks_like_probabilities
from labelcodec.reader import Reader
from labelcodec.validation import validate

# What a resumed run may find another value of: the size of a dump of which a file was mended.
MAY_DIFFER = frozenset({"agreement", "source.bytes"})


class Writer:
    """Writes a label set to a container, batch by batch.

    The container is written as `path.partial` and renamed when it is complete. On a clean exit of
    the context manager the file is completed. After an error, including an invalid batch, the
    partial file is kept for `resume`, unless it holds no batch yet.

    Batches are buffered until the sample to which the codec's tables are fitted is complete;
    `waiting` is the number of buffered labels. Without `expected` the sample is a prefix: as many
    labels as the codec can use (8192; 65 536 for the transform codec), up to 192 MiB. With
    `expected` it is the sample that `encode` takes of the same batches, evenly spread over the
    file, so that the tables are the same. Batches are then buffered in memory if the sample is the
    whole file, and otherwise in `path.fitting`, which takes as many bytes as the uncompressed
    labels and is removed once the tables are fitted.

    A killed writer loses at most the batch being written and the buffered batches.

    Example:
        >>> header = Header(classes=1000)
        >>> with labelcodec.Writer("labels.slc", header, "topk:k=50") as writer:
        ...     for batch in batches:
        ...         writer.add(batch)

    Args:
        path: the container to create.
        header: properties of the labels to be added: classes, space, precision and, for top-k
            labels, k and tail; the codec's keys are filled in.
        codec: a codec spec such as 'topk:k=50', or a codec.
        force: replace an existing container.
        resume: continue a partial file; `numbers` holds the batches that it has already.
        names: image names in order of image index, to be stored in the file.
        allow_nonfinite: store NaN and infinities even with codecs that refuse them by default.
        expected: total number of labels of the file, if known. Tables are then fitted to a sample
            of all labels, and a codec with a size budget spreads the tables' cost over all labels.

    Raises:
        ConfigError: an invalid codec spec.
        DataError: the codec cannot store such labels, or the names cannot be stored.
        FormatError: a value of the header is out of range.
        MismatchError: the container or a partial file exists already, or the partial file to
            resume has another header.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        codec: str | Codec,
        *,
        force: bool = False,
        resume: bool = False,
        names: Sequence[str] | None = None,
        allow_nonfinite: bool = False,
        expected: int | None = None,
    ) -> None:
        self.codec = registry.parse(codec) if isinstance(codec, str) else codec
        self.header = with_codec(header, self.codec)
        self.allow_nonfinite = allow_nonfinite
        self.expected = expected
        Header.from_map(self.header.to_map(), os.fspath(path))  # check that it can be read
        self._source_header = header
        self._buffered: list[LabelBatch] = []
        self._spool: Writer | None = None  # buffers batches if they are too many for memory
        self._label_bytes = self._added = 0
        self._complete = 1  # number of added labels at which the tables are fitted
        self._names = None if names is None else pack_names(names)
        self._records = RecordWriter(
            path, self.header.to_map(), force=force, resume=resume, own=MAY_DIFFER
        )
        self._coder: BatchCoder | None = None
        if self._records.written.of(SIDE_INFORMATION):
            try:
                side = self._records.side(0)
                self._coder = BatchCoder.from_side_information(
                    self.header, side, str(self._records.partial)
                )
            except BaseException:
                self._records.abort(keep=True)
                raise

    @property
    def path(self) -> Path:
        """Path of the container being written."""
        return self._records.path

    @property
    def numbers(self) -> Set[int]:
        """Numbers of the batches already in the file."""
        return self._records.numbers

    @property
    def coder(self) -> BatchCoder | None:
        """Coder of the batches; None until the tables are fitted."""
        return self._coder

    @property
    def waiting(self) -> int:
        """Number of labels buffered until the tables are fitted."""
        return 0 if self._coder is not None else self._added

    def fit(self, samples: Sequence[LabelBatch], labels: Coder | None = None) -> BatchCoder:
        """Fit the tables to these batches now, instead of to a sample of the added batches.

        Args:
            samples: batches representative of those to be added; they are not written.
            labels: a label coder with its tables, which then are not fitted.

        Returns:
            The fitted coder, or that of the file if it has tables already.

        Raises:
            DataError: as in `prepare`.
        """
        if self._coder is None:
            prepared = [self.prepare(batch) for batch in samples]
            coder = BatchCoder.fit(self.header, prepared, self.expected, labels)
            self._use_tables(coder, coder.side_information())
            return coder
        return self._coder

    def adopt(self, side_information: bytes) -> None:
        """Use the tables of another shard of the same label set, instead of fitting them.

        Args:
            side_information: `coder.side_information()` of that shard's writer.

        Raises:
            CorruptError: malformed tables.
            MismatchError: the file has different tables already.
        """
        if self._coder is None:
            coder = BatchCoder.from_side_information(
                self.header, side_information, "side information"
            )
            self._use_tables(coder, side_information)
        elif self._coder.side_information() != side_information:
            raise MismatchError(f"{self.path}: its tables are not those of the other files")

    def discard(self) -> None:
        """Stop writing and remove the partial file."""
        self._records.abort(keep=False)

    def _use_tables(self, coder: BatchCoder, side_information: bytes) -> None:
        """Write the records that precede the first batch, and use these tables from now on."""
        if self._names is not None and not self._records.written.of(NAMES):
            self._records.add_section(NAMES, self._names)
        self._records.add_section(SIDE_INFORMATION, side_information)
        self._coder = coder

    def record_agreement(self, agreement: Agreement) -> None:
        """Record in the header how many labels name their folder's class first.

        Args:
            agreement: the counts, of the labels to be written or a sample of them.

        Raises:
            DataError: the tables are fitted already, so that the header is complete.
        """
        self.header = replace(self.header, agreement=agreement)
        self._records.replace_header(self.header.to_map())

    def prepare(self, batch: LabelBatch) -> LabelBatch:
        """Validate a batch and convert its labels to the form that the codec stores.

        Raises:
            DataError: its parts are inconsistent, the codec cannot store its labels, or the number
                of classes, k or dtype differs from the header.
        """
        prepared = prepare(batch, self.codec, self.allow_nonfinite, self.header.shift)
        check_batch(self.header, prepared)
        return prepared

    def add(self, batch: LabelBatch) -> None:
        """Add a batch; its arrays may be reused afterwards.

        Raises:
            DataError: as in `prepare`, or the file already has a batch of this number.
        """
        if self._coder is None:
            self._buffer(batch)
        else:  # checked against the header by encode: that draws seeded batches, so only once
            prepared = prepare(batch, self.codec, self.allow_nonfinite, self.header.shift)
            self._add_prepared(prepared)

    def _add_prepared(self, batch: LabelBatch) -> None:
        assert self._coder is not None
        payload = memoryview(self._coder.encode(batch))
        self.add_encoded(StoredBatch(payload, len(batch), batch.number, batch.epoch))

    def add_encoded(self, batch: StoredBatch) -> None:
        """Add a batch that was encoded with the same tables, elsewhere or for another file."""
        payload, samples, number, epoch = batch
        self._records.add_batch(payload, side=0, samples=samples, number=number, epoch=epoch)

    def close(self) -> None:
        """Write the buffered batches, the index and the trailer, and rename the file."""
        self._flush()
        self._records.close()

    def _buffer(self, batch: LabelBatch) -> None:
        """Buffer a batch; once the sample is complete, fit the tables and encode the buffer."""
        prepared = self.prepare(batch)
        if not self._added:
            _warn_of_probabilities(batch)
            self._label_bytes = label_bytes(batch.labels)
            limit = sample_limit(self._label_bytes, self.codec.fit_labels)
            self._complete = limit if self.expected is None else self.expected
            if self._complete > limit:
                self._spool = self._new_spool(batch)
        numbers = (buffered.number for buffered in self._buffered)
        if batch.number in (self._spool.numbers if self._spool else numbers):
            raise DataError(f"batch {batch.number} is added twice")
        if self._spool is not None:
            self._spool.add(batch)
        else:
            self._buffered.append(copy.deepcopy(prepared))  # the caller may reuse its arrays
        self._added += len(batch)
        if self._added >= self._complete:
            self._flush()

    def _new_spool(self, first: LabelBatch) -> Writer:
        codec = "dense" if first.labels.index is None else "topk"
        path = self.path.with_name(f"{self.path.name}.fitting")
        spool = Writer(path, self._source_header, codec, force=True, allow_nonfinite=True)
        spool.fit([first])
        return spool

    def _flush(self) -> None:
        """Fit the tables if necessary, and encode the buffered batches."""
        buffered, self._buffered = self._buffered, []
        spool, self._spool = self._spool, None
        if spool is None:
            positions = self._sampled(list(map(len, buffered)))
            self.fit([buffered[position] for position in positions])
            for batch in buffered:
                self._add_prepared(batch)
            return
        try:
            with spool:
                pass  # finishes the file
            with Reader([spool.path]) as reader:
                order = np.argsort(_order_added(reader))
                positions = self._sampled(reader.index.samples[order].tolist())
                self.fit([reader[order[position]] for position in positions])
                for position in order:
                    self._add_prepared(self.prepare(reader[position]))
        finally:
            spool.path.unlink(missing_ok=True)

    def _sampled(self, lengths: Sequence[int]) -> Sequence[int]:
        """Positions of the added batches that the tables are fitted to."""
        if self._coder is not None:
            return ()
        if self.expected is None:
            return range(len(lengths))
        return sampled_batches(lengths, self._label_bytes, self.codec.fit_labels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *rest: Any) -> None:
        if error_type is not None:
            if self._spool is not None:
                self._spool.discard()
            self._records.__exit__(error_type, *rest)
            return
        with self._records:
            self._flush()


def with_codec(header: Header, codec: Codec) -> Header:
    """The header with the codec's name and configuration, and what labels it stores.

    Raises:
        DataError: the codec cannot store such labels, or keeps more classes than there are.
    """
    k, tail = codec.kept(header.k, header.tail)
    if k is not None and k > header.classes:
        spec = registry.spec_of(codec)
        raise DataError(f"{spec} keeps {k} classes of each label, there are {header.classes}")
    space, precision = codec.stored_values(header.space, header.precision)
    return replace(
        header,
        codec=codec.name,
        config=registry.config_of(codec),
        k=k,
        tail=tail,
        space=space,
        precision=precision,
    )


def prepare(
    batch: LabelBatch, codec: Codec, allow_nonfinite: bool, shift: int | None = None
) -> LabelBatch:
    """Validate a batch and convert its labels to the form that a codec stores.

    Args:
        batch: a batch as the caller made it.
        codec: the codec.
        allow_nonfinite: store NaN and infinities that the codec would refuse.
        shift: of token sequences, as in the header.

    Raises:
        DataError: its parts are inconsistent, or the codec cannot store its labels.
    """
    validate(batch)
    try:
        context = BatchContext.of(batch, shift)
        labels = codec.prepare(batch.labels.expanded(), allow_nonfinite, context)
        return batch if labels is batch.labels else replace(batch, labels=labels)
    except DataError as error:
        raise DataError(f"batch {batch.number}: {error}") from None


def _warn_of_probabilities(batch: LabelBatch) -> None:
    """Warn of labels that are called logits and look like probabilities."""
    labels = batch.labels
    if labels.space != "logits" or len(batch) == 1:  # a single row may sum to 1 by chance
        return
    if looks_like_probabilities(labels.expanded().value):
        warnings.warn(
            "the labels are probabilities, each row sums to 1, and are stored as logits: students "
            "would be trained on a softmax of a softmax; use space='probabilities' in labels and "
            "header, or store logits",
            LabelcodecWarning,
            stacklevel=4,
        )


def _order_added(reader: Reader) -> NDArray[np.int64]:
    """(batches,) int64 position of each batch in the file, which is the order of addition."""
    return np.asarray(reader.index.position)
