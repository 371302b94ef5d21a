/* Labels whose permutations take no account of ties: class set, values and permutation side by side.
 *
 * Reference: reference/labels.py, one part after the other.
 */
#ifndef LABELCODEC_LABELS_H
#define LABELCODEC_LABELS_H

#include "labelcodec/codecs/topk/class_set.h"
#include "labelcodec/codecs/topk/side_by_side.h"
#include "labelcodec/codecs/topk/values.h"

/* Scratch for B labels of k classes. */
typedef struct {
    int64_t *last, *previous, *values;    /* (B,) each */
    uint16_t *contexts;                   /* (B,) */
    uint8_t *set_symbols, *value_symbols; /* (B,) each */
    uint64_t *reciprocals;                /* (k + 1,) */
    int16_t *entries;                     /* (B, k) */
    int16_t *ranks;                       /* (k, TILE) zeroed */
    int64_t *members, *levels;            /* (k, B) each */
} label_scratch;

/* What was decoded column by column, to levels and classes by rank, both (B, k). */
static void labels_arrange(size_t rows, size_t k, label_scratch from, int64_t *restrict levels,
                           int64_t *restrict index) {
    for (size_t first = 0; first < rows; first += TILE) {
        const size_t count = rows - first < TILE ? rows - first : TILE;
        order_ranks(from.entries + first * k, count, k, from.ranks);
        for (size_t i = 0; i < k; i++) {
            const int64_t *member = from.members + i * rows + first;
            const int64_t *level = from.levels + i * rows + first;
            for (size_t row = 0; row < count; row++) {
                const size_t label = (first + row) * k;
                index[label + (size_t)from.ranks[i * TILE + row]] = member[row];
                levels[label + i] = level[row];
            }
        }
    }
}

/* Decode levels and classes by rank, both (B, k). order: (C,) class at each position;
 * value_contexts: (k,), below value_table->contexts. The decoders have the same number of lanes. */
static int labels_decode(rans_decoder *set, bit_reader set_bits, const rans_tables *set_table,
                         rans_decoder *value, bit_reader value_bits,
                         const rans_tables *value_table, const uint16_t *value_contexts,
                         rans_decoder *permutation, size_t rows, size_t k, const int64_t *order,
                         size_t classes, int is_signed, label_scratch to, int64_t *levels,
                         int64_t *index) {
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
            int status = block_decode(&block, count);
            if (status)
                return status;
        }
        if (token_values(&set_bits, to.set_symbols, rows, (uint32_t)set_table->symbols - 1,
                         to.values) ||
            set_step(i, rows, order, classes, to.values, to.last, to.previous, to.contexts,
                     to.members + i * rows, 1))
            return BAD_SET;
        if (token_values(&value_bits, to.value_symbols, rows,
                         (uint32_t)value_table->symbols - 1, to.values))
            return BAD_VALUES;
        levels_step(i, rows, is_signed, to.values, to.levels + i * rows - (i ? rows : 0),
                    to.levels + i * rows, 1);
    }
    if (!rans_closed(set) || !bits_finished(&set_bits))
        return BAD_SET;
    if (!rans_closed(value) || !bits_finished(&value_bits))
        return BAD_VALUES;
    if (!rans_closed(permutation))
        return BAD_ORDER;
    labels_arrange(rows, k, to, levels, index);
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
