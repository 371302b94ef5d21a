"""Writing label sets batch by batch: tables are fitted to the first labels, then frozen."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from labelcodec.batch import LabelBatch, Labels
from labelcodec.codecs import registry
from labelcodec.codecs.batches import BatchCoder, check
from labelcodec.codecs.interface import Codec
from labelcodec.container import RecordWriter
from labelcodec.container.layout import NAMES, SIDE_INFORMATION
from labelcodec.errors import DataError, MismatchError
from labelcodec.header import Header
from labelcodec.image_names import pack_names
from labelcodec.validation import validate

FIT_LABELS = 8192
FIT_BYTES = 192 << 20  # of labels held until the tables are fitted: 8192 of 10 450 classes


class Writer:
    """Writes `path` through `path.partial`, which is renamed when all is written.

    A killed writer loses at most the batch in flight, and what it waited for to fit its tables.
    Used as a context manager: a clean exit finishes the file. After an error, a bad batch
    included, the partial file stays and `resume` goes on with it, unless no batch was written
    yet; those that waited for the tables (the first 8192 labels or 192 MiB) were not.

    Example:
        >>> header = Header(classes=1000)
        >>> with labelcodec.Writer("labels.slc", header, "topk:k=50") as writer:
        ...     for batch in batches:
        ...         writer.add(batch)

    Args:
        path: the container to make.
        header: what is true of the labels as they come: classes, space, precision and, for
            top-k labels, k and tail; the codec's keys are filled in.
        codec: a codec spec such as 'topk:k=50', or a codec.
        force: replace an existing container.
        resume: continue a partial file; `numbers` says which batches it has.
        names: image names in order of image index, to be stored in the file.
        allow_nonfinite: let codecs store NaN and infinities that would refuse them.
        expected: labels that the file will hold, where that is known: a codec that is asked for
            a budget spreads its tables over them.

    Raises:
        ConfigError: a spec that does not parse.
        DataError: the codec cannot store such labels, or the names cannot be stored.
        FormatError: a header whose values are out of range.
        MismatchError: the container or a partial file exists, or the partial file to resume
            has another header.
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
        Header.from_map(self.header.to_map(), os.fspath(path))  # one that can be read again
        self._waiting: list[LabelBatch] = []
        self._names = None if names is None else pack_names(names)
        self._records = RecordWriter(path, self.header.to_map(), force=force, resume=resume)
        self._coder: BatchCoder | None = None
        if self._records.written.of(SIDE_INFORMATION):
            try:
                side = self._records.side(0)
                self._coder = BatchCoder.load(self.header, side, str(self._records.partial))
            except BaseException:
                self._records.abort(keep=True)
                raise

    @property
    def path(self) -> Path:
        """The container being made."""
        return self._records.path

    @property
    def numbers(self) -> Set[int]:
        """Numbers of the batches that are in the file already."""
        return self._records.numbers

    @property
    def coder(self) -> BatchCoder | None:
        """What encodes the batches; None until the tables are fitted."""
        return self._coder

    def fit(self, samples: Sequence[LabelBatch]) -> BatchCoder:
        """Fit the tables to these batches now, instead of to the first ones added.

        Args:
            samples: batches like those to come.

        Returns:
            The coder, or the one that a resumed file already has.
        """
        if self._coder is None:
            prepared = [self.prepare(batch) for batch in samples]
            coder = BatchCoder.fit(self.header, prepared, self.expected)
            self._settle(coder, coder.side_information())
            return coder
        return self._coder

    def adopt(self, side_information: bytes) -> None:
        """Take over the tables of another file of the same label set, instead of fitting them.

        Args:
            side_information: `coder.side_information()` of that file's writer.

        Raises:
            CorruptError: malformed tables.
            MismatchError: a resumed file has other ones.
        """
        if self._coder is None:
            coder = BatchCoder.load(self.header, side_information, "side information")
            self._settle(coder, side_information)
        elif self._coder.side_information() != side_information:
            raise MismatchError(f"{self.path}: its tables are not those of the other files")

    def _settle(self, coder: BatchCoder, side_information: bytes) -> None:
        """Write what stands before the first batch, and encode with these tables from now on."""
        if self._names is not None and not self._records.written.of(NAMES):
            self._records.add_section(NAMES, self._names)
        self._records.add_section(SIDE_INFORMATION, side_information)
        self._coder = coder

    def prepare(self, batch: LabelBatch) -> LabelBatch:
        """The batch as it will be stored and given back.

        Raises:
            DataError: parts that disagree, labels that the codec cannot store, or another number
                of classes, k or type than the header's.
        """
        prepared = prepare(batch, self.codec, self.allow_nonfinite)
        check(self.header, prepared)
        return prepared

    def add(self, batch: LabelBatch) -> None:
        """Add a batch.

        Raises:
            DataError: as `prepare`, or a number that is there already.
        """
        if self._coder is None:
            prepared = self.prepare(batch)
            if any(prepared.number == other.number for other in self._waiting):
                raise DataError(f"batch {prepared.number} is added twice")
            self._waiting.append(copy.deepcopy(prepared))  # the caller may reuse its arrays
            if enough(self._waiting):
                self._flush()
        else:  # encoding checks it against the header, which draws a seeded batch
            prepared = prepare(batch, self.codec, self.allow_nonfinite)
            self.add_encoded(self._coder.encode(prepared), prepared)

    def add_encoded(self, payload: bytes, batch: LabelBatch) -> None:
        """Add a batch that `coder` encoded, perhaps in another process."""
        self._records.add_batch(
            payload, side=0, samples=len(batch), number=batch.number, epoch=batch.epoch
        )

    def close(self) -> None:
        """Write what waits, the index and the trailer, and rename the file."""
        self._flush()
        self._records.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        coder = self.fit(waiting) if self._coder is None else self._coder
        for batch in waiting:
            self.add_encoded(coder.encode(batch), batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self._records.__exit__(kind, *rest)
            return
        with self._records:
            self._flush()


def with_codec(header: Header, codec: Codec) -> Header:
    """The header with the codec's name, its configuration and what it keeps of the labels."""
    k, tail = codec.kept(header.k, header.tail)
    return replace(header, codec=codec.name, config=registry.config_of(codec), k=k, tail=tail)


def prepare(batch: LabelBatch, codec: Codec, allow_nonfinite: bool) -> LabelBatch:
    """The batch as the codec will give it back.

    Raises:
        DataError: parts that disagree, or labels that the codec cannot store.
    """
    validate(batch)
    try:
        return replace(batch, labels=codec.prepare(batch.labels.expanded(), allow_nonfinite))
    except DataError as error:
        raise DataError(f"batch {batch.number}: {error}") from None


def fitting_places(batches: int, samples: int, size: int, most: int) -> list[int]:
    """Places of the batches that tables are fitted to, spread evenly over all.

    Args:
        batches: how many there are.
        samples: of a batch.
        size: bytes of its labels.
        most: labels that the codec has use for.
    """
    wanted = min(most // samples, FIT_BYTES // max(size, 1), batches)
    places: list[int] = np.unique(np.linspace(0, batches - 1, max(wanted, 1)).astype(int)).tolist()
    return places


def enough(batches: Sequence[LabelBatch]) -> bool:
    """Whether these suffice to fit tables."""
    return (
        sum(map(len, batches)) >= FIT_LABELS
        or sum(_label_bytes(batch.labels) for batch in batches) >= FIT_BYTES
    )


def _label_bytes(labels: Labels) -> int:
    return labels.value.nbytes + (0 if labels.index is None else labels.index.nbytes)
