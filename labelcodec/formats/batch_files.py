"""Dumps with one file per batch: the common part of the SRe2L, LPLD and LPQLD layouts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch, Labels, Space
from labelcodec.errors import DumpError
from labelcodec.formats.batch_list import BatchList, fail, parse_batch_list, usual_space
from labelcodec.formats.class_count import class_count
from labelcodec.formats.crop_fractions import USUAL_SIDE, find_side, to_pixels
from labelcodec.formats.epoch_listing import fail_file
from labelcodec.formats.image_order import KnownOrder, Order
from labelcodec.formats.interface import DumpInfo, OpenOptions
from labelcodec.formats.safe_load import load
from labelcodec.formats.space_detection import PROBABILITIES_NOTE, check_space, label_space
from labelcodec.formats.typespec import dtype_of, largest_unsigned
from labelcodec.images import ImageListing, image_sizes
from labelcodec.wording import counted

# Entries of `DumpInfo.types` that are not the kind of a part.
_NOT_PARTS = ("layout", "order_file", "label_type", "space", "first_epoch")


@dataclass(frozen=True, eq=False)
class BatchFileList:
    """The files of a dump.

    Attributes:
        root: directory of the dump.
        files: paths of the batch files relative to `root`, in (epoch, batch) order.
        numbers, epochs: (batches,) int64, batch number and epoch of each file.
        count, bytes: number and total size of all files of the dump, side files included.
    """

    root: Path
    files: tuple[str, ...]
    numbers: NDArray[np.int64]
    epochs: NDArray[np.int64]
    count: int
    bytes: int

    def name(self, i: int) -> str:
        """What error messages call batch i."""
        return os.path.join(self.root, self.files[i])  # in a third of the time of a `Path`

    def saved(self, i: int) -> Any:
        """What was saved of batch i.

        Raises:
            DumpError: the file is missing or damaged.
            UnsafeError: the file would run code if a plain unpickler opened it.
        """
        return load(os.path.join(self.root, self.files[i]))


@dataclass(frozen=True, eq=False)
class BatchFiles:
    """An opened dump of batch files.

    Attributes:
        info: metadata of the dump.
        file_list: the files of the dump.
        order: image indices of each batch.
        width: values per label, the same in every file: C (dense) or k (top-k).
        sides: (H, W) in pixels that the first batch's crop fractions are multiples of, or 224
            where no side fits; None if the true image sizes are known.
        listing: the image folder, or None if none was passed.
        label_type: what the user says the labels are, or None.
    """

    info: DumpInfo
    file_list: BatchFileList
    order: Order
    width: int
    sides: tuple[int, int] | None
    listing: ImageListing | None
    label_type: str | None

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.file_list.files)

    @cached_property
    def _types(self) -> dict[str, Any]:
        """What `BatchList.types` of every batch is, as a rule."""
        return {part: kind for part, kind in self.info.types.items() if part not in _NOT_PARTS}

    def file(self, i: int) -> Path:
        """The label file of batch i."""
        return self.file_list.root / self.file_list.files[i]

    def image_index(self, i: int) -> NDArray[np.int64]:
        """(B,) image indices of batch i."""
        return self.order.indices(i)

    def read(self, i: int) -> LabelBatch:
        """Read batch i, in (epoch, batch) order.

        Raises:
            DumpError: the file is missing, damaged, or inconsistent with the rest of the dump.
            UnsafeError: the file would run code if a plain unpickler opened it.
        """
        file = self.file_list.name(i)
        try:
            saved = self.file_list.saved(i)
        except DumpError as error:
            fail_file(self.file_list.files, i, error)
        parts = parse_batch_list(saved, file)
        if parts.types != self._types:
            check_types(parts.types, self.info.types, file)
        if parts.value.shape[1] != self.width:
            fail(
                file,
                f"labels have {counted(parts.value.shape[1], 'value')}, the first batch "
                f"{self.width}",
            )
        if parts.index is not None:
            check_classes(parts.index, self.info.classes, file)
        else:
            check_space(parts.value, self.info.space, self.label_type, file)
        indices = self.image_index(i)
        if len(indices) != len(parts.fractions):
            fail(
                file,
                f"holds {counted(len(parts.fractions), 'sample')}, the image order has "
                f"{len(indices)}",
            )
        sizes = image_sizes(self.listing, indices) if self.listing else None
        if (
            sizes is not None
            and "patch_shuffle" in parts.types
            and (sizes[:, 0] != sizes[:, 1]).any()
        ):
            fail(
                file,
                "is EDC's, whose crops of images that are not square are fractions of the wrong "
                "sides; labelcodec reads them for square images only",
            )
        augmentation = Augmentation(
            to_pixels(parts.fractions, sizes, self.sides),
            parts.flip,
            parts.mix,
            parts.cutout,
            parts.randaugment,
        )
        labels = Labels(
            self.info.classes,
            parts.value,
            parts.index,
            self.info.space,
            tail=self.info.tail,
            precision=parts.precision,
        )
        number, epoch = int(self.file_list.numbers[i]), int(self.file_list.epochs[i])
        return LabelBatch(number, epoch, indices, augmentation, labels)


def check_types(types: Mapping[str, Any], expected: Mapping[str, Any], file: str | Path) -> None:
    """Reject a batch whose parts differ in kind from those of the first batch.

    Args:
        types: kind of each part of the batch.
        expected: kind of each part of the first batch.
        file: file of the batch, for error messages.

    Raises:
        DumpError: a part differs; the message names the file, the part and both kinds.
    """
    for part in dict.fromkeys((*expected, *types)):
        if part in _NOT_PARTS:
            continue
        if types.get(part) != expected.get(part):
            fail(
                file,
                f"{part} is {types.get(part) or 'absent'}, in the first file of the dump it is "
                f"{expected.get(part) or 'absent'}",
            )


def check_classes(index: NDArray[np.int64], classes: int, file: str | Path) -> None:
    """Reject a top-k class index outside 0..C-1.

    Args:
        index: (B, k) class indices.
        classes: C.
        file: file of the batch, for error messages.

    Raises:
        DumpError: an index is out of range; the message names the file and the sample.
    """
    if largest_unsigned(index) >= classes:
        row, column = np.argwhere((index < 0) | (index >= classes))[0]
        fail(
            file,
            f"sample {row} has class {index[row, column]}, outside 0..{classes - 1}; "
            "pass the number of classes if it is another",
        )


def assemble(
    layout: str,
    file_list: BatchFileList,
    first: BatchList,
    known: KnownOrder,
    options: OpenOptions,
    extra_types: Mapping[str, Any],
) -> BatchFiles:
    """Build the `BatchFiles` object of a dump.

    Args:
        layout: name of the layout.
        file_list: the files of the dump.
        first: content of the first batch file.
        known: the image order and its source.
        options: the options passed to `open_dump`.
        extra_types: further entries of `DumpInfo.types`.

    Raises:
        DumpError: the number of classes contradicts the labels.
    """
    listing, classes = options.listing, options.classes
    width = first.value.shape[1]
    if first.index is None:
        if classes not in (None, width):
            raise DumpError(
                f"{file_list.root}: labels have {counted(width, 'class')}, not {classes}"
            )
        count, guessed = width, False
    else:
        folders = len(listing.classes) if listing else None
        count, guessed = class_count(classes, folders, int(first.index.max()))
    space, tail = label_space(first, options.label_type, file_list.root / file_list.files[0])
    notes = []
    if space == "probabilities" and options.label_type is None:
        notes.append(PROBABILITIES_NOTE)
    if dtype_of(first.types["values"]) == "float64":
        notes.append("the labels are float64 and are stored as float32, rounded")
    info = DumpInfo(
        layout=layout,
        classes=count,
        classes_guessed=guessed,
        images=known.images,
        epochs=len(np.unique(file_list.epochs)),
        batches=len(file_list.files),
        samples=known.samples,
        bytes=file_list.bytes,
        files=file_list.count,
        mix=first.mix.kind if first.mix else None,
        space=space,
        tail=tail,
        k=None if first.index is None else width,
        precision=first.precision,
        types={"layout": layout, **first.types, **extra_types, **_space_type(space, layout)},
        image_order=known.sentence,
        notes=tuple(notes),
    )
    sides = None
    if listing is None:
        height, breadth = (find_side(first.fractions[:, axis::2]) for axis in (0, 1))
        sides = (height or USUAL_SIDE, breadth or USUAL_SIDE)
    return BatchFiles(info, file_list, known.order, width, sides, listing, options.label_type)


def _space_type(space: Space, layout: str) -> dict[str, str]:
    """The entry of `DumpInfo.types` for labels that are not what the layout usually has."""
    return {} if space == usual_space(layout) else {"space": space}


def batch_file_parts(file: str | Path) -> list[tuple[str, Any]]:
    """The parts of a batch file as (component name, content) pairs.

    Raises:
        DumpError: the file is damaged, or not a batch file.
    """
    return batch_list_parts(load(file), file)


def batch_list_parts(saved: Any, file: str | Path) -> list[tuple[str, Any]]:
    """The parts of a batch's list as (component name, content) pairs.

    Raises:
        DumpError: it is no batch's list.
    """
    batch = parse_batch_list(saved, file)
    names = ["crop", "flip" if batch.cutout is None else "cutout"]
    if batch.randaugment is not None:
        names.append("randaugment")
    names += ["mix index", "mix ratio", "mix box", "label values"]
    if batch.index is not None:
        names.append("label index")
    names += ["image index", "patch shuffle"][: len(saved) - len(names)]
    return list(zip(names, saved, strict=True))
