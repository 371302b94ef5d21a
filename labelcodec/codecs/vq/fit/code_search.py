"""Search for the codes of labels, one code at a time, under the loss itself.

A label's codes are improved in turn. For each, the KL divergence is modelled by its gradient and
the mean curvature of the batch, which costs two matrix products; the few codewords that the model
likes best are compared by their true loss. So the loss never rises. There is no encoder network:
one overfits the labels that it was trained on, a search cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SHORTLIST = 8  # codewords compared by their true loss
PASSES = 3  # times that each code is chosen anew
AT_ONCE = 1 << 17  # logits of labels searched at once: their candidates stay in the cache


@dataclass(frozen=True, eq=False)
class Decoder:
    """A decoder in floating point.

    Attributes:
        basis: (r, C) float32 logits per unit of a coefficient.
        codewords: (n, K, r) float32 coefficients.
        rates: (n, K) float32 price of each code, in nats.
        tau: temperature of the loss.
    """

    basis: Array
    codewords: Array
    rates: Array
    tau: float = 1.0


def softmax(logits: Array) -> Array:
    """(B, C) probabilities of (B, C) logits."""
    shifted: Array = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


class CodeSearch:
    """Codes of labels for one decoder."""

    def __init__(self, decoder: Decoder) -> None:
        """Expand the codewords to logits, (n, K, C) float32."""
        self._decoder = decoder
        self._basis = decoder.basis / np.float32(decoder.tau)
        self._effects = decoder.codewords @ self._basis

    def __call__(
        self,
        true: Array,
        base: Array,
        codes: NDArray[np.int64] | None = None,
        passes: int = PASSES,
        shortlist: int = SHORTLIST,
    ) -> NDArray[np.int64]:
        """Choose codes.

        Args:
            true: (B, C) float32 source logits.
            base: (B, C) float32 logits that the codewords are added to.
            codes: (B, n) codes to start from; None starts without any.
            passes: times that each code is chosen.
            shortlist: codewords compared by their true loss.

        Returns:
            (B, n) int64 codes.
        """
        chosen = np.zeros((len(true), len(self._effects)), np.int64)
        size = max(1, AT_ONCE // true.shape[1])
        for first in range(0, len(true), size):
            part = slice(first, first + size)
            start = None if codes is None else codes[part]
            chosen[part] = self._part(true[part], base[part], start, passes, shortlist)
        return chosen

    def _part(
        self,
        true: Array,
        base: Array,
        codes: NDArray[np.int64] | None,
        passes: int,
        shortlist: int,
    ) -> NDArray[np.int64]:
        tau = np.float32(self._decoder.tau)
        source = softmax(true / tau)
        bends = self._bends(source)
        logits = base / tau
        current = np.full((len(true), len(self._effects)), -1)
        if codes is not None:
            current[:] = codes
            for position, effects in enumerate(self._effects):
                logits += effects[codes[:, position]]
        for _ in range(passes):
            for position in range(len(self._effects)):
                self._improve(position, source, logits, current, bends[position], shortlist)
        return current

    def _bends(self, source: Array) -> list[tuple[Array, Array]]:
        """Of each codebook: products of the codewords in the mean curvature, and their squares."""
        along = source @ self._basis.T
        mean = source.mean(axis=0)
        curvature = (self._basis * mean) @ self._basis.T - along.T @ along / len(source)
        bends = []
        for codewords in self._decoder.codewords:
            turned = codewords @ curvature
            bends.append((turned @ codewords.T, (turned * codewords).sum(axis=1) / 2))
        return bends

    def _improve(
        self,
        position: int,
        source: Array,
        logits: Array,
        current: NDArray[np.int64],
        bend: tuple[Array, Array],
        shortlist: int,
    ) -> None:
        """Choose one code of all labels; `logits` and `current` are changed in place."""
        codewords, effects = self._decoder.codewords[position], self._effects[position]
        rate, rows = self._decoder.rates[position], np.arange(len(source))
        before, is_set = current[:, position], current[0, position] >= 0
        slope = (softmax(logits) - source) @ self._basis.T
        price = slope @ codewords.T + (bend[1] + rate)
        if is_set:
            price -= bend[0][before]
            logits -= effects[before]
        count = min(shortlist, len(codewords))
        likely = np.argpartition(price, count - 1, axis=1)[:, :count]
        if is_set:
            likely[:, 0] = np.where((likely == before[:, None]).any(axis=1), likely[:, 0], before)
        changed = logits[:, None] + effects[likely]
        gain = np.matmul(changed, source[:, :, None])[:, :, 0]
        top = changed.max(axis=2)
        changed -= top[:, :, None]
        loss = np.log(np.exp(changed, out=changed).sum(axis=2)) + top - gain + rate[likely]
        best = likely[rows, loss.argmin(axis=1)]
        current[:, position] = best
        logits += effects[best]
