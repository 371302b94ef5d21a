# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The topk codec's kernels, compiled from the C headers beside this file; see `reference`."""

import numpy as np

from libc.stdint cimport (
    UINT32_MAX, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)

from labelcodec.codecs.topk.facts import RankingFacts
from labelcodec.entropy cimport kernels as c

cdef extern from "labelcodec/codecs/topk/selection.h" nogil:
    ctypedef struct selection_scratch:
        void *keys
        void *few
        uint32_t *own
        uint32_t *picked
        uint8_t *flags
        uint32_t bound
    uint32_t select_row16(
        const uint16_t *, size_t, size_t, uint32_t, selection_scratch *, uint64_t *
    )
    uint32_t select_row32(
        const uint32_t *, size_t, size_t, uint32_t, selection_scratch *, uint64_t *
    )
    void split_keys16(const uint64_t *, size_t, int64_t *, uint16_t *)
    void split_keys32(const uint64_t *, size_t, int64_t *, uint32_t *)

cdef extern from "labelcodec/codecs/topk/class_set.h" nogil:
    ctypedef struct ranking_facts:
        int repeated, rising, by_class, constant
        size_t tied
        int64_t largest
    ranking_facts rank_to "rank_labels"(
        const int64_t *, size_t, const int64_t *, const int64_t *, size_t, size_t, int,
        uint64_t *, uint16_t *, int64_t *, int64_t *, uint16_t *, int16_t *, int64_t *
    )
    int ROWS
    void class_set_start()
    int set_to "set_decode"(
        c.rans_decoder *, c.bit_reader, const c.rans_tables *, size_t, size_t, const int64_t *,
        size_t, int64_t *, int64_t *, uint8_t *, uint16_t *, int64_t *, int32_t *, int64_t *
    )

cdef extern from "labelcodec/codecs/topk/permutation.h" nogil:
    ctypedef struct level_runs:
        int64_t *head
        int64_t *size
        int64_t *tree
    void intervals_to "order_intervals"(
        const int16_t *, const int64_t *, size_t, size_t, level_runs, int64_t *, uint64_t *,
        int16_t *, int16_t *, uint32_t *
    )
    int order_to "order_decode"(
        c.rans_decoder *, const int64_t *, const int64_t *, size_t, size_t, level_runs,
        uint64_t *, int16_t *, int16_t *, int64_t *
    )
    int TILE

cdef extern from "labelcodec/codecs/topk/values.h" nogil:
    int levels_to "levels_decode"(
        c.rans_decoder *, c.bit_reader, const c.rans_tables *, const uint16_t *, size_t, size_t,
        int, uint8_t *, int64_t *, int64_t *, int64_t *
    )
    int level_bits16(const int64_t *, size_t, unsigned, unsigned, uint16_t *)
    int level_bits32(const int64_t *, size_t, unsigned, unsigned, uint32_t *)
    void bit_levels16(const uint16_t *, size_t, unsigned *, int64_t *)
    void bit_levels32(const uint32_t *, size_t, unsigned *, int64_t *)

cdef extern from "labelcodec/codecs/topk/labels.h" nogil:
    ctypedef struct label_scratch:
        int64_t *last
        int64_t *previous
        int64_t *values
        int64_t *level
        uint16_t *contexts
        uint8_t *set_symbols
        uint8_t *value_symbols
        uint64_t *reciprocals
        int16_t *entries
        int16_t *ranks
        int32_t *members
        uint8_t *cells
    ctypedef struct level_cell:
        size_t size
        unsigned width, drop
    int BAD_SET, BAD_VALUES, BAD_ORDER
    size_t label_scratch_at(label_scratch *, uint8_t *, size_t, size_t, size_t)
    int labels_to "labels_decode"(
        c.rans_decoder *, c.bit_reader, const c.rans_tables *, c.rans_decoder *, c.bit_reader,
        const c.rans_tables *, const uint16_t *, c.rans_decoder *, size_t, size_t,
        const int64_t *, size_t, level_cell, label_scratch, uint8_t *, int64_t *
    )
    ctypedef struct extra_bits:
        uint8_t *bits
        size_t size
    void encode_to "labels_encode"(
        const int64_t *, const uint16_t *, const int16_t *, const int64_t *, const uint16_t *,
        size_t, size_t, const uint32_t *, size_t, const uint32_t *, size_t, unsigned, uint16_t *,
        int16_t *, int16_t *, uint64_t *, uint32_t **, extra_bits *, c.rans_part *
    )

