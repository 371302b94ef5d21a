# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The dense codec's kernels, compiled from `kernels.h`; documented in `reference`."""

import numpy as np

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from labelcodec.entropy cimport kernels as c

cdef extern from "labelcodec/codecs/dense/split.h" nogil:
    int TILE, MAX_PACKED_WIDTH
    void dense_split16(
        const uint16_t *, size_t, size_t, const int32_t *, unsigned, unsigned, uint16_t *,
        uint16_t *, uint8_t *
    )
    void dense_split32(
        const uint32_t *, size_t, size_t, const int32_t *, unsigned, unsigned, uint16_t *,
        uint16_t *, uint8_t *
    )

cdef extern from "labelcodec/codecs/dense/kernels.h" nogil:
    int LAGS
    ctypedef struct dense_model:
        const int32_t *mean
        int32_t base, last
        size_t rows, classes
    void contexts_to "dense_contexts"(
        const dense_model *, const int32_t *, const uint16_t *, int32_t *, uint16_t *, uint8_t *
    )
    ctypedef struct dense_pattern:
        int32_t place
        uint32_t symbol
    ctypedef struct dense_column:
        uint16_t *contexts
        int32_t *places
        uint32_t *cells
    size_t dense_intervals(
        const dense_model *, const uint16_t *, const int32_t *, const dense_pattern *,
        const uint32_t *, size_t, int32_t *, dense_column, uint32_t *, uint16_t *
    )
    ctypedef struct dense_symbol:
        int32_t place
        uint32_t pattern
    int decode_to "dense_decode"(
        const dense_model *, c.rans_decoder *, const c.rans_tables *, const dense_symbol *,
        const int32_t *, const uint16_t *, size_t, int32_t *, uint16_t *, uint8_t *, uint16_t *
    )
    void dense_join16(
        const uint16_t *, const uint8_t *, size_t, unsigned, unsigned, unsigned, const int32_t *,
        size_t, size_t, uint32_t *, uint16_t *
    )
    void dense_join32(
        const uint16_t *, const uint8_t *, size_t, unsigned, unsigned, unsigned, const int32_t *,
        size_t, size_t, uint32_t *, uint32_t *
    )

c.rans_start()


cdef class _Model:
    """The arrays behind a `dense_model`, kept alive with it."""

    cdef dense_model model
    cdef const int32_t[::1] mean

    def __cinit__(self, mean, int base, int last, size_t rows):
        self.mean = np.ascontiguousarray(mean, np.int32)
        self.model.mean = &self.mean[0]
        self.model.base, self.model.last = base, last
        self.model.rows, self.model.classes = rows, self.mean.shape[0]


def _check_order(order, size_t classes):
    """A class order as int32; every class must occur once."""
    checked = np.ascontiguousarray(order, np.int32)
    if len(checked) != classes or not np.bincount(checked, minlength=classes).all():
        raise ValueError(f"not a permutation of {classes} classes")
    return checked


def _check_patterns(patterns, size_t count):
    """High bits as uint16, each one of the `count` patterns."""
    checked = np.ascontiguousarray(patterns, np.uint16)
    if checked.size and int(checked.max()) >= count:
        raise ValueError(f"high bits outside 0..{count - 1}")
    return checked


def dense_contexts(high, place_of, mean, int base, int last):
    """As `reference.dense_contexts`."""
    cdef _Model model = _Model(mean, base, last, high.shape[0])
    cdef size_t rows = model.model.rows, classes = model.model.classes
    if high.shape[1] != classes or not 0 <= last < 256:
        raise ValueError("as many means as classes are needed, and at most 256 contexts")
    cdef const uint16_t[:, ::1] columns = _check_patterns(high.T, len(place_of))
    contexts = np.zeros((classes, rows), np.uint8)
    cdef uint8_t[:, ::1] out = contexts
    cdef int32_t[::1] residuals = np.zeros(LAGS * rows, np.int32)
    cdef uint16_t[::1] scratch = np.empty(rows, np.uint16)
    cdef const int32_t[::1] places = np.ascontiguousarray(place_of, np.int32)
    if columns.size:
        with nogil:
            contexts_to(
                &model.model, &places[0], &columns[0, 0], &residuals[0], &scratch[0], &out[0, 0]
            )
    return contexts


