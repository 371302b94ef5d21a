"""Opening and comparing label sets by path, for both dumps and containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.analysis.comparison import Comparison, LabelSet, compare_sets
from labelcodec.analysis.fidelity import Fidelity
from labelcodec.batch import LabelBatch
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.formats import Dump, open_dump
from labelcodec.formats.fkd_labels import TAILS
from labelcodec.formats.foreign import naming_foreign
from labelcodec.formats.image_order import KnownOrder
from labelcodec.formats.option_check import unused_options
from labelcodec.formats.registry import detect, is_dump, layout_named
from labelcodec.formats.typespec import dtype_of
from labelcodec.header import epochs_range_of, part_of
from labelcodec.label_files import first_of, is_list
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.reader import open as open_containers
from labelcodec.remote import Location, LocationLike, as_location
from labelcodec.wording import counted

Named = Location | list[Location]  # a dump; or a container, a pattern, or a list of shards


@dataclass(frozen=True)
class _DumpSet:
    """A dump as a sequence of batches."""

    dump: Dump

    def __len__(self) -> int:
        return len(self.dump)

    def __getitem__(self, i: int) -> LabelBatch:
        return self.dump.read(i)


@contextmanager
def open_any(labels: Named, **dump: Any) -> Iterator[LabelSet]:
    """Open a directory, or a file that a layout reads, as a dump; any other path as a container.

    Args:
        labels: path of the dump; or path, pattern or URL of the container, or a list of shards.
        dump: options for dumps, see `open_dump`; ignored for a container.

    Raises:
        LabelcodecError: `labels` are neither a dump nor a container.
    """
    if is_dump(labels):
        yield _DumpSet(open_dump(labels, **dump))
        return
    with naming_foreign(first_of(labels)), open_containers(labels) as reader:
        reader.check_labels_held()
        yield reader


@dataclass(frozen=True)
class _ContainerOrder:
    """The image indices that a container records, by position."""

    reader: Reader

    def indices(self, i: int) -> NDArray[np.int64]:
        """(B,) int64 image indices of batch i."""
        if i >= len(self.reader):
            where = self.reader.paths[0]
            raise MismatchError(f"{where} has {counted(len(self.reader), 'batch')}, the dump more")
        return self.reader[i].image_index


def _recorded(reader: Reader) -> dict[str, Any]:
    """What a container records of its dump and the dump itself may not: options for `open_dump`."""
    source, header = reader.header.source or {}, reader.header
    types = source.get("types")
    types = types if isinstance(types, Mapping) else {}
    recorded: dict[str, Any] = {}
    if source.get("k") is not None:
        recorded["classes"] = header.classes
        if header.space == "probabilities" and header.tail in ("uniform", "zero"):
            recorded["label_type"] = "MS" if header.tail == "uniform" else "MR"
    if header.kind == "tokens":
        return {"classes": header.classes, "label_type": header.space}
    if source.get("layout") == "fkd":
        label_type = types.get("label_type")
        recorded["label_type"] = label_type if label_type in tuple(TAILS) else None
    elif source.get("k") is None and header.space == "logits":
        recorded["label_type"] = "logits"
    recorded["epochs_range"] = epochs_range_of(header)
    if header.images and len(reader):
        recorded["order"] = KnownOrder(
            _ContainerOrder(reader),
            header.images,
            int(reader.index.samples.sum()),
            f"that of {reader.paths[0].name}",
            int(reader.index.epoch.min()),
        )
    return recorded


@contextmanager
def open_pair(a: Named, b: Named, **dump: Any) -> Iterator[tuple[LabelSet, LabelSet]]:
    """Open two label sets as `open_any` does; each gets the options that apply to it.

    If one is a dump and the other a container, what the container records of its dump stands in
    for options that were not passed: the epochs that were read of it, the image order, the label
    type and the number of classes.

    Raises:
        ConfigError: an option applies to neither of them.
        LabelcodecError: one of them cannot be opened.
    """
    options = {option: value for option, value in dump.items() if value is not None}
    if is_dump(a) != is_dump(b):
        root, container = (a, b) if is_dump(a) else (b, a)
        assert isinstance(root, Path)
        applicable = _applicable(root, options)
        if unused := options.keys() - applicable.keys():
            raise ConfigError(f"`{min(unused)}` applies neither to {_shown(a)} nor to {_shown(b)}")
        with naming_foreign(first_of(container)), open_containers(container) as reader:
            reader.check_labels_held()
            known = {name: value for name, value in _recorded(reader).items() if value is not None}
            recorded = _applicable(root, known)
            if "image_order" in applicable or "loader_seed" in applicable:
                recorded.pop("order", None)
            labels = _DumpSet(open_dump(root, **recorded | applicable))
            yield (labels, reader) if root == a else (reader, labels)
        return
    left_options, right_options = _applicable(a, options), _applicable(b, options)
    if unused := options.keys() - left_options.keys() - right_options.keys():
        raise ConfigError(f"`{min(unused)}` applies neither to {_shown(a)} nor to {_shown(b)}")
    with open_any(a, **left_options) as first, open_any(b, **right_options) as second:
        yield first, second


def _applicable(labels: Named, dump: dict[str, Any]) -> dict[str, Any]:
    if not is_dump(labels):
        return {}
    layout = layout_named(dump["layout"]) if "layout" in dump else detect(labels)
    unused = unused_options(labels, layout, dump)
    return {option: value for option, value in dump.items() if option not in unused}


def fidelity_of(
    source: LocationLike | Sequence[LocationLike],
    stored: LocationLike | Sequence[LocationLike],
    progress: Progress | None = None,
    **dump: Any,
) -> Fidelity:
    """Measure the fidelity of stored labels; source and stored are as in `compare`.

    Args:
        source: the reference labels.
        stored: the labels to measure.
        progress: called with (batches done, total batches).
        dump: options for dumps, see `open_pair`.

    Raises:
        LabelcodecError: one of them cannot be read.
        MismatchError: they do not label the same samples.
    """
    source, stored = _named(source), _named(stored)
    with open_pair(source, stored, **dump) as (reference, measured):
        comparison = _compared(source, stored, reference, measured, progress)
    if comparison.fidelity is None:
        raise MismatchError(
            f"{_shown(stored)} does not label the samples of {_shown(source)}: "
            f"{comparison.difference}"
        )
    return comparison.fidelity


def compare(
    left: LocationLike | Sequence[LocationLike],
    right: LocationLike | Sequence[LocationLike],
    *,
    progress: Progress | None = None,
    threads: int | None = None,
    **dump: Any,
) -> Comparison:
    """Compare two label sets: are they identical, and if not, how far apart are the labels?

    Args:
        left: the reference, P in the distances: path of a dump, or any argument of
            `labelcodec.open`.
        right: the labels to measure, Q in the distances, likewise.
        progress: called with (batches done, total batches).
        threads: most processes at a time, by default as `labelcodec.threads.thread_count` says.
        dump: options for dumps, see `open_dump`; each set gets the options that apply to it.

    Raises:
        ConfigError: an option applies to neither of them.
        LabelcodecError: one of them cannot be read.
    """
    left, right = _named(left), _named(right)
    with open_pair(left, right, **dump) as (first, second):
        comparison = _compared(left, right, first, second, progress, threads)
        return replace(comparison, rounded=_is_rounded(first) or _is_rounded(second))


def _compared(
    left: Named,
    right: Named,
    first: LabelSet,
    second: LabelSet,
    progress: Progress | None,
    threads: int | None = None,
) -> Comparison:
    """Compare two opened sets; the difference names the epochs to read of a larger dump."""
    comparison = compare_sets(first, second, progress, threads=threads)
    hint = _part_of_dump(left, first, second) or _part_of_dump(right, second, first)
    return (
        replace(comparison, difference=f"{comparison.difference}; {hint}") if hint else comparison
    )


def _part_of_dump(root: Named, dump: LabelSet, container: LabelSet) -> str | None:
    """How to read only what a container holds of a dump; None if it holds all."""
    if not isinstance(dump, _DumpSet) or not isinstance(container, Reader):
        return None
    part = part_of(container.header)
    if part is not None:
        return f"{container.paths[0]} is part {part[0]} of {part[1]}; compare all of them together"
    if not 0 < len(container) < len(dump) or not _applicable(root, {"epochs_range": (0, 1)}):
        return None
    types = (container.header.source or {}).get("types")
    shift = types.get("first_epoch") if isinstance(types, Mapping) else None
    epochs = container.index.epoch + (shift if type(shift) is int else 0)
    start, stop = int(epochs.min()), int(epochs.max()) + 1
    return (
        f"{container.paths[0]} holds epochs {start} to {stop - 1} of the dump, which "
        f"`epochs_range={start}:{stop}` reads"
    )


def _named(labels: LocationLike | Sequence[LocationLike]) -> Named:
    """Where labels are that a caller named; a list of one is that one, such as a dump."""
    if is_list(labels) and not labels:
        raise FileNotFoundError("an empty list of labels")
    if not is_list(labels) or len(labels) == 1:
        return first_of(labels)
    return [as_location(path) for path in labels]


def _shown(labels: Named) -> str:
    """Labels in messages: a list by its first file."""
    return f"{labels[0]} and {len(labels) - 1} more" if isinstance(labels, list) else str(labels)


def _is_rounded(labels: LabelSet) -> bool:
    """Whether the labels are those of a dump of float64 labels, which are read as float32."""
    if not isinstance(labels, _DumpSet):
        return False
    kind = labels.dump.info.types.get("values")
    return isinstance(kind, str) and dtype_of(kind) == "float64"
