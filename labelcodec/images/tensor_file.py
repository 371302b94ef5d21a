"""Images in one tensor file: uint8 or floats, with their classes in it or in a file beside it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.checks import check_normalisation
from labelcodec.errors import DataError, LabelcodecWarning, MismatchError
from labelcodec.extras import needing_extra
from labelcodec.images.array_files import Arrays, read_arrays
from labelcodec.images.classes import numbered, unnamed_listing
from labelcodec.images.levels import Scale, rounding_note, scale_of
from labelcodec.images.listing import ImageListing
from labelcodec.images.store import ImageStore, file_stamp
from labelcodec.images.stored_array import StoredArray
from labelcodec.wording import counted

if TYPE_CHECKING:
    from PIL import Image

SAMPLE = 1 << 24  # values by which floats are recognised and their rounding is measured
IMAGES = ("images", "image", "imgs", "x", "data", "pixels", "image_syn", "images_syn", "syn_images")
LABELS = ("labels", "label", "targets", "target", "y", "classes", "label_syn", "labels_syn",
          "syn_labels")  # fmt: skip
# What the name of a file of images says, and what that of its labels says in the same place.
BESIDE = {"images": LABELS, "image": LABELS, "imgs": LABELS, "x": ("y",), "data": LABELS}


class TensorImages(ImageStore):
    """Images of one size in an array.

    Args:
        array: (N, 3, H, W), or (N, H, W, 3) with `channels_last`.
        channels_last: whether the channels are the last axis.
        scale: how floats are read; None for uint8.
    """

    def __init__(self, array: StoredArray, channels_last: bool, scale: Scale | None) -> None:
        self._array, self._channels_last, self._scale = array, channels_last, scale

    def where(self, item: int) -> str:
        """As in `ImageStore`."""
        return f"{self._array.path}: image {item}"

    def content_size(self, item: int) -> int:
        """As in `ImageStore`."""
        height, width = self.size(item)
        return 3 * height * width

    def content(self, item: int) -> bytes:
        """As in `ImageStore`."""
        return self.levels(item).tobytes()

    def image(self, item: int) -> Image.Image:
        """As in `ImageStore`."""
        with needing_extra("decoding images"):
            from PIL import Image

        return Image.fromarray(self.levels(item))

    def pixels(self, item: int) -> NDArray[np.uint8]:
        """As in `ImageStore`."""
        return self.levels(item)

    def size(self, item: int) -> tuple[int, int]:
        """As in `ImageStore`."""
        first = 1 if self._channels_last else 2
        height, width = self._array.shape[first : first + 2]
        return height, width

    def problem(self, item: int) -> str | None:
        """As in `ImageStore`."""
        if self._scale is None or np.isfinite(self.values(item)).all():
            return None
        return "has NaN or infinite values"

    def stamp(self, item: int) -> str:
        """As in `ImageStore`."""
        return f"{file_stamp(self._array.path)}\0{self._scale}"

    def values(self, items: int | slice) -> NDArray[Any]:
        """(..., 3, H, W) values of images as they are stored."""
        values = self._array.values(items)
        return np.moveaxis(values, -1, -3) if self._channels_last else values

    def levels(self, item: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 image.

        Raises:
            MismatchError: it has NaN or infinite values.
        """
        values = self.values(item)
        if self._scale is not None:
            if not np.isfinite(values).all():
                raise MismatchError(f"{self.where(item)}: has NaN or infinite values")
            values = self._scale.levels(values)
        return np.ascontiguousarray(np.moveaxis(values, 0, -1))


def list_tensor_file(path: Path, normalisation: Mapping[str, Any] | None = None) -> ImageListing:
    """List the images of a tensor file.

    Args:
        path: the file.
        normalisation: mean and std of its floats, if the file does not say them.

    Raises:
        MismatchError: it has no images or labels, or of a wrong shape or dtype; or its floats are
            normalised, and by what is not known.
        UnsafeError: a torch file that would run code if a plain unpickler opened it.
    """
    arrays = read_arrays(path)
    array = _images(arrays, path)
    channels_last = _check_images(array, path)
    scale = None
    if array.is_bfloat16 or array.dtype.kind == "f":
        stated = normalisation or _stated(arrays, path)
        sample = _sample(TensorImages(array, channels_last, None), array.shape)
        scale = scale_of(sample, stated, str(path))
        _remark(rounding_note(sample, scale, array.shape[0], str(path)))
    store = TensorImages(array, channels_last, scale)
    index, classes = numbered(_labels(arrays, array.shape[0], path), store, str(path))
    return unnamed_listing(path, store, index, classes)


def _images(arrays: Arrays, path: Path) -> StoredArray:
    """The array of images: of a usual name, or the only one of four axes."""
    usual = {name: arrays[name] for name in arrays if name.lower() in ("", *IMAGES)}
    four = {
        name: array
        for name, array in (usual or arrays).items()
        if isinstance(array, StoredArray) and array.ndim == 4
    }
    if len(four) == 1:
        return next(iter(four.values()))
    names = ", ".join(
        f"{name or 'an array'} {entry.shape}" if isinstance(entry, StoredArray) else name
        for name, entry in arrays.items()
    )
    raise MismatchError(
        f"{path}: has {'several arrays' if four else 'no array'} of images, (N, 3, H, W) or "
        f"(N, H, W, 3); it holds {names or 'no arrays of numbers'}; call the images `images`"
    )


