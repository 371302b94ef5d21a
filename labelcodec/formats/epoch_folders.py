"""Dumps with epoch folders (epoch_E/batch_B.tar): the common part of SRe2L and LPLD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.formats.batch_files import BatchFileList, BatchFiles, assemble
from labelcodec.formats.batch_list import build_batch_list, parse_batch_list
from labelcodec.formats.directory import check_no_holes, numbered
from labelcodec.formats.image_order import (
    LOADER_SEED,
    KnownOrder,
    ListedOrder,
    SeedOrder,
    by_batch,
    by_epoch,
    listed,
    read_lists,
)
from labelcodec.formats.interface import OpenOptions
from labelcodec.formats.order_check import check_order
from labelcodec.formats.safe_load import load
from labelcodec.formats.save import save, save_json

EPOCH_SIDE = "sampler_indices_epoch.json"
ORDER_SIDE = "image_order.json"


def open_epochs(root: Path, layout: str, options: OpenOptions) -> BatchFiles:
    """Open a dump with epoch folders.

    Args:
        root: the dump's directory.
        layout: name of the layout: 'sre2l' or 'lpld'.
        options: what the user says about the dump.

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
    file_list = BatchFileList(
        root,
        tuple(f"epoch_{e}/batch_{b}.tar" for e in epochs for b in range(counts[e])),
        np.arange(sum(counts), dtype=np.int64),
        np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        sum(counts) + len(sides),
        sum(folder.bytes for folder in folders) + sum(side.stat().st_size for side in sides),
    )
    first_file = root / file_list.files[0]
    first = parse_batch_list(load(first_file), first_file)
    recorded = next(iter(sides), None)
    file = options.image_order or recorded
    if layout == "lpld" and file is None:
        raise DumpError(
            f"{root / EPOCH_SIDE} is missing: an LPLD dump without it has lost its image order. "
            "Pass `image_order=FILE`, or `layout=sre2l` if it is SRe2L's."
        )
    if file is not None:
        order = _from_file(file, counts, len(first.fractions), root)
        if layout == "sre2l":
            _check_whole_epochs(counts, root)
        images = len(options.listing) if options.listing else None
        known = listed(
            order, file, recorded, images, f"it fits the {len(file_list.files)} batch files"
        )
    else:
        known = _from_seed(file_list, counts, len(first.fractions), options)
    extra = {"order_file": root / ORDER_SIDE in sides}
    return assemble(layout, file_list, first, known, options, extra)


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
        expected = -(-len(lists[epoch]) // batch_size) if epoch in lists else 0
        if expected > count:
            missing = root / f"epoch_{epoch}" / f"batch_{count}.tar"
            raise DumpError(
                f"{missing} is missing: {file.name} has {len(lists[epoch])} images in epoch "
                f"{epoch}, which are {expected} batches of {batch_size}. Copy the dump again."
            )
        if expected < count:
            extra = root / f"epoch_{epoch}" / f"batch_{expected}.tar"
            raise DumpError(
                f"{extra} is unexpected: {file.name} has no images for it. "
                "Remove it, or pass `image_order=FILE` that has them."
            )
    if sorted(lists) != list(range(len(counts))):
        surplus = max(lists)
        raise DumpError(f"{root / f'epoch_{surplus}'} is missing: {file.name} has images for it")
    return by_epoch(ordered, batch_size)


def _from_seed(
    file_list: BatchFileList, counts: list[int], batch_size: int, options: OpenOptions
) -> KnownOrder:
    root, per_epoch, epochs = file_list.root, counts[0], len(counts)
    _check_whole_epochs(counts, root)

    def top1(batch: int) -> NDArray[np.int64]:
        file = root / file_list.files[batch]
        return parse_batch_list(load(file), file).top1()

    images = batch_size * (per_epoch - 1) + len(top1(per_epoch - 1))
    if options.listing is not None and len(options.listing) != images:
        raise DumpError(
            f"{root}: an epoch has labels for {images} images, the image folder has "
            f"{len(options.listing)}. Pass the folder the labels were made from, or "
            "`image_order=FILE` if the dump leaves images out."
        )
    seed = LOADER_SEED if options.loader_seed is None else options.loader_seed
    order = SeedOrder(seed, images, batch_size, per_epoch)
    source = f"drawn again from loader seed {seed}"
    help_ = "Pass `image_order=FILE`, or the `loader_seed` that the labels were made with."
    if epochs == 1:
        if options.loader_seed is None:
            raise DumpError(
                f"{root}: its image order is not recorded and, with one epoch, an order from "
                f"loader seed {seed} cannot be checked. {help_}"
            )
        return KnownOrder(order, images, images, f"{source}; not checkable: one epoch")
    agreement = check_order(order, epochs, top1)
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

    An SRe2L dump gets an image_order.json if the source had one, or if the order cannot be
    derived from the loader's usual seed.

    Args:
        batches: batches in (epoch, batch) order.
        root: the empty directory.
        layout: name of the layout: 'sre2l' or 'lpld'.
        types: `DumpInfo.types` of the source.

    Raises:
        DumpError: epochs or batches are missing, or the layout cannot represent a batch.
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
        save(build_batch_list(batch, layout, types), file)
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
    batch_size = sizes[0][0]
    for epoch, of_epoch in enumerate(sizes):
        if any(size != batch_size for size in of_epoch[:-1]) or of_epoch[-1] > batch_size:
            raise DumpError(
                f"layout {layout} needs batches of {batch_size}, only an epoch's last one may be "
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


def has_epochs(names: Mapping[str, bool]) -> bool:
    """Whether a directory has epoch folders; `names` maps each entry to whether it is a folder."""
    return any(is_dir and name.startswith("epoch_") for name, is_dir in names.items())


def epoch_label_files(root: Path) -> list[Path]:
    """The label files of all epochs, in (epoch, batch) order.

    Raises:
        DumpError: an unexpected file or folder is in the way.
    """
    folders = [root / f"epoch_{epoch}" for epoch in numbered(root, "epoch_").numbers]
    return [
        folder / f"batch_{number}.tar"
        for folder in folders
        for number in numbered(folder, "batch_", ".tar").numbers
    ]


def epoch_side_files(root: Path) -> list[Path]:
    """The image order files of the dump."""
    return [root / name for name in (EPOCH_SIDE, ORDER_SIDE) if (root / name).is_file()]


def recorded_order(root: Path, options: Mapping[str, Any], sides: Sequence[str]) -> str | None:
    """Say where the image order is recorded; None if it must be derived from the loader's seed.

    Args:
        root: the dump's directory.
        options: keyword arguments of `open_dump`.
        sides: names of side files that hold an image order.
    """
    if options.get("image_order") is not None:
        return "`image_order` says which images the batches hold"
    for name in sides:
        if (root / name).is_file():
            return f"{name} in the dump says which images the batches hold"
    return None
