# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The entropy coders' kernels, compiled from `bitio.h` and `rans.h`; documented in `reference`.

The functions here check what the C functions rely on: types, shapes, and that contexts name rows.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from labelcodec.entropy cimport kernels as c

c.rans_start()


def _as(array, dtype):
    return np.ascontiguousarray(array, dtype)


def pack_bits(values, widths):
    """As `reference.pack_bits`."""
    cdef const uint64_t[::1] value = _as(values, np.uint64)
    cdef const int64_t[::1] width = _as(widths, np.int64)
    cdef size_t count = value.shape[0]
    if width.shape[0] != value.shape[0]:
        raise ValueError("as many widths as values are needed")
    if count and not 0 <= int(np.min(widths)) <= int(np.max(widths)) <= 63:
        raise ValueError("widths of 0..63 bits are possible")
    size = (int(np.sum(widths, dtype=np.int64)) + 7) >> 3
    packed = np.empty(size + c.PADDING, np.uint8)
    cdef uint8_t[::1] out = packed
    if count:
        with nogil:
            c.pack_bits(&value[0], &width[0], count, &out[0])
    return packed[:size]


def pack_fixed(values, unsigned width):
    """As `reference.pack_fixed`."""
    cdef const int64_t[::1] value = _as(values, np.int64)
    cdef size_t count = value.shape[0]
    size = (count * width + 7) >> 3
    packed = np.empty(size + c.PADDING, np.uint8)
    cdef uint8_t[::1] out = packed
    if count:
        with nogil:
            c.pack_fixed(&value[0], count, width, &out[0])
    return packed[:size]


def unpack_fixed(const uint8_t[::1] data, unsigned width, values):
    """As `reference.unpack_fixed`."""
    cdef uint32_t[::1] narrow
    cdef uint64_t[::1] wide
    cdef size_t size = data.shape[0], count = len(values)
    cdef const uint8_t *first = &data[0] if size else NULL
    if not count:
        return
    if 8 * size < count * width or width > 62:
        raise ValueError(f"{count} values of {width} bits do not fit {size} bytes")
    if values.dtype == np.uint32:
        narrow = values
        with nogil:
            c.unpack_fixed32(first, size, width, &narrow[0], count)
    else:
        wide = values
        with nogil:
            c.unpack_fixed64(first, size, width, &wide[0], count)


def unpack_column(const uint8_t[::1] data, unsigned width, int64_t low, size_t count):
    """As `reference.unpack_column`."""
    cdef size_t size = data.shape[0]
    values = np.empty(count, np.int64)
    cdef int64_t[::1] out = values
    if 8 * size < count * width or width > 62:
        raise ValueError(f"{count} values of {width} bits do not fit {size} bytes")
    if count:
        with nogil:
            c.unpack_column(&data[0] if size else NULL, size, width, low, &out[0], count)
    return values


def shuffled(steps):
    """As `reference.shuffled`."""
    cdef const int64_t[::1] step = _as(steps, np.int64)
    cdef size_t count = step.shape[0]
    cdef int status
    if count >= 1 << 31:
        raise ValueError(f"{count} steps, at most 2^31 - 1 are possible")
    order = np.empty(count + 1, np.int32)
    cdef int32_t[::1] out = order
    with nogil:
        status = c.shuffle(&step[0] if count else NULL, count, &out[0])
    if status:
        raise ValueError("a step that leads outside")
    return order


def pack_permutation(numbers):
    """As `reference.pack_permutation`."""
    cdef const int64_t[::1] number = _as(numbers, np.int64)
    cdef size_t count = number.shape[0], size, i
    cdef int32_t[::1] permutation = np.empty(count, np.int32)
    cdef uint8_t[::1] seen = np.zeros(count, np.uint8)
    cdef int64_t[::1] scratch = np.empty(2 * count, np.int64)
    packed = np.empty(8 * count + c.PADDING, np.uint8)
    cdef uint8_t[::1] out = packed
    for i in range(count):
        if <uint64_t>number[i] >= count or seen[number[i]]:
            return None
        seen[number[i]] = 1
        permutation[i] = <int32_t>number[i]
    if not count:
        return packed[:0]
    with nogil:
        size = c.pack_permutation(
            &permutation[0], count, &scratch[0], &scratch[count], &out[0]
        )
    return packed[:size]


def unpack_digits(const uint8_t[::1] data, uint64_t position, radices):
    """As `reference.unpack_digits`."""
    cdef const int64_t[::1] radix = _as(radices, np.int64)
    cdef size_t count = radix.shape[0], size = data.shape[0]
    cdef const uint8_t *first = &data[0] if size else NULL
    digits = np.zeros(count, np.int64)
    cdef int64_t[::1] out = digits
    cdef int status
    if count and int(radices.min()) < 1:
        raise ValueError("a radix below 1")
    with nogil:
        status = c.unpack_digits(
            first, size, position, &radix[0] if count else NULL, count, &out[0] if count else NULL
        )
    return digits, status


