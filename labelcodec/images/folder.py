"""Image folders, listed in the order of torchvision's `ImageFolder`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.files.os_errors import unlisted
from labelcodec.files.regular import check_regular, read_regular
from labelcodec.images.decoding import (
    HEAD,
    TAIL,
    decode,
    decode_levels,
    header_size,
    is_complete,
    problem_of,
    reason,
)
from labelcodec.images.listing import ImageListing
from labelcodec.images.store import ImageStore, file_stamp

if TYPE_CHECKING:
    from PIL import Image

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class ImageFolder(ImageStore):
    """Images that are files of their own.

    Args:
        root: the folder.
        paths: the files, relative to it.
    """

    def __init__(self, root: Path, paths: tuple[str, ...]) -> None:
        self._root, self._paths = root, paths

    def where(self, item: int) -> str:
        """As in `ImageStore`."""
        return str(self._path(item))

    def content_size(self, item: int) -> int:
        """As in `ImageStore`."""
        return self._path(item).stat().st_size

    def content(self, item: int) -> bytes:
        """As in `ImageStore`."""
        return read_regular(self._path(item), MismatchError, "an image")

    def image(self, item: int) -> Image.Image:
        """As in `ImageStore`."""
        return decode(self._checked(item), self.where(item))

    def pixels(self, item: int) -> NDArray[np.uint8]:
        """As in `ImageStore`."""
        try:
            content = self.content(item)
        except OSError as error:
            where = self.where(item)
            raise MismatchError(f"{where}: cannot read this image ({reason(error)})") from error
        return decode_levels(content, self.where(item))

    def size(self, item: int) -> tuple[int, int]:
        """As in `ImageStore`."""
        return header_size(self._checked(item), self.where(item))

    def problem(self, item: int) -> str | None:
        """As in `ImageStore`."""
        path = self._path(item)
        try:
            check_regular(path, MismatchError, "an image")
            with path.open("rb") as file:
                head = file.read(HEAD)
                file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
                tail = file.read()
            return None if is_complete(head, tail) else problem_of(path)
        except OSError as error:
            return reason(error)
        except MismatchError as error:
            return str(error).removeprefix(f"{path}: ")

    def stamp(self, item: int) -> str:
        """As in `ImageStore`."""
        return file_stamp(self._path(item))

    def _path(self, item: int) -> Path:
        return self._root / self._paths[item]

    def _checked(self, item: int) -> Path:
        path = self._path(item)
        try:
            check_regular(path, MismatchError, "an image")
        except OSError as error:
            raise MismatchError(f"{path}: cannot read this image ({reason(error)})") from error
        return path


def list_folder(root: Path) -> ImageListing:
    """List an image folder in `ImageFolder` order: sorted classes, then sorted walk and names.

    Raises:
        MismatchError: it or one of its classes holds no image.
        OSError: a sub-folder cannot be listed.
    """
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
    store = ImageFolder(root, tuple(paths))
    item = np.arange(len(paths), dtype=np.int64)
    return ImageListing(root, tuple(paths), class_index, tuple(classes), store, item)


def _class_images(root: Path, name: str) -> list[str]:
    """Sorted relative paths of the images of one class."""
    images = []
    walk = os.walk(root / name, onerror=unlisted, followlinks=True)
    for folder, _, files in sorted(walk):
        below = Path(folder).relative_to(root).as_posix()
        images += [f"{below}/{file}" for file in sorted(files) if file.lower().endswith(EXTENSIONS)]
    return images
