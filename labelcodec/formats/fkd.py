"""FKD's layout: one file per image, at the image's path, with n crops and their labels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import MAX_SAMPLES, LabelBatch
from labelcodec.errors import DumpError
from labelcodec.formats.batch_files import check_classes, check_types
from labelcodec.formats.batch_list import array, fail, fractions
from labelcodec.formats.class_count import class_count
from labelcodec.formats.crop_fractions import to_pixels
from labelcodec.formats.directory import is_numbered, tar_files
from labelcodec.formats.fkd_labels import (
    LABEL_KINDS,
    TAILS,
    compose_labels,
    label_type_of,
    parse_labels,
)
from labelcodec.formats.fkd_names import SUFFIX, match_images, safe_name
from labelcodec.formats.foreign import name_content
from labelcodec.formats.interface import DumpInfo, OpenOptions
from labelcodec.formats.megatron_tar import NAME as OF_MEGATRON
from labelcodec.formats.option_check import NO_EPOCHS
from labelcodec.formats.safe_load import load
from labelcodec.formats.save import save
from labelcodec.formats.typespec import dtype_of, restore
from labelcodec.images import ImageListing, image_sizes
from labelcodec.wording import counted

_COORDS = ("numpy.float16", "numpy.float32", "tensor.float16", "tensor.float32")
_INSPECTED = 64


class FKD:
    """FKD's layout; methods as in `interface.Layout`."""

    name = "fkd"
    looks_like = "or one .tar per image below class folders (FKD)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether a .tar file exists below `root` that is not a numbered batch file."""
        others = ("epoch_", "batch_")
        if any(name.startswith(others) or OF_MEGATRON.fullmatch(name) for name in names):
            return False
        first = next(tar_files(root), None)
        return first is not None and not is_numbered(first.name)

    def label_files(self, root: Path) -> list[Path]:
        """All label files."""
        return sorted(tar_files(root))

    def side_files(self, root: Path) -> list[Path]:
        """None: FKD has no side files."""
        return []

    def file_parts(self, file: Path) -> list[tuple[str, Any]]:
        """Components of a label file."""
        saved = load(file)
        _parse_parts(saved, file)
        return list(zip(("crop", "flip", "label values"), saved, strict=True))

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """The options that assign images to files."""
        why = "FKD's label files are named after their images"
        unused = {"image_order": why, "loader_seed": why, "epochs_range": NO_EPOCHS}
        if options.get("label_type") in ("logits", "probabilities"):
            unused["label_type"] = "FKD's labels are hard, smoothing, MS or MR"
        return unused

    def open(self, root: Path, options: OpenOptions) -> FkdFiles:
        """Open a dump."""
        return open_fkd(root, options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`."""
        return write_fkd(batches, root, types, names)


@dataclass(frozen=True, eq=False)
class FkdFiles:
    """An opened FKD dump.

    Attributes:
        info: metadata of the dump.
        root: directory of the dump.
        files: paths relative to `root`, sorted by folder, then name; one per batch.
        image: (batches,) int64, image index of each file.
        listing: the image folder, or None if none was passed.
    """

    info: DumpInfo
    root: Path
    files: tuple[str, ...]
    image: NDArray[np.int64]
    listing: ImageListing | None

    def __len__(self) -> int:
        """Number of files."""
        return len(self.files)

    def file(self, i: int) -> Path:
        """The label file of batch i."""
        return self.root / self.files[i]

    def image_index(self, i: int) -> NDArray[np.int64]:
        """(1,) int64, the image of file i; the number of its crops is only known after reading."""
        return self.image[i : i + 1]

    def read(self, i: int) -> LabelBatch:
        """Read the crops of file i as one batch.

        Raises:
            DumpError: the file is missing, damaged, or differs in kind from the first file.
            UnsafeError: the file would run code if a plain unpickler opened it.
        """
        file = self.file(i)
        types, coords, flip, label = _read_parts(file)
        check_types(types, self.info.types, file)
        label_type = self.info.types["label_type"]
        label_type_of(label, label_type, file)
        labels = parse_labels(label, label_type, self.info.classes, file)
        if labels.k != self.info.k:
            fail(file, f"labels have {labels.k} classes, in the first file {self.info.k}")
        if labels.index is not None:
            check_classes(labels.index, self.info.classes, file)
        indices = np.full(len(label), self.image[i], np.int64)
        sizes = image_sizes(self.listing, indices) if self.listing else None
        augmentation = Augmentation(to_pixels(coords, sizes, None), flip)
        return LabelBatch(i, 0, indices, augmentation, labels)


def open_fkd(root: Path, options: OpenOptions) -> FkdFiles:
    """Open an FKD dump.

    Raises:
        DumpError: files and images do not match, or `label_type` is required and missing.
    """
    sized = sorted(_files(root, ""), key=lambda entry: entry[0].rpartition("/")[::2])
    if not sized:
        raise DumpError(f"{root}: holds no {SUFFIX} file")
    files = tuple(name for name, _ in sized)
    types, _, _, label = _read_parts(root / files[0])
    label_type = label_type_of(label, options.label_type, root / files[0])
    classes, guessed = _classes(root, files, label_type, options)
    if dtype_of(types["label"]) == "float16" and classes >= 2049:
        raise DumpError(
            f"{root}: classes are stored in float16, which is exact below 2049 only, and there "
            f"are {counted(classes, 'class')}: the labels are damaged. Pass `classes` if that is "
            "wrong."
        )
    listing = options.listing
    if listing is None:
        image = np.arange(len(files), dtype=np.int64)
        names = files
        order = "position of each label file in the sorted listing of the dump; not checked"
    else:
        image = match_images(root, files, listing)
        names = tuple(files[at] for at in np.argsort(image))
        order = "each label file's path matches the path of one image"
    first = parse_labels(label, label_type, classes, root / files[0])
    info = DumpInfo(
        layout="fkd",
        classes=classes,
        classes_guessed=guessed,
        images=len(files),
        epochs=1,
        batches=len(files),
        samples=None,
        bytes=sum(size for _, size in sized),
        files=len(files),
        mix=None,
        space="probabilities",
        tail=TAILS[label_type],
        k=first.k,
        precision=first.precision,
        types={"layout": "fkd", "label_type": label_type, **types},
        image_order=order,
        names=names,
    )
    return FkdFiles(info, root, files, image, listing)


def write_fkd(
    batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any], names: Sequence[str] | None
) -> int:
    """Write one file per image into an empty directory; returns the file count.

    Args:
        batches: batches of one image each.
        root: the empty directory.
        types: `DumpInfo.types` of the source.
        names: `DumpInfo.names` of the source.

    Raises:
        DumpError: the labels do not come from an FKD dump, or a name points outside of `root`.
    """
    if types.get("layout") != "fkd" or names is None:
        raise DumpError(
            "layout fkd holds the crops of one image per file, as probabilities and under the "
            "image's name: only labels from an FKD dump can be written in it"
        )
    label_type = types.get("label_type")
    if not isinstance(label_type, str) or label_type not in TAILS:
        raise DumpError(f"types of the source dump: label_type cannot be {label_type!r}")
    for part in ("coords", "flip", "label"):
        if types.get(part) is None:
            raise DumpError(f"types of the source dump: {part} is absent")
    count = 0
    for batch in batches:
        crop, flip = batch.augmentation.crop, batch.augmentation.flip
        images = np.unique(batch.image_index)
        if crop is None or flip is None or batch.augmentation.mix or len(images) != 1:
            raise DumpError(
                f"batch {batch.number}: an FKD file has crops and flips of one unmixed image"
            )
        file = root / safe_name(names, int(images[0]))
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            raise DumpError(f"image {images[0]} has two batches, or {file.name} is two images'")
        coords = fractions(crop, dtype_of(types["coords"]))
        saved = [
            restore(coords, types["coords"]),
            restore(flip, types["flip"]),
            compose_labels(batch.labels, label_type, types["label"]),
        ]
        save(tuple(saved) if types.get("sequence") == "tuple" else saved, file)
        count += 1
    return count


def _files(root: Path, below: str) -> Iterator[tuple[str, int]]:
    """Relative name and size of every label file."""
    with os.scandir(root / below) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(root, f"{below}{entry.name}/")
            elif entry.name.endswith(SUFFIX):
                yield f"{below}{entry.name}", entry.stat().st_size


def _read_parts(file: Path) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Read a file: kinds, coords (n, 4), flip (n,) bool and the label array."""
    return _parse_parts(load(file), file)


def _parse_parts(
    saved: Any, file: Path
) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    if not isinstance(saved, (list, tuple)) or len(saved) != 3:
        known = name_content(saved)
        fail(
            file, f"holds {known}" if known else "does not hold FKD's list of coords, flips, labels"
        )
    types: dict[str, Any] = {"sequence": "tuple"} if isinstance(saved, tuple) else {}
    coords = array(saved[0], "coords", _COORDS, (None, 4), types, file)
    size = len(coords)
    if not 0 < size <= MAX_SAMPLES:
        fail(file, f"holds {counted(size, 'sample')}")
    flip = array(saved[1], "flip", ("numpy.bool", "tensor.bool"), (size,), types, file)
    shape = (size, *[None] * (getattr(saved[2], "ndim", 1) - 1))
    label = array(saved[2], "label", LABEL_KINDS, shape, types, file)
    return types, coords, flip, label


def _classes(
    root: Path, files: Sequence[str], label_type: str, options: OpenOptions
) -> tuple[int, bool]:
    """The class count; a guess inspects many files, as one image's labels cover few classes."""
    folders = len(options.listing.classes) if options.listing else None
    inspected = 1 if options.classes or folders else _INSPECTED
    largest = 0
    for at in np.unique(np.linspace(0, len(files) - 1, inspected).astype(int)):
        file = root / files[at]
        label = _read_parts(file)[3]
        label_type_of(label, label_type, file)
        index = parse_labels(label, label_type, 0, file).index
        largest = max(largest, 0 if index is None else int(index.max()))
    return class_count(options.classes, folders, largest)