def _check_images(array: StoredArray, path: Path) -> bool:
    """Check shape and dtype; gives whether the channels are the last axis."""
    shape, dtype = array.shape, array.dtype
    channels = [axis for axis in (1, 3) if shape[axis] == 3]
    if len(channels) != 1 or min(shape) < 1:
        both = "it could be either" if len(channels) == 2 else "one of which it must be"
        raise MismatchError(
            f"{path}: images of shape {shape}, expected (N, 3, H, W) or (N, H, W, 3), {both}"
        )
    is_float = array.is_bfloat16 or dtype.kind == "f"
    if (not is_float and dtype != np.uint8) or dtype.itemsize > 8:
        raise MismatchError(f"{path}: images of dtype {dtype}, expected uint8 or floats")
    if is_float and channels == [3]:
        raise MismatchError(f"{path}: images of floats and of shape {shape}, expected (N, 3, H, W)")
    return channels == [3]


def _sample(store: TensorImages, shape: tuple[int, ...]) -> NDArray[Any]:
    """(n, 3, H, W) images spread over the file, floats of 16, 32 or 64 bits.

    Raises:
        MismatchError: one has NaN or infinite values.
    """
    count = min(shape[0], max(SAMPLE // int(np.prod(shape[1:])), 1))
    items = [i * shape[0] // count for i in range(count)]
    sample = np.stack([store.values(item) for item in items])
    finite = np.isfinite(sample).reshape(count, -1).all(axis=1)
    if not finite.all():
        broken = store.where(items[int(finite.argmin())])
        raise MismatchError(f"{broken}: has NaN or infinite values")
    return sample


def _stated(arrays: Arrays, path: Path) -> dict[str, Any] | None:
    """Mean and std that the file holds.

    Raises:
        MismatchError: they are not three numbers each.
    """
    if not {"mean", "std"} <= arrays.keys():
        return None
    stated = {}
    for name in ("mean", "std"):
        entry = arrays[name]
        values = entry.values(slice(None)).ravel() if isinstance(entry, StoredArray) else entry
        stated[name] = [float(value) for value in values[:4]]
    try:
        check_normalisation(stated)
    except DataError as error:
        raise MismatchError(f"{path}: {error}") from None
    return stated


def _labels(arrays: Arrays, images: int, path: Path) -> NDArray[np.int64]:
    """(N,) class of each image, from the file or from one beside it."""
    named = [name for name in arrays if name.lower() in LABELS]
    if len(named) > 1:
        raise MismatchError(f"{path}: has several arrays of classes: {', '.join(named)}; keep one")
    if named:
        return _class_numbers(arrays[named[0]], images, f"{path}: {named[0]}")
    candidates = _files_beside(path)
    for file in candidates:
        if file.is_file():
            beside = read_arrays(file)
            arrays_beside = [a for a in beside.values() if isinstance(a, StoredArray)]
            if len(arrays_beside) != 1:
                raise MismatchError(f"{file}: expected one array, the class of each image")
            return _class_numbers(arrays_beside[0], images, str(file))
    looked = f" or {candidates[0].name} beside it" if candidates else ""
    raise MismatchError(
        f"{path}: does not say the class of each image; expected `labels` in the file{looked}"
    )


def _class_numbers(array: Any, images: int, where: str) -> NDArray[np.int64]:
    """(N,) classes; of (N, C) soft labels the largest."""
    if not isinstance(array, StoredArray):
        raise MismatchError(f"{where}: expected an array, the class of each image")
    values = array.values(slice(None))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or len(values) != images:
        raise MismatchError(
            f"{where}: classes of shape {values.shape}, expected one for each of "
            f"{counted(images, 'image')}"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise MismatchError(f"{where}: classes with NaN or infinite values")
    if values.ndim == 2:
        _remark(f"{where}: soft labels of {values.shape[1]} classes; the largest is the class")
        return np.asarray(values.argmax(axis=1), np.int64)
    whole = values.dtype.kind in "ui" or (
        values.dtype.kind == "f" and (values == np.floor(values)).all()
    )
    if not whole or (np.abs(values.astype(np.float64)) > 1 << 40).any():
        raise MismatchError(f"{where}: classes that are no whole numbers")
    return np.asarray(values, np.int64)


def _files_beside(path: Path) -> list[Path]:
    """Where the classes may be that are not in a file: `labels_best.pt` beside `images_best.pt`."""
    parts = re.split(r"([A-Za-z]+)", path.stem)
    for at, part in enumerate(parts):
        if part.lower() in BESIDE:
            names = BESIDE[part.lower()]
            stems = ("".join([*parts[:at], name, *parts[at + 1 :]]) for name in names)
            return [path.with_name(stem + path.suffix) for stem in stems]
    return []


def _remark(text: str) -> None:
    warnings.warn(text, LabelcodecWarning, stacklevel=5)
