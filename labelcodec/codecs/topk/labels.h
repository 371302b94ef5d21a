/* Labels whose permutations take no account of ties: class set, values and permutation side by side.
 *
 * Reference: reference/labels.py, one part after the other.
 */
#ifndef LABELCODEC_LABELS_H
#define LABELCODEC_LABELS_H

#include "labelcodec/codecs/topk/class_set.h"
#include "labelcodec/codecs/topk/side_by_side.h"
#include "labelcodec/codecs/topk/values.h"

enum { BAD_LEVEL = 4 }; /* status: a level that is wider than its type */

/* What a level becomes: itself, or, in cells of 2 or 4 bytes, the bits of a value (see values.h). */
typedef struct {
    size_t size; /* of a cell: 2, 4 or 8 bytes */
    unsigned width, drop;
} level_cell;

/* Scratch for B labels of k classes. */
typedef struct {
    int64_t *last, *previous, *values;    /* (B,) each */
    int64_t *level;                       /* (B,) */
    uint16_t *contexts;                   /* (B,) */
    uint8_t *set_symbols, *value_symbols; /* (B,) each */
    uint64_t *reciprocals;                /* (k + 1,) */
    int16_t *entries;                     /* (B, k) */
    int16_t *ranks;                       /* (k, TILE) */
    int32_t *members;                     /* (k, B) */
    uint8_t *cells;                       /* (k, B) cells */
} label_scratch;

INLINED void *scratch_take(uint8_t *memory, size_t *at, size_t size) {
    uint8_t *own = memory ? memory + *at : NULL;
    *at += (size + 7) & ~(size_t)7;
    return own;
}

/* Divide memory, aligned to 8 bytes, to scratch; returns its size. Without memory only that. */
static size_t label_scratch_at(label_scratch *to, uint8_t *memory, size_t rows, size_t k,
                               size_t cell) {
    size_t at = 0;
    to->last = (int64_t *)scratch_take(memory, &at, 8 * rows);
    to->previous = (int64_t *)scratch_take(memory, &at, 8 * rows);
    to->values = (int64_t *)scratch_take(memory, &at, 8 * rows);
    to->level = (int64_t *)scratch_take(memory, &at, 8 * rows);
    to->contexts = (uint16_t *)scratch_take(memory, &at, 2 * rows);
    to->set_symbols = (uint8_t *)scratch_take(memory, &at, rows);
    to->value_symbols = (uint8_t *)scratch_take(memory, &at, rows);
    to->reciprocals = (uint64_t *)scratch_take(memory, &at, 8 * (k + 1));
    to->entries = (int16_t *)scratch_take(memory, &at, 2 * rows * k);
    to->ranks = (int16_t *)scratch_take(memory, &at, 2 * TILE * k);
    to->members = (int32_t *)scratch_take(memory, &at, 4 * rows * k);
    to->cells = (uint8_t *)scratch_take(memory, &at, cell * rows * k);
    return at;
}

/* Cells of (B,) levels; MALFORMED if one is too wide. */
INLINED int cells_of(const int64_t *level, size_t rows, level_cell cell, uint8_t *cells) {
    if (cell.size == 2)
        return level_bits16(level, rows, cell.width, cell.drop, (uint16_t *)(void *)cells);
    if (cell.size == 4)
        return level_bits32(level, rows, cell.width, cell.drop, (uint32_t *)(void *)cells);
    memcpy(cells, level, 8 * rows);
    return GOOD;
}

/* Columns (k, count) of cells, rows * size bytes apart, to rows (count, k). */
INLINED void cells_turned(const uint8_t *restrict cells, size_t rows, size_t count, size_t k,
                        size_t size, uint8_t *restrict to) {
    for (size_t i = 0; i < k; i++)
        for (size_t row = 0; row < count; row++)
            memcpy(to + (row * k + i) * size, cells + (i * rows + row) * size, size);
}

SEPARATE void cells_turn(const uint8_t *cells, size_t rows, size_t count, size_t k, size_t size,
                         uint8_t *to) {
    if (size == 2)
        cells_turned(cells, rows, count, k, 2, to);
    else if (size == 4)
        cells_turned(cells, rows, count, k, 4, to);
    else
        cells_turned(cells, rows, count, k, 8, to);
}

/* Columns (k, count) of members, `rows` apart, to their ranks in rows (count, k). */
SEPARATE void members_place(const int32_t *restrict members, const int16_t *restrict ranks,
                            size_t rows, size_t count, size_t k, int64_t *restrict index) {
    for (size_t i = 0; i < k; i++)
        for (size_t row = 0; row < count; row++)
            index[row * k + (size_t)ranks[i * TILE + row]] = members[i * rows + row];
}

