"""A label set by its path, whether it is a dump or a container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.dumps import Dump, open_dump
from labelcodec.dumps.detect import check_layout, detect
from labelcodec.dumps.unused import unused
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.progress import Progress
from labelcodec.reader import open as open_containers
from labelcodec.storage.compare import LabelSet, compare_sets
from labelcodec.storage.fidelity import Fidelity


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


@contextmanager
def open_pair(a: Path, b: Path, **dump: Any) -> Iterator[tuple[LabelSet, LabelSet]]:
    """Open two label sets, as `open_labels` does; each gets the options that it has a use for.

    Raises:
        ConfigError: neither has a use for one of the options.
    """
    given = {option: value for option, value in dump.items() if value is not None}
    one, other = _useful(a, given), _useful(b, given)
    if idle := given.keys() - one.keys() - other.keys():
        option = min(idle).replace("_", "-")
        raise ConfigError(f"--{option} means nothing for {a} nor for {b}")
    with open_labels(a, **one) as first, open_labels(b, **other) as second:
        yield first, second


def _useful(path: Path, dump: dict[str, Any]) -> dict[str, Any]:
    if not path.is_dir():
        return {}
    layout = check_layout(dump["layout"]) if "layout" in dump else detect(path)
    idle = unused(path, layout, dump)
    return {option: value for option, value in dump.items() if option not in idle}


def fidelity_of(
    source: Path, stored: Path, progress: Progress | None = None, **dump: Any
) -> Fidelity:
    """How far stored labels are from their source; each is a dump or a container.

    Args:
        source: where the true labels lie.
        stored: where those to be measured lie.
        progress: called with (batches done, batches in all).
        dump: as in `open_pair`.

    Raises:
        LabelcodecError: one of them cannot be read.
        MismatchError: they do not label the same samples.
    """
    with open_pair(source, stored, **dump) as (one, other):
        found = compare_sets(one, other, progress)
    if found.fidelity is None:
        raise MismatchError(f"{stored} does not label the samples of {source}: {found.difference}")
    return found.fidelity
