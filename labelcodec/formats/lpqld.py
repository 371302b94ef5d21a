"""LPQLD's layout: batch_N.tar in one folder, with the image indices in a side file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.formats.batch_files import BatchFileList, BatchFiles, assemble, batch_file_parts
from labelcodec.formats.batch_list import build_batch_list, parse_batch_list
from labelcodec.formats.directory import Numbered, number_of, numbered
from labelcodec.formats.epoch_folders import EPOCH_SIDE, ORDER_SIDE, recorded_order
from labelcodec.formats.image_order import KnownOrder, ListedOrder, by_batch, listed, read_lists
from labelcodec.formats.interface import OpenOptions
from labelcodec.formats.option_check import NO_EPOCHS, NO_SEED
from labelcodec.formats.order_check import LabelSample, check_order
from labelcodec.formats.safe_load import load
from labelcodec.formats.save import save, save_json
from labelcodec.formats.space_detection import unused_label_type

BATCH_SIDE = "sampler_indices_batch.json"


class LPQLD:
    """LPQLD's layout; methods as in `interface.Layout`."""

    name = "lpqld"
    looks_like = "batch_N.tar with sampler_indices_batch.json (LPQLD)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are batch files in the directory itself."""
        return any(
            not is_dir and number_of(name, "batch_") is not None for name, is_dir in names.items()
        )

    def label_files(self, root: Path) -> list[Path]:
        """All batch files."""
        return [root / name for name in numbered(root, "batch_").names]

    def side_files(self, root: Path) -> list[Path]:
        """The image order files of the dump."""
        names = (EPOCH_SIDE, BATCH_SIDE, ORDER_SIDE)
        return [root / name for name in names if (root / name).is_file()]

    def file_parts(self, file: Path) -> list[tuple[str, Any]]:
        """Components of a batch file."""
        return batch_file_parts(file)

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """A label type of FKD's, the loader seed, which never applies, and the epochs."""
        order = recorded_order(root, options, (BATCH_SIDE,))
        unused = {"loader_seed": order or NO_SEED, "epochs_range": NO_EPOCHS}
        return unused_label_type(options) | unused

    def open(self, root: Path, options: OpenOptions) -> BatchFiles:
        """Open a dump."""
        return open_flat(root, options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`."""
        return write_flat(batches, root, types)


def open_flat(root: Path, options: OpenOptions) -> BatchFiles:
    """Open a dump with all batch files in one folder.

    Raises:
        DumpError: batch files and side file do not match one to one.
    """
    entries = numbered(root, "batch_")
    if not entries.numbers:
        raise DumpError(f"{root}: holds no batch_N.tar")
    side = root / BATCH_SIDE
    sides = [side] if side.is_file() else []
    file = options.image_order or next(iter(sides), None)
    count = len(entries.names)
    if file is not None:
        order = _listed(root, entries, file)
        images = len(options.listing) if options.listing else None
        checked = f"it names each of the {count} batch files"
        known = listed(order, file, next(iter(sides), None), images, checked)
    elif options.order is not None:
        known = options.order
        order = by_batch([known.order.indices(i) for i in range(count)])
    else:
        raise DumpError(
            f"{side} is missing: it says which images each batch holds. Copy it from where the "
            "dump comes from, or pass `image_order=FILE`. (One epoch of an SRe2L dump looks the "
            "same: then pass the folder above.)"
        )
    file_list = BatchFileList(
        root,
        entries.names,
        np.array(entries.numbers, np.int64),
        epochs_of(order),
        count + len(sides),
        entries.bytes + sum(side.stat().st_size for side in sides),
    )
    if file is not None:
        known = _checked(known, file_list, file, options.image_order is not None)
    first_file = root / entries.names[0]
    first = parse_batch_list(load(first_file), first_file)
    return assemble("lpqld", file_list, first, known, options, {})


def _listed(root: Path, entries: Numbered, file: Path) -> ListedOrder:
    """The lists of a file that has one for each batch."""
    lists = read_lists(file)
    for number in sorted(lists.keys() ^ set(entries.numbers)):
        if number in lists:
            raise DumpError(
                f"{root / f'batch_{number}.tar'} is missing: {file.name} names it. Copy it there, "
                "or pass `image_order=FILE` that names the batches that are there."
            )
        name = entries.names[entries.numbers.index(number)]
        raise DumpError(
            f"{root / name} is not named in {file.name}. Pass `image_order=FILE` that has its "
            "images, or move it elsewhere."
        )
    return by_batch([lists[number] for number in entries.numbers])


def _checked(known: KnownOrder, files: BatchFileList, file: Path, chosen: bool) -> KnownOrder:
    """The order, with what the labels say in its sentence.

    Raises:
        DumpError: the labels speak against it, and the user has not chosen the file.
    """
    epochs = [np.flatnonzero(files.epochs == epoch).tolist() for epoch in np.unique(files.epochs)]
    if len(epochs) == 1:
        return known

    def read(i: int) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
        batch_file = files.root / files.files[i]
        batch = parse_batch_list(load(batch_file), batch_file)
        return batch.value, batch.index

    first = len(known.order.indices(0))
    sample = LabelSample(epochs, known.images, first, read, lambda i: f"{files.name(i)}:")
    agreement = check_order(known.order.indices, sample)
    against = agreement.speaks_against
    if against and not chosen:
        raise DumpError(
            f"{file}: not the order of the labels: {agreement}. Pass `image_order=FILE` with "
            f"theirs; as `image_order`, {file.name} itself is taken all the same."
        )
    what = "the labels " + ("CONTRADICT it" if against else "do not tell whether it is theirs")
    if agreement.verdict == "holds":
        what = "checked"
    return replace(known, sentence=f"{known.sentence}; {what}: {agreement}")


def epochs_of(order: ListedOrder) -> NDArray[np.int64]:
    """(batches,) int64, epoch of each batch; an epoch ends before the first repeated image."""
    batches = len(order.start) - 1
    epochs = np.zeros(batches, np.int64)
    images, position = np.unique(order.flat, return_inverse=True)
    seen = np.zeros(len(images), bool)
    epoch = 0
    for batch in range(batches):
        indices = position[order.start[batch] : order.start[batch + 1]]
        if seen[indices].any():
            epoch += 1
            seen[:] = False
        seen[indices] = True
        epochs[batch] = epoch
    return epochs


def write_flat(batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any]) -> int:
    """Write batch files and their side file into an empty directory; returns the file count.

    Args:
        batches: batches with distinct numbers.
        root: the empty directory.
        types: `DumpInfo.types` of the source.

    Raises:
        DumpError: the layout cannot represent a batch, or two batches have the same number.
    """
    side: dict[str, list[int]] = {}
    for batch in batches:
        if str(batch.number) in side:
            raise DumpError(f"batch number {batch.number} comes twice")
        save(build_batch_list(batch, "lpqld", types), root / f"batch_{batch.number}.tar")
        side[str(batch.number)] = batch.image_index.tolist()
    save_json(side, root / BATCH_SIDE)
    return len(side) + 1
