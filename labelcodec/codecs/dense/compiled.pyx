# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The dense codec's kernels, compiled from `kernels.h`; documented in `reference`."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from labelcodec.entropy cimport kernels as c

PADDING = 16  # bytes of room that a bit writer needs behind its output

cdef extern from "labelcodec/codecs/dense/kernels.h" nogil:
    ctypedef struct dense_model:
        const int32_t *place_of
        const int32_t *mean
        int32_t base, last
        size_t rows, classes
        int32_t *residual
        uint16_t *contexts
    void dense_split16(
        const uint16_t *, size_t, size_t, const int64_t *, unsigned, unsigned, uint16_t *,
        uint16_t *
    )
    void dense_split32(
        const uint32_t *, size_t, size_t, const int64_t *, unsigned, unsigned, uint16_t *,
        uint32_t *
    )
    void dense_join16(
        const uint16_t *, const uint32_t *, size_t, size_t, const int64_t *, unsigned, unsigned,
        uint16_t *
    )
    void dense_join32(
        const uint16_t *, const uint32_t *, size_t, size_t, const int64_t *, unsigned, unsigned,
        uint32_t *
    )
    void dense_pack16(const uint16_t *, size_t, unsigned, uint8_t *)
    void dense_pack32(const uint32_t *, size_t, unsigned, uint8_t *)
    void contexts_to "dense_contexts"(const dense_model *, const uint16_t *, uint8_t *)
    size_t intervals_to "dense_intervals"(
        const dense_model *, const uint16_t *, const uint32_t *, const uint32_t *, size_t,
        uint32_t *, uint16_t *
    )
    int decode_to "dense_decode"(
        const dense_model *, c.rans_decoder *, const c.rans_tables *, const uint16_t *,
        const uint16_t *, size_t, uint8_t *, uint16_t *
    )

c.rans_start()


cdef class _Model:
    """The arrays behind a `dense_model`, kept alive with it."""

    cdef dense_model model
    cdef const int32_t[::1] place_of, mean
    cdef int32_t[::1] residual
    cdef uint16_t[::1] contexts

    def __cinit__(self, place_of, mean, int base, int last, size_t rows):
        self.place_of = np.ascontiguousarray(place_of, np.int32)
        self.mean = np.ascontiguousarray(mean, np.int32)
        self.residual = np.zeros(4 * rows + 1, np.int32)
        self.contexts = np.empty(rows + 1, np.uint16)
        self.model.place_of = &self.place_of[0]
        self.model.mean = &self.mean[0]
        self.model.base, self.model.last = base, last
        self.model.rows, self.model.classes = rows, self.mean.shape[0]
        self.model.residual, self.model.contexts = &self.residual[0], &self.contexts[0]


def _check_patterns(patterns, size_t count):
    """High bits as uint16, each one of the `count` patterns."""
    checked = np.ascontiguousarray(patterns, np.uint16)
    if checked.size and int(checked.max()) >= count:
        raise ValueError(f"high bits outside 0..{count - 1}")
    return checked


def dense_contexts(high, place_of, mean, int base, int last):
    """As `reference.dense_contexts`."""
    cdef _Model model = _Model(place_of, mean, base, last, high.shape[0])
    cdef const uint16_t[:, ::1] patterns = _check_patterns(high.T, len(place_of))
    if patterns.shape[0] != model.model.classes or not 0 <= last < 256:
        raise ValueError("as many means as classes are needed, and at most 256 contexts")
    contexts = np.zeros((patterns.shape[0], patterns.shape[1]), np.uint8)
    cdef uint8_t[:, ::1] out = contexts
    if patterns.size:
        with nogil:
            contexts_to(&model.model, &patterns[0, 0], &out[0, 0])
    return contexts


