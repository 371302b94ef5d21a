"""A container again with another codec."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision
from labelcodec.codecs import registry
from labelcodec.dumps.encoding import EncodeReport, write
from labelcodec.errors import MismatchError
from labelcodec.header import CREATOR, Header
from labelcodec.progress import Progress
from labelcodec.reader import PathLike, Reader
from labelcodec.reader import open as open_containers
from labelcodec.version import __version__


def recode(
    source: PathLike | Sequence[PathLike],
    target: Path,
    codec: str,
    *,
    workers: int = 1,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Store the labels of a container with another codec; all else stays as it is.

    Args:
        source: a container, a glob or a list of shards; they are only read.
        target: the container to make.
        codec: a codec spec.
        workers: processes that decode and encode.
        allow_nonfinite: store NaN and infinite values with codecs that would refuse them.
        force: replace an existing container.
        resume: continue where a killed run stopped; the file is the same in the end.
        progress: called with batches done and batches in all.

    Raises:
        LabelcodecError: a bad source, codec spec or destination; nothing is left half-written.
    """
    chosen = registry.parse(codec)
    with open_containers(source) as reader:
        if target.exists() and any(os.path.samefile(target, path) for path in reader.paths):
            raise MismatchError(f"{target}: is what the labels are read from; name another file")
        report = write(
            _Decoded(reader),
            target,
            _header(reader.header),
            chosen,
            source_bytes=sum(path.stat().st_size for path in reader.paths),
            samples=int(reader.index.samples.sum()),
            names=reader.names,
            workers=workers,
            allow_nonfinite=allow_nonfinite,
            force=force,
            resume=resume,
            progress=progress,
        )
    passed = (report.header.source or {}).get("lossy", ())
    notes = [f"the labels have been through {spec}" for spec in passed]
    return replace(report, notes=(*notes, *report.notes))


def _header(header: Header) -> Header:
    """The source's header, less what says who coded it; lossy codecs are put on record."""
    origin: Mapping[str, Any] | None = header.source
    codec = registry.from_config(header.codec, header.config, "header")
    if codec.lossy:
        earlier = (origin or {}).get("lossy", ())
        origin = {**(origin or {}), "lossy": [*earlier, registry.spec_of(codec)]}
    return replace(header, source=origin, creator=CREATOR, version=__version__)


@dataclass(frozen=True)
class _Decoded:
    """The batches of a container, their labels as a teacher would have given them."""

    reader: Reader

    def __len__(self) -> int:
        return len(self.reader)

    def read(self, i: int) -> LabelBatch:
        """Batch i: compact labels expanded, values in the type of their precision."""
        batch = self.reader[i]
        labels = batch.labels.expanded()
        value = _rounded(labels.value, labels.precision)
        floor = None if labels.floor is None else _rounded(labels.floor, labels.precision)
        return replace(batch, labels=replace(labels, value=value, floor=floor))


def _rounded(value: NDArray[Any], precision: Precision) -> NDArray[Any]:
    """Values that a lossy codec gave back, in the type of the source's; bfloat16 in float32."""
    if precision != "bfloat16":
        return value.astype(precision, copy=False)
    rounded: NDArray[np.float32] = torch.from_numpy(value).bfloat16().float().numpy()
    return rounded
