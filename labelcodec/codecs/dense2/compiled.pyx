# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The dense2 codec's kernels, compiled from `kernels.h`; documented in `reference`."""

import numpy as np

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from labelcodec.codecs.dense2.format import MAX_WEIGHT
from labelcodec.entropy cimport kernels as c

cdef extern from "labelcodec/codecs/dense2/kernels.h" nogil:
    int MOST_HALVES
    ctypedef struct dense2_model:
        const int16_t *basis
        const int32_t *mean
        const uint8_t *context_of
        size_t classes, rank
        unsigned shift, mantissa, sign
        int32_t edge, top, first
        unsigned drop
    ctypedef struct bit_writer:
        uint8_t *data
        uint64_t pending
        unsigned filled
    ctypedef struct dense2_output:
        uint32_t *intervals
        uint32_t *escapes
        bit_writer gaps, low
        size_t escaped
        uint64_t gap_bits, low_bits
    ctypedef struct dense2_input:
        const uint32_t *escapes
        size_t count, used
        c.bit_reader gaps, low
    void predict_to "dense2_predict"(
        const dense2_model *, const int16_t *, int32_t *, uint16_t *
    )
    uint32_t symbol_of "dense2_symbol"(
        const dense2_model *, uint32_t, int32_t, uint32_t, int *
    )
    void encode_to "dense2_encode"(
        const dense2_model *, const uint32_t *, const int32_t *, const uint16_t *,
        const uint32_t *, uint32_t, dense2_output *
    )
    int decode_to "dense2_decode"(
        const dense2_model *, const int32_t *, const uint8_t *, uint32_t, dense2_input *,
        uint32_t *
    )
    void count_to "dense2_count"(
        const dense2_model *, const uint32_t *, const int32_t *, const uint16_t *,
        const uint8_t *, uint32_t, int64_t *
    )
    void bits_flush(bit_writer *)

c.rans_start()


cdef class _Batch:
    """A model and the weights of B labels, with the arrays behind them."""

    cdef dense2_model model
    cdef const int16_t[:, ::1] basis, weights
    cdef const int32_t[::1] mean
    cdef const uint8_t[::1] context_of
    cdef int32_t[::1] cells
    cdef uint16_t[::1] contexts
    cdef size_t rows

    def __cinit__(self, weights, tables, unsigned drop):
        self.basis, self.mean, self.context_of = tables.columns, tables.mean, tables.context_of
        rank = self.basis.shape[1]
        if weights.size and int(np.abs(weights).max()) > MAX_WEIGHT:
            raise ValueError(f"a weight above {MAX_WEIGHT}")
        padded = np.zeros((len(weights), rank), np.int16)
        padded[:, : weights.shape[1]] = weights
        self.weights, self.rows = padded, len(weights)
        if not self.mean.shape[0] or self.basis.shape[0] != self.mean.shape[0]:
            raise ValueError("dense2 tables that do not belong together")
        if self.context_of.shape[0] != 2 * MOST_HALVES + 1 or drop > tables.mantissa:
            raise ValueError("dense2 tables that do not belong together")
        self.cells = np.empty(self.mean.shape[0], np.int32)
        self.contexts = np.empty(self.mean.shape[0], np.uint16)
        self.model.basis = &self.basis[0, 0] if rank else NULL
        self.model.mean, self.model.context_of = &self.mean[0], &self.context_of[0]
        self.model.classes, self.model.rank = self.mean.shape[0], rank
        self.model.shift, self.model.mantissa = tables.shift, tables.mantissa
        self.model.sign, self.model.drop = tables.width - 1, drop
        self.model.edge, self.model.first = tables.exponent, tables.first
        self.model.top = (1 << (tables.width - 1 - tables.mantissa)) - 1

    cdef void predict(self, size_t row) noexcept nogil:
        cdef const int16_t *weights = &self.weights[row, 0] if self.model.rank else NULL
        predict_to(&self.model, weights, &self.cells[0], &self.contexts[0])


cdef const uint32_t[:, ::1] _words(bits, _Batch batch):
    """(B, C) values as uint32."""
    if bits.shape[0] != batch.rows or bits.shape[1] != batch.mean.shape[0]:
        raise ValueError("values of another shape than the weights and the tables")
    return np.ascontiguousarray(bits, np.uint32)


def dense2_predict(weights, model):
    """As `reference.dense2_predict`."""
    cdef _Batch batch = _Batch(weights, model, 0)
    cdef size_t row, k, classes = batch.model.classes
    cells = np.empty((batch.rows, classes), np.int32)
    contexts = np.empty((batch.rows, classes), np.uint8)
    cdef int32_t[:, ::1] cell = cells
    cdef uint8_t[:, ::1] context = contexts
    with nogil:
        for row in range(batch.rows):
            batch.predict(row)
            for k in range(classes):
                cell[row, k], context[row, k] = batch.cells[k], <uint8_t>batch.contexts[k]
    return cells, contexts