/* What was decoded column by column, to values and classes by rank, both (B, k). */
static void labels_arrange(size_t rows, size_t k, size_t cell, label_scratch from,
                           uint8_t *values, int64_t *index) {
    memset(from.ranks, 0, k * TILE * sizeof *from.ranks);
    for (size_t first = 0; first < rows; first += TILE) {
        const size_t count = rows - first < TILE ? rows - first : TILE;
        order_ranks(from.entries + first * k, count, k, from.ranks);
        members_place(from.members + first, from.ranks, rows, count, k, index + first * k);
        cells_turn(from.cells + first * cell, rows, count, k, cell, values + first * k * cell);
    }
}

/* Decode values and classes by rank, both (B, k). order: (C,) class at each position, below 2^31;
 * value_contexts: (k,), below value_table->contexts. The decoders have the same number of lanes.
 * First levels are zigzag-mapped where levels are not bits. */
static int labels_decode(rans_decoder *set, bit_reader set_bits, const rans_tables *set_table,
                         rans_decoder *value, bit_reader value_bits,
                         const rans_tables *value_table, const uint16_t *value_contexts,
                         rans_decoder *permutation, size_t rows, size_t k, const int64_t *order,
                         size_t classes, level_cell cell, label_scratch to, uint8_t *values,
                         int64_t *index) {
    int wide = 0;
    symbol_block block = {{set, value, permutation}, set_table, value_table};
    block.reciprocals = to.reciprocals;
    block.k = block.left = (uint32_t)k;
    order_reciprocals(k, to.reciprocals);
    set_start(rows, to.last, to.contexts);
    for (size_t i = 0; i < k; i++) {
        block.context = value_contexts[i];
        for (size_t first = 0; first < rows; first += PADDED) {
            size_t count = rows - first < PADDED ? rows - first : PADDED;
            block.contexts = to.contexts + first;
            block.set_symbols = to.set_symbols + first;
            block.value_symbols = to.value_symbols + first;
            block.entries = to.entries + i * rows + first;
            int bad = block_decode(&block, count);
            if (bad)
                return bad;
        }
        if (token_values(&set_bits, to.set_symbols, rows, (uint32_t)set_table->symbols - 1,
                         to.values) ||
            set_step(i, rows, order, classes, to.values, to.last, to.previous, to.contexts,
                     to.members + i * rows))
            return BAD_SET;
        if (token_values(&value_bits, to.value_symbols, rows,
                         (uint32_t)value_table->symbols - 1, to.values))
            return BAD_VALUES;
        levels_step(i, rows, cell.size == 8, to.values, to.level);
        wide |= cells_of(to.level, rows, cell, to.cells + i * rows * cell.size);
    }
    if (!rans_closed(set) || !bits_finished(&set_bits))
        return BAD_SET;
    if (!rans_closed(value) || !bits_finished(&value_bits))
        return BAD_VALUES;
    if (!rans_closed(permutation))
        return BAD_ORDER;
    if (wide)
        return BAD_LEVEL;
    labels_arrange(rows, k, cell.size, to, values, index);
    return GOOD;
}

/* ---- Encoding ------------------------------------------------------------------------------ */

/* Extra bits of a part, with room for 37 bits a value and 16 bytes, and their size in bytes. */
typedef struct {
    uint8_t *bits;
    size_t size;
} extra_bits;

/* Encode what `rank_labels` made of B labels to the parts of the class sets, the values and the
 * permutations, in this order.
 *
 * gaps, contexts, values: (k, B); ranks: (B, k); value_contexts: (k,). parts[i].intervals are those
 * in intervals[i], (B * k,) scratch. repeated: (k, B) scratch; rank, entries: (k, B) scratch;
 * reciprocals: (k + 1,) scratch. */
static void labels_encode(const int64_t *gaps, const uint16_t *contexts, const int16_t *ranks,
                          const int64_t *values, const uint16_t *value_contexts, size_t rows,
                          size_t k, const uint32_t *set_packed, size_t set_symbols,
                          const uint32_t *value_packed, size_t value_symbols, unsigned lanes,
                          uint16_t *repeated, int16_t *rank, int16_t *entries,
                          uint64_t *reciprocals, uint32_t *const intervals[3],
                          extra_bits extra[2], rans_part parts[3]) {
    const level_runs no_runs = {0, 0, NULL, NULL, NULL};
    for (size_t i = 0; i < k; i++)
        for (size_t row = 0; row < rows; row++)
            repeated[i * rows + row] = value_contexts[i];
    extra[0].size = value_intervals(gaps, contexts, rows * k, set_packed, set_symbols,
                                    intervals[0], extra[0].bits);
    extra[1].size = value_intervals(values, repeated, rows * k, value_packed, value_symbols,
                                    intervals[1], extra[1].bits);
    order_intervals(ranks, NULL, rows, k, no_runs, NULL, reciprocals, rank, entries, intervals[2]);
    rans_encode_three(parts, rows * k, lanes);
}

#endif
