"""Estimated cost of a peak in bits, by which the encoder chooses peaks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import tokens

Array = NDArray[Any]


def peak_bits(places: Array) -> Array:
    """(P,) float32 approximate bits of peaks at these positions of the ranking."""
    return np.asarray(8 + tokens.bucket(1 + places) // 2, np.float32)


def peak_prices(classes: int, price: float) -> Array:
    """(C,) float32 nats that a peak at each position must save, at `price` nats per bit."""
    return np.asarray(peak_bits(np.arange(classes)) * np.float32(price))
