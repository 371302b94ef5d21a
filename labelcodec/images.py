"""The image folder the labels speak of, listed as torchvision's `ImageFolder` lists it."""

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
from labelcodec.files.os_errors import unlisted
from labelcodec.progress import Progress

CONTENT_FILES = 64  # whose bytes a digest of the content covers
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False)
class ImageListing:
    """An image folder; position in `paths` is what labels call the image index.

    Attributes:
        root: the folder, one sub-folder a class.
        paths: N posix paths relative to `root`, 'class/.../name'.
        class_index: (N,) int64, position of each image's class in `classes`.
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
        OSError: a folder below cannot be listed.
    """
    root = Path(root)
    if not root.is_dir():
        raise MismatchError(f"{root}: no such image folder")
    with os.scandir(root) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir())
    paths: list[str] = []
    counts = []
    for name in classes:
        found = _class_images(root, name)
        if not found:
            raise MismatchError(f"{root / name}: no image in this class folder")
        paths += found
        counts.append(len(found))
    if not paths:
        raise MismatchError(f"{root}: no images; expected one sub-folder a class")
    class_index = np.repeat(np.arange(len(classes), dtype=np.int64), counts)
    sizes = np.zeros((len(paths), 2), np.int32)
    return ImageListing(root, tuple(paths), class_index, tuple(classes), sizes)


def _class_images(root: Path, name: str) -> list[str]:
    found = []
    walk = os.walk(root / name, onerror=unlisted, followlinks=True)
    for folder, _, files in sorted(walk):
        below = Path(folder).relative_to(root).as_posix()
        found += [f"{below}/{file}" for file in sorted(files) if file.lower().endswith(EXTENSIONS)]
    return found


def fingerprint(paths: Iterable[str]) -> str:
    """Sha256, as hex, over every relative path followed by a newline (utf-8)."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def content_digest(listing: ImageListing) -> str:
    """Sha256, as hex, that tells image files of the same names apart (SPEC, section 4.1).

    Over the sizes of all files in bytes, uint64, and then the bytes of up to 64 files spread evenly
    over the listing: images that are not compressed have one size.

    Raises:
        OSError: a file cannot be read.
    """
    files = [listing.root / path for path in listing.paths]
    count = min(len(files), CONTENT_FILES)
    digest = hashlib.sha256(np.array([file.stat().st_size for file in files], "<u8").tobytes())
    for i in range(count):
        digest.update(files[i * len(files) // count].read_bytes())
    return digest.hexdigest()


def image_sizes(
    listing: ImageListing, indices: NDArray[Any], progress: Progress | None = None
) -> NDArray[np.int32]:
    """(n, 2) int32 height, width in pixels of the images at `indices`, from their headers.

    Headers are read once and remembered in the listing. EXIF rotation is not applied, as
    torchvision's loader does not apply it.

    Args:
        listing: the image folder.
        indices: (n,) positions in it.
        progress: called with headers read and to read.

    Raises:
        MismatchError: an image file is missing or not an image.
    """
    sizes = listing._sizes
    unknown = indices[sizes[indices, 0] == 0]
    for i, index in enumerate(unknown):
        sizes[index] = _header_size(listing.root / listing.paths[index])
        if progress is not None:
            progress(i + 1, len(unknown))
    found: NDArray[np.int32] = sizes[indices]
    return found


def _header_size(path: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MismatchError(f"{path}: cannot read this image ({error})") from error
