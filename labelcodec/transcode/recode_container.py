"""Re-encoding of a container with another codec."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.codecs.float_bits import rounded
from labelcodec.errors import MismatchError
from labelcodec.header import CREATOR, Header
from labelcodec.parts import Part
from labelcodec.progress import Progress
from labelcodec.reader import PathLike, Reader
from labelcodec.reader import open as open_containers
from labelcodec.remote import LocationLike
from labelcodec.transcode.encode_batches import EncodeReport, shard_target, write
from labelcodec.transcode.origin import origin_of
from labelcodec.transcode.reused_tables import required_codec
from labelcodec.version import __version__


def recode(
    source: LocationLike | Sequence[LocationLike],
    target: PathLike,
    codec: str | None = None,
    *,
    tables: PathLike | None = None,
    part: Part | None = None,
    threads: int | None = None,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Re-encode the labels of a container with another codec; everything else is copied.

    Args:
        source: as in `labelcodec.open`; it is only read.
        target: path of the container to write.
        codec: a codec spec; one of `codec` and `tables` is needed.
        tables: a container whose codec and label tables are used, instead of `codec` and tables
            that are fitted to these labels. Those of another shard of the set are taken as they
            are.
        part: (I, N): encode the I-th of N parts of the batches, from 1, to a shard beside
            `target`, `NAME-RANK-of-N.slc` with RANK = I - 1. The shards of all parts are one label
            set, whose labels are the same whatever N.
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.
            The bytes do not depend on it.
        allow_nonfinite: store NaN and infinite values with topk, which rejects them by default.
        force: replace an existing container.
        resume: continue an interrupted or failed run; the resulting file is identical. A finished
            file of the same source and settings is reported and left as it is, unless `force` is
            set.
        progress: called with (batches done, total batches, activity): once when tables are about
            to be fitted, then after each batch.

    Raises:
        LabelcodecError: the source or the codec spec is invalid, or `target` may not be written.
        OSError: a file cannot be read or written.
    """
    target, part = shard_target(Path(target), part)
    parsed, reused = required_codec(codec, tables)
    with open_containers(source) as reader:
        check_target(target, reader)
        reader.check_labels_held()
        report = write(
            _Decoded(reader),
            target,
            recoded_header(reader.header, str(reader.paths[0])),
            parsed,
            source_bytes=reader.size,
            lengths=reader.index.samples.tolist(),
            names=reader.names,
            tables=reused,
            part=part,
            threads=threads,
            allow_nonfinite=allow_nonfinite,
            force=force,
            resume=resume,
            progress=progress,
        )
    passed = origin_of(report.header, str(target)).get("lossy", ())
    notes = [f"the labels have been through {spec}" for spec in passed]
    return replace(report, notes=(*notes, *report.notes))


def check_target(target: Path, reader: Reader) -> None:
    """Check that a file to write is none of a label set that is read.

    Raises:
        MismatchError: it is.
    """
    local = [path for path in reader.paths if isinstance(path, Path)]
    if target.exists() and any(os.path.samefile(target, path) for path in local):
        raise MismatchError(f"{target}: is a source of the labels; name another file")


def recoded_header(header: Header, where: str) -> Header:
    """The header of the source with this library as creator, and lossy codecs recorded.

    `where` names the source in error messages.
    """
    origin = origin_of(header, where)
    codec = registry.from_config(header.codec, header.config, where)
    if codec.lossy:
        origin = {**origin, "lossy": [*origin.get("lossy", ()), registry.spec_of(codec)]}
    return replace(header, source=origin or header.source, creator=CREATOR, version=__version__)


@dataclass(frozen=True)
class _Decoded:
    """The batches of a container, with labels in the form a teacher outputs."""

    reader: Reader

    def __len__(self) -> int:
        return len(self.reader)

    def read(self, i: int) -> LabelBatch:
        """Batch i, with compact labels expanded and values cast to their precision."""
        batch = self.reader[i]
        labels = batch.labels.expanded()
        value = rounded(labels.value, labels.precision)
        floor = None if labels.floor is None else rounded(labels.floor, labels.precision)
        return replace(batch, labels=replace(labels, value=value, floor=floor))