def dense_encode(
    bits, order, unsigned shift, unsigned drop, const int32_t[:, ::1] patterns, mean, int base,
    const uint32_t[:, ::1] packed, unsigned lanes,
):
    """As `reference.dense_encode`."""
    cdef size_t rows = bits.shape[0], classes = bits.shape[1], cells = rows * classes
    cdef size_t symbols = packed.shape[1], escaped = 0, first = 0
    cdef size_t count = patterns.shape[0], i
    cdef uint32_t highest = 0
    cdef _Model model = _Model(mean, base, packed.shape[0] - 1, rows)
    cdef const int32_t[::1] class_at = _check_order(order, classes)
    cdef bint is_half = bits.itemsize == 2
    cdef const uint8_t[::1] raw = np.ascontiguousarray(bits).reshape(-1).view(np.uint8)
    if not cells or model.model.classes != classes or not packed.shape[0]:
        raise ValueError("no labels, or tables for another number of classes")
    if patterns.shape[1] != 2 or drop > shift:
        raise ValueError("dense tables of impossible shape")
    for i in range(count):
        highest = max(highest, <uint32_t>patterns[i, 1])
    if highest >= symbols:
        raise ValueError(f"a symbol outside 0..{symbols - 1}")
    if count << shift < <uint64_t>1 << (8 * bits.itemsize) or not 0 < lanes <= c.MAX_LANES:
        raise ValueError("patterns that the tables do not name")
    if is_half and shift - drop > MAX_PACKED_WIDTH:
        raise ValueError(f"more than {MAX_PACKED_WIDTH} low bits of 16")
    size = cells * (shift - drop) + 7 >> 3
    low, escapes = np.zeros(size + c.PADDING, np.uint8), np.empty(cells, np.uint16)
    states, words = np.empty(lanes, np.uint32), np.empty(cells + 1, np.uint16)
    cdef uint32_t[::1] state = states, intervals = np.empty(cells, np.uint32)
    cdef uint16_t[::1] word = words, escape_out = escapes, high = np.empty(cells, np.uint16)
    cdef uint16_t[::1] narrow = np.empty(max(rows, TILE * classes), np.uint16)
    cdef int32_t[::1] residuals = np.zeros((LAGS + 1) * rows, np.int32)
    cdef uint32_t[::1] cells_of = np.empty(rows, np.uint32)
    cdef uint8_t[::1] low_out = low
    cdef dense_column column
    column.contexts, column.places = &narrow[0], &residuals[LAGS * rows]
    column.cells = &cells_of[0]
    with nogil:
        if is_half:
            dense_split16(
                <const uint16_t *>&raw[0], rows, classes, &class_at[0], shift, drop, &narrow[0],
                &high[0], &low_out[0],
            )
        else:
            dense_split32(
                <const uint32_t *>&raw[0], rows, classes, &class_at[0], shift, drop, &narrow[0],
                &high[0], &low_out[0],
            )
        escaped = dense_intervals(
            &model.model, &high[0], &class_at[0], <const dense_pattern *>&patterns[0, 0],
            &packed[0, 0], symbols, &residuals[0], column, &intervals[0], &escape_out[0],
        )
        first = c.rans_encode(&intervals[0], cells, lanes, &word[0], &state[0])
    return states, words[first:], escapes[:escaped].copy(), low[:size]


def dense_decode(
    states, words, escapes, const uint8_t[::1] low, size_t rows, order, unsigned shift,
    unsigned drop, const int32_t[:, ::1] named, place_of, mean, int base, lookup, dtype,
):
    """As `reference.dense_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef _Model model = _Model(mean, base, table.contexts - 1, rows)
    cdef size_t classes = model.model.classes, cells = rows * classes
    position = np.empty(classes, np.int32)
    position[_check_order(order, classes)] = np.arange(classes, dtype=np.int32)
    cdef const int32_t[::1] position_of = position
    cdef const int32_t[::1] places = np.ascontiguousarray(place_of, np.int32)
    cdef size_t count = places.shape[0], i
    cdef uint32_t highest = 0
    cdef const uint16_t[::1] escaped = _check_patterns(escapes, len(place_of))
    cdef size_t escape_count = escaped.shape[0], low_size = low.shape[0]
    cdef unsigned width = shift - drop
    if named.shape[0] != table.symbols or named.shape[1] != 2 or drop > shift or width > 32:
        raise ValueError("dense tables that do not belong together")
    for i in range(table.symbols):
        highest = max(highest, <uint32_t>named[i, 1])
    if highest >= count:
        raise ValueError(f"high bits outside 0..{count - 1}")
    if 8 * low_size < cells * width:
        raise ValueError(f"{low_size} bytes of low bits are too few")
    bits = np.zeros((rows, classes), dtype)
    if not cells:
        return bits, 0
    cdef uint8_t[::1] symbols = np.empty(rows, np.uint8)
    cdef uint16_t[::1] contexts = np.empty(rows, np.uint16), high = np.empty(cells, np.uint16)
    cdef int32_t[::1] residuals = np.zeros(LAGS * rows, np.int32)
    cdef uint32_t[::1] lowest = np.empty(TILE * classes, np.uint32)
    cdef const uint8_t *packed = &low[0] if low_size else &symbols[0]
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
            &model.model, &rans, &table, <const dense_symbol *>&named[0, 0], &places[0],
            &escaped[0] if escape_count else NULL, escape_count, &residuals[0], &contexts[0],
            &symbols[0], &high[0],
        )
        if status:
            pass
        elif is_half:
            dense_join16(
                &high[0], packed, low_size, width, drop, shift, &position_of[0], rows, classes,
                &lowest[0], &half[0, 0],
            )
        else:
            dense_join32(
                &high[0], packed, low_size, width, drop, shift, &position_of[0], rows, classes,
                &lowest[0], &single[0, 0],
            )
    return bits, status
