"""Search for the codes of labels, one code at a time, under the loss itself.

A label's codes are improved in turn: each becomes the codeword with the least KL divergence, given
the other codes. The exponentials of all codewords' effects on the logits are computed once, so that
the sums of all softmaxes that a code can give are one matrix product. There is no encoder network:
one overfits the labels that it was trained on, a search cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
EFFECTS = 1 << 27  # most logits of all codewords, which a search holds in memory
PASSES = 3  # times that each code is chosen anew
AT_ONCE = 1 << 18  # logits of labels searched at once
SINGLE, DOUBLE = 30.0, 300.0  # largest effects on a logit whose exponentials are exact enough


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
        """Expand the codewords to exponentials of their effects on the logits, (n, K, C)."""
        self._decoder = decoder
        self._basis = decoder.basis / np.float32(decoder.tau)
        effects = decoder.codewords @ self._basis
        if np.abs(effects).max(initial=0) > SINGLE:
            effects = np.clip(effects.astype(np.float64), -DOUBLE, DOUBLE)
        self._factors = np.exp(effects, out=effects)

    def __call__(
        self,
        true: Array,
        base: Array,
        codes: NDArray[np.int64] | None = None,
        passes: int = PASSES,
    ) -> NDArray[np.int64]:
        """Choose codes.

        Args:
            true: (B, C) float32 source logits.
            base: (B, C) float32 logits that the codewords are added to.
            codes: (B, n) codes to start from; None starts without any.
            passes: times that each code is chosen.

        Returns:
            (B, n) int64 codes.
        """
        chosen = np.zeros((len(true), len(self._factors)), np.int64)
        size = max(1, AT_ONCE // true.shape[1])
        for first in range(0, len(true), size):
            part = slice(first, first + size)
            start = None if codes is None else codes[part]
            chosen[part] = self._part(true[part], base[part], start, passes)
        return chosen

    def _part(
        self, true: Array, base: Array, codes: NDArray[np.int64] | None, passes: int
    ) -> NDArray[np.int64]:
        tau = np.float32(self._decoder.tau)
        along = softmax(true / tau) @ self._basis.T
        logits = base / tau
        current = np.zeros((len(true), len(self._factors)), np.int64)
        if codes is not None:
            current[:] = codes
            for position, codewords in enumerate(self._decoder.codewords):
                logits += codewords[codes[:, position]] @ self._basis
        for turn in range(passes):
            for position, codewords in enumerate(self._decoder.codewords):
                if turn or codes is not None:
                    logits -= codewords[current[:, position]] @ self._basis
                current[:, position] = self._losses(position, along, logits).argmin(axis=1)
                logits += codewords[current[:, position]] @ self._basis
        return current

    def _losses(self, position: int, along: Array, logits: Array) -> Array:
        """(B, K) KL divergence plus rate of each codeword, up to a constant per label."""
        factors = self._factors[position]
        mass = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(factors.dtype))
        losses: Array = np.log(mass @ factors.T).astype(np.float32)
        losses -= along @ self._decoder.codewords[position].T
        losses += self._decoder.rates[position]
        return losses
