"""The dense2 codec's kernels in NumPy: the reference implementation of `compiled`.

Values are cut into cells of equal width, numbered from 0 upwards for values without a sign and from
-1 downwards for the others. What is below a cell's width is stored in bits: low bits of the
mantissa, and for values in the cells 0 and -1 the octave (a gap).
"""

from __future__ import annotations

import numpy as np

from labelcodec.codecs.dense2.format import MAX_GAP, MAX_OCTAVE, ZERO, CellModel
from labelcodec.entropy.reference.bits import pack_bits
from labelcodec.entropy.reference.lanes import Array, Exhausted, Lanes
from labelcodec.entropy.reference.rans import rans_encode
from labelcodec.entropy.tables import Lookup


def dense2_predict(weights: Array, model: CellModel) -> tuple[Array, Array]:
    """Predicted cell and context of every value (SPEC, section 14.2).

    Args:
        weights: (B, r) int32 weights of the basis.
        model: the tables.

    Returns:
        (B, C) int32 cells and (B, C) uint8 contexts.
    """
    exact = weights.astype(np.float64) @ model.basis.astype(np.float64)  # sums below 2^53
    units = exact.astype(np.int64) + model.mean
    contexts = np.searchsorted(model.thresholds, units >> (model.shift - 1), side="right")
    return (units >> model.shift).astype(np.int32), contexts.astype(np.uint8)


def dense2_symbols(bits: Array, weights: Array, model: CellModel, symbols: int) -> Array:
    """Symbol of every value; the escape is the last one.

    Args:
        bits: (B, C) values as unsigned integers.
        weights: (B, r) int32 weights of the basis.
        model: the tables.
        symbols: number of symbols, S.

    Returns:
        (B, C) uint8 symbols.
    """
    cell, coded = _cells(bits, model)
    offset = cell - dense2_predict(weights, model)[0] - model.first
    coded &= (offset >= 0) & (offset < symbols - 2)
    chosen = np.where(coded, offset + 1, symbols - 1)
    return np.where(bits == 0, ZERO, chosen).astype(np.uint8)


def dense2_encode(
    bits: Array, weights: Array, model: CellModel, drop: int, packed: Array, lanes: int
) -> tuple[Array, Array, Array, Array, Array]:
    """Encode the values of a batch (SPEC, section 14.3).

    Args:
        bits: (B, C) values as unsigned integers.
        weights: (B, r) int32 weights of the basis.
        model: the tables.
        drop: low bits that are 0 in all values.
        packed: (K, S) uint32 intervals of the table set.
        lanes: number of lanes, 1..32.

    Returns:
        (lanes,) uint32 states and uint16 words, the escaped values, and uint8 arrays: gaps and low
        bits.
    """
    escape = packed.shape[1] - 1
    contexts = dense2_predict(weights, model)[1].ravel()
    symbols = dense2_symbols(bits, weights, model, escape + 1).ravel()
    symbols = np.where(packed[contexts, symbols] & 0xFFFF == 0, escape, symbols)
    value = bits.ravel().astype(np.int64)
    coded = value[(symbols != ZERO) & (symbols != escape)]
    magnitude = coded & ((1 << (model.width - 1)) - 1)
    octave = (magnitude >> model.mantissa) - model.exponent
    gap = -octave[octave < 0]
    gaps = pack_bits(np.int64(1) << (gap - 1), gap)
    width = np.maximum(model.mantissa - np.maximum(octave, 0) - drop, 0)
    low = (magnitude >> drop) & ((np.int64(1) << width) - 1)
    escaped = bits.ravel()[symbols == escape]
    states, words = rans_encode(packed[contexts, symbols], lanes)
    return states, words, escaped, gaps, pack_bits(low, width)


