/* Labels whose permutations take no account of ties: class set, values and permutation side by side.
 *
 * A part of few symbols has few rANS lanes, so each symbol waits for the one before it. The three
 * parts do not depend on each other: a symbol of each in turn keeps the processor busy.
 * Reference: reference/labels.py, one part after the other.
 */
#ifndef LABELCODEC_LABELS_H
#define LABELCODEC_LABELS_H

#include "labelcodec/codecs/topk/class_set.h"
#include "labelcodec/codecs/topk/permutation.h"
#include "labelcodec/codecs/topk/values.h"

enum { BAD_SET = 1, BAD_VALUES = 2, BAD_ORDER = 3 }; /* statuses: which part is malformed */

/* Where the permutations' decoder stands: label and member, and the entries (k, B) it fills. */
typedef struct {
    size_t row, member, rows, k;
    const uint64_t *reciprocals;
    int16_t *entries;
} order_cursor;

/* `count` symbols of each part, at most PADDED. contexts: (count,) of the class set; `context` of
 * the values. Returns the status. */
SEPARATE int three_symbols(rans_decoder *set, const rans_tables *set_table,
                           const uint16_t *restrict contexts, rans_decoder *value,
                           const rans_tables *value_table, size_t context, rans_decoder *order,
                           order_cursor *cursor, size_t count, uint8_t *restrict set_symbols,
                           uint8_t *restrict value_symbols) {
    uint16_t set_buffer[PADDED + BEHIND], value_buffer[PADDED + BEHIND], order_buffer[PADDED + BEHIND];
    const uint16_t *set_words = rans_padded(set, count, set_buffer);
    const uint16_t *value_words = rans_padded(value, count, value_buffer);
    const uint16_t *order_words = rans_padded(order, count, order_buffer);
    const rans_tables first = *set_table, second = *value_table;
    const unsigned lanes = set->lanes; /* the parts have as many symbols, and so as many lanes */
    uint32_t set_state[MAX_LANES], value_state[MAX_LANES], order_state[MAX_LANES];
    size_t set_read = 0, value_read = 0, order_read = 0;
    unsigned lane = set->lane;
    order_cursor at = *cursor;
    memcpy(set_state, set->state, lanes * sizeof *set_state);
    memcpy(value_state, value->state, lanes * sizeof *value_state);
    memcpy(order_state, order->state, lanes * sizeof *order_state);
    for (size_t i = 0; i < count; i++) {
        set_symbols[i] =
            (uint8_t)rans_symbol(&set_state[lane], &first, contexts[i], set_words, &set_read);
        value_symbols[i] =
            (uint8_t)rans_symbol(&value_state[lane], &second, context, value_words, &value_read);
        uint32_t slot = order_state[lane] & (SLOTS - 1), left = (uint32_t)(at.k - at.member);
        uint32_t low = ((slot + 1) * left - 1) >> SLOT_BITS;
        uint32_t start = order_bound(low, at.reciprocals[left]);
        uint32_t end = order_bound(low + 1, at.reciprocals[left]);
        rans_advance(&order_state[lane], slot, start, end - start, order_words, &order_read);
        at.entries[at.member * at.rows + at.row] = (int16_t)low;
        at.member++;
        size_t next = at.member == at.k;
        at.row += next;
        at.member = next ? 0 : at.member;
        lane = lane + 1 == lanes ? 0 : lane + 1;
    }
    if (set_read > set->count - set->read)
        return BAD_SET;
    if (value_read > value->count - value->read)
        return BAD_VALUES;
    if (order_read > order->count - order->read)
        return BAD_ORDER;
    set->read += set_read;
    value->read += value_read;
    order->read += order_read;
    memcpy(set->state, set_state, lanes * sizeof *set_state);
    memcpy(value->state, value_state, lanes * sizeof *value_state);
    memcpy(order->state, order_state, lanes * sizeof *order_state);
    set->lane = value->lane = order->lane = lane;
    *cursor = at;
    return GOOD;
}

/* Scratch for B labels of k classes. */
typedef struct {
    int64_t *last, *previous, *before, *values; /* (B,) each */
    uint16_t *contexts;                         /* (B,) */
    uint8_t *set_symbols, *value_symbols;       /* (B,) each */
    uint64_t *reciprocals;                      /* (k + 1,) */
    int16_t *entries;                           /* (k, B) */
    int64_t *members;                           /* (B, k) */
} label_scratch;

/* Decode levels and classes by rank, both (B, k). order: (C,) class at each position;
 * value_contexts: (k,), below value_table->contexts. The decoders have the same number of lanes. */
static int labels_decode(rans_decoder *set, bit_reader set_bits, const rans_tables *set_table,
                         rans_decoder *value, bit_reader value_bits,
                         const rans_tables *value_table, const uint16_t *value_contexts,
                         rans_decoder *permutation, size_t rows, size_t k, const int64_t *order,
                         size_t classes, int is_signed, label_scratch to, int64_t *levels,
                         int64_t *index) {
    order_cursor cursor = {0, 0, rows, k, to.reciprocals, to.entries};
    order_reciprocals(k, to.reciprocals);
    set_start(rows, to.last, to.contexts);
    for (size_t i = 0; i < k; i++) {
        for (size_t first = 0; first < rows; first += PADDED) {
            size_t block = rows - first < PADDED ? rows - first : PADDED;
            int status = three_symbols(set, set_table, to.contexts + first, value, value_table,
                                       value_contexts[i], permutation, &cursor, block,
                                       to.set_symbols + first, to.value_symbols + first);
            if (status)
                return status;
        }
        if (token_values(&set_bits, to.set_symbols, rows, (uint32_t)set_table->symbols - 1,
                         to.values) ||
            set_step(i, rows, k, order, classes, to.values, to.last, to.previous, to.before,
                     to.contexts, to.members))
            return BAD_SET;
        if (token_values(&value_bits, to.value_symbols, rows,
                         (uint32_t)value_table->symbols - 1, to.values))
            return BAD_VALUES;
        levels_step(i, rows, k, is_signed, to.values, levels);
    }
    if (!rans_closed(set) || !bits_finished(&set_bits))
        return BAD_SET;
    if (!rans_closed(value) || !bits_finished(&value_bits))
        return BAD_VALUES;
    if (!rans_closed(permutation))
        return BAD_ORDER;
    order_ranks(to.entries, rows, k);
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < k; i++)
            index[row * k + (size_t)to.entries[i * rows + row]] = to.members[row * k + i];
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
