"""Bit packing, mixed-radix digits and permutations."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy.plain.lanes import Array, Bits, Exhausted

GROUP_LIMIT = 1 << 62


def pack_bits(values: Array, widths: Array) -> Array:
    """Values one behind the other, low bits first; widths 0..63 bits. Returns uint8."""
    widths = widths.astype(np.int64)
    owner = np.repeat(np.arange(len(values)), widths)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(widths) - widths, widths)
    bits = (values.astype(np.uint64)[owner] >> place.astype(np.uint64)) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def pack_fixed(values: Array, width: int) -> Array:
    """Values of `width` (0..62) bits each, low bits first. Returns uint8."""
    return pack_bits(values, np.full(len(values), width))


def unpack_fixed(data: Array, width: int, values: Array) -> None:
    """Inverse of `pack_fixed` into `values`; the caller has checked the length."""
    bits = np.unpackbits(data, count=len(values) * width, bitorder="little")
    place = np.uint64(1) << np.arange(width, dtype=np.uint64)
    values[:] = (bits.reshape(-1, width) * place).sum(axis=1) if width else 0


def permutation_digits(permutation: Array) -> Array:
    """Lehmer code: digit i counts the later entries that are smaller; int64."""
    n = len(permutation)
    return np.array([(permutation[i + 1 :] < permutation[i]).sum() for i in range(n)], np.int64)


def _groups(radices: list[int]) -> list[tuple[int, int, int]]:
    """Runs of digits whose radices multiply to at most 2^62: first, last + 1, bits."""
    groups, first, product = [], 0, 1
    for i, radix in enumerate(radices):
        if product > GROUP_LIMIT // radix:
            groups.append((first, i, (product - 1).bit_length()))
            first, product = i, 1
        product *= radix
    if len(radices) > first:
        groups.append((first, len(radices), (product - 1).bit_length()))
    return groups


def group_digits(digits: Array, radices: Array) -> tuple[Array, Array]:
    """Mixed-radix numbers of groups of digits, first digit lowest, and their widths in bits."""
    values, widths = [], []
    digit, radix = digits.tolist(), radices.tolist()
    for first, stop, bits in _groups(radix):
        value = 0
        for i in reversed(range(first, stop)):
            value = value * radix[i] + digit[i]
        values.append(value)
        widths.append(bits)
    return np.array(values, np.uint64), np.array(widths, np.int64)


def unpack_digits(data: Array, position: int, radices: Array) -> tuple[Array, int]:
    """Inverse of `group_digits` from bit `position` to the end of the data.

    Returns:
        int64 digits and a status (0 is good).
    """
    digits = np.zeros(len(radices), np.int64)
    radix, bits = radices.tolist(), Bits(data, position)
    try:
        for first, stop, width in _groups(radix):
            value = bits.take(width)
            for i in range(first, stop):
                value, digits[i] = divmod(value, radix[i])
            if value:
                return digits, 1
    except Exhausted:
        return digits, 1
    return digits, 0 if (bits.position + 7) // 8 == len(data) else 1


def unpack_permutation(data: Array, n: int) -> tuple[Array, int]:
    """Permutation of 0..n - 1 whose `permutation_digits` fill the data, and a status."""
    digits, status = unpack_digits(data, 0, np.arange(n, 0, -1))
    remaining = list(range(n))
    return np.array([remaining.pop(digit) for digit in digits.tolist()], np.int64), status
