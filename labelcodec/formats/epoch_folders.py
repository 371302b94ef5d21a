"""Dumps with epoch folders (epoch_E/batch_B.tar): the common part of SRe2L and LPLD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.batch import LabelBatch
from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats.batch_files import BatchFileList, BatchFiles, assemble
from labelcodec.formats.batch_list import BatchList, build_batch_list, parse_batch_list
from labelcodec.formats.directory import numbered
from labelcodec.formats.epoch_listing import (
    check_equal,
    fail_file,
    fail_last,
    list_epochs,
)
from labelcodec.formats.epoch_order import (
    EpochFiles,
    order_of_files,
    order_of_list,
    order_of_seed,
)
from labelcodec.formats.image_order import LOADER_SEED, KnownOrder, SeedOrder
from labelcodec.formats.interface import OpenOptions
from labelcodec.formats.safe_load import load
from labelcodec.formats.save import save, save_json
from labelcodec.wording import counted

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
    epochs = list_epochs(root, options.epochs_range)
    sides = epoch_side_files(root)
    files = [f"{epoch.name}/{file}" for epoch in epochs for file in epoch.files]

    def parsed(i: int) -> BatchList:
        try:
            saved = load(root / files[i])
        except DumpError as error:
            fail_file(files, i, error)
        return parse_batch_list(saved, root / files[i])

    first, last = parsed(0), root / files[-1]
    try:
        parse_batch_list(load(last), last)
    except DumpError as error:
        fail_last(root, epochs, error)
    counts = [len(epoch.files) for epoch in epochs]
    own = next(iter(sides), None)
    known = _known_order(layout, EpochFiles(root, epochs, parsed, first), own, options)
    file_list = BatchFileList(
        root,
        tuple(files),
        np.arange(len(files), dtype=np.int64) + known.first * counts[0],
        np.repeat(np.arange(len(epochs), dtype=np.int64) + known.first, counts),
        len(files) + len(sides),
        sum(epoch.bytes for epoch in epochs) + sum(side.stat().st_size for side in sides),
    )
    extra: dict[str, Any] = {"order_file": root / ORDER_SIDE in sides}
    if shift := epochs[0].number - known.first:
        extra["first_epoch"] = shift
    return assemble(layout, file_list, first, known, options, extra)


def _known_order(
    layout: str, dump: EpochFiles, own: Path | None, options: OpenOptions
) -> KnownOrder:
    """The image order: of the batch files, a list, another label set, or a seed."""
    if options.image_order is None and dump.first.image_index is not None:
        if options.loader_seed is not None:
            raise ConfigError(
                f"{dump.root}: `loader_seed` does not apply here: the batch files record which "
                "images they hold"
            )
        return order_of_files(dump, options)
    file = options.image_order or (own if options.loader_seed is None else None)
    if file is not None:
        if layout == "sre2l":
            check_equal(dump.root, dump.epochs)
        return order_of_list(dump, file, own, options)
    if options.order is not None and options.loader_seed is None:
        try:
            return order_of_seed(dump, own, options)
        except DumpError:
            return options.order
    if layout == "lpld" and options.loader_seed is None:
        raise DumpError(
            f"{dump.root / EPOCH_SIDE} is missing: an LPLD dump without it has lost its image "
            "order. Pass `image_order=FILE`, or `layout=sre2l` if it is SRe2L's."
        )
    return order_of_seed(dump, own, options)


def write_epochs(
    batches: Iterable[LabelBatch], root: Path, layout: str, types: Mapping[str, Any]
) -> int:
    """Write epoch folders and the side file into an empty directory; returns the file count.

    Epochs have the numbers of the source's. An SRe2L dump gets an image_order.json if the source
    had one, or if the order is neither in its files nor that of the loader's usual seed.

    Args:
        batches: batches in (epoch, batch) order.
        root: the empty directory.
        layout: name of the layout: 'sre2l' or 'lpld'.
        types: `DumpInfo.types` of the source.

    Raises:
        DumpError: epochs or batches are missing, or the layout cannot represent a batch.
    """
    lists: list[list[list[int]]] = []
    start, first, count = 0, 0, 0
    shift = types.get("first_epoch", 0) if types.get("layout") == layout else 0
    if type(shift) is not int or not 0 <= shift < 1 << 31:
        raise DumpError(f"types of the source dump: first_epoch cannot be {shift!r}")
    for batch in batches:
        if not count and batch.epoch:
            start, first = batch.number, batch.epoch
        epoch = batch.epoch - first
        if batch.number != start + count or epoch not in (len(lists) - 1, len(lists)):
            raise DumpError(
                f"layout {layout} needs every batch of every epoch in order: batch {start + count} "
                f"was due, got batch {batch.number} of epoch {batch.epoch}. Use layout lpqld for "
                "pruned labels."
            )
        folder = root / f"epoch_{batch.epoch + shift}"
        if epoch == len(lists):
            lists.append([])
            folder.mkdir()
        save(build_batch_list(batch, layout, types), folder / f"batch_{len(lists[-1])}.tar")
        lists[-1].append(batch.image_index.tolist())
        count += 1
    _check_writable(lists, layout)
    if start != first * len(lists[0]):
        raise DumpError(
            f"layout {layout} needs whole epochs: the first batch is batch {start} of epoch "
            f"{first}. Use layout lpqld for pruned labels."
        )
    flat = [[index for batch in epoch for index in batch] for epoch in lists]
    if layout == "lpld":
        side = {str(first + shift + epoch): indices for epoch, indices in enumerate(flat)}
        save_json(side, root / EPOCH_SIDE)
    elif types.get("order_file") or not _needs_no_list(flat, lists, first, layout, types):
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
                f"layout {layout} needs {counted(len(sizes[0]), 'batch')} in every epoch, epoch "
                f"{epoch} has {len(of_epoch)}. Use layout lpqld for pruned labels."
            )


def _needs_no_list(
    flat: list[list[int]],
    lists: list[list[list[int]]],
    first: int,
    layout: str,
    types: Mapping[str, Any],
) -> bool:
    """Whether the batch files record the images, or they follow from the loader's usual seed."""
    if types.get("layout") == layout and types.get("image_index"):
        return True
    order = SeedOrder(LOADER_SEED, len(flat[0]), len(lists[0][0]), len(lists[0]), first=first)
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
    folders = [root / name for name in numbered(root, "epoch_", folders=True).names]
    return [folder / name for folder in folders for name in numbered(folder, "batch_").names]


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
