"""A label set by its path, whether it is a dump or a container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.dumps import Dump, open_dump
from labelcodec.reader import open as open_containers
from labelcodec.storage.compare import LabelSet


@dataclass(frozen=True)
class _Opened:
    """A dump that hands out batches by position."""

    dump: Dump

    def __len__(self) -> int:
        return len(self.dump)

    def __getitem__(self, i: int) -> LabelBatch:
        return self.dump.read(i)


@contextmanager
def open_labels(path: Path, **dump: Any) -> Iterator[LabelSet]:
    """Open a directory as a dump, anything else as a container.

    Args:
        path: where it lies.
        dump: what the user says about a dump, see `open_dump`.

    Raises:
        LabelcodecError: it is neither.
    """
    if path.is_dir():
        yield _Opened(open_dump(path, **dump))
        return
    with open_containers(path) as reader:
        yield reader
