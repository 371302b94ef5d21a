"""Check that a finished container is what encoding a source would give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.container import RecordReader
from labelcodec.container.layout import SIDE_INFORMATION
from labelcodec.errors import MismatchError
from labelcodec.header import Header
from labelcodec.image_names import pack_names
from labelcodec.mapdiff import difference
from labelcodec.transcode.encoded_batches import Batches, encoded
from labelcodec.wording import counted
from labelcodec.writer import MAY_DIFFER, with_codec

SAMPLED = 16  # batches that are encoded again
_MAY_DIFFER = MAY_DIFFER | {"creator", "version"}


def check_finished(
    target: Path,
    source: Batches,
    header: Header,
    codec: Codec,
    names: Sequence[str] | None,
    allow_nonfinite: bool,
) -> Coder | None:
    """Check that a container is complete and holds the batches of a source.

    Headers, image names and batch numbers are compared. Up to 16 batches, evenly spaced, are
    encoded again with the tables of the container, and have to give its bytes: a header alone does
    not tell one run of a teacher from another.

    Args:
        target: the container.
        source: the batches that would be encoded.
        header: header that they would be written with, without the codec's keys.
        codec: codec that they would be encoded with.
        names: image names that would be stored.
        allow_nonfinite: as for `encode`.

    Returns:
        The label coder of the container; None if it has no tables.

    Raises:
        MismatchError: the container is of another source, or was made with other settings.
        FormatError: it is not a container, or damaged (CorruptError).
    """
    with RecordReader(target) as records:
        expected = with_codec(header, codec)
        if what := difference(records.header, expected.to_map(), _MAY_DIFFER):
            raise _other(target, what)
        if len(records.index) != len(source):
            raise _other(
                target, f"it has {counted(len(records.index), 'batch')}, the source {len(source)}"
            )
        if records.names() != (None if names is None else pack_names(names)):
            raise _other(target, "the image names differ")
        if not records.index.of(SIDE_INFORMATION):
            return None
        coder = BatchCoder.from_side_information(expected, records.side(0), str(target))
        sample = np.unique(np.linspace(0, max(len(source) - 1, 0), SAMPLED).astype(int)).tolist()
        for i, new in zip(
            sample, encoded(source, coder, codec, allow_nonfinite, sample, 1), strict=True
        ):
            index, batch = records.index, new.batch
            stored = (index.number[i], index.epoch[i], index.samples[i])
            if stored != (batch.number, batch.epoch, batch.samples):
                raise _other(target, f"batch {index.number[i]} is not at the place of the source's")
            if records.batch(i)[1] != batch.payload:
                raise _other(target, f"the content of batch {batch.number} differs")
        return coder.labels


def _other(target: Path, what: str) -> MismatchError:
    return MismatchError(
        f"{target}: exists already, and is of another source or of other settings: {what}; name "
        "another file, or pass `force=True` without `resume` to replace it"
    )
