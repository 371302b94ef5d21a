"""Image sources: files decoded on every access, or a cache of decoded images."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.augmentation.source_images import SourceImages
from labelcodec.errors import MismatchError
from labelcodec.files.atomic import atomic_file
from labelcodec.files.regular import check_regular
from labelcodec.images import ImageListing, image_sizes
from labelcodec.progress import Progress

MAGIC = b"labelcodec pixels 1\n"


class ImageFiles:
    """Images decoded on every access."""

    def __init__(self, listing: ImageListing) -> None:
        """Read images of a listing.

        Args:
            listing: the images.
        """
        self._listing = listing

    def image(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 image at this position of the listing, perhaps read-only.

        Raises:
            MismatchError: the file is missing or not an image.
        """
        return self._listing.pixels(index)


class ImageCache:
    """Decoded images in one memory-mapped file, shared by all processes of a machine.

    The file consists of a magic line, a line of JSON (the image sizes, and a digest of the image
    files' names, sizes and modification times), and the concatenated pixels of all images,
    (height, width, 3) uint8 each. It is written as `FILE.partial`.
    """

    def __init__(self, path: Path, listing: ImageListing, progress: Progress | None = None) -> None:
        """Open the cache; if it does not exist, decode all images into it first.

        Several processes may do so at once: one of them decodes, the others wait for it.

        Args:
            path: the cache file.
            listing: the image folder.
            progress: called with images done and total images.

        Raises:
            MismatchError: an image file is missing or not an image; or the cache file exists but
                is not a complete cache of these images.
        """
        self._path = path
        if path.exists():
            check_regular(path, MismatchError, "a cache of images")
        else:
            _fill(path, listing, progress)
        self._sizes, first = _sizes(path, listing)
        lengths = 3 * self._sizes.astype(np.int64).prod(axis=1)
        self._start = np.cumsum([first, *lengths])
        self._pixels: NDArray[np.uint8] | None = None
        if path.stat().st_size != self._start[-1]:
            raise MismatchError(
                f"{path}: has {path.stat().st_size} bytes, expected {self._start[-1]}; remove it"
            )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pixels": None}  # each process maps the file itself

    def source_images(self) -> SourceImages:
        """All images, in a tensor over the pages of the file; writing to it leaves the file."""
        pages = np.memmap(self._path, np.uint8, "c")
        return SourceImages(torch.from_numpy(pages), self._start[:-1], self._sizes.astype(np.int64))

    def image(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 image at this position of the listing, in the pages of the file."""
        if self._pixels is None:
            self._pixels = np.memmap(self._path, np.uint8, "r")
        first, stop = int(self._start[index]), int(self._start[index + 1])
        height, width = self._sizes[index].tolist()
        return self._pixels[first:stop].reshape(height, width, 3)


def _sizes(path: Path, listing: ImageListing) -> tuple[NDArray[np.int32], int]:
    """(N, 2) int32 heights and widths of the cached images, and the offset of the first pixel."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError
            metadata = json.loads(file.readline())
            first = file.tell()
        digest, sizes = metadata["images"], np.array(metadata["sizes"], np.int32).reshape(-1, 2)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise MismatchError(f"{path}: not a cache of images; name another file") from None
    if digest != _digest(listing) or len(sizes) != len(listing):
        raise MismatchError(
            f"{path}: caches other images than those of {listing.root}, or they have changed; "
            "remove it or name another file"
        )
    return sizes, first


def _fill(path: Path, listing: ImageListing, progress: Progress | None) -> None:
    """Write the cache: decode all images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _folder_lock(path.parent):
        if path.exists():
            return
        sizes = image_sizes(listing, np.arange(len(listing)))
        files, metadata = ImageFiles(listing), {"images": _digest(listing), "sizes": sizes.tolist()}
        with atomic_file(path) as out:
            out.write(MAGIC + json.dumps(metadata).encode() + b"\n")
            first = out.tell()
            start = first + np.cumsum([0, *3 * sizes.astype(np.int64).prod(axis=1)])
            for done, index in enumerate(listing.stored_order(np.arange(len(listing))).tolist()):
                out.seek(int(start[index]))
                out.write(files.image(index).tobytes())
                if progress is not None:
                    progress(done + 1, len(listing))


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder, so that one process at a time writes a cache there."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # the file system has no locks
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _digest(listing: ImageListing) -> str:
    """SHA-256 (hex) of the images' names and of the sizes and modification times of their files."""
    digest = hashlib.sha256()
    for name, item in zip(listing.paths, listing.item.tolist(), strict=True):
        line = f"{name}\0{listing.store.stamp(item)}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