MAX_K = 4096

c.rans_start()
class_set_start()


def largest(bits, size_t k, unsigned mantissa):
    """As `reference.largest`."""
    cdef size_t rows = bits.shape[0], classes = bits.shape[1], row
    if not 0 < k <= classes or classes > UINT32_MAX:
        raise ValueError(f"{k} of {classes} classes")
    cdef const uint8_t[::1] raw = np.ascontiguousarray(bits).reshape(-1).view(np.uint8)
    cdef uint32_t[::1] scratch = np.empty(4 * (classes + 8), np.uint32)
    cdef uint8_t[::1] flags = np.empty(classes + 8, np.uint8)
    cdef selection_scratch to
    cdef bint is_half = bits.itemsize == 2
    cdef uint32_t sign = 1 << 15 if is_half else <uint32_t>1 << 31
    cdef uint32_t exponent = sign - (<uint32_t>1 << mantissa), nonfinite = 0
    index, value = np.empty((rows, k), np.int64), np.empty((rows, k), bits.dtype)
    if not rows:
        return index, value, True
    keys = np.empty((rows, k), np.uint64)
    cdef uint64_t[:, ::1] chosen = keys
    cdef int64_t[:, ::1] index_out = index
    cdef uint8_t[::1] value_out = value.reshape(-1).view(np.uint8)
    to.keys, to.few = &scratch[0], &scratch[classes + 8]
    to.own, to.picked = &scratch[2 * (classes + 8)], &scratch[3 * (classes + 8)]
    to.flags, to.bound = &flags[0], 0
    with nogil:
        for row in range(rows):
            if is_half:
                nonfinite |= select_row16(
                    <const uint16_t *>&raw[0] + row * classes, classes, k, exponent, &to,
                    &chosen[row, 0],
                )
            else:
                nonfinite |= select_row32(
                    <const uint32_t *>&raw[0] + row * classes, classes, k, exponent, &to,
                    &chosen[row, 0],
                )
    keys.sort(axis=1)
    with nogil:
        if is_half:
            split_keys16(&chosen[0, 0], rows * k, &index_out[0, 0], <uint16_t *>&value_out[0])
        else:
            split_keys32(&chosen[0, 0], rows * k, &index_out[0, 0], <uint32_t *>&value_out[0])
    return index, value, not nonfinite


cdef int _check_below(const int64_t *numbers, size_t size, size_t count) except -1:
    """Classes and positions lie in 0..count - 1."""
    cdef uint64_t highest = 0
    cdef size_t i
    for i in range(size):
        highest = max(highest, <uint64_t>numbers[i])
    if highest >= count:
        raise ValueError(f"a class or position outside 0..{count - 1}")
    return 0