def unpack_permutation(const uint8_t[::1] data, size_t n):
    """As `reference.unpack_permutation`."""
    cdef size_t size = data.shape[0], leaves = 1
    cdef int status = 0
    while leaves < n:
        leaves *= 2
    permutation = np.empty(n, np.int64)
    cdef int64_t[::1] out = permutation, radices = np.empty(n, np.int64)
    cdef int32_t[::1] left = np.zeros(2 * leaves, np.int32)
    if not n:
        return permutation, int(size > 0)
    with nogil:
        status = c.unpack_permutation(
            &data[0] if size else NULL, size, n, leaves, &radices[0], &left[0], &out[0]
        )
    return permutation, status


def rans_encode(intervals, unsigned lanes):
    """As `reference.rans_encode`."""
    cdef const uint32_t[::1] interval = _as(intervals, np.uint32)
    cdef size_t count = interval.shape[0], first
    if not 0 < lanes <= c.MAX_LANES:
        raise ValueError(f"{lanes} rANS lanes, allowed are 1..{c.MAX_LANES}")
    lengths = np.bitwise_and(intervals, 0xFFFF)
    if count and not 0 < int(lengths.min()) <= int(lengths.max()) <= c.SLOTS:
        raise ValueError(f"intervals of 1..{c.SLOTS} slots are possible")
    states, words = np.empty(lanes, np.uint32), np.empty(count + 1, np.uint16)
    cdef uint32_t[::1] state = states
    cdef uint16_t[::1] word = words
    with nogil:
        first = c.rans_encode(&interval[0] if count else NULL, count, lanes, &word[0], &state[0])
    return states, words[first:]


def split_tokens(values):
    """As `reference.split_tokens`."""
    cdef const int64_t[::1] value = _as(values, np.int64)
    cdef Py_ssize_t count = value.shape[0], i
    cdef unsigned width
    cdef uint64_t bits
    c.check_range(&value[0] if count else NULL, count)
    tokens, widths = np.empty(count, np.uint8), np.empty(count, np.uint8)
    cdef uint8_t[::1] token_out = tokens, width_out = widths
    with nogil:
        for i in range(count):
            token_out[i] = c.token_of(<uint64_t>value[i], &width, &bits)
            width_out[i] = width
    return tokens, widths


def encode_values(values, contexts, const uint32_t[:, ::1] packed, unsigned lanes):
    """As `reference.encode_values`."""
    cdef const int64_t[::1] value = _as(values, np.int64)
    cdef const uint16_t[::1] context = _as(contexts, np.uint16)
    cdef size_t count = value.shape[0], symbols = packed.shape[1], first = 0, size = 0
    if context.shape[0] != value.shape[0] or not symbols or not 0 < lanes <= c.MAX_LANES:
        raise ValueError("as many contexts as values are needed, and 1..32 lanes")
    c.check_rows(&context[0] if count else NULL, count, packed.shape[0])
    c.check_range(&value[0] if count else NULL, count)
    states, words = np.full(lanes, 1 << 16, np.uint32), np.empty(count + 1, np.uint16)
    if not count:
        return states, words[1:], np.zeros(0, np.uint8)
    bits = np.empty(5 * count + c.PADDING, np.uint8)
    cdef uint32_t[::1] state = states, interval = np.empty(count, np.uint32)
    cdef uint16_t[::1] word = words
    cdef uint8_t[::1] out = bits
    with nogil:
        size = c.value_intervals(
            &value[0], &context[0], count, &packed[0, 0], symbols, &interval[0], &out[0]
        )
        first = c.rans_encode(&interval[0], count, lanes, &word[0], &state[0])
    return states, words[first:], bits[:size]


def rans_decode(uint32_t[::1] states, words, size_t read, size_t first, contexts, lookup):
    """As `reference.rans_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    cdef int status
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef const uint16_t[::1] context = _as(contexts, np.uint16)
    cdef size_t count = context.shape[0], lane
    c.check_rows(&context[0] if count else NULL, count, table.contexts)
    if read > rans.count:
        raise ValueError("more words are read than there are")
    symbols = np.zeros(count, np.uint8)
    cdef uint8_t[::1] out = symbols
    rans.read, rans.lane = read, first % rans.lanes
    if not count:
        return symbols, read
    with nogil:
        status = c.rans_symbols(&rans, &table, &context[0], 0, count, &out[0])
        for lane in range(rans.lanes):
            states[lane] = rans.state[lane]
    return symbols, -1 if status else rans.read


def extra_decode(const uint8_t[::1] symbols, uint32_t escape, const uint8_t[::1] data, first):
    """As `reference.extra_decode`."""
    cdef c.bit_reader bits = c.reader_of(data, first)
    cdef size_t count = symbols.shape[0]
    cdef int status = 0
    values = np.zeros(count, np.int64)
    cdef int64_t[::1] out = values
    if count:
        with nogil:
            status = c.token_values(&bits, &symbols[0], count, escape, &out[0])
    return values, -1 if status else bits.position
