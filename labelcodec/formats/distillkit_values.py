"""Values and classes that DistillKit compressed; computed as its decoder does on a CPU."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.formats.distillkit_config import WIDTHS, Curve, Legacy, Residuals, index_bits
from labelcodec.torch_file.tensor import Tensor, to_bfloat16

Array = NDArray[Any]
_LANES, _LANES_OF_LONG = 4, 8  # partial sums with which torch adds up a row, below 8 and from 8 on


def values_of_curve(stored: NDArray[np.uint8], curve: Curve) -> Array:
    """Log-probabilities of n positions.

    Args:
        stored: (n, curve.bytes) uint8.
        curve: how they are compressed.

    Returns:
        (n, k) values of `curve.dtype`; those of bfloat16 in float32.
    """
    rows = _Rows(stored)
    exact = rows.floats(curve.exact_k, curve.exact_dtype)
    coefficients = rows.floats(len(curve.terms), curve.term_dtype)
    others = curve.k - curve.exact_k
    residual = np.zeros((len(stored), others), np.float32)
    start = 0
    for part in curve.residuals:
        residual[:, start : start + part.number] = rows.residuals(part)
        start += part.number
    approximate = _rounded(residual, curve.exact_dtype)
    if curve.terms:
        fitted = _fitted(coefficients, _terms(curve, others), curve.term_dtype)
        approximate = _rounded(fitted + approximate, curve.sum_dtype)
    values = np.concatenate([_rounded(exact, curve.sum_dtype), approximate], axis=1)
    if curve.is_delta:
        sums = np.cumsum(values.astype(np.float32), axis=1, dtype=np.float64)
        values = _rounded(sums.astype(np.float32), curve.exact_dtype)
    return values


def index_bytes(curve: Curve) -> int:
    """Stored bytes of the classes of a position."""
    return -(-curve.k * index_bits(curve.classes) // 8)


def classes_of_bytes(stored: NDArray[np.uint8], k: int, classes: int) -> NDArray[np.int64]:
    """(n, k) classes of n positions from (n, ceil(k * bits / 8)) bytes, first bit highest."""
    return _unpacked(stored, index_bits(classes), k)


def values_of_legacy(exact: Array, coefficients: Array, legacy: Legacy) -> Array:
    """(n, k) float32 logits of n positions.

    Args:
        exact: (n, exact_k) floats.
        coefficients: (n, legacy.coefficients) floats.
        legacy: how they are compressed.
    """
    x = np.arange(1, legacy.k - legacy.exact_k + 1, dtype=np.float64)
    sign = -1 if legacy.is_inverse else 1
    terms = [x ** (sign * power) for power in range(legacy.degree + 1)]
    terms += [np.sqrt(x)] * legacy.has_sqrt
    fitted = _fitted(
        coefficients.astype(np.float32), np.stack(terms, axis=1).astype(np.float32), "float32"
    )
    return np.concatenate([exact.astype(np.float32), fitted], axis=1)


def classes_of_words(stored: NDArray[np.uint64], k: int, classes: int) -> NDArray[np.int64]:
    """(n, k) classes of n positions from words of 64 bits, as many whole ones as fit into each."""
    bits = index_bits(classes)
    shifts = np.arange(64 // bits, dtype=np.uint64) * np.uint64(bits)
    mask = np.uint64((1 << bits) - 1)
    every = (stored[:, :, None] >> shifts) & mask
    return every.reshape(len(stored), -1)[:, :k].astype(np.int64)


def words_of_legacy(legacy: Legacy) -> int:
    """Number of words of 64 bits that hold the classes of a position."""
    return -(-legacy.k // (64 // index_bits(legacy.classes)))


class _Rows:
    """The bytes of positions, read from the front."""

    def __init__(self, stored: NDArray[np.uint8]) -> None:
        self.rest = stored

    def floats(self, number: int, dtype: str) -> Array:
        width = number * WIDTHS[dtype]
        part, self.rest = np.ascontiguousarray(self.rest[:, :width]), self.rest[:, width:]
        stored = part.view("<u2" if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<"))
        return Tensor(dtype, stored.reshape(len(part), number)).numpy()

    def residuals(self, part: Residuals) -> Array:
        scale = self.floats(1, part.dtype)
        width = part.bytes - WIDTHS[part.dtype]
        packed, self.rest = self.rest[:, :width], self.rest[:, width:]
        numbers = _unpacked(packed, part.bits, part.number)
        if part.bits == 1:
            return np.asarray((numbers * 2 - 1).astype(np.float32) * scale)
        return np.asarray((numbers - (1 << (part.bits - 1))).astype(np.float32) * scale)


def _unpacked(packed: NDArray[np.uint8], bits: int, number: int) -> NDArray[np.int64]:
    every = np.unpackbits(packed, axis=1, count=bits * number)
    digits = every.reshape(len(packed), number, bits)
    numbers = np.zeros((len(packed), number), np.int64)
    for bit in range(bits):
        numbers <<= 1
        numbers |= digits[:, :, bit]
    return numbers


def _terms(curve: Curve, number: int) -> Array:
    """(number, terms) terms of the curve, in its dtype."""
    x = _unit(number, curve.term_dtype) if curve.is_unit else np.arange(number, dtype=np.float64)
    x = _rounded(x, curve.term_dtype).astype(np.float64)
    functions = {"sqrt": np.sqrt, "exp": np.exp}
    with np.errstate(over="ignore", divide="ignore"):
        columns = [
            functions[term](x) if isinstance(term, str) else x ** float(term)
            for term in curve.terms
        ]
        return _rounded(np.stack(columns, axis=1), curve.term_dtype)


def _unit(number: int, dtype: str) -> NDArray[np.float64]:
    """0..1 in even steps, from both ends to the middle as torch computes them."""
    step = _rounded(np.array(1 / max(number - 1, 1)), dtype).astype(np.float64)
    x = np.arange(number)
    rising = x < max(number // 2, 1)
    return np.asarray(np.where(rising, step * x, 1 - step * x[::-1]), np.float64)


def _fitted(coefficients: Array, terms: Array, dtype: str) -> Array:
    """(n, number) values of the curve, added up in the order in which torch adds a short row."""
    with np.errstate(all="ignore"):
        products = [
            _rounded(coefficients[:, i, None] * term, dtype) for i, term in enumerate(terms.T)
        ]
        lanes = _LANES_OF_LONG if len(products) >= _LANES_OF_LONG else _LANES
        whole = len(products) // lanes * lanes
        sums = [reduce(np.add, products[i:whole:lanes]) for i in range(min(lanes, whole))]
        rest = products[whole:]
        parts = rest + sums if lanes == _LANES_OF_LONG else sums[:1] + rest + sums[1:]
        return _rounded(reduce(np.add, parts), dtype)


def _rounded(values: Array, dtype: str) -> Array:
    """Values of a dtype; those of bfloat16 in float32."""
    with np.errstate(over="ignore"):
        if dtype == "bfloat16":
            bits = to_bfloat16(np.ascontiguousarray(values, np.float32))
            return Tensor(dtype, bits).numpy()
        return values.astype(dtype, copy=False)