def rank_labels(position, index, levels, bint is_signed):
    """As `reference.rank_labels`."""
    cdef const int64_t[::1] positions = np.ascontiguousarray(position, np.int64)
    cdef const int64_t[:, ::1] classes = np.ascontiguousarray(index, np.int64)
    cdef const int64_t[:, ::1] level = np.ascontiguousarray(levels, np.int64)
    cdef size_t rows = classes.shape[0], k = classes.shape[1], count = positions.shape[0]
    if level.shape[0] != classes.shape[0] or level.shape[1] != classes.shape[1] or not level.size:
        raise ValueError("as many levels as classes are needed, at least one")
    if k > MAX_K:
        raise ValueError(f"more than {MAX_K} classes")
    _check_below(&classes[0, 0], rows * k, count)
    _check_below(&positions[0], count, count)
    gaps, values = np.empty((k, rows), np.int64), np.empty((k, rows), np.int64)
    contexts, ranks = np.empty((k, rows), np.uint16), np.empty((rows, k), np.int16)
    cdef int64_t[:, ::1] gap_out = gaps, value_out = values
    cdef uint16_t[:, ::1] context_out = contexts
    cdef int16_t[:, ::1] rank_out = ranks
    cdef uint64_t[::1] seen = np.zeros(count // 64 + 1, np.uint64)
    cdef uint16_t[::1] rank_of = np.empty(count, np.uint16)
    cdef int64_t[::1] tile = np.empty(2 * ROWS * k, np.int64)
    cdef ranking_facts facts
    with nogil:
        facts = rank_to(
            &positions[0], count, &classes[0, 0], &level[0, 0], rows, k, is_signed, &seen[0],
            &rank_of[0], &tile[0], &gap_out[0, 0], &context_out[0, 0], &rank_out[0, 0], &value_out[0, 0],
        )
    known = RankingFacts(
        bool(facts.repeated), bool(facts.rising), bool(facts.by_class), bool(facts.constant),
        facts.tied, facts.largest,
    )
    return gaps, contexts, ranks, values, known


def set_decode(states, words, const uint8_t[::1] bits, size_t rows, size_t k, order, lookup):
    """As `reference.set_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef c.bit_reader reader = c.reader_of(bits, 0)
    cdef const int64_t[::1] classes = np.ascontiguousarray(order, np.int64)
    cdef size_t count = classes.shape[0]
    if table.contexts < 17:
        raise ValueError("class sets need 17 contexts")
    members = np.zeros((rows, k), np.int64)
    if not members.size:
        return members, 1
    cdef int64_t[:, ::1] out = members
    cdef int64_t[::1] scratch = np.zeros(3 * rows, np.int64)
    cdef uint8_t[::1] symbols = np.empty(rows, np.uint8)
    cdef uint16_t[::1] contexts = np.empty(rows, np.uint16)
    cdef int32_t[::1] column = np.empty(rows, np.int32)
    cdef int status
    with nogil:
        status = set_to(
            &rans, reader, &table, rows, k, &classes[0], count, &scratch[0], &scratch[rows],
            &symbols[0], &contexts[0], &scratch[2 * rows], &column[0], &out[0, 0],
        )
    return members, status


def order_intervals(ranks, levels):
    """As `reference.order_intervals`."""
    cdef const int16_t[:, ::1] rank = np.ascontiguousarray(ranks, np.int16)
    cdef const int64_t[:, ::1] level = np.ascontiguousarray(levels, np.int64)
    cdef size_t rows = rank.shape[0], k = rank.shape[1]
    if level.shape[0] != rank.shape[0] or level.shape[1] != rank.shape[1] or not 0 < k <= MAX_K:
        raise ValueError(f"as many levels as ranks are needed, and at most {MAX_K}")
    if rows and (int(ranks.min()) < 0 or int(ranks.max()) >= k):
        raise ValueError(f"a rank outside 0..{k - 1}")
    cdef int64_t[::1] scratch = np.zeros(4 * k + 1, np.int64)
    cdef level_runs runs
    runs.head, runs.size, runs.tree = &scratch[0], &scratch[k], &scratch[2 * k]
    cdef uint64_t[::1] reciprocals = np.empty(k + 1, np.uint64)
    cdef int16_t[::1] by_rank = np.empty(2 * rows * k + 1, np.int16)
    intervals = np.empty(rows * k, np.uint32)
    cdef uint32_t[::1] out = intervals
    if rows:
        with nogil:
            intervals_to(
                &rank[0, 0], &level[0, 0], rows, k, runs, &scratch[3 * k + 1], &reciprocals[0],
                &by_rank[0], &by_rank[rows * k], &out[0],
            )
    return intervals


def order_decode(states, words, levels, members):
    """As `reference.order_decode`."""
    cdef c.rans_decoder rans
    c.decoder_open(&rans, states, words)
    cdef const int64_t[:, ::1] level = np.ascontiguousarray(levels, np.int64)
    cdef const int64_t[:, ::1] member = np.ascontiguousarray(members, np.int64)
    cdef size_t rows = level.shape[0], k = level.shape[1]
    if member.shape[0] != level.shape[0] or member.shape[1] != level.shape[1] or not 0 < k <= MAX_K:
        raise ValueError(f"as many levels as classes are needed, and at most {MAX_K}")
    index = np.zeros((rows, k), np.int64)
    if not rows:
        return index, 1
    cdef int64_t[:, ::1] out = index
    cdef int64_t[::1] scratch = np.zeros(3 * k + 1, np.int64)
    cdef level_runs runs
    runs.head, runs.size, runs.tree = &scratch[0], &scratch[k], &scratch[2 * k]
    cdef uint64_t[::1] reciprocals = np.empty(k + 1, np.uint64)
    cdef int16_t[::1] entries = np.empty(rows * k, np.int16), ranks = np.zeros(TILE * k, np.int16)
    cdef int status
    with nogil:
        status = order_to(
            &rans, &level[0, 0], &member[0, 0], rows, k, runs, &reciprocals[0], &entries[0],
            &ranks[0], &out[0, 0],
        )
    return index, status


def levels_decode(
    states, words, const uint8_t[::1] bits, contexts, size_t rows, bint is_signed, lookup
):
    """As `reference.levels_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef c.bit_reader reader = c.reader_of(bits, 0)
    cdef const uint16_t[::1] context = np.ascontiguousarray(contexts, np.uint16)
    cdef size_t k = context.shape[0]
    levels = np.zeros((rows, k), np.int64)
    if not levels.size:
        return levels, 1
    if int(contexts.max()) >= table.contexts:
        raise ValueError(f"a context outside 0..{table.contexts - 1}")
    cdef int64_t[:, ::1] out = levels
    cdef int64_t[::1] scratch = np.empty(2 * rows, np.int64)
    cdef uint8_t[::1] symbols = np.empty(rows, np.uint8)
    cdef int status
    with nogil:
        status = levels_to(
            &rans, reader, &table, &context[0], rows, k, is_signed, &symbols[0], &scratch[0],
            &scratch[rows], &out[0, 0],
        )
    return levels, status


def labels_decode(
    const uint8_t[::1] set_part, const uint8_t[::1] value_part, const uint8_t[::1] order_part,
    unsigned lanes, size_t rows, const int64_t[::1] order, const uint16_t[::1] contexts,
    set_lookup, value_lookup, dtype, unsigned drop,
):
    """As `reference.labels_decode`."""
    cdef c.rans_tables set_table, value_table
    cdef c.rans_decoder set_rans, value_rans, order_rans
    cdef c.bit_reader set_bits, value_bits
    cdef size_t k = contexts.shape[0], count = order.shape[0]
    index, values = np.empty((rows, k), np.int64), np.empty((rows, k), dtype)
    cdef size_t cell = values.itemsize
    c.tables_open(&set_table, set_lookup[0], set_lookup[1])
    c.tables_open(&value_table, value_lookup[0], value_lookup[1])
    if set_table.contexts < 17 or not 0 < k <= MAX_K or count >= 1 << 31:
        raise ValueError(f"class sets need 17 contexts, and 1..{MAX_K} classes")
    if not 0 < lanes <= c.MAX_LANES:
        raise ValueError(f"{lanes} rANS lanes, allowed are 1..{c.MAX_LANES}")
    if cell not in (2, 4, 8) or cell < 8 and drop >= 8 * cell:
        raise ValueError(f"values of {cell} bytes without {drop} bits")
    c.check_rows(&contexts[0], k, value_table.contexts)
    if not rows:
        return index, values, 1
    if c.coded_open(&set_rans, &set_bits, &set_part[0], set_part.shape[0], lanes):
        return index, values, BAD_SET
    if c.coded_open(&value_rans, &value_bits, &value_part[0], value_part.shape[0], lanes):
        return index, values, BAD_VALUES
    if c.rans_part_open(&order_rans, &order_part[0], order_part.shape[0], lanes):
        return index, values, BAD_ORDER
    cdef level_cell cells
    cells.size, cells.width, cells.drop = cell, 8 * <unsigned>cell - drop, drop
    cdef label_scratch to
    cdef uint8_t[::1] scratch = np.empty(label_scratch_at(&to, NULL, rows, k, cell), np.uint8)
    label_scratch_at(&to, &scratch[0], rows, k, cell)
    cdef int64_t[:, ::1] index_out = index
    cdef uint8_t[::1] value_out = values.reshape(-1).view(np.uint8)
    cdef int status
    with nogil:
        status = labels_to(
            &set_rans, set_bits, &set_table, &value_rans, value_bits, &value_table, &contexts[0],
            &order_rans, rows, k, &order[0], count, cells, to, &value_out[0], &index_out[0, 0],
        )
    return index, values, status


def labels_encode(
    const int64_t[:, ::1] gaps, const uint16_t[:, ::1] contexts, const int16_t[:, ::1] ranks,
    const int64_t[:, ::1] values, const uint16_t[::1] value_contexts,
    const uint32_t[:, ::1] set_packed, const uint32_t[:, ::1] value_packed, unsigned lanes,
):
    """As `reference.labels_encode`."""
    cdef Py_ssize_t k = gaps.shape[0], rows = gaps.shape[1], cells = k * rows
    if contexts.shape[0] != k or values.shape[0] != k or value_contexts.shape[0] != k:
        raise ValueError("gaps, values and contexts of different numbers of classes")
    if contexts.shape[1] != rows or values.shape[1] != rows or ranks.shape[0] != rows:
        raise ValueError("gaps, values and ranks of different numbers of labels")
    if ranks.shape[1] != k or not 0 < k <= MAX_K or not rows or not 0 < lanes <= c.MAX_LANES:
        raise ValueError(f"1..{MAX_K} classes are possible, and 1..{c.MAX_LANES} lanes")
    c.check_range(&gaps[0, 0], cells)
    c.check_range(&values[0, 0], cells)
    c.check_rows(&contexts[0, 0], cells, set_packed.shape[0])
    c.check_rows(&value_contexts[0], k, value_packed.shape[0])
    c.check_rows(<const uint16_t *>&ranks[0, 0], cells, k)
    cdef uint16_t[::1] narrow = np.empty(3 * cells, np.uint16)
    cdef uint32_t[:, ::1] wide = np.empty((3, cells), np.uint32)
    cdef uint64_t[::1] reciprocals = np.empty(k + 1, np.uint64)
    states, words = np.empty((3, lanes), np.uint32), np.empty((3, cells + 1), np.uint16)
    bits = np.empty((2, 5 * cells + c.PADDING), np.uint8)
    cdef uint32_t[:, ::1] state = states
    cdef uint16_t[:, ::1] word = words
    cdef uint8_t[:, ::1] bit = bits
    cdef uint32_t *intervals[3]
    cdef c.rans_part parts[3]
    cdef extra_bits extra[2]
    cdef Py_ssize_t i
    for i in range(3):
        intervals[i] = &wide[i, 0]
        parts[i].intervals, parts[i].words, parts[i].states = &wide[i, 0], &word[i, 0], &state[i, 0]
    for i in range(2):
        extra[i].bits = &bit[i, 0]
    with nogil:
        encode_to(
            &gaps[0, 0], &contexts[0, 0], &ranks[0, 0], &values[0, 0], &value_contexts[0], rows, k,
            &set_packed[0, 0], set_packed.shape[1], &value_packed[0, 0], value_packed.shape[1],
            lanes, &narrow[0], <int16_t *>&narrow[cells], <int16_t *>&narrow[2 * cells],
            &reciprocals[0], intervals, extra, parts,
        )
    return (
        (states[0], words[0, parts[0].first :], bits[0, : extra[0].size]),
        (states[1], words[1, parts[1].first :], bits[1, : extra[1].size]),
        (states[2], words[2, parts[2].first :]),
    )


def level_bits(levels, unsigned width, unsigned drop, dtype):
    """As `reference.level_bits`."""
    cdef const int64_t[:, ::1] level = np.ascontiguousarray(levels, np.int64)
    cdef size_t count = levels.size
    bits = np.zeros(levels.shape, dtype)
    cdef uint16_t[:, ::1] half
    cdef uint32_t[:, ::1] single
    if not 0 < width <= 8 * bits.itemsize - drop:
        raise ValueError(f"levels of {width} bits in values of {8 * bits.itemsize}")
    if not count:
        return bits, 0
    cdef int status
    if bits.itemsize == 2:
        half = bits
        with nogil:
            status = level_bits16(&level[0, 0], count, width, drop, &half[0, 0])
    else:
        single = bits
        with nogil:
            status = level_bits32(&level[0, 0], count, width, drop, &single[0, 0])
    return bits, status


def bit_levels(bits):
    """As `reference.bit_levels`."""
    cdef const uint16_t[:, ::1] half
    cdef const uint32_t[:, ::1] single
    cdef size_t count = bits.size
    cdef unsigned drop = 0
    levels = np.empty(bits.shape, np.int64)
    cdef int64_t[:, ::1] out = levels
    if count and bits.itemsize == 2:
        half = np.ascontiguousarray(bits)
        with nogil:
            bit_levels16(&half[0, 0], count, &drop, &out[0, 0])
    elif count:
        single = np.ascontiguousarray(bits)
        with nogil:
            bit_levels32(&single[0, 0], count, &drop, &out[0, 0])
    return levels, drop
