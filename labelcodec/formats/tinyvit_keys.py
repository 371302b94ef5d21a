"""Keys of TinyViT's labels: which image each of its samples is of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec.binding.names import same_name, stem
from labelcodec.errors import DataError, DumpError
from labelcodec.files.regular import read_regular
from labelcodec.image_names import pack_names
from labelcodec.images import ImageListing
from labelcodec.wording import counted

NUMBER = re.compile("0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, eq=False)
class Keys:
    """What keys stand for.

    Attributes:
        images: N, the number of images.
        names: N keys in image order; None if keys are the images' numbers.
        index: image of each key; empty if keys are numbers.
        order: how samples are assigned to images, for the user.
    """

    images: int
    names: tuple[str, ...] | None
    index: Mapping[str, int]
    order: str

    @property
    def is_storable(self) -> bool:
        """Whether a container can hold the names."""
        try:
            return self.names is not None and bool(pack_names(self.names))
        except DataError:
            return False

    def images_of(self, keys: Sequence[str], file: Path) -> NDArray[np.int64]:
        """(n,) images of keys.

        Args:
            keys: n keys.
            file: where they stand, for messages.

        Raises:
            DumpError: a key of no image.
        """
        if self.names is None:
            bad = next((key for key in keys if not NUMBER.fullmatch(key)), None)
            bad = bad or next((key for key in keys if int(key) >= self.images), None)
        else:
            bad = next((key for key in keys if key not in self.index), None)
        if bad is not None:
            raise DumpError(
                f"{file}: line {list(keys).index(bad) + 1}: {bad[:80]!r} is none of the "
                f"{counted(self.images, 'image')} of the first epoch or image folder"
            )
        of = keys if self.names is None else [self.index[key] for key in keys]
        return np.array(of, np.int64)


def read_keys(file: Path) -> list[str]:
    """The keys of a file, a line each.

    Raises:
        DumpError: it is missing, no text, or cut off within a line.
    """
    try:
        text = read_regular(file, DumpError, "a file of keys").decode()
    except FileNotFoundError:
        raise DumpError(f"{file}: is missing") from None
    except UnicodeDecodeError:
        raise DumpError(f"{file}: is no text") from None
    if text and not text.endswith("\n"):
        raise DumpError(f"{file}: truncated: its last line has no end")
    return text.split("\n")[:-1]


def keys_of(parts: Sequence[Sequence[str]], listing: ImageListing | None, root: Path) -> Keys:
    """What the keys of an epoch stand for.

    Args:
        parts: the keys of each rank.
        listing: the image folder, if the user named it.
        root: the dump, for messages.

    Raises:
        DumpError: a key that belongs to no image.
    """
    keys = [key for part in parts for key in part]
    if all(NUMBER.fullmatch(key) for key in keys):
        images = max(map(int, keys)) + 1
        if listing is not None and images > len(listing):
            raise DumpError(
                f"{root}: has labels of image {images - 1}, and {listing.root} has "
                f"{counted(len(listing), 'image')}"
            )
        images = images if listing is None else len(listing)
        return Keys(images, None, {}, "keys are positions in the sorted image folder; not checked")
    if listing is None:
        names = tuple(sorted(set(keys)))
        index = {name: i for i, name in enumerate(names)}
        return Keys(len(names), names, index, "images are numbered by their sorted keys")
    index = _by_name(keys, listing, root)
    own = {image: key for key, image in index.items()}
    every = tuple(own.get(image, stem(path)) for image, path in enumerate(listing.paths))
    return Keys(len(listing), every, index, "each key matches the name of one image")


def _by_name(keys: Sequence[str], listing: ImageListing, root: Path) -> dict[str, int]:
    """The image of each key: of its path or its file name, with or without an extension."""
    images: dict[str, int] = {}
    for i, path in enumerate(listing.paths):
        whole = same_name(path)
        for name in {whole, stem(path), whole.rpartition("/")[2], stem(path).rpartition("/")[2]}:
            images[name] = -1 if name in images else i  # of several images
    index = {key: images.get(same_name(key), -1) for key in keys}
    bad = next((key for key, image in index.items() if image < 0), None)
    if bad is not None:
        raise DumpError(f"{root}: {bad[:80]!r} belongs to no single image in {listing.root}")
    return index
