"""What the header of a label set keeps of the image folder that the labels refer to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.binding.class_map import ClassMap, as_class_map, folder_classes
from labelcodec.binding.names import same_name, stem_digest
from labelcodec.binding.pixels import pixel_sample
from labelcodec.errors import MismatchError, MissingExtraError
from labelcodec.images import ClassNumbers, ImageListing, content_digest, fingerprint
from labelcodec.wording import counted

BYTES_PER_LABEL = 0.05  # cost up to which class names are stored that nobody has passed
ClassMapLike = ClassMap | Mapping[str, int] | Sequence[str] | Path | str


def folder_fields(listing: ImageListing, label_class: NDArray[np.int64]) -> dict[str, Any]:
    """Header fields that recognise images: names, sizes, content, classes and pixels.

    `fingerprint` and `stems` are None where the images have no names. `pixels` is None where Pillow
    is not installed, or an image of the sample is damaged.

    Args:
        listing: the images.
        label_class: (N,) class of the labels that each image has, as by `class_of_image`.

    Raises:
        OSError: a file cannot be read.
    """
    try:
        pixels = pixel_sample(listing)
    except (MissingExtraError, MismatchError):
        pixels = None
    return {
        "images": len(listing),
        "fingerprint": fingerprint(listing.paths) if listing.is_named else None,
        "content": content_digest(listing),
        "stems": stem_digest(listing.paths) if listing.is_named else None,
        "pixels": pixels,
        "image_classes": classes_digest(label_class),
    }


def classes_digest(label_class: NDArray[np.int64]) -> str:
    """SHA-256 (hex) of the images' classes in order (SPEC, section 4.1, key `image_classes`)."""
    return hashlib.sha256(label_class.astype("<i4").tobytes()).hexdigest()


def class_names(
    folders: Sequence[str] | None,
    class_map: ClassMapLike | None,
    classes: int,
    labels: int,
    where: str,
) -> tuple[str, ...] | None:
    """Names of the classes for the header; None if they are not known or cost too much.

    Names that come from a class map are always stored.

    Args:
        folders: names of the class folders, in order; None without an image folder.
        class_map: the class map; None if the folders are the first classes, in order.
        classes: C.
        labels: number of labels of the file.
        where: the image folder, for error messages.

    Raises:
        ConfigError: not a class map.
        MismatchError: the map does not fit the folders or the number of classes.
    """
    if class_map is not None:
        return as_class_map(class_map).names(folders or (), classes, where)
    if folders is None or isinstance(folders, ClassNumbers) or len(folders) != classes:
        return None
    names = tuple(map(same_name, folders))
    cost = sum(len(name.encode("utf-8", "surrogateescape")) + 1 for name in names)
    storable = len(set(names)) == classes and all(map(_is_text, names))
    return names if storable and cost <= BYTES_PER_LABEL * labels else None


def class_of_image(
    listing: ImageListing, names: Sequence[str] | None, classes: int
) -> NDArray[np.int64]:
    """(N,) class of the labels that each image's folder is; arguments as in `folder_classes`.

    Raises:
        MismatchError: more folders than classes, or a folder that no class is named after.
    """
    own = folder_classes(listing.classes, names, classes, str(listing.root))
    return own[listing.class_index]


def subset_notes(listing: ImageListing, classes: int, *, mapped: bool) -> tuple[str, ...]:
    """A note on folders that are taken as the first of more classes.

    Args:
        listing: the image folder.
        classes: C of the teacher.
        mapped: whether a class map says which class each folder is.
    """
    folders = listing.classes
    if mapped or isinstance(folders, ClassNumbers) or len(folders) >= classes:
        return ()
    file = listing.root / "classes.txt"
    hint = f", such as {file}" if file.is_file() else ""
    return (
        f"{listing.root}: its {counted(len(folders), 'class folder')} are taken as the first of "
        f"the teacher's {counted(classes, 'class')}, {folders[0]!r} as class 0; if they are "
        f"others, pass `class_map`{hint}",
    )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
