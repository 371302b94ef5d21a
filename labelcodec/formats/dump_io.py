"""Opening and writing a dump, whatever its layout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.files.atomic_dir import atomic_folder
from labelcodec.formats.image_order import KnownOrder
from labelcodec.formats.interface import Dump, OpenOptions
from labelcodec.formats.option_check import check_options
from labelcodec.formats.registry import (
    LAYOUTS,
    check_source,
    detect,
    is_file_of,
    layout_named,
    layout_of_file,
)
from labelcodec.formats.single_file import write_file
from labelcodec.formats.typespec import check_typespecs
from labelcodec.images import ImageListing, list_images


def open_dump(
    path: str | os.PathLike[str],
    *,
    layout: str | None = None,
    images: str | Path | ImageListing | None = None,
    image_order: str | os.PathLike[str] | None = None,
    loader_seed: int | None = None,
    label_type: str | None = None,
    classes: int | None = None,
    epochs_range: tuple[int, int] | None = None,
    order: KnownOrder | None = None,
    shift: int | None = None,
    columns: Mapping[str, str] | None = None,
) -> Dump:
    """Open a dump: a directory or file of soft labels in another project's layout.

    Only lists the files and reads the side files and the first batches. Code named in a file is
    never executed.

    Args:
        path: directory or file of the dump.
        layout: name of a registered layout: 'sre2l', 'lpld', 'lpqld', 'hald', 'fkd', 'tinyvit',
            'arrays', 'parquet', 'megatron', 'verl', 'distillkit', 'vllm' or one from an installed
            plug-in; None detects it.
        images: the images the labels were made from, see `list_images`. They provide the
            true image sizes and the number of classes, and every image index is checked against
            them.
        image_order: JSON file with the image indices of every epoch or batch. It overrides the
            order recorded in the dump; `DumpInfo.image_order` reports this. Not for fkd.
        loader_seed: seed of the data loader that wrote an SRe2L dump without a recorded image
            order; 42 by default. The order derived from it is checked against the labels. A seed
            that is passed overrides an order listed in the dump, and is taken even if the check
            stays unclear; `DumpInfo.image_order` reports this.
        label_type: for fkd, whose files do not distinguish MS from MR: 'hard', 'smoothing', 'MS'
            or 'MR'; for dense labels in batch files 'logits' or 'probabilities', by default
            probabilities if each label sums to 1; for top-k labels in them 'logits', 'MS' or 'MR'.
        classes: number of classes C, which files of top-k labels do not record.
        epochs_range: the first epoch to read and the one to stop before, as their names number
            them; by default all. For layouts with epochs.
        order: order that another label set of this dump records; for layouts of batch files,
            where neither the dump nor another argument says.
        shift: for labels of token sequences: 1 if the label of a position is of the token behind
            it, as a language model's logits are, 0 if of its own. By default as the layout has it.
        columns: for tables of token-level labels: column that holds what a name says, such as
            {'index': 'teacher_ids'}; by default those of known writers.

    Raises:
        DumpError: the dump is incomplete, inconsistent, damaged or in an unknown layout.
        UnsafeError: a file would run code if a plain unpickler opened it.
        MismatchError: there is no image folder at `images`.
        ConfigError: an option does not apply to this dump.
    """
    root = Path(path)
    resolved = detect(root) if layout is None else layout_named(layout)
    check_source(root, resolved)
    options: dict[str, Any] = {
        "images": images,
        "image_order": image_order,
        "loader_seed": loader_seed,
        "label_type": label_type,
        "epochs_range": epochs_range,
        "shift": shift,
        "columns": columns,
    }
    check_options(root, resolved, options)
    listing = list_images(images) if images is not None else None
    order_file = Path(image_order) if image_order is not None else None
    return resolved.open(
        root,
        OpenOptions(
            listing,
            order_file,
            loader_seed,
            label_type,
            classes,
            epochs_range,
            order,
            shift,
            columns,
        ),
    )


def write_dump(
    batches: Iterable[LabelBatch],
    target: Path | str,
    layout: str,
    types: Mapping[str, Any],
    names: Sequence[str] | None = None,
    *,
    force: bool = False,
) -> int:
    """Write batches as a dump that the original code of its layout can load.

    The write is atomic: files go to a temporary sibling of `target`, which is renamed at the
    end, so that `target` is either complete or absent.

    Args:
        batches: the batches in (epoch, batch) order.
        target: a directory, absent or empty unless `force` is set; or a file, if the layout writes
            such: .npz and .safetensors of 'arrays', .parquet of 'parquet', those of 'verl'.
        layout: name of a registered layout: 'sre2l', 'lpld', 'lpqld', 'hald', 'fkd', 'tinyvit',
            'arrays', 'parquet', 'megatron', 'verl' or one from an installed plug-in.
        types: `DumpInfo.types` of the source dump. If the source has the same layout, every
            tensor gets its original dtype; otherwise the dtype that `layout` usually has.
        names: `DumpInfo.names`; fkd and tinyvit only.
        force: replace a file, or a directory that holds nothing but a dump.

    Returns:
        Number of files written, side files included.

    Raises:
        DumpError: the directory is not empty or may not be replaced, the layout cannot represent
            the labels, or there are no batches.
        MismatchError: another process is writing to `target`, or it is a file and `force` is not
            set.
    """
    resolved, target = layout_named(layout), Path(target)
    check_typespecs(types)

    def write(folder: Path) -> int:
        iterator = iter(batches)
        first = next(iterator, None)
        if first is None:
            raise DumpError("there are no batches to write")
        _check_kind(layout, first)
        return resolved.write(_checked(chain([first], iterator), layout), folder, types, names)

    if is_file_of(layout, target) and not target.is_dir():
        return write_file(write, resolved.join, target, force)
    if layout_of_file(target) is not None and not target.is_dir():
        raise DumpError(
            f"{target}: layout {layout} is written as a folder; leave {target.suffix} out"
        )
    with atomic_folder(target, force) as partial:
        return write(partial)


def _check_kind(layout: str, first: LabelBatch) -> None:
    """Check that a layout is for labels of what a batch is of."""
    entry = LAYOUTS.find(layout)
    of_tokens = first.sequences is not None
    if entry is not None and (entry.kind == "tokens") != of_tokens:
        own, other = ("token sequences", "images")[:: 1 if of_tokens else -1]
        raise DumpError(f"layout {layout} is for labels of {other}, these are of {own}")


def _checked(batches: Iterable[LabelBatch], layout: str) -> Iterator[LabelBatch]:
    """The batches; those of images must keep the same number of classes of each label."""
    for batch in batches:
        if batch.sequences is None and batch.labels.count is not None:
            raise DumpError(
                f"batch {batch.number}: its labels keep different numbers of classes, which layout "
                f"{layout} cannot hold"
            )
        yield batch
