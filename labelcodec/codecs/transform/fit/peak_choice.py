"""Choice of peaks at many prices: the classes that may be worth it are ranked for many of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.fit.analysis import MAX_PEAKS, Analysis
from labelcodec.codecs.transform.fit.peak_bits import peak_bits

LOWER = 4  # prices down to the price over this are answered from one ranking


class PeakChoice:
    """What `Analysis.choose` gives at any price."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis, self.lowest = analysis, math.inf

    def _rank(self, lowest: float) -> None:
        """Rank the classes that are worth their bits at the lowest price, in nats per bit."""
        analysis = self.analysis
        labels, classes = analysis.scores.shape
        self.lowest = lowest
        self.counts, self.places, self.classes = analysis.choose(lowest, classes)
        self.rows = np.repeat(np.arange(labels), self.counts)
        self.gain = analysis.gain[self.rows, self.classes]
        self.bits = peak_bits(self.places)

    def at(self, price: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Counts (B,), positions (P,) and classes (P,) at a price, as `Analysis.choose` gives."""
        if price < self.lowest:
            self._rank(price / LOWER)
        excess = self.gain - self.bits * np.float32(price)
        worth = np.flatnonzero(excess > 0)
        rows = self.rows[worth]
        counts = np.bincount(rows, minlength=len(self.counts))
        if counts.max(initial=0) > MAX_PEAKS:
            worth = worth[_best(excess[worth], counts)]
            counts = np.bincount(self.rows[worth], minlength=len(self.counts))
        return counts, self.places[worth], self.classes[worth]


def _best(excess: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which candidates are among the MAX_PEAKS of their label; ties at the limit are dropped."""
    kept, stops = np.ones(len(excess), bool), np.cumsum(counts)
    for label in np.flatnonzero(counts > MAX_PEAKS):
        part = slice(stops[label] - counts[label], stops[label])
        last = int(counts[label]) - MAX_PEAKS - 1
        kept[part] = excess[part] > np.partition(excess[part], last)[last]
    return kept
