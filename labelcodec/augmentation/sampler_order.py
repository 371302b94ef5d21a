"""Image order drawn by torch's `RandomSampler`, reproduced without torch (SPEC, section 13).

A loader with a seeded generator draws one or two permutations of the images per epoch from one
sequence of MT19937 words, and uses the first of them.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.limits import check_whole
from labelcodec.augmentation.spec import MAX_BATCH, MAX_IMAGES
from labelcodec.entropy.backend import coders
from labelcodec.errors import ConfigError, FormatError, UnsupportedError

GENERATOR = "torch-random-sampler"
MAX_WORDS = 1 << 28  # random words before an epoch's permutation: a second or two of work
CHECKPOINT = 1 << 17  # words between two states that are kept for random access
CACHED_BYTES = 64 << 20  # of permutations: 600 epochs of 50 000 images


@dataclass(frozen=True)
class SamplerOrder:
    """Recipe of the image order of a label set, the header's key `recipe`.

    Batches whose images differ from the recipe's store their own.

    Attributes:
        seed: seed of the generator, 0..2^64 - 1; torch uses its low 32 bits.
        images: number of images, 1..2^24; an epoch visits each of them once.
        batch: images per batch, 1..2^16; the last batch of an epoch may be smaller.
        batches: batches per epoch, which batch numbers count; a loader that drops the last,
            smaller batch has one less.
        permutations: permutations drawn per epoch, 1 or 2; the first is used.

    Raises:
        ConfigError: a value out of range.
    """

    seed: int
    images: int
    batch: int
    batches: int
    permutations: int

    def __post_init__(self) -> None:
        check_whole("seed", self.seed, 0, (1 << 64) - 1)
        check_whole("images", self.images, 1, MAX_IMAGES)
        check_whole("batch", self.batch, 1, MAX_BATCH)
        check_whole("batches", self.batches, 1, -(-self.images // self.batch))
        check_whole("permutations", self.permutations, 1, 2)

    def image_index(self, number: int, epoch: int) -> NDArray[np.int64] | None:
        """The images of a batch, independently of all others.

        Args:
            number: number of the batch.
            epoch: its epoch.

        Returns:
            (B,) int64 image indices; None if the recipe has no such batch, or only after more than
            2^28 random words.
        """
        place = number - epoch * self.batches
        if not 0 <= place < self.batches:
            return None
        if epoch * self.permutations * (self.images - 1) > MAX_WORDS:
            return None
        order = permutations_of(self.seed, self.images, self.permutations).of_epoch(epoch)
        return order[place * self.batch : (place + 1) * self.batch].astype(np.int64)

    def to_map(self) -> dict[str, Any]:
        """Serialize to the header's map."""
        return {"generator": GENERATOR, **{name: getattr(self, name) for name in _NAMES}}

    @classmethod
    def from_map(cls, data: Mapping[str, Any], where: str) -> SamplerOrder:
        """Deserialize the map that `to_map` returned.

        Args:
            data: the map.
            where: file name for error messages.

        Raises:
            FormatError: a key is missing or has a value out of range.
            UnsupportedError: an unknown key.
        """
        if unknown := data.keys() - {*_NAMES, "generator"}:
            raise UnsupportedError(
                f"{where}: recipe with key {min(unknown)!r}, which this version does not know"
            )
        try:
            return cls(**{name: data.get(name) for name in _NAMES})  # type: ignore[arg-type]
        except (ConfigError, TypeError) as error:
            raise FormatError(f"{where}: {error}") from None


_NAMES = tuple(row.name for row in fields(SamplerOrder))


class EpochPermutations:
    """Permutations of a seeded sampler, with random access to epochs; safe to share by threads.

    Args:
        seed: seed of the generator.
        images: number of images, N.
        per_epoch: permutations drawn per epoch; the first is used.
    """

    def __init__(self, seed: int, images: int, per_epoch: int) -> None:
        self._images, self._per_epoch = images, per_epoch
        self._words = np.random.MT19937()
        start = np.random.RandomState(seed & 0xFFFFFFFF).get_state(legacy=False)
        self._states: list[Any] = [start]  # of the generator, every CHECKPOINT words
        self._position = -1  # words drawn so far; no state is set yet
        self._orders: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def of_epoch(self, epoch: int) -> NDArray[Any]:
        """(N,) uint16 or int32, the images in the order of that epoch. Do not modify it."""
        with self._lock:
            if epoch in self._orders:
                self._orders.move_to_end(epoch)
                return self._orders[epoch]
            self._seek(epoch * self._per_epoch * (self._images - 1))
            order = permutation(self._draw(self._images - 1))
            self._orders[epoch] = order
            while len(self._orders) > 1 and len(self._orders) * order.nbytes > CACHED_BYTES:
                self._orders.popitem(last=False)
            return order

    def _seek(self, position: int) -> None:
        """Continue behind `position` words, from there or from the nearest kept state."""
        nearest = min(position // CHECKPOINT, len(self._states) - 1)
        if not nearest * CHECKPOINT <= self._position <= position:
            self._words.state = self._states[nearest]
            self._position = nearest * CHECKPOINT
        while self._position < position:
            self._draw(min(position - self._position, CHECKPOINT))

    def _draw(self, count: int) -> NDArray[np.int64]:
        """(count,) int64, the next words; the generator's state is kept at every checkpoint."""
        pieces = [np.zeros(0, np.int64)]
        while count:
            position, size = self._position, min(count, CHECKPOINT - self._position % CHECKPOINT)
            self._position = -1  # an interrupt while words are drawn leaves no known state
            pieces.append(self._words.random_raw(size).astype(np.int64))
            self._position = position + size
            count -= size
            if self._position == len(self._states) * CHECKPOINT:
                self._states.append(self._words.state)
        return np.concatenate(pieces)


permutations_of = lru_cache(maxsize=2)(EpochPermutations)
# A forked child must not inherit a lock that another thread of its parent held, nor a generator
# in the midst of drawing.
os.register_at_fork(after_in_child=permutations_of.cache_clear)


def permutation(words: NDArray[np.int64]) -> NDArray[Any]:
    """torch.randperm on the CPU, for fewer than 2^32 / 20 elements (SPEC, section 13.2).

    Args:
        words: (n - 1,) int64 random words of 32 bits.

    Returns:
        (n,) permutation; uint16 if that holds it, else int32.
    """
    count = len(words) + 1
    order: NDArray[np.int32] = coders().shuffled(words % np.arange(count, 1, -1))
    return order.astype(np.uint16) if count <= 1 << 16 else order
