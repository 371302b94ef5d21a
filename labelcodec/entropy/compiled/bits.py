"""Compiled kernels: bit packing, mixed-radix digits, permutations; documented in `reference`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from labelcodec.entropy.compiled.bitio import U, as_words, take
from labelcodec.entropy.format import MAX_DIGIT_GROUP

GROUP_LIMIT = np.int64(MAX_DIGIT_GROUP)


@njit(cache=True, nogil=True)
def pack_bits(values: Any, widths: Any) -> Any:
    """As `reference.pack_bits`."""
    total = np.int64(0)
    for width in widths:
        total += np.int64(width)
    data = np.zeros((total >> 6) + 2, np.uint64)
    position = U(0)
    for i in range(len(values)):
        width = np.uint64(widths[i])
        value = np.uint64(values[i]) & ((U(1) << width) - U(1))
        word, offset = position >> U(6), position & U(63)
        data[word] |= value << offset
        if offset + width > U(64):
            data[word + U(1)] |= value >> (U(64) - offset)
        position += width
    return data.view(np.uint8)[: (total + 7) >> 3]


@njit(cache=True, nogil=True)
def pack_fixed(values: Any, width: int) -> Any:
    """As `reference.pack_fixed`."""
    data = np.zeros((len(values) * width >> 6) + 2, np.uint64)
    bits, word, offset, filled = np.uint64(width), 0, U(0), U(0)
    for i in range(len(values)):
        value = np.uint64(values[i]) & ((U(1) << bits) - U(1))
        filled |= value << offset
        offset += bits
        if offset >= U(64):
            data[word] = filled
            word += 1
            offset -= U(64)
            filled = value >> (bits - offset) if offset > U(0) else U(0)
    data[word] = filled
    return data.view(np.uint8)[: (len(values) * width + 7) >> 3]


@njit(cache=True, nogil=True)
def unpack_fixed(data: Any, width: int, values: Any) -> None:
    """As `reference.unpack_fixed`."""
    words = as_words(data)
    position, bits = np.uint64(0), np.uint64(width)
    for i in range(len(values)):
        values[i] = take(words, position, bits)
        position += bits


@njit(cache=True, nogil=True)
def permutation_digits(permutation: Any) -> Any:
    """As `reference.permutation_digits`."""
    digits = np.zeros(len(permutation), np.int64)
    for i in range(len(permutation)):
        for j in range(i + 1, len(permutation)):
            if permutation[j] < permutation[i]:
                digits[i] += 1
    return digits


@njit(cache=True, nogil=True)
def _next_group(radices: Any, first: int) -> Any:
    """End (exclusive) of the digit group that starts at `first`, and its width in bits."""
    product, stop = np.int64(1), first
    while stop < len(radices) and product <= GROUP_LIMIT // radices[stop]:
        product *= radices[stop]
        stop += 1
    bits, top = 0, product - 1
    while top > 0:
        top >>= 1
        bits += 1
    return stop, bits


@njit(cache=True, nogil=True)
def group_digits(digits: Any, radices: Any) -> Any:
    """As `reference.group_digits`."""
    values, widths = np.zeros(len(digits), np.uint64), np.zeros(len(digits), np.int64)
    groups, first = 0, 0
    while first < len(digits):
        stop, bits = _next_group(radices, first)
        value: Any = np.int64(0)
        for i in range(stop - 1, first - 1, -1):
            value = value * radices[i] + digits[i]
        values[groups], widths[groups] = np.uint64(value), bits
        groups += 1
        first = stop
    return values[:groups], widths[:groups]


@njit(cache=True, nogil=True)
def unpack_digits(data: Any, position: int, radices: Any) -> Any:
    """As `reference.unpack_digits`."""
    digits = np.zeros(len(radices), np.int64)
    words = as_words(data)
    first = 0
    while first < len(radices):
        stop, bits = _next_group(radices, first)
        if position + bits > 8 * len(data):
            return digits, 1
        value = np.int64(take(words, np.uint64(position), np.uint64(bits)))
        position += bits
        for i in range(first, stop):
            digits[i] = value % radices[i]
            value //= radices[i]
        if value != 0:
            return digits, 1
        first = stop
    return digits, 0 if (position + 7) >> 3 == len(data) else 1


@njit(cache=True, nogil=True)
def unpack_permutation(data: Any, n: int) -> Any:
    """As `reference.unpack_permutation`."""
    digits, status = unpack_digits(data, 0, np.arange(n, 0, -1))
    leaves = 1
    while leaves < n:
        leaves *= 2
    left = np.zeros(
        2 * leaves, np.int32
    )  # a binary tree: number of remaining elements below each node
    left[leaves : leaves + n] = 1
    for node in range(leaves - 1, 0, -1):
        left[node] = left[2 * node] + left[2 * node + 1]
    for i in range(n):
        node, digit = 1, digits[i]
        while node < leaves:
            left[node] -= 1
            node *= 2
            right = digit >= left[node]
            digit -= left[node] * right
            node += right
        left[node] -= 1
        digits[i] = node - leaves
    return digits, status
