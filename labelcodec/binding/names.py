"""Names of images and classes: two spellings of one name, and names without their extension."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from labelcodec.errors import MismatchError
from labelcodec.images import ClassNumbers, ImageListing, listed_order

Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")


def same_name(name: str) -> str:
    """A name in one spelling: Unicode writes an accented letter in two ways (NFC and NFD)."""
    return unicodedata.normalize("NFC", name)


def stem(path: str) -> str:
    """A path without the extension of its file name, in one spelling."""
    folder, slash, name = same_name(path).rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def stem_digest(paths: Iterable[str]) -> str:
    """SHA-256 (hex) of image names without extension (SPEC, section 4.1, key `stems`)."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(stem(path).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def spellings(listing: ImageListing) -> Iterator[tuple[ImageListing, list[str]]]:
    """The listing as computers list it that spell names in other forms, with these names.

    Names in another spelling are sorted into other places, too.

    Args:
        listing: the image folder.
    """
    yield listing, list(listing.paths)
    by_number = None if _is_sorted(listing) else listing.class_index
    for form in FORMS:
        names = [unicodedata.normalize(form, path) for path in listing.paths]
        order = listed_order(names, by_number)
        yield reordered(listing, order, form), [names[i] for i in order]


def reordered(listing: ImageListing, order: list[int], form: Form = "NFC") -> ImageListing:
    """The images at these positions of a listing, with the classes sorted in a spelling.

    Classes in the order of their numbers stay as they are.

    Args:
        listing: the image folder.
        order: positions in it.
        form: 'NFC' or 'NFD', the spelling in which class names are sorted.
    """
    taken = listing.take(order)
    if not _is_sorted(listing):
        return taken
    names = [unicodedata.normalize(form, name) for name in listing.classes]
    sorted_names = sorted(range(len(names)), key=names.__getitem__)
    position = np.empty(len(names), np.int64)
    position[sorted_names] = np.arange(len(names))
    return replace(
        taken,
        class_index=position[taken.class_index],
        classes=tuple(listing.classes[i] for i in sorted_names),
    )


def _is_sorted(listing: ImageListing) -> bool:
    """Whether the classes are in the order of their names, as those of folders are."""
    is_numbered = isinstance(listing.classes, ClassNumbers)
    return not is_numbered and list(listing.classes) == sorted(listing.classes)


def matched(names: Sequence[str], listing: ImageListing, where: str) -> ImageListing:
    """The images of a folder that have these names, in the order of the names.

    Names of label files (FKD's: a path that ends with the image's, up to the first dot of the file
    name) stand for their images.

    Args:
        names: names stored with the labels, in order of image index.
        listing: the image folder.
        where: the labels, for error messages.

    Raises:
        MismatchError: an image is missing, or several have the name.
    """
    exact = {path: i for i, path in enumerate(listing.paths)}
    order = [exact.get(name, -1) for name in names]
    if -1 in order:
        same = {same_name(path): i for i, path in enumerate(listing.paths)}
        order = [exact.get(name, same.get(same_name(name), -1)) for name in names]
    if -1 in order:
        order = _by_stem(names, listing, where)
    return reordered(listing, order)


def _by_stem(names: Sequence[str], listing: ImageListing, where: str) -> list[int]:
    """Position of the image of each label file."""
    by_stem, by_start = _unique(listing, stem), _unique(listing, _until_dot)
    order = []
    for name in names:
        match = _at_end(stem(name), by_stem)
        if match is None:
            match = _at_end(_until_dot(name), by_start)
        if match is None or match < 0:
            has = "no image" if match is None else "several images"
            raise MismatchError(
                f"{listing.root}: not the folder of {where}: it has {has} for {name}"
            )
        order.append(match)
    return order


def _unique(listing: ImageListing, short: Callable[[str], str]) -> dict[str, int]:
    """Position of each image by its shortened name; -1 where several have it."""
    position: dict[str, int] = {}
    for i, path in enumerate(listing.paths):
        if position.setdefault(short(path), i) != i:
            position[short(path)] = -1
    return position


def _at_end(name: str, position: Mapping[str, int]) -> int | None:
    """The position of the image whose name the path `name` ends with; None if there is none."""
    parts = name.split("/")
    suffixes = ("/".join(parts[cut:]) for cut in range(max(len(parts) - 1, 1)))
    return next((position[suffix] for suffix in suffixes if suffix in position), None)


def _until_dot(path: str) -> str:
    folder, slash, name = same_name(path).rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"
