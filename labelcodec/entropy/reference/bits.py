"""Reference kernels: bit packing, mixed-radix digits, permutations (SPEC, section 6.5)."""

from __future__ import annotations

import numpy as np

from labelcodec.entropy.format import MAX_DIGIT_GROUP
from labelcodec.entropy.reference.lanes import Array, Bits, Buffer, Exhausted


def pack_bits(values: Array, widths: Array) -> Array:
    """Concatenate values of 0..63 bits each, lowest bit first; returns uint8."""
    widths = widths.astype(np.int64)
    owner = np.repeat(np.arange(len(values)), widths)
    bit = np.arange(len(owner)) - np.repeat(np.cumsum(widths) - widths, widths)
    bits = (values.astype(np.uint64)[owner] >> bit.astype(np.uint64)) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def pack_fixed(values: Array, width: int) -> Array:
    """Concatenate values of `width` (0..62) bits each, lowest bit first; returns uint8."""
    return pack_bits(values, np.full(len(values), width))


def unpack_fixed(data: Array, width: int, values: Array) -> None:
    """Unpack what `pack_fixed` wrote into `values`; the caller checks the length.

    Args:
        data: uint8 bytes of the column.
        width: bits per value, 0..62.
        values: uint64 array that receives the values.
    """
    bits = np.unpackbits(data, count=len(values) * width, bitorder="little")
    weight = np.uint64(1) << np.arange(width, dtype=np.uint64)
    values[:] = (bits.reshape(-1, width) * weight).sum(axis=1) if width else 0


def unpack_column(data: Buffer, width: int, low: int, count: int) -> Array:
    """Unpack what `pack_fixed` wrote, and add to it.

    Args:
        data: bytes of the column; the caller checks the length.
        width: bits per value, 0..62.
        low: what is added.
        count: number of values.

    Returns:
        (count,) int64 values.
    """
    values = np.empty(count, np.uint64)
    unpack_fixed(np.frombuffer(data, np.uint8), width, values)
    return values.astype(np.int64) + low


def shuffled(steps: Array) -> Array:
    """The numbers 0..n - 1 after exchanging place i with place i + steps[i], in turn.

    Args:
        steps: (n - 1,) int64, the i-th of them in 0..n - 1 - i.

    Returns:
        (n,) int32 permutation.
    """
    order = list(range(len(steps) + 1))
    for place, step in enumerate(steps.tolist()):
        other = place + step
        order[place], order[other] = order[other], order[place]
    return np.array(order, np.int32)


def _groups(radices: list[int]) -> list[tuple[int, int, int]]:
    """Groups of digits whose radices multiply to at most 2^62: start, end, width in bits."""
    groups, first, product = [], 0, 1
    for i, radix in enumerate(radices):
        if product > MAX_DIGIT_GROUP // radix:
            groups.append((first, i, (product - 1).bit_length()))
            first, product = i, 1
        product *= radix
    if len(radices) > first:
        groups.append((first, len(radices), (product - 1).bit_length()))
    return groups


def group_digits(digits: Array, radices: Array) -> tuple[Array, Array]:
    """Combine digits to mixed-radix numbers, the first digit of a group lowest.

    Args:
        digits: (n,) digits.
        radices: (n,) radix of each digit.

    Returns:
        uint64 numbers, one per group, and their int64 widths in bits.
    """
    values, widths = [], []
    digit, radix = digits.tolist(), radices.tolist()
    for first, stop, bits in _groups(radix):
        value = 0
        for i in reversed(range(first, stop)):
            value = value * radix[i] + digit[i]
        values.append(value)
        widths.append(bits)
    return np.array(values, np.uint64), np.array(widths, np.int64)


def pack_permutation(numbers: Array) -> Array | None:
    """Pack a permutation of 0..n - 1 as its Lehmer code.

    Digit i, of radix n - i, is the number of later entries that are smaller than entry i.

    Args:
        numbers: (n,) integers.

    Returns:
        The packed bytes, uint8; None if the numbers are no permutation.
    """
    n = len(numbers)
    if not np.array_equal(np.sort(numbers), np.arange(n)):
        return None
    digits = [int((numbers[i + 1 :] < numbers[i]).sum()) for i in range(n)]
    return pack_bits(*group_digits(np.array(digits, np.int64), np.arange(n, 0, -1)))


def unpack_digits(data: Array, position: int, radices: Array) -> tuple[Array, int]:
    """Read the digits that `group_digits` combined, from bit `position` to the end of the data.

    Args:
        data: uint8 bytes.
        position: bit at which the first group starts.
        radices: (n,) radix of each digit.

    Returns:
        (n,) int64 digits, and a status: 1 if the data is malformed.
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


def unpack_permutation(data: Buffer, n: int) -> tuple[Array, int]:
    """The permutation of 0..n - 1 whose digits fill the data, and a status as above."""
    digits, status = unpack_digits(np.frombuffer(data, np.uint8), 0, np.arange(n, 0, -1))
    remaining = list(range(n))
    return np.array([remaining.pop(digit) for digit in digits.tolist()], np.int64), status
