"""Classes of images that come as numbers or as names, and listings made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.images.listing import ImageListing, listed_order
from labelcodec.images.store import ImageStore

MAX_CLASSES = 1 << 20


class ClassNumbers(tuple[str, ...]):
    """Classes '0', '1', … of images that come with numbers of classes, and no names.

    They are the classes 0, 1, … of any labels, whatever those call them.
    """

    __slots__ = ()


def numbered(
    numbers: Sequence[int] | NDArray[np.int64], store: ImageStore, where: str
) -> tuple[NDArray[np.int64], ClassNumbers]:
    """Classes of images that come as numbers: their index, and '0', '1', … as names.

    Args:
        numbers: (N,) class of each image.
        store: the images, for error messages.
        where: the source, for error messages.

    Raises:
        MismatchError: a number is negative or larger than any class.
    """
    index = np.asarray(numbers, np.int64)
    if not len(index):
        raise MismatchError(f"{where}: no images")
    check_range(index, MAX_CLASSES, store)
    return index, ClassNumbers(map(str, range(int(index.max()) + 1)))


def check_range(index: NDArray[np.int64], classes: int, store: ImageStore) -> None:
    """Check that every image has a class.

    Args:
        index: (N,) class of each image.
        classes: C.
        store: the images, for error messages.

    Raises:
        MismatchError: a number is negative, or C or more.
    """
    outside = np.flatnonzero((index < 0) | (index >= classes))
    if len(outside):
        item = int(outside[0])
        raise MismatchError(
            f"{store.where(item)}: its class is {int(index[item])}, expected 0 to {classes - 1}"
        )


def named_listing(
    root: Path,
    store: ImageStore,
    names: Sequence[str],
    class_index: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    is_named: bool = True,
) -> ImageListing:
    """A listing of images with names, in the order of an image folder: by class, folder, name.

    Args:
        root: the source.
        store: its images.
        names: (N,) names, 'class/.../name'.
        class_index: (N,) position of each image's class in `classes`.
        classes: names of the classes.
        is_named: whether these names may be those of an image folder, too; they cannot where
            classes are only known by their numbers.

    Raises:
        MismatchError: two images have one name, or a name has a line feed.
    """
    taken: dict[str, int] = {}
    for i, name in enumerate(names):
        if "\n" in name:
            raise MismatchError(f"{store.where(i)}: has a line feed in its name")
        if (other := taken.setdefault(name, i)) != i:
            raise MismatchError(
                f"{store.where(i)} and {store.where(other)} are both called {name}; give each "
                "image a name of its own"
            )
    order = np.array(listed_order(names, class_index), np.int64)
    item = np.arange(len(names), dtype=np.int64)
    listing = ImageListing(root, tuple(names), class_index, classes, store, item, is_named)
    return listing.take(order)


def unnamed_listing(
    root: Path, store: ImageStore, class_index: NDArray[np.int64], classes: tuple[str, ...]
) -> ImageListing:
    """A listing of images without names, as they are stored; arguments as in `named_listing`."""
    folders = folder_names(classes)
    paths = tuple(f"{folders[own]}/{i:08}" for i, own in enumerate(class_index.tolist()))
    item = np.arange(len(paths), dtype=np.int64)
    return ImageListing(root, paths, class_index, classes, store, item, is_named=False)


def folder_names(classes: Sequence[str]) -> list[str]:
    """Names of classes as those of folders; the class's number where a name cannot be one."""
    return [
        str(i) if name in ("", ".", "..") or set(name) & {"/", "\n", "\0"} else name
        for i, name in enumerate(classes)
    ]