def dense2_decode(
    states: Array,
    words: Array,
    weights: Array,
    model: CellModel,
    drop: int,
    lookup: Lookup,
    escapes: Array,
    gaps: Array,
    low: Array,
    counts: Array | None = None,
) -> tuple[Array, int]:
    """Inverse of `dense2_encode`.

    Args:
        states: initial states of the rANS lanes.
        words: the rANS words.
        weights: (B, r) int32 weights of the basis.
        model: the tables.
        drop: low bits that are 0 in all values.
        lookup: decoding tables of all contexts.
        escapes: the escaped values.
        gaps: uint8 octaves of the values in cells 0 and -1.
        low: uint8 low bits.
        counts: (K, S) int64, to which symbols are added by context, an escaped value as the symbol
            of its offset; unless the stream is malformed.

    Returns:
        (B, C) values as unsigned integers, and a status: 1 if the stream is malformed.
    """
    cell, contexts = dense2_predict(weights, model)
    storage = np.uint16 if model.width == 16 else np.uint32
    value = np.zeros(cell.size, np.int64)
    try:
        lanes = Lanes(states, words)
        symbols = lanes.take(lookup, contexts.ravel())
        lanes.close()
        escaped = symbols == lookup[1].shape[1] - 1
        if np.count_nonzero(escaped) != len(escapes):
            raise Exhausted
        value[escaped] = escapes
        coded = (symbols != ZERO) & ~escaped
        number = cell.ravel().astype(np.int64)[coded] + symbols[coded] + model.first - 1
        value[coded] = _values(number, model, drop, gaps, low)
    except Exhausted:
        return value.astype(storage).reshape(cell.shape), 1
    bits = value.astype(storage).reshape(cell.shape)
    if counts is not None:
        named = dense2_symbols(bits, weights, model, counts.shape[1])
        np.add.at(counts, (contexts, named), 1)
    return bits, 0


def _cells(bits: Array, model: CellModel) -> tuple[Array, Array]:
    """int64 cell of every value, and whether the value is one that a cell can describe."""
    value, mantissa = bits.astype(np.int64), model.mantissa
    sign = value >> (model.width - 1)
    field = (value >> mantissa) & ((1 << (model.width - 1 - mantissa)) - 1)
    octave = field - model.exponent
    significand = (value & ((1 << mantissa) - 1)) | 1 << mantissa
    up = np.clip(octave - mantissa, 0, MAX_OCTAVE)
    down = np.clip(mantissa - octave, 0, 62)
    number = np.where(octave < 0, 0, significand << up >> down)
    finite = field != (1 << (model.width - 1 - mantissa)) - 1
    good = finite & (field > 0) & (octave <= MAX_OCTAVE) & (octave >= -MAX_GAP)
    return number ^ -sign, good


def _values(cell: Array, model: CellModel, drop: int, gaps: Array, low: Array) -> Array:
    """int64 values in these cells.

    Raises:
        Exhausted: the bits do not fit the cells, or a value is out of range.
    """
    sign = (cell < 0).astype(np.int64)
    number, mantissa = cell ^ -sign, model.mantissa
    if number.size and number.max() >> (MAX_OCTAVE + 1):
        raise Exhausted
    octave = np.zeros(len(cell), np.int64)
    for bit in range(1, MAX_OCTAVE + 1):
        octave += number >> bit > 0
    small = number == 0
    octave[small] = -_gaps(gaps, int(small.sum()))
    field = octave + model.exponent
    if field.size and (field.min() < 1 or field.max() >= (1 << (model.width - 1 - mantissa)) - 1):
        raise Exhausted
    inner = np.maximum(mantissa - np.maximum(octave, 0), 0)
    fraction = _unpack(low, np.maximum(inner - drop, 0)) << drop
    top = number << inner >> np.maximum(octave - mantissa, 0)
    part = (np.where(small, 0, top) & ((1 << mantissa) - 1)) | fraction
    return sign << (model.width - 1) | field << mantissa | part


def _gaps(data: Array, count: int) -> Array:
    """Distances between the first `count` ones of a bit string, which end in its last byte."""
    ends = np.flatnonzero(np.unpackbits(data, bitorder="little"))[:count] + 1
    gaps = np.diff(ends, prepend=0)
    size = (int(ends[-1]) + 7) // 8 if len(ends) else 0
    if len(ends) != count or size != len(data) or (gaps > MAX_GAP).any():
        raise Exhausted
    return gaps


def _unpack(data: Array, widths: Array) -> Array:
    """Unpack what `pack_bits` wrote and fills the data; int64."""
    ends = np.cumsum(widths)
    total = int(ends[-1]) if len(ends) else 0
    if (total + 7) // 8 != len(data):
        raise Exhausted
    bits = np.append(np.unpackbits(data, bitorder="little"), np.uint8(0))
    values = np.zeros(len(widths), np.int64)
    for place in range(int(widths.max(initial=0))):
        held = place < widths
        values[held] |= bits[(ends - widths)[held] + place].astype(np.int64) << place
    return values
