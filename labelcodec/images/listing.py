"""The images that labels refer to, in the order of their indices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.images.store import ImageStore
from labelcodec.progress import Progress

if TYPE_CHECKING:
    from PIL import Image

CONTENT_FILES = 64  # number of files whose bytes a content digest covers


def _no_sizes() -> NDArray[np.int32]:
    return np.zeros((0, 2), np.int32)


@dataclass(frozen=True, eq=False)
class ImageListing:
    """Images with their classes. The image index of a label is a position in `paths`.

    Attributes:
        root: the folder or file that they are in.
        paths: N names, 'class/.../name' in POSIX style; of a folder, its files' relative paths.
        class_index: (N,) int64 position of each image's class in `classes`.
        classes: names of the classes. Those of folders are sorted; where images come with numbers
            of classes, they are in the order of the numbers: `ClassNumbers` where these have no
            names.
        store: what holds the images.
        item: (N,) int64 number of each image in the store.
        is_named: whether the images have names that a folder of them has, too; else labels know
            them by their order, and `paths` are what the source calls them.
    """

    root: Path
    paths: tuple[str, ...]
    class_index: NDArray[np.int64]
    classes: tuple[str, ...]
    store: ImageStore = field(repr=False)
    item: NDArray[np.int64] = field(repr=False)
    is_named: bool = True
    _sizes: NDArray[np.int32] = field(default_factory=_no_sizes, repr=False)

    def __post_init__(self) -> None:
        if not len(self._sizes):
            object.__setattr__(self, "_sizes", np.zeros((len(self.paths), 2), np.int32))

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self.paths)

    def where(self, index: int) -> str:
        """Name of the image at this position in error messages."""
        return self.store.where(int(self.item[index]))

    def image(self, index: int) -> Image.Image:
        """Image at this position, RGB.

        Raises:
            MismatchError: it is missing or damaged.
        """
        return self.store.image(int(self.item[index]))

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 image at this position, read-only; errors as of `image`."""
        return self.store.pixels(int(self.item[index]))

    def stored_order(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same positions in the order in which their images are stored, which reads fastest."""
        return indices[np.argsort(self.item[indices], kind="stable")]

    def take(self, order: Sequence[int] | NDArray[np.int64]) -> ImageListing:
        """The images at these positions, in this order."""
        chosen = np.asarray(order, np.int64)
        return replace(
            self,
            paths=tuple(self.paths[i] for i in chosen.tolist()),
            class_index=self.class_index[chosen],
            item=self.item[chosen],
            _sizes=self._sizes[chosen],
        )


def listed_order(paths: Sequence[str], class_index: NDArray[np.int64] | None = None) -> list[int]:
    """Positions of names in the order of a listing: by class, then folder, then file name.

    Args:
        paths: the names, 'class/.../name'.
        class_index: (N,) class of each; by default classes are ordered by their names.
    """

    def key(i: int) -> tuple[str | int, str, str]:
        folder, _, name = paths[i].rpartition("/")
        own = paths[i].partition("/")[0] if class_index is None else int(class_index[i])
        return own, folder, name

    return sorted(range(len(paths)), key=key)


def fingerprint(paths: Iterable[str]) -> str:
    """SHA-256 (hex) of all relative paths, each followed by a newline, in UTF-8."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def content_digest(listing: ImageListing) -> str:
    """SHA-256 (hex) that distinguishes images of the same names (SPEC, section 4.1).

    It covers the sizes of all images' contents in bytes (uint64) and the contents of up to 64
    images spread evenly over the listing, since uncompressed images all have the same size.

    Raises:
        LabelcodecError: an image is damaged.
        OSError: a file cannot be read.
    """
    store, items = listing.store, listing.item.tolist()
    count = min(len(items), CONTENT_FILES)
    sizes = np.empty(len(items), "<u8")
    for index in listing.stored_order(np.arange(len(items))).tolist():
        sizes[index] = store.content_size(items[index])
    digest = hashlib.sha256(sizes.tobytes())
    for i in range(count):
        digest.update(store.content(items[i * len(items) // count]))
    return digest.hexdigest()


def image_sizes(
    listing: ImageListing, indices: NDArray[Any], progress: Progress | None = None
) -> NDArray[np.int32]:
    """Heights and widths of images, read from their headers.

    Sizes are cached in the listing. EXIF rotation is not applied, as in torchvision's loader.

    Args:
        listing: the images.
        indices: (n,) positions in it.
        progress: called with the number of headers read and to read.

    Returns:
        (n, 2) int32 heights and widths in pixels.

    Raises:
        MismatchError: an image is missing or damaged.
    """
    sizes = listing._sizes
    unknown = listing.stored_order(indices[sizes[indices, 0] == 0])
    for i, index in enumerate(unknown.tolist()):
        if not sizes[index, 0]:
            sizes[index] = listing.store.size(int(listing.item[index]))
        if progress is not None:
            progress(i + 1, len(unknown))
    selected: NDArray[np.int32] = sizes[indices]
    return selected
