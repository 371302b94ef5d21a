"""TinyViT's sparse labels: logits_topK_epochE/rankR-keys.txt and rankR-values.bin.

A line of keys and a record of values for each sample: the int32 seed of its augmentation, K int16
classes and K float16 probabilities. A key is the image's position in the image folder, or its name
where the data set has names. Images that are mixed follow each other in pairs; the mix is drawn
from the exclusive or of their seeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch, Labels
from labelcodec.errors import DumpError
from labelcodec.files.os_errors import naming
from labelcodec.files.regular import check_regular, open_regular
from labelcodec.formats.batch_files import check_classes
from labelcodec.formats.class_count import class_count
from labelcodec.formats.interface import DumpInfo, Layout, OpenOptions
from labelcodec.formats.tinyvit_keys import Keys, keys_of, read_keys
from labelcodec.formats.tinyvit_writer import record, write_tinyvit
from labelcodec.wording import counted

FOLDER = re.compile(r"logits_top([0-9]{1,5})_epoch([0-9]{1,9})")
_RANK = re.compile(r"rank([0-9]{1,6})-(keys\.txt|values\.bin)")
_BATCH = 1024  # samples
_LOOKED_AT = 4096  # records that tell the number of classes


@dataclass(frozen=True)
class Rank:
    """The files of an epoch and rank.

    Attributes:
        keys: the text file.
        values: the file of records.
        samples: their number.
    """

    keys: Path
    values: Path
    samples: int


@dataclass(frozen=True)
class Epoch:
    """An epoch.

    Attributes:
        number: as its folder says.
        position: position among all epochs of the dump.
        ranks: its files.
    """

    number: int
    position: int
    ranks: tuple[Rank, ...]


@dataclass(frozen=True)
class _Place:
    """Where the samples of a batch are.

    Attributes:
        number: number of the batch, among those of all epochs.
        epoch: position of its epoch among those that are read.
        rank: number of the rank.
        start: first record, counted in the file.
        first: the same, counted in the epoch.
        samples: their number.
    """

    number: int
    epoch: int
    rank: int
    start: int
    first: int
    samples: int


class TinyViT(Layout):
    """The layout; methods as in `interface.Layout`."""

    name = "tinyvit"
    looks_like = "logits_topK_epochE/rankR-values.bin (tinyvit)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are its folders, or it is one of them."""
        is_epoch = any(_RANK.fullmatch(name) for name in names)
        return is_epoch or any(FOLDER.fullmatch(name) for name, is_dir in names.items() if is_dir)

    def label_files(self, root: Path) -> list[Path]:
        """The files of records."""
        _, epochs = list_epochs(root)
        return [rank.values for epoch in epochs for rank in epoch.ranks]

    def side_files(self, root: Path) -> list[Path]:
        """The files of keys."""
        _, epochs = list_epochs(root)
        return [rank.keys for epoch in epochs for rank in epoch.ranks]

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """The options that assign images to samples, and the type of the labels."""
        why = "its keys say which image a sample is of"
        unused = {"image_order": why, "loader_seed": why}
        return unused | {"label_type": "its labels are probabilities among all classes"}

    def open(self, root: Path, options: OpenOptions) -> TinyViTDump:
        """Open a folder."""
        return open_tinyvit(root, options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`."""
        return write_tinyvit(batches, root, types, names)


class TinyViTDump:
    """An opened dump; methods as in `interface.Dump`.

    Args:
        info: its metadata.
        k: number of kept classes.
        epochs: the epochs to read.
        places: the batches.
        keys: what the keys stand for.
    """

    def __init__(
        self,
        info: DumpInfo,
        k: int,
        epochs: Sequence[Epoch],
        places: Sequence[_Place],
        keys: Keys,
    ) -> None:
        self.info, self._k, self._epochs, self._places, self._keys = info, k, epochs, places, keys
        self._recent: tuple[int, NDArray[np.int64]] | None = None  # an epoch, and its images

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._places)

    def file(self, i: int) -> Path:
        """As `Dump.file`."""
        place = self._places[i]
        return self._epochs[place.epoch].ranks[place.rank].values

    def image_index(self, i: int) -> NDArray[np.int64]:
        """As `Dump.image_index`."""
        place = self._places[i]
        recent = self._recent
        if recent is None or recent[0] != place.epoch:
            recent = self._recent = place.epoch, _images(self._epochs[place.epoch], self._keys)
        return recent[1][place.first : place.first + place.samples]

    def read(self, i: int) -> LabelBatch:
        """As `Dump.read`."""
        place, file = self._places[i], self.file(i)
        rows = _records(file, self._k, place.start, place.samples)
        index = rows["index"].astype(np.int64)
        check_classes(index, self.info.classes, file)
        value = rows["value"].astype(np.float16)
        labels = Labels(self.info.classes, value, index, "probabilities", "uniform")
        augmentation = Augmentation(seeds=rows["seed"].astype(np.int32))
        position = self._epochs[place.epoch].position
        return LabelBatch(place.number, position, self.image_index(i), augmentation, labels)


def list_epochs(root: Path) -> tuple[int, list[Epoch]]:
    """K, and the epochs of a dump.

    Raises:
        DumpError: a file is missing or truncated, or epochs have labels of different K.
    """
    folders: dict[int, tuple[int, Path]] = {}
    for path in root.iterdir():
        if match := FOLDER.fullmatch(path.name):
            if int(match[2]) in folders:
                _fail(root, f"holds epoch {int(match[2])} with two numbers of classes")
            folders[int(match[2])] = int(match[1]), path
    if not folders:
        is_epoch = any(_RANK.fullmatch(path.name) for path in root.iterdir())
        _fail(root, f"is one epoch of a dump; pass {root.parent}" if is_epoch else "has no epochs")
    widths = {k for k, _ in folders.values()}
    if len(widths) > 1:
        _fail(root, f"its epochs have labels of {' and '.join(map(str, sorted(widths)))} classes")
    (k,) = widths
    if not 0 < k < 1 << 15:
        _fail(root, f"its labels cannot have {k} classes")
    ordered = sorted(folders.items())
    return k, [
        Epoch(number, position, _ranks(path, k))
        for position, (number, (_, path)) in enumerate(ordered)
    ]


def open_tinyvit(root: Path, options: OpenOptions) -> TinyViTDump:
    """Open a dump.

    Raises:
        DumpError: it is incomplete, damaged, or belongs to other images.
    """
    k, every = list_epochs(root)
    places, kept = _divided(every, options.epochs_range, k)
    if not kept:
        _fail(root, f"no epoch lies in `epochs_range`; its epochs are {every[0].number} and on")
    keys = keys_of([read_keys(rank.keys) for rank in kept[0].ranks], options.listing, root)
    first = next(rank for rank in kept[0].ranks if rank.samples)
    looked_at = _records(first.values, k, 0, min(first.samples, _LOOKED_AT))["index"]
    folders = None if options.listing is None else len(options.listing.classes)
    classes, is_guess = class_count(options.classes, folders, int(looked_at.max()))
    if k > classes:
        _fail(root, f"holds k={k} of {counted(classes, 'class')}")
    files = [path for e in kept for rank in e.ranks for path in (rank.keys, rank.values)]
    notes = [
        "augmentations are kept as TinyViT's seeds, which are not replayed: train with its loader "
        "on what `decode` writes"
    ]
    if keys.names is not None and not keys.is_storable:
        notes.append(f"{len(keys.names)} keys are too many to be stored: there is no way back")
    info = DumpInfo(
        "tinyvit",
        classes,
        images=keys.images,
        epochs=len(kept),
        batches=len(places),
        samples=sum(rank.samples for epoch in kept for rank in epoch.ranks),
        bytes=sum(path.stat().st_size for path in files),
        files=len(files),
        classes_guessed=is_guess,
        space="probabilities",
        tail="uniform",
        k=k,
        types={
            "tinyvit": {
                "k": k,
                "keys": "numbers" if keys.names is None else "names",
                "epochs": [[e.number, [rank.samples for rank in e.ranks]] for e in kept],
            }
        },
        image_order=keys.order,
        names=keys.names if keys.is_storable else None,
        notes=tuple(notes),
    )
    return TinyViTDump(info, k, kept, places, keys)


def _ranks(folder: Path, k: int) -> tuple[Rank, ...]:
    """The files of an epoch."""
    parts = {
        (int(match[1]), match[2]): path
        for path in folder.iterdir()
        if (match := _RANK.fullmatch(path.name)) is not None
    }
    if not parts:
        _fail(folder, "has no rank0-values.bin")
    ranks, size = [], record(k).itemsize
    for number in range(1 + max(number for number, _ in parts)):
        for name in ("keys.txt", "values.bin"):
            if (number, name) not in parts:
                _fail(folder, f"rank{number}-{name} is missing")
        values = parts[number, "values.bin"]
        check_regular(values, DumpError, "a file of labels")
        samples, rest = divmod(values.stat().st_size, size)
        if rest:
            _fail(values, f"truncated: {counted(rest, 'byte')} behind record {samples}")
        ranks.append(Rank(parts[number, "keys.txt"], values, samples))
    if not any(rank.samples for rank in ranks):
        _fail(folder, "has no labels")
    return tuple(ranks)


def _divided(
    every: Sequence[Epoch], epochs_range: tuple[int, int] | None, k: int
) -> tuple[list[_Place], list[Epoch]]:
    """The batches of the epochs to read, and these."""
    places: list[_Place] = []
    kept: list[Epoch] = []
    number = 0
    size = max(1, min(_BATCH, (1 << 23) // k))
    for epoch in every:
        is_kept = epochs_range is None or epochs_range[0] <= epoch.number < epochs_range[1]
        first = 0
        for rank, part in enumerate(epoch.ranks):
            for start in range(0, part.samples, size):
                samples = min(size, part.samples - start)
                if is_kept:
                    places.append(_Place(number, len(kept), rank, start, first + start, samples))
                number += 1
            first += part.samples
        kept += [epoch] * is_kept
    return places, kept


def _images(epoch: Epoch, keys: Keys) -> NDArray[np.int64]:
    """The image of each sample of an epoch."""
    parts = []
    for rank in epoch.ranks:
        read = read_keys(rank.keys)
        if len(read) != rank.samples:
            _fail(rank.keys, f"has {counted(len(read), 'key')} for {rank.samples} records")
        parts.append(keys.images_of(read, rank.keys))
    index = np.concatenate(parts)
    if len(np.unique(index)) < len(index):
        _fail(epoch.ranks[0].keys.parent, "holds an image twice")
    return index


def _records(file: Path, k: int, start: int, number: int) -> NDArray[Any]:
    """Some of the records of a file."""
    kind = record(k)
    with open(open_regular(file, DumpError, "a file of labels"), "rb") as stream, naming(file):
        stream.seek(start * kind.itemsize)
        data = stream.read(number * kind.itemsize)
    if len(data) < number * kind.itemsize:
        _fail(file, "truncated: has changed since it was opened")
    return np.frombuffer(data, kind)


def _fail(where: Path, what: str) -> NoReturn:
    raise DumpError(f"{where}: {what}")
