"""SRe2L's and LPLD's dumps: epoch_E/batch_B.tar, LPLD's with the image order beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.dumps.agreement import measure
from labelcodec.dumps.batchfiles import BatchFiles, Found, Options, assemble
from labelcodec.dumps.compose import compose
from labelcodec.dumps.detect import EPOCH_SIDE, ORDER_SIDE, check_no_holes, numbered
from labelcodec.dumps.info import Layout
from labelcodec.dumps.order import (
    LOADER_SEED,
    KnownOrder,
    ListedOrder,
    SeedOrder,
    by_batch,
    by_epoch,
    listed,
    read_lists,
)
from labelcodec.dumps.parts import read_parts
from labelcodec.dumps.safe_load import load
from labelcodec.dumps.saving import save, save_json
from labelcodec.errors import DumpError


def open_epochs(root: Path, layout: Layout, options: Options) -> BatchFiles:
    """Open a dump of epoch folders.

    Raises:
        DumpError: files are missing or the image order cannot be established.
    """
    epochs = numbered(root, "epoch_").numbers
    check_no_holes(epochs, root, "epoch_")
    folders = []
    for epoch in epochs:
        folder = root / f"epoch_{epoch}"
        folders.append(numbered(folder, "batch_", ".tar"))
        check_no_holes(folders[-1].numbers, folder, "batch_", ".tar")
    counts = [len(folder.numbers) for folder in folders]
    sides = [root / name for name in (EPOCH_SIDE, ORDER_SIDE) if (root / name).is_file()]
    found = Found(
        root,
        tuple(f"epoch_{e}/batch_{b}.tar" for e in epochs for b in range(counts[e])),
        np.arange(sum(counts), dtype=np.int64),
        np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        sum(counts) + len(sides),
        sum(folder.bytes for folder in folders) + sum(side.stat().st_size for side in sides),
    )
    first_file = root / found.files[0]
    first = read_parts(load(first_file), first_file)
    own = next(iter(sides), None)
    file = options.image_order or own
    if layout == "lpld" and file is None:
        raise DumpError(
            f"{root / EPOCH_SIDE} is missing: an LPLD dump without it has lost its image order. "
            "Pass --image-order FILE, or --layout sre2l if it is SRe2L's."
        )
    if file is not None:
        order = _from_file(file, counts, len(first.fractions), root)
        if layout == "sre2l":
            _check_whole_epochs(counts, root)
        images = len(options.listing) if options.listing else None
        known = listed(order, file, own, images, f"it fits the {len(found.files)} batch files")
    else:
        known = _from_seed(found, counts, len(first.fractions), options)
    extra = {"order_file": root / ORDER_SIDE in sides}
    return assemble(layout, found, first, known, options, extra)


def _check_whole_epochs(counts: list[int], root: Path) -> None:
    for epoch, count in enumerate(counts):
        if count < max(counts):
            raise DumpError(
                f"{root / f'epoch_{epoch}' / f'batch_{count}.tar'} is missing: other epochs have "
                f"{max(counts)} batches. Copy the dump again."
            )


def _from_file(file: Path, counts: list[int], batch_size: int, root: Path) -> ListedOrder:
    lists = read_lists(file)
    batches = sum(counts)
    ordered = [lists[number] for number in sorted(lists)]
    if sorted(lists) == list(range(batches)) and max(map(len, ordered)) <= batch_size:
        return by_batch(ordered)
    for epoch, count in enumerate(counts):
        named = -(-len(lists[epoch]) // batch_size) if epoch in lists else 0
        if named > count:
            missing = root / f"epoch_{epoch}" / f"batch_{count}.tar"
            raise DumpError(
                f"{missing} is missing: {file.name} has {len(lists[epoch])} images in epoch "
                f"{epoch}, which are {named} batches of {batch_size}. Copy the dump again."
            )
        if named < count:
            extra = root / f"epoch_{epoch}" / f"batch_{named}.tar"
            raise DumpError(
                f"{extra} is one too many: {file.name} has no images for it. "
                "Remove it, or pass --image-order FILE that has them."
            )
    if sorted(lists) != list(range(len(counts))):
        surplus = max(lists)
        raise DumpError(f"{root / f'epoch_{surplus}'} is missing: {file.name} has images for it")
    return by_epoch(ordered, batch_size)


def _from_seed(found: Found, counts: list[int], batch_size: int, options: Options) -> KnownOrder:
    root, per_epoch, epochs = found.root, counts[0], len(counts)
    _check_whole_epochs(counts, root)

    def top1(batch: int) -> NDArray[np.int64]:
        file = root / found.files[batch]
        return read_parts(load(file), file).top1()

    images = batch_size * (per_epoch - 1) + len(top1(per_epoch - 1))
    if options.listing is not None and len(options.listing) != images:
        raise DumpError(
            f"{root}: an epoch has labels for {images} images, the image folder has "
            f"{len(options.listing)}. Pass the folder the labels were made from, or "
            "--image-order FILE if the dump leaves images out."
        )
    seed = LOADER_SEED if options.loader_seed is None else options.loader_seed
    order = SeedOrder(seed, images, batch_size, per_epoch)
    source = f"drawn again from loader seed {seed}"
    help_ = "Pass --image-order FILE, or the --loader-seed that the labels were made with."
    if epochs == 1:
        if options.loader_seed is None:
            raise DumpError(
                f"{root}: its image order is not recorded and, with one epoch, an order from "
                f"loader seed {seed} cannot be checked. {help_}"
            )
        return KnownOrder(order, images, images, f"{source}; not checkable: one epoch")
    agreement = measure(order, epochs, top1)
    result = (
        f"{agreement.agreeing} of {agreement.pairs} pairs of labels of one image from two epochs "
        f"agree in their top class, by chance it would be {agreement.chance:.0f}"
    )
    if not agreement.holds:
        raise DumpError(
            f"{root}: its image order is not recorded, and it is not that of loader seed {seed}: "
            f"{result}. {help_}"
        )
    return KnownOrder(order, images, images * epochs, f"{source}; checked: {result}")


def write_epochs(
    batches: Iterable[LabelBatch], root: Path, layout: str, types: Mapping[str, Any]
) -> int:
    """Write epoch folders and the side file into an empty directory; returns the file count.

    An image_order.json goes beside SRe2L's epochs where the source had one or where the order
    could not be derived again from the loader's usual seed.

    Raises:
        DumpError: epochs or batches are missing, or the layout cannot hold a batch.
    """
    lists: list[list[list[int]]] = []
    count = 0
    for batch in batches:
        if batch.number != count or batch.epoch not in (len(lists) - 1, len(lists)):
            raise DumpError(
                f"layout {layout} needs every batch of every epoch in order: batch {count} was "
                f"due, got batch {batch.number} of epoch {batch.epoch}. Use layout lpqld for "
                "pruned labels."
            )
        if batch.epoch == len(lists):
            lists.append([])
            (root / f"epoch_{batch.epoch}").mkdir()
        file = root / f"epoch_{batch.epoch}" / f"batch_{len(lists[-1])}.tar"
        save(compose(batch, layout, types), file)
        lists[-1].append(batch.image_index.tolist())
        count += 1
    _check_writable(lists, layout)
    flat = [[index for batch in epoch for index in batch] for epoch in lists]
    if layout == "lpld":
        side = {str(epoch): indices for epoch, indices in enumerate(flat)}
        save_json(side, root / EPOCH_SIDE)
    elif types.get("order_file") or not _derivable(flat, lists):
        save_json(flat, root / ORDER_SIDE)
    else:
        return count
    return count + 1


def _check_writable(lists: list[list[list[int]]], layout: str) -> None:
    sizes = [[len(batch) for batch in epoch] for epoch in lists]
    usual = sizes[0][0]
    for epoch, of_epoch in enumerate(sizes):
        if any(size != usual for size in of_epoch[:-1]) or of_epoch[-1] > usual:
            raise DumpError(
                f"layout {layout} needs batches of {usual}, only an epoch's last one may be "
                f"smaller; epoch {epoch} has others. Use layout lpqld."
            )
        stops_early = layout == "lpld" and epoch == len(sizes) - 1
        if len(of_epoch) != len(sizes[0]) and not (stops_early and len(of_epoch) < len(sizes[0])):
            raise DumpError(
                f"layout {layout} needs {len(sizes[0])} batches in every epoch, epoch {epoch} has "
                f"{len(of_epoch)}. Use layout lpqld for pruned labels."
            )


def _derivable(flat: list[list[int]], lists: list[list[list[int]]]) -> bool:
    order = SeedOrder(LOADER_SEED, len(flat[0]), len(lists[0][0]), len(lists[0]))
    return len(flat) > 1 and all(
        np.array_equal(order.permutation(epoch), indices) for epoch, indices in enumerate(flat)
    )
