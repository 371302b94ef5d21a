"""HALD's layout: epoch_N.tar, each a list of the batches of SRe2L's files, and one image order.

The labels are probabilities, softmax(z / 20) of the released script.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.formats.batch_files import BatchFileList, BatchFiles, assemble, batch_list_parts
from labelcodec.formats.batch_list import BatchList, build_batch_list, fail, parse_batch_list
from labelcodec.formats.directory import number_of, numbered
from labelcodec.formats.epoch_folders import ORDER_SIDE
from labelcodec.formats.epoch_listing import (
    Epoch,
    check_numbers,
    fail_file,
    fail_last,
)
from labelcodec.formats.epoch_order import EpochFiles, order_of_list
from labelcodec.formats.interface import OpenOptions
from labelcodec.formats.safe_load import load
from labelcodec.formats.save import save
from labelcodec.formats.space_detection import unused_label_type
from labelcodec.wording import counted

DICT_SIDE = "sampler_indices_dict.pt"
_SIDES = (DICT_SIDE, ORDER_SIDE)
_CACHED = 2  # epochs in memory: batches are read in order, by several threads


class HALD:
    """HALD's layout; methods as in `interface.Layout`."""

    name = "hald"
    looks_like = "epoch_N.tar (HALD)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are epoch files in the directory itself."""
        return any(
            not is_dir and number_of(name, "epoch_") is not None for name, is_dir in names.items()
        )

    def label_files(self, root: Path) -> list[Path]:
        """All epoch files."""
        return [root / name for name in numbered(root, "epoch_").names]

    def side_files(self, root: Path) -> list[Path]:
        """The image order files of the dump."""
        return [root / name for name in _SIDES if (root / name).is_file()]

    def file_parts(self, file: Path) -> list[tuple[str, Any]]:
        """Components of the first batch of an epoch file."""
        return batch_list_parts(_batches(load(file), file)[0], file)

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """A label type of FKD's, and the loader seed: each epoch has one of its own."""
        why = f"the order of each epoch has a seed of its own, see {DICT_SIDE}"
        return unused_label_type(options) | {"loader_seed": why}

    def open(self, root: Path, options: OpenOptions) -> BatchFiles:
        """Open a dump."""
        return open_hald(root, options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`."""
        return write_hald(batches, root, types)


class _EpochCache:
    """The batches of the epoch files that were read last; safe to share by threads."""

    def __init__(self) -> None:
        self._epochs: OrderedDict[Path, list[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[_EpochCache], tuple[()]]:
        """Another process starts with an empty one."""
        return _EpochCache, ()

    def batches(self, file: Path) -> list[Any]:
        """The batches of an epoch file."""
        with self._lock:
            if file not in self._epochs:
                self._epochs[file] = _batches(load(file), file)
                while len(self._epochs) > _CACHED:
                    self._epochs.popitem(last=False)
            return self._epochs[file]


@dataclass(frozen=True, eq=False)
class EpochFileList(BatchFileList):
    """The files of a dump with a file per epoch; `files` names the file of each batch.

    Attributes:
        within: position of each batch in its file.
        sizes: number of batches in each file.
    """

    within: tuple[int, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    _cache: _EpochCache = field(default_factory=_EpochCache)

    def name(self, i: int) -> str:
        """As `BatchFileList.name`."""
        return f"{self.root / self.files[i]} (batch {self.within[i]})"

    def saved(self, i: int) -> Any:
        """As `BatchFileList.saved`. The last epochs read stay in memory."""
        name = self.files[i]
        batches = self._cache.batches(self.root / name)
        if len(batches) != self.sizes[name]:
            fail(
                self.root / name,
                f"holds {counted(len(batches), 'batch')}, the first epoch {self.sizes[name]}",
            )
        return batches[self.within[i]]


def open_hald(root: Path, options: OpenOptions) -> BatchFiles:
    """Open a dump with a file per epoch.

    Raises:
        DumpError: files are missing or damaged, or the image order does not fit them.
    """
    epochs = _list_epochs(root, options)
    sides = [root / name for name in _SIDES if (root / name).is_file()]
    count = len(epochs[0].files)
    known = options.order
    file = options.image_order or next(iter(sides), None)
    if file is None and known is None:
        raise DumpError(
            f"{root / DICT_SIDE} is missing: it says which images each batch holds. Copy it from "
            "where the dump comes from, or pass `image_order=FILE`."
        )

    def file_list(first: int) -> EpochFileList:
        batches = count * len(epochs)
        return EpochFileList(
            root,
            tuple(epoch.name for epoch in epochs for _ in range(count)),
            np.arange(batches, dtype=np.int64) + first * count,
            np.repeat(np.arange(len(epochs), dtype=np.int64) + first, count),
            len(epochs) + len(sides),
            sum(epoch.bytes for epoch in epochs) + sum(side.stat().st_size for side in sides),
            tuple(range(count)) * len(epochs),
            {epoch.name: count for epoch in epochs},
        )

    files = file_list(epochs[0].number)

    def parsed(i: int) -> BatchList:
        try:
            saved = files.saved(i)
        except DumpError as error:
            fail_file(files.files, i, error)
        return parse_batch_list(saved, files.name(i))

    first = parsed(0)
    try:
        parse_batch_list(files.saved(-1), files.name(-1))
    except DumpError as error:
        fail_last(root, epochs, error)
    if file is not None:
        dump = EpochFiles(root, epochs, parsed, first, " (batch {})")
        known = order_of_list(dump, file, next(iter(sides), None), options)
    assert known is not None
    return assemble("hald", file_list(known.first), first, known, options, {})


def _list_epochs(root: Path, options: OpenOptions) -> list[Epoch]:
    """The epoch files, each with as many batches as the first one has."""
    entries = numbered(root, "epoch_")
    if not entries.numbers:
        raise DumpError(f"{root}: holds no epoch_N.tar")
    first, stop = options.epochs_range or (0, entries.numbers[-1] + 1)
    chosen = [at for at, number in enumerate(entries.numbers) if first <= number < stop]
    numbers = [entries.numbers[at] for at in chosen]
    check_numbers(root, entries.numbers, numbers, options.epochs_range)
    file = root / entries.names[chosen[0]]
    names = tuple(f"batch {i}" for i in range(len(_batches(load(file), file))))
    return [
        Epoch(entries.numbers[at], at, name, names, (root / name).stat().st_size)
        for at in chosen
        for name in entries.names[at : at + 1]
    ]


def _batches(saved: Any, file: Path) -> list[Any]:
    """The batches of an epoch file."""
    if not isinstance(saved, (list, tuple)) or not saved or not isinstance(saved[0], (list, tuple)):
        fail(file, "does not hold a list of batches, as HALD's epoch files do")
    return list(saved)


def write_hald(batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any]) -> int:
    """Write epoch files and their side file into an empty directory; returns the file count.

    Args:
        batches: batches in (epoch, batch) order, of whole epochs.
        root: the empty directory.
        types: `DumpInfo.types` of the source.

    Raises:
        DumpError: the layout cannot represent a batch, or an epoch has a gap.
    """
    side: dict[str, list[int]] = {}
    saved: list[Any] = []
    expected: int | None = None
    for batch in batches:
        key = str(batch.epoch)
        if expected not in (None, batch.number):
            raise DumpError(
                f"layout hald needs every batch of every epoch in order: batch {expected} was due, "
                f"got batch {batch.number}. Use layout lpqld for pruned labels."
            )
        expected = batch.number + 1
        if key not in side:
            _save_epoch(saved, side, root)
            side[key], saved = [], []
        saved.append(build_batch_list(batch, "hald", types))
        side[key] += batch.image_index.tolist()
    _save_epoch(saved, side, root)
    save(side, root / DICT_SIDE)
    return len(side) + 1


def _save_epoch(saved: list[Any], side: Mapping[str, Any], root: Path) -> None:
    if saved:
        save(saved, root / f"epoch_{list(side)[-1]}.tar")
