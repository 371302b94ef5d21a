"""Opening and writing a dump, whatever its layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.dumps.batchfiles import Options
from labelcodec.dumps.detect import check_directory, check_layout, detect
from labelcodec.dumps.fkd import open_fkd, write_fkd
from labelcodec.dumps.info import Dump
from labelcodec.dumps.kinds import check_kinds
from labelcodec.dumps.lpqld import open_flat, write_flat
from labelcodec.dumps.sre2l import open_epochs, write_epochs
from labelcodec.dumps.unused import unused
from labelcodec.errors import ConfigError, DumpError
from labelcodec.files.atomic_dir import atomic_folder
from labelcodec.images import list_images


def open_dump(
    path: Path | str,
    *,
    layout: str | None = None,
    images: Path | None = None,
    image_order: Path | None = None,
    loader_seed: int | None = None,
    label_type: str | None = None,
    classes: int | None = None,
) -> Dump:
    """Open somebody else's soft labels.

    Lists the files, reads the side files and the first batches, nothing more. No code that a
    file names is ever run.

    Args:
        path: the dump's directory.
        layout: 'sre2l', 'lpld', 'lpqld' or 'fkd'; None to recognise it.
        images: the image folder the labels were made from: gives true image sizes and classes,
            and every image index is checked against it.
        image_order: JSON with the image indices of every epoch or batch; overrides what lies in
            the dump, and `DumpInfo.image_order` says so. Not for fkd.
        loader_seed: seed of the data loader that wrote an SRe2L dump without an image order, 42
            if not given. The order drawn from it is checked against the labels.
        label_type: 'hard', 'smoothing', 'MS' or 'MR', fkd only: nothing in the files tells MS
            from MR.
        classes: C, which top-k labels do not record.

    Raises:
        DumpError: the dump is incomplete, inconsistent, damaged or in an unknown layout.
        UnsafeError: a file of it would run code if a plain unpickler opened it.
        MismatchError: there is no image folder at `images`.
        ConfigError: something was said that means nothing for this dump.
    """
    root = Path(path)
    known = detect(root) if layout is None else check_layout(layout)
    check_directory(root)
    said = {"image_order": image_order, "loader_seed": loader_seed, "label_type": label_type}
    for option, why in unused(root, known, said).items():
        raise ConfigError(f"{root}: --{option.replace('_', '-')} means nothing here: {why}")
    listing = list_images(images) if images is not None else None
    order = Path(image_order) if image_order is not None else None
    options = Options(listing, order, loader_seed, label_type, classes)
    if known == "fkd":
        return open_fkd(root, options)
    if known == "lpqld":
        return open_flat(root, options)
    return open_epochs(root, known, options)


def write_dump(
    batches: Iterable[LabelBatch],
    directory: Path | str,
    layout: str,
    types: Mapping[str, Any],
    names: Sequence[str] | None = None,
    *,
    force: bool = False,
) -> int:
    """Write batches so that the code that belongs to a layout can load them.

    The files are written beside `directory` and moved there at the end: it is complete or absent.

    Args:
        batches: in (epoch, batch) order.
        directory: where to; must not exist or be empty, unless `force`.
        layout: 'sre2l', 'lpld', 'lpqld' or 'fkd'.
        types: `DumpInfo.types` of the source. With the same layout every tensor gets its own
            dtype back; with another one it gets the dtype that `layout` usually has.
        names: `DumpInfo.names`, fkd only.
        force: replace a directory that holds nothing but a dump.

    Returns:
        Number of files written, side files included.

    Raises:
        DumpError: the directory is not empty or may not be replaced, or the layout cannot hold
            the labels.
        MismatchError: another process is writing there.
    """
    known, target = check_layout(layout), Path(directory)
    check_kinds(types)
    with atomic_folder(target, force) as partial:
        return _write(batches, partial, known, types, names)


def _write(
    batches: Iterable[LabelBatch],
    root: Path,
    layout: str,
    types: Mapping[str, Any],
    names: Sequence[str] | None,
) -> int:
    iterator = iter(batches)
    first = next(iterator, None)
    if first is None:
        raise DumpError("there are no batches to write")
    every = _chained(first, iterator)
    if layout == "fkd":
        return write_fkd(every, root, types, names)
    if layout == "lpqld":
        return write_flat(every, root, types)
    return write_epochs(every, root, layout, types)


def _chained(first: LabelBatch, rest: Iterable[LabelBatch]) -> Iterable[LabelBatch]:
    yield first
    yield from rest