def dense_encode(
    bits, order, unsigned shift, unsigned drop, place_of, symbol_of, mean, int base,
    const uint32_t[:, ::1] packed, unsigned lanes,
):
    """As `reference.dense_encode`."""
    cdef size_t rows = bits.shape[0], classes = bits.shape[1], cells = rows * classes
    cdef size_t symbols = packed.shape[1], escaped = 0, first = 0
    cdef _Model model = _Model(place_of, mean, base, packed.shape[0] - 1, rows)
    cdef const uint32_t[::1] symbol = np.ascontiguousarray(symbol_of, np.uint32)
    cdef const int64_t[::1] position = np.ascontiguousarray(order, np.int64)
    cdef const uint16_t[:, ::1] half
    cdef const uint32_t[:, ::1] single
    cdef uint16_t[::1] half_low
    cdef uint32_t[::1] single_low
    if not cells or model.model.classes != classes or position.shape[0] != bits.shape[1]:
        raise ValueError("no labels, or tables for another number of classes")
    if symbol.shape[0] != len(place_of) or int(symbol_of.max()) >= symbols or drop > shift:
        raise ValueError("dense tables that do not belong together")
    if len(place_of) << shift < 1 << (8 * bits.itemsize) or not 0 < lanes <= c.MAX_LANES:
        raise ValueError("patterns that the tables do not name")
    if int(order.min()) < 0 or int(order.max()) >= classes:
        raise ValueError(f"a class outside 0..{classes - 1}")
    cdef uint16_t[::1] high = np.empty(cells, np.uint16), escapes = np.empty(cells, np.uint16)
    cdef uint32_t[::1] intervals = np.empty(cells, np.uint32)
    width = shift - drop
    low = np.empty((cells * width + 7 >> 3) + PADDING, np.uint8)
    states, words = np.empty(lanes, np.uint32), np.empty(cells + 1, np.uint16)
    cdef uint8_t[::1] low_out = low
    cdef uint32_t[::1] state = states
    cdef uint16_t[::1] word = words
    cdef unsigned bits_each = width
    if bits.itemsize == 2:
        half, half_low = bits, np.empty(cells, np.uint16)
    else:
        single, single_low = bits, np.empty(cells, np.uint32)
    cdef bint is_half = bits.itemsize == 2
    with nogil:
        if is_half:
            dense_split16(
                &half[0, 0], rows, classes, &position[0], shift, drop, &high[0], &half_low[0]
            )
            dense_pack16(&half_low[0], cells, bits_each, &low_out[0])
        else:
            dense_split32(
                &single[0, 0], rows, classes, &position[0], shift, drop, &high[0], &single_low[0]
            )
            dense_pack32(&single_low[0], cells, bits_each, &low_out[0])
        escaped = intervals_to(
            &model.model, &high[0], &symbol[0], &packed[0, 0], symbols, &intervals[0], &escapes[0]
        )
        first = c.rans_encode(&intervals[0], cells, lanes, &word[0], &state[0])
    return states, words[first:], np.asarray(escapes)[:escaped], low[: cells * width + 7 >> 3]


def dense_decode(
    states, words, escapes, const uint8_t[::1] low, size_t rows, order, unsigned shift,
    unsigned drop, patterns, place_of, mean, int base, lookup, dtype,
):
    """As `reference.dense_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef _Model model = _Model(place_of, mean, base, table.contexts - 1, rows)
    cdef size_t classes = model.model.classes, cells = rows * classes
    cdef const int64_t[::1] position = np.ascontiguousarray(order, np.int64)
    known = np.append(patterns, 0)
    cdef const uint16_t[::1] pattern = _check_patterns(known, len(place_of))
    cdef const uint16_t[::1] escaped = _check_patterns(escapes, len(place_of))
    cdef size_t escape_count = escaped.shape[0], low_size = low.shape[0]
    cdef unsigned width = shift - drop
    if pattern.shape[0] != table.symbols or position.shape[0] != classes or drop > shift:
        raise ValueError("dense tables that do not belong together")
    if 8 * low_size < cells * width:
        raise ValueError(f"{low_size} bytes of low bits are too few")
    bits = np.zeros((rows, classes), dtype)
    if not cells:
        return bits, 0
    cdef uint8_t[::1] symbols = np.empty(rows, np.uint8)
    cdef uint16_t[::1] high = np.empty(cells, np.uint16)
    cdef uint32_t[::1] low_bits = np.empty(cells, np.uint32)
    cdef uint16_t[:, ::1] half
    cdef uint32_t[:, ::1] single
    cdef bint is_half = bits.itemsize == 2
    if is_half:
        half = bits
    else:
        single = bits
    cdef int status
    with nogil:
        status = decode_to(
            &model.model, &rans, &table, &pattern[0], &escaped[0] if escape_count else NULL,
            escape_count, &symbols[0], &high[0],
        )
        if not status:
            c.unpack_fixed32(
                &low[0] if low_size else NULL, low_size, width, &low_bits[0], cells
            )
            if is_half:
                dense_join16(
                    &high[0], &low_bits[0], rows, classes, &position[0], shift, drop, &half[0, 0]
                )
            else:
                dense_join32(
                    &high[0], &low_bits[0], rows, classes, &position[0], shift, drop,
                    &single[0, 0],
                )
    return bits, status
