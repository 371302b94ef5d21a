"""Image orders drawn from a recipe (SPEC, section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from .primitives import Row, need

GENERATOR = "torch-random-sampler"
LIMITS = {
    "seed": (0, 2**64 - 1), "images": (1, 2**24), "batch": (1, 2**16), "batches": (1, 2**24),
    "permutations": (1, 2),
}  # fmt: skip


def read_order(header: dict[str, Any]) -> dict[str, Any] | None:
    """The recipe of a header, if it is one of an image order [O-1]."""
    order: dict[str, Any] | None = header.get("recipe")
    if order is None or order.get("generator") != GENERATOR:
        return None
    need(order.keys() == {"generator", *LIMITS}, "R-1")
    for key, (low, high) in LIMITS.items():
        need(type(order[key]) is int and low <= order[key] <= high, "O-1")
    need(order["batches"] <= -(-order["images"] // order["batch"]), "O-1")
    need(header.get("images") in (None, order["images"]), "O-1")
    return order


def words(seed: int) -> Iterator[int]:
    """The words of MT19937 [O-2]."""
    m = [seed & 0xFFFFFFFF]
    for i in range(1, 624):
        m.append(1812433253 * (m[i - 1] ^ m[i - 1] >> 30) + i & 0xFFFFFFFF)
    while True:
        for i in range(624):
            y = m[i] & 0x80000000 | m[(i + 1) % 624] & 0x7FFFFFFF
            m[i] = m[(i + 397) % 624] ^ y >> 1 ^ (0x9908B0DF if y & 1 else 0)
        for word in m:
            y = word ^ word >> 11
            y ^= y << 7 & 0x9D2C5680
            y ^= y << 15 & 0xEFC60000
            yield y ^ y >> 18


def permutation(source: Iterator[int], count: int) -> Row:
    """A permutation of 0..count - 1 [O-3]."""
    entries = list(range(count))
    for i in range(count - 1):
        other = i + next(source) % (count - i)
        entries[i], entries[other] = entries[other], entries[i]
    return entries


@lru_cache(maxsize=64)
def epoch_permutation(seed: int, images: int, permutations: int, epoch: int) -> Row:
    """The order of an epoch [O-4]."""
    return permutation(islice(words(seed), epoch * permutations * (images - 1), None), images)


def draw_images(order: dict[str, Any], number: int, epoch: int, samples: int) -> Any:
    """Image indices of a batch without stream 1 [O-5, O-6]."""
    images, permutations, batch = order["images"], order["permutations"], order["batch"]
    place = number - order["batches"] * epoch
    need(0 <= place < order["batches"], "O-5")
    need(epoch * permutations * (images - 1) <= 1 << 28, "O-5")
    entries = epoch_permutation(order["seed"], images, permutations, epoch)
    drawn = entries[place * batch : (place + 1) * batch]
    need(len(drawn) == samples, "O-6")
    return np.array(drawn, np.int64)
