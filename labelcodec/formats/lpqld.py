"""LPQLD's layout: batch_N.tar in one folder, with the image indices in a side file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.formats.batch_files import BatchFileList, BatchFiles, assemble, batch_file_parts
from labelcodec.formats.batch_list import build_batch_list, parse_batch_list
from labelcodec.formats.directory import numbered
from labelcodec.formats.epoch_folders import EPOCH_SIDE, ORDER_SIDE, recorded_order
from labelcodec.formats.image_order import ListedOrder, by_batch, listed, read_lists
from labelcodec.formats.interface import OpenOptions
from labelcodec.formats.option_check import NO_LABEL_TYPE, NO_SEED
from labelcodec.formats.safe_load import load
from labelcodec.formats.save import save, save_json

BATCH_SIDE = "sampler_indices_batch.json"


class LPQLD:
    """LPQLD's layout; methods as in `interface.Layout`."""

    name = "lpqld"
    looks_like = "batch_N.tar with sampler_indices_batch.json (LPQLD)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are batch files in the directory itself."""
        return any(
            not is_dir and name.startswith("batch_") and name.endswith(".tar")
            for name, is_dir in names.items()
        )

    def label_files(self, root: Path) -> list[Path]:
        """All batch files."""
        return [root / f"batch_{number}.tar" for number in numbered(root, "batch_", ".tar").numbers]

    def side_files(self, root: Path) -> list[Path]:
        """The image order files of the dump."""
        names = (EPOCH_SIDE, BATCH_SIDE, ORDER_SIDE)
        return [root / name for name in names if (root / name).is_file()]

    def file_parts(self, file: Path) -> list[tuple[str, Any]]:
        """Components of a batch file."""
        return batch_file_parts(file)

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """The label type, and the loader seed, which never applies."""
        order = recorded_order(root, options, (BATCH_SIDE,))
        return {"label_type": NO_LABEL_TYPE, "loader_seed": order or NO_SEED}

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
    entries = numbered(root, "batch_", ".tar")
    side = root / BATCH_SIDE
    if not options.image_order and not side.is_file():
        raise DumpError(
            f"{side} is missing: it says which images each batch holds. Copy it from where the "
            "dump comes from, or pass `image_order=FILE`. (One epoch of an SRe2L dump looks the "
            "same: then pass the folder above.)"
        )
    file = options.image_order or side
    lists = read_lists(file)
    for number in sorted(lists.keys() ^ set(entries.numbers)):
        batch = root / f"batch_{number}.tar"
        if number in lists:
            raise DumpError(f"{batch} is missing: {file.name} names it. Copy the dump again.")
        raise DumpError(f"{batch} is not named in {file.name}. Remove it, or add its images.")
    order = by_batch([lists[number] for number in entries.numbers])
    sides = [side] if side.is_file() else []
    file_list = BatchFileList(
        root,
        tuple(f"batch_{number}.tar" for number in entries.numbers),
        np.array(entries.numbers, np.int64),
        epochs_of(order),
        len(entries.numbers) + len(sides),
        entries.bytes + sum(file.stat().st_size for file in sides),
    )
    first_file = root / file_list.files[0]
    first = parse_batch_list(load(first_file), first_file)
    images = len(options.listing) if options.listing else None
    checked = f"it names each of the {len(file_list.files)} batch files"
    known = listed(order, file, next(iter(sides), None), images, checked)
    return assemble("lpqld", file_list, first, known, options, {})


def epochs_of(order: ListedOrder) -> NDArray[np.int64]:
    """(batches,) int64, epoch of each batch; an epoch ends before the first repeated image."""
    batches = len(order.start) - 1
    epochs = np.zeros(batches, np.int64)
    seen = np.zeros(int(order.flat.max()) + 1, bool)
    epoch = 0
    for batch in range(batches):
        indices = order.indices(batch)
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
