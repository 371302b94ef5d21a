"""Image indices of each batch, read from a file or derived from the data loader's seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.sampler_order import permutations_of
from labelcodec.errors import DumpError
from labelcodec.formats.order_json import read_order_json
from labelcodec.formats.safe_load import load
from labelcodec.formats.typespec import to_numpy
from labelcodec.torch_file import Tensor
from labelcodec.wording import counted

LOADER_SEED = 42
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")  # what int64 holds


class Order(Protocol):
    """Image indices of the batches of a dump."""

    def indices(self, i: int) -> NDArray[np.int64]:
        """(B,) int64 image indices of batch i."""


@dataclass(frozen=True, eq=False)
class ListedOrder:
    """Recorded image indices of all batches, concatenated; batch i is start[i]:start[i + 1]."""

    flat: NDArray[np.int32]
    start: NDArray[np.int64]

    def indices(self, i: int) -> NDArray[np.int64]:
        """(B,) int64 image indices of batch i."""
        return self.flat[self.start[i] : self.start[i + 1]].astype(np.int64)


@dataclass(frozen=True)
class SeedOrder:
    """Order drawn by torch's `RandomSampler` from a seeded generator.

    Attributes:
        seed: seed of the generator.
        images: number of images N.
        batch_size: samples per batch; the last batch of an epoch holds the remainder.
        per_epoch: batches per epoch.
        permutations: permutations drawn per epoch, of which the first is used: 2, or 1 in torch
            before 1.11.
        first: the loader's epoch, counted from 0, that batch 0 belongs to.
    """

    seed: int
    images: int
    batch_size: int
    per_epoch: int
    permutations: int = 2
    first: int = 0

    def indices(self, i: int) -> NDArray[np.int64]:
        """(B,) int64 image indices of batch i."""
        epoch, batch = divmod(i, self.per_epoch)
        order = self.permutation(epoch)
        return order[batch * self.batch_size : (batch + 1) * self.batch_size].astype(np.int64)

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """(N,) int64, the images in the order of that epoch of the dump."""
        drawn = permutations_of(self.seed, self.images, self.permutations)
        return drawn.of_epoch(self.first + epoch).astype(np.int64)


def read_lists(file: Path) -> dict[int, NDArray[np.int64]]:
    """Read lists of image indices: a list of lists, or a map from number to list.

    Args:
        file: a JSON file, or one that torch.save wrote if its name ends with .pt or .pth.

    Returns:
        Epoch or batch number -> int64 image indices.

    Raises:
        DumpError: the file is missing or has another structure.
        UnsafeError: a torch file would run code if a plain unpickler opened it.
        OSError: it cannot be read.
    """
    content = _arrays(load(file)) if file.suffix in (".pt", ".pth") else read_order_json(file)
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, dict) or not content:
        raise DumpError(f"{file}: expected lists of image indices, one per epoch or per batch")
    return {_number(key, file): _index_list(key, value, file) for key, value in content.items()}


def _arrays(content: Any) -> Any:
    """NumPy arrays in place of the tensors of a torch file; a matrix is a list of its rows."""
    if isinstance(content, dict):
        return {key: _array(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_array(value) for value in content]
    return list(array) if np.ndim(array := _array(content)) == 2 else None


def _array(value: Any) -> Any:
    return to_numpy(value) if isinstance(value, (Tensor, np.ndarray)) else value


def _number(key: Any, file: Path) -> int:
    if not _NUMBER.match(str(key)):
        raise DumpError(f"{file}: key {str(key)[:40]!r} is not the number of an epoch or batch")
    return int(key)


def _index_list(key: Any, value: Any, file: Path) -> NDArray[np.int64]:
    try:
        indices = np.asarray(value)
    except ValueError:
        indices = np.empty(0, object)
    # numpy silently converts bools in a list of integers to 0 and 1
    whole = indices.ndim == 1 and (value is indices or {*map(type, value)} == {int})
    if not whole or indices.dtype.kind not in "iu" or not len(indices):
        raise DumpError(f"{file}: entry {key} is not a list of image indices")
    if indices.min() < 0 or indices.max() > np.iinfo(np.int32).max:
        raise DumpError(
            f"{file}: entry {key} holds the image index "
            f"{indices.min() if indices.min() < 0 else indices.max()}"
        )
    return indices.astype(np.int64, copy=False)


@dataclass(frozen=True, eq=False)
class KnownOrder:
    """An image order and its source.

    Attributes:
        order: image indices of each batch.
        images: number of images it refers to.
        samples: number of samples in all batches.
        sentence: one sentence for `DumpInfo.image_order`: the source, and how it was checked.
        first: number of the first epoch, as the loader counts them from 0.
    """

    order: Order
    images: int
    samples: int
    sentence: str
    first: int = 0


def listed(
    order: ListedOrder,
    file: Path,
    own: Path | None,
    images: int | None,
    checked: str,
    first: int = 0,
) -> KnownOrder:
    """The image order recorded in a file.

    Args:
        order: the image indices in `file`.
        file: the file they were read from.
        own: the dump's own image order file, or None.
        images: number of images in the image folder, or None without one.
        checked: what the lists were checked against, for the sentence.
        first: as in `KnownOrder`.

    Raises:
        DumpError: an index exceeds the number of images.
    """
    largest = int(order.flat.max())
    if images is not None and largest >= images:
        outside = int(np.argmax(order.flat >= images))
        batch = int(np.searchsorted(order.start, outside, side="right")) - 1
        raise DumpError(
            f"{file}: batch {batch} of the dump has image index {order.flat[outside]}, but the "
            f"image folder has {counted(images, 'image')}. Pass the folder the labels were made "
            "from."
        )
    instead = "" if own in (None, file) else f", not from {own.name} in the dump"
    sentence = f"read from {file.name}{instead}; {checked}"
    return KnownOrder(order, images or largest + 1, len(order.flat), sentence, first)


def by_batch(lists: Sequence[NDArray[np.int64]]) -> ListedOrder:
    """Build an order from one list of image indices per batch."""
    start = np.concatenate([[0], np.cumsum([len(indices) for indices in lists])]).astype(np.int64)
    return ListedOrder(np.concatenate(lists).astype(np.int32), start)


def by_epoch(lists: Sequence[NDArray[np.int64]], batch_size: int) -> ListedOrder:
    """Build an order from one list of image indices per epoch, split into batches."""
    pieces = [
        indices[start : start + batch_size]
        for indices in lists
        for start in range(0, len(indices), batch_size)
    ]
    return by_batch(pieces)
