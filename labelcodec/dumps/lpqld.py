"""LPQLD's dumps: batch_N.tar in one folder, with the image indices of each in a side file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.dumps.batchfiles import BatchFiles, Found, Options, assemble
from labelcodec.dumps.compose import compose
from labelcodec.dumps.detect import BATCH_SIDE, numbered
from labelcodec.dumps.order import ListedOrder, by_batch, listed, read_lists
from labelcodec.dumps.parts import read_parts
from labelcodec.dumps.safe_load import load
from labelcodec.dumps.saving import save, save_json
from labelcodec.errors import DumpError


def open_flat(root: Path, options: Options) -> BatchFiles:
    """Open a dump of flat batch files.

    Raises:
        DumpError: batch files and side file do not match one to one.
    """
    entries = numbered(root, "batch_", ".tar")
    side = root / BATCH_SIDE
    if not options.image_order and not side.is_file():
        raise DumpError(
            f"{side} is missing: it says which images each batch holds. Copy it from where the "
            "dump comes from, or pass --image-order FILE. (One epoch of an SRe2L dump looks the "
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
    found = Found(
        root,
        tuple(f"batch_{number}.tar" for number in entries.numbers),
        np.array(entries.numbers, np.int64),
        epochs_of(order),
        len(entries.numbers) + len(sides),
        entries.bytes + sum(one.stat().st_size for one in sides),
    )
    first_file = root / found.files[0]
    first = read_parts(load(first_file), first_file)
    images = len(options.listing) if options.listing else None
    checked = f"it names each of the {len(found.files)} batch files"
    known = listed(order, file, next(iter(sides), None), images, checked)
    return assemble("lpqld", found, first, known, options, {})


def epochs_of(order: ListedOrder) -> NDArray[np.int64]:
    """(batches,) epoch of each batch: a new one starts where an image comes a second time."""
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
    """Write flat batch files and their side file into an empty directory; returns the file count.

    Raises:
        DumpError: the layout cannot hold a batch, or two have one number.
    """
    side: dict[str, list[int]] = {}
    for batch in batches:
        if str(batch.number) in side:
            raise DumpError(f"batch number {batch.number} comes twice")
        save(compose(batch, "lpqld", types), root / f"batch_{batch.number}.tar")
        side[str(batch.number)] = batch.image_index.tolist()
    save_json(side, root / BATCH_SIDE)
    return len(side) + 1
