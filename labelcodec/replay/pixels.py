"""The images that labels speak of, decoded once or every time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing, fingerprint, image_sizes

Progress = Callable[[int, int], None]


class Files:
    """Images decoded from their files whenever they are asked for."""

    def __init__(self, listing: ImageListing) -> None:
        """Take the listing of an image folder."""
        self._listing = listing

    def image(self, index: int) -> Image.Image:
        """Image at this position of the listing, RGB.

        Raises:
            MismatchError: the file is missing or not an image.
        """
        path = self._listing.root / self._listing.paths[index]
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except OSError as error:
            raise MismatchError(f"{path}: cannot read this image ({error})") from error


class Cache:
    """Decoded images in one memory-mapped file, which all processes of a machine share.

    `FILE` holds the pixels of all images, (height, width, 3) uint8 one after another; `FILE.json`
    their sizes and the fingerprint of the folder.
    """

    def __init__(self, path: Path, listing: ImageListing, progress: Progress | None = None) -> None:
        """Open the cache, decoding all images into it first where it is missing or another's.

        Args:
            path: the file.
            listing: the image folder.
            progress: called with images done and images in all.

        Raises:
            MismatchError: an image is missing or not an image.
        """
        self._path = path
        sizes = _cached_sizes(path, listing)
        self._sizes = sizes if sizes is not None else _fill(path, listing, progress)
        lengths = 3 * self._sizes.astype(np.int64).prod(axis=1)
        self._start = np.concatenate([[0], np.cumsum(lengths)])
        self._pixels: NDArray[np.uint8] | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_pixels": None}  # another process maps the file itself

    def image(self, index: int) -> Image.Image:
        """Image at this position of the listing, RGB."""
        if self._pixels is None:
            self._pixels = np.memmap(self._path, np.uint8, "r")
        first, stop = int(self._start[index]), int(self._start[index + 1])
        height, width = self._sizes[index].tolist()
        return Image.fromarray(self._pixels[first:stop].reshape(height, width, 3))


def _cached_sizes(path: Path, listing: ImageListing) -> NDArray[np.int32] | None:
    """(N, 2) sizes of the images in the cache; None where it has to be made."""
    try:
        facts = json.loads(_facts(path).read_text())
        sizes = np.array(facts["sizes"], np.int32).reshape(-1, 2)
        right = facts["fingerprint"] == fingerprint(listing.paths) and len(sizes) == len(listing)
        whole = path.stat().st_size == 3 * int(sizes.astype(np.int64).prod(axis=1).sum())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return sizes if right and whole else None


def _fill(path: Path, listing: ImageListing, progress: Progress | None) -> NDArray[np.int32]:
    sizes = image_sizes(listing, np.arange(len(listing)))
    files, partial = Files(listing), path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as out:
        for index in range(len(listing)):
            out.write(np.asarray(files.image(index)).tobytes())
            if progress is not None:
                progress(index + 1, len(listing))
    facts = {"fingerprint": fingerprint(listing.paths), "sizes": sizes.tolist()}
    os.replace(partial, path)
    _facts(path).write_text(json.dumps(facts))
    return sizes


def _facts(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
