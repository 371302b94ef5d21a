"""What SRe2L's, LPLD's and LPQLD's dumps have in common: files of one batch each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Augmentation, LabelBatch, Labels
from labelcodec.dumps.classes import class_count
from labelcodec.dumps.crops import USUAL_SIDE, find_side, to_pixels
from labelcodec.dumps.info import DumpInfo, Layout
from labelcodec.dumps.order import KnownOrder, Order
from labelcodec.dumps.parts import Parts, fail, read_parts
from labelcodec.dumps.safe_load import load
from labelcodec.errors import DumpError
from labelcodec.images import ImageListing, image_sizes

# What `DumpInfo.types` has beside the kinds of the parts.
_NOT_PARTS = ("layout", "order_file", "label_type")


@dataclass(frozen=True)
class Options:
    """What the user says about a dump; see `open_dump`."""

    listing: ImageListing | None = None
    image_order: Path | None = None
    loader_seed: int | None = None
    label_type: str | None = None
    classes: int | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """The files of a dump.

    Attributes:
        root: its directory.
        files: names of the batch files relative to `root`, in (epoch, batch) order.
        numbers, epochs: (batches,) of each of them.
        count, bytes: of all files of the dump, side files included.
    """

    root: Path
    files: tuple[str, ...]
    numbers: NDArray[np.int64]
    epochs: NDArray[np.int64]
    count: int
    bytes: int


@dataclass(frozen=True, eq=False)
class BatchFiles:
    """An opened dump of batch files.

    Attributes:
        info: what is known of it.
        found: its files.
        order: image indices of each file.
        width: values a label has in every file: C or k.
        sides: H, W that the first batch's crop fractions are multiples of, if any.
        listing: the image folder if one was given.
    """

    info: DumpInfo
    found: Found
    order: Order
    width: int
    sides: tuple[int, int] | None
    listing: ImageListing | None

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.found.files)

    def file(self, i: int) -> Path:
        """The label file of batch i."""
        return self.found.root / self.found.files[i]

    def image_index(self, i: int) -> NDArray[np.int64]:
        """(B,) image indices of batch i."""
        return self.order.indices(i)

    def read(self, i: int) -> LabelBatch:
        """Batch i, counted in (epoch, batch) order.

        Raises:
            DumpError: the file is missing, damaged, or differs from what the dump promised.
        """
        file = self.file(i)
        parts = read_parts(load(file), file)
        check_types(parts.types, self.info.types, file)
        if parts.value.shape[1] != self.width:
            fail(file, f"labels have {parts.value.shape[1]} values, the first batch {self.width}")
        if parts.index is not None:
            check_classes(parts.index, self.info.classes, file)
        indices = self.image_index(i)
        if len(indices) != len(parts.fractions):
            fail(file, f"holds {len(parts.fractions)} samples, the image order has {len(indices)}")
        sizes = image_sizes(self.listing, indices) if self.listing else None
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
            tail=self.info.tail,
            precision=parts.precision,
        )
        number, epoch = int(self.found.numbers[i]), int(self.found.epochs[i])
        return LabelBatch(number, epoch, indices, augmentation, labels)


def check_types(types: Mapping[str, Any], expected: Mapping[str, Any], file: Path) -> None:
    """Refuse a batch whose tensors are of other kinds than the first batch's.

    Raises:
        DumpError: naming the file, the part and both kinds.
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


def check_classes(index: NDArray[np.int64], classes: int, file: Path) -> None:
    """Refuse a top-k class outside 0..C-1.

    Raises:
        DumpError: naming the file and the sample.
    """
    if index.min() < 0 or index.max() >= classes:
        row, column = np.argwhere((index < 0) | (index >= classes))[0]
        fail(
            file,
            f"sample {row} has class {index[row, column]}, outside 0..{classes - 1}; "
            "pass the number of classes if it is another",
        )


def assemble(
    layout: Layout,
    found: Found,
    first: Parts,
    known: KnownOrder,
    options: Options,
    extra_types: Mapping[str, Any],
) -> BatchFiles:
    """Put an opened dump together from what its layout's module found out.

    Args:
        layout: whose it is.
        found: its files.
        first: the first batch.
        known: the image order.
        options: what the user said.
        extra_types: further entries of `DumpInfo.types`.
    """
    listing, classes = options.listing, options.classes
    width = first.value.shape[1]
    if first.index is None:
        if classes not in (None, width):
            raise DumpError(f"{found.root}: labels have {width} classes, not {classes}")
        count, guessed = width, False
    else:
        folders = len(listing.classes) if listing else None
        count, guessed = class_count(classes, folders, int(first.index.max()))
    info = DumpInfo(
        layout=layout,
        classes=count,
        classes_guessed=guessed,
        images=known.images,
        epochs=len(np.unique(found.epochs)),
        batches=len(found.files),
        samples=known.samples,
        bytes=found.bytes,
        files=found.count,
        mix=first.mix.kind if first.mix else None,
        space="logits",
        tail=None if first.index is None else "zero",
        k=None if first.index is None else width,
        precision=first.precision,
        types={"layout": layout, **first.types, **extra_types},
        image_order=known.sentence,
    )
    sides = None
    if listing is None:
        height, breadth = (find_side(first.fractions[:, axis::2]) for axis in (0, 1))
        sides = (height or USUAL_SIDE, breadth or USUAL_SIDE)
    return BatchFiles(info, found, known.order, width, sides, listing)
