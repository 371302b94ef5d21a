"""The image folder that labels refer to, listed in the order of torchvision's `ImageFolder`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.extras import needing_extra
from labelcodec.files.os_errors import unlisted
from labelcodec.files.regular import check_regular, read_regular
from labelcodec.progress import Progress

CONTENT_FILES = 64  # number of files whose bytes a content digest covers
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False)
class ImageListing:
    """An image folder. The image index of a label is a position in `paths`.

    Attributes:
        root: the folder, with one sub-folder per class.
        paths: N POSIX paths relative to `root`, 'class/.../name'.
        class_index: (N,) int64 position of each image's class in `classes`.
        classes: sorted names of the class folders.
    """

    root: Path
    paths: tuple[str, ...]
    class_index: NDArray[np.int64]
    classes: tuple[str, ...]
    _sizes: NDArray[np.int32] = field(repr=False)

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self.paths)


def list_images(root: Path | str) -> ImageListing:
    """List an image folder in `ImageFolder` order: sorted classes, then sorted walk and names.

    Raises:
        MismatchError: the folder is missing, or it or one of its classes holds no image.
        OSError: a sub-folder cannot be listed.
    """
    root = Path(root)
    if not root.is_dir():
        raise MismatchError(f"{root}: no such image folder")
    with os.scandir(root) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir())
    paths: list[str] = []
    counts = []
    for name in classes:
        images = _class_images(root, name)
        if not images:
            raise MismatchError(f"{root / name}: no image in this class folder")
        paths += images
        counts.append(len(images))
    if not paths:
        raise MismatchError(f"{root}: no images; expected one sub-folder per class")
    class_index = np.repeat(np.arange(len(classes), dtype=np.int64), counts)
    sizes = np.zeros((len(paths), 2), np.int32)
    return ImageListing(root, tuple(paths), class_index, tuple(classes), sizes)


def _class_images(root: Path, name: str) -> list[str]:
    """Sorted relative paths of the images of one class."""
    images = []
    walk = os.walk(root / name, onerror=unlisted, followlinks=True)
    for folder, _, files in sorted(walk):
        below = Path(folder).relative_to(root).as_posix()
        images += [f"{below}/{file}" for file in sorted(files) if file.lower().endswith(EXTENSIONS)]
    return images


def fingerprint(paths: Iterable[str]) -> str:
    """SHA-256 (hex) of all relative paths, each followed by a newline, in UTF-8."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def content_digest(listing: ImageListing) -> str:
    """SHA-256 (hex) that distinguishes image files of the same names (SPEC, section 4.1).

    It covers the sizes of all files in bytes (uint64) and the contents of up to 64 files spread
    evenly over the listing, since uncompressed images all have the same size.

    Raises:
        OSError: a file cannot be read.
    """
    files = [listing.root / path for path in listing.paths]
    count = min(len(files), CONTENT_FILES)
    digest = hashlib.sha256(np.array([file.stat().st_size for file in files], "<u8").tobytes())
    for i in range(count):
        digest.update(read_regular(files[i * len(files) // count], MismatchError, "an image"))
    return digest.hexdigest()


def image_sizes(
    listing: ImageListing, indices: NDArray[Any], progress: Progress | None = None
) -> NDArray[np.int32]:
    """Heights and widths of images, read from the file headers.

    Sizes are cached in the listing. EXIF rotation is not applied, as in torchvision's loader.

    Args:
        listing: the image folder.
        indices: (n,) positions in it.
        progress: called with the number of headers read and to read.

    Returns:
        (n, 2) int32 heights and widths in pixels.

    Raises:
        MismatchError: an image file is missing or not an image.
    """
    sizes = listing._sizes
    unknown = indices[sizes[indices, 0] == 0]
    for i, index in enumerate(unknown):
        sizes[index] = _header_size(listing.root / listing.paths[index])
        if progress is not None:
            progress(i + 1, len(unknown))
    selected: NDArray[np.int32] = sizes[indices]
    return selected


def check_depth(mode: str, path: Path) -> None:
    """Refuse an image of more than 8 bits per channel, which Pillow turns white as RGB.

    Args:
        mode: Pillow's mode of the image.
        path: its file.

    Raises:
        MismatchError: the image has more than 8 bits per channel.
    """
    if mode.startswith(("I", "F")):
        raise MismatchError(
            f"{path}: has more than 8 bits per pixel (mode {mode}): all above 255 would become "
            "white; convert it to 8 bits"
        )


def _header_size(path: Path) -> tuple[int, int]:
    with needing_extra("reading the sizes of images"):
        from PIL import Image

    try:
        check_regular(path, MismatchError, "an image")
        with Image.open(path) as image:
            check_depth(image.mode, path)
            return image.height, image.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MismatchError(f"{path}: cannot read this image ({error})") from error