def dense2_symbols(bits, weights, model, uint32_t symbols):
    """As `reference.dense2_symbols`."""
    cdef _Batch batch = _Batch(weights, model, 0)
    cdef const uint32_t[:, ::1] value = _words(bits, batch)
    cdef size_t row, k, classes = batch.model.classes
    cdef int octave
    out = np.empty((batch.rows, classes), np.uint8)
    cdef uint8_t[:, ::1] symbol = out
    with nogil:
        for row in range(batch.rows):
            batch.predict(row)
            for k in range(classes):
                symbol[row, k] = <uint8_t>symbol_of(
                    &batch.model, value[row, k], batch.cells[k], symbols, &octave
                )
    return out


def dense2_encode(
    bits, weights, model, unsigned drop, const uint32_t[:, ::1] packed, unsigned lanes
):
    """As `reference.dense2_encode`."""
    cdef _Batch batch = _Batch(weights, model, drop)
    cdef const uint32_t[:, ::1] value = _words(bits, batch)
    cdef size_t row, count = batch.rows * batch.model.classes, first = 0
    cdef uint32_t symbols = packed.shape[1]
    if symbols < 2 or packed.shape[0] <= int(model.context_of.max()):
        raise ValueError("dense2 tables that do not belong together")
    if not 0 < lanes <= c.MAX_LANES:
        raise ValueError(f"{lanes} rANS lanes, allowed are 1..{c.MAX_LANES}")
    cdef uint32_t[::1] intervals = np.empty(count + 1, np.uint32)
    escapes = np.empty(count + 1, np.uint32)
    gaps = np.empty(2 * count + c.PADDING, np.uint8)
    low = np.empty(3 * count + c.PADDING, np.uint8)
    states, words = np.empty(lanes, np.uint32), np.empty(count + 1, np.uint16)
    cdef uint32_t[::1] escape = escapes, state = states
    cdef uint8_t[::1] gap_out = gaps, low_out = low
    cdef uint16_t[::1] word = words
    cdef dense2_output out
    out.intervals, out.escapes = &intervals[0], &escape[0]
    out.gaps.data, out.gaps.pending, out.gaps.filled = &gap_out[0], 0, 0
    out.low.data, out.low.pending, out.low.filled = &low_out[0], 0, 0
    out.escaped, out.gap_bits, out.low_bits = 0, 0, 0
    with nogil:
        for row in range(batch.rows):
            batch.predict(row)
            encode_to(
                &batch.model, &value[row, 0], &batch.cells[0], &batch.contexts[0],
                &packed[0, 0], symbols, &out,
            )
        bits_flush(&out.gaps)
        bits_flush(&out.low)
        first = c.rans_encode(&intervals[0], count, lanes, &word[0], &state[0])
    return (
        states, words[first:], escapes[: out.escaped], gaps[: (out.gap_bits + 7) >> 3],
        low[: (out.low_bits + 7) >> 3],
    )


def dense2_decode(
    states, words, weights, model, unsigned drop, lookup, escapes, gaps, low,
    int64_t[:, ::1] counts=None,
):
    """As `reference.dense2_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef _Batch batch = _Batch(weights, model, drop)
    cdef size_t row, classes = batch.model.classes
    if table.symbols < 2 or table.contexts <= int(model.context_of.max()):
        raise ValueError("dense2 tables that do not belong together")
    cdef bint counted = counts is not None
    if counted and (<size_t>counts.shape[0], <size_t>counts.shape[1]) != (
        table.contexts, table.symbols
    ):
        raise ValueError("counts of another shape than the tables")
    cdef const uint32_t[::1] escaped = np.ascontiguousarray(escapes, np.uint32)
    values = np.zeros((batch.rows, classes), np.uint32)
    cdef uint32_t[:, ::1] value = values
    cdef uint8_t[::1] symbols = np.empty(classes, np.uint8)
    cdef dense2_input source
    source.escapes = &escaped[0] if escaped.shape[0] else NULL
    source.count, source.used = escaped.shape[0], 0
    source.gaps, source.low = c.reader_of(gaps, 0), c.reader_of(low, 0)
    cdef int status = 0
    with nogil:
        for row in range(batch.rows):
            batch.predict(row)
            status = c.rans_symbols(&rans, &table, &batch.contexts[0], 0, classes, &symbols[0])
            if not status:
                status = decode_to(
                    &batch.model, &batch.cells[0], &symbols[0], <uint32_t>table.symbols - 1,
                    &source, &value[row, 0],
                )
            if status:
                break
            if counted:
                count_to(
                    &batch.model, &value[row, 0], &batch.cells[0], &batch.contexts[0],
                    &symbols[0], <uint32_t>table.symbols, &counts[0, 0],
                )
        if not status:
            status = not (
                c.rans_closed(&rans) and source.used == source.count
                and c.bits_finished(&source.gaps) and c.bits_finished(&source.low)
            )
    return values.astype(np.uint16 if model.width == 16 else np.uint32), status
