"""Batches from anywhere into a container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.codecs.interface import Codec
from labelcodec.dumps.workers import Batches, encoded
from labelcodec.header import Header
from labelcodec.progress import Progress
from labelcodec.writer import Writer, fitting_places


@dataclass(frozen=True, eq=False)
class EncodeReport:
    """What encoding did.

    Attributes:
        header: the container's header.
        batches: batches in the container.
        bytes: size of the container.
        source_bytes: size of what it was made from.
        chosen: what fitting the codec chose and reached, see `Coder.chosen`.
        notes: sentences the user should read.
    """

    header: Header
    batches: int
    bytes: int
    source_bytes: int
    chosen: dict[str, Any]
    notes: tuple[str, ...]


def write(
    source: Batches,
    target: Path,
    header: Header,
    codec: Codec,
    *,
    source_bytes: int,
    samples: int | None = None,
    names: Sequence[str] | None = None,
    workers: int = 1,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Encode all batches in order; memory does not grow with their number.

    Args:
        source: the batches.
        target: the container to make.
        header: as `Writer` takes it.
        codec: how labels are stored.
        source_bytes: size of the source.
        samples: labels of all batches, where it is known.
        names: image names to be stored.
        workers: processes that read and encode.
        allow_nonfinite: store NaN and infinite values with codecs that would refuse them.
        force: replace an existing container.
        resume: continue where a killed or failed run stopped; the file is the same in the end.
        progress: called with batches done and batches in all.

    Raises:
        LabelcodecError: bad batches or a bad destination.
        OSError: a file cannot be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    nonfinite = 0
    with Writer(
        target,
        header,
        codec,
        force=force,
        resume=resume,
        names=names,
        allow_nonfinite=allow_nonfinite,
        expected=samples,
    ) as writer:
        coder = writer.coder or writer.fit(_fitting_sample(source, codec.fit_labels))
        done = len(writer.numbers)  # a resumed file has the first ones: they were added in order
        todo = range(done, len(source))
        for one in encoded(source, coder, codec, allow_nonfinite, todo, workers):
            writer.add_encoded(one.payload, one.batch)
            nonfinite += one.nonfinite
            done += 1
            if progress is not None:
                progress(done, len(source))
    notes = (f"{nonfinite} batches hold NaN or infinite values, kept as they are",)
    return EncodeReport(
        writer.header,
        len(source),
        target.stat().st_size,
        source_bytes,
        coder.labels.chosen(),
        notes if nonfinite else (),
    )


def _fitting_sample(source: Batches, most: int) -> list[LabelBatch]:
    """Batches spread evenly over the source, of `most` labels or what memory holds."""
    if not len(source):
        return []
    first = source.read(0)
    places = fitting_places(len(source), len(first), first.labels.value.nbytes, most)
    return [first if i == 0 else source.read(i) for i in places]
