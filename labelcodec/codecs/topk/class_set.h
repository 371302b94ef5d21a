/* Class sets: gaps between the positions of the kept classes (SPEC, section 8.2).
 *
 * The i-th gaps of all B labels are coded together, each in a context of its two predecessors.
 * Reference: reference/class_set.py.
 */
#ifndef LABELCODEC_CLASS_SET_H
#define LABELCODEC_CLASS_SET_H

#include "labelcodec/entropy/rans.h"

#define FIRST_GAP 16 /* context of a label's first gap */
#define GAP_CONTEXTS 15

/* Contexts of gaps by the sum of their two predecessors, up to the first with the last context. */
#define SUMS 256
static uint16_t context_of_sum[SUMS];

/* The half-octave of a sum plus 1. */
static void class_set_start(void) {
    for (uint32_t sum = 0; sum < SUMS; sum++) {
        unsigned high = highest_bit(sum + 1), half = high ? (sum + 1) >> (high - 1) & 1 : 0;
        unsigned context = 2 * high + half;
        context_of_sum[sum] = (uint16_t)(context > GAP_CONTEXTS ? GAP_CONTEXTS : context);
    }
}

INLINED uint16_t gap_context(uint32_t sum) { /* sum: 0 .. 2^31 - 1 */
    return context_of_sum[sum < SUMS ? sum : SUMS - 1];
}

/* What the encoder finds out about a batch. */
typedef struct {
    int repeated;    /* a class occurs twice in a label */
    int rising;      /* a level is above its predecessor */
    int by_class;    /* classes ascend wherever levels are equal */
    int constant;    /* all levels are equal */
    size_t tied;     /* levels that equal their predecessor */
    int64_t largest; /* magnitude of a level */
} ranking_facts;

/* Levels (k,) of a label to a first value, zigzag-mapped if `is_signed`, and falls. */
VECTORISED static void row_falls(const int64_t *index, const int64_t *levels, size_t k,
                                 int is_signed, ranking_facts *facts, int64_t *restrict values) {
    int64_t first = levels[0], rising = 0, out_of_order = 0, tied = 0, differs = 0;
    int64_t highest = 0, lowest = 0;
    values[0] = !is_signed ? first : first >= 0 ? 2 * first : -2 * first - 1;
    for (size_t i = 1; i < k; i++) {
        int64_t fall = levels[i - 1] - levels[i];
        values[i] = fall;
        rising |= fall < 0;
        differs |= fall;
        tied += fall == 0;
        out_of_order |= (fall == 0) & (index[i] <= index[i - 1]);
    }
    for (size_t i = 0; i < k; i++) {
        highest = levels[i] > highest ? levels[i] : highest;
        lowest = levels[i] < lowest ? levels[i] : lowest;
    }
    facts->rising |= rising != 0;
    facts->by_class &= !out_of_order;
    facts->constant &= !differs;
    facts->tied += (size_t)tied;
    facts->largest = highest > facts->largest ? highest : facts->largest;
    facts->largest = -lowest > facts->largest ? -lowest : facts->largest;
}

/* Classes (k,) of a label to gaps between their sorted positions and ranks; returns whether a class
 * occurs twice, which leaves the last gaps and ranks 0. */
SEPARATE int row_gaps(const int64_t *position, size_t classes, const int64_t *index, size_t k,
                    uint64_t *seen, uint16_t *rank_of, int64_t *restrict gaps,
                    int16_t *restrict ranks) {
    uint64_t repeated = 0;
    size_t count = 0;
    int64_t next = 0;
    for (size_t i = 0; i < k; i++) {
        uint64_t own = (uint64_t)position[index[i]], flag = (uint64_t)1 << (own & 63);
        repeated |= seen[own >> 6] & flag;
        seen[own >> 6] |= flag;
        rank_of[own] = (uint16_t)i;
    }
    for (size_t word = 0; word <= classes / 64; word++) {
        for (uint64_t bits = seen[word]; bits; bits &= bits - 1) {
            int64_t own = (int64_t)(64 * word + lowest_bit(bits));
            gaps[count] = own - next;
            ranks[count++] = (int16_t)rank_of[own];
            next = own + 1;
        }
        seen[word] = 0;
    }
    for (; count < k; count++)
        gaps[count] = ranks[count] = 0;
    return repeated != 0;
}

/* Class set, permutation and falls of B labels.
 *
 * position: (C,) position of each class; index: (B, k) classes, each below C; levels: (B, k).
 * seen: (C / 64 + 1,) zeroed scratch, zero again afterwards; rank_of: (C,) scratch; tile:
 * (2, ROWS, k) scratch. gaps, contexts, values: (k, B); ranks: (B, k). */
#define ROWS 16 /* labels that are transposed together */
static ranking_facts rank_labels(const int64_t *position, size_t classes, const int64_t *index,
                                 const int64_t *levels, size_t rows, size_t k, int is_signed,
                                 uint64_t *seen, uint16_t *rank_of, int64_t *tile, int64_t *gaps,
                                 uint16_t *contexts, int16_t *ranks, int64_t *values) {
    ranking_facts facts = {0, 0, 1, 1, 0, 0};
    int64_t *tile_values = tile + ROWS * k;
    for (size_t first = 0; first < rows; first += ROWS) {
        size_t count = rows - first < ROWS ? rows - first : ROWS;
        for (size_t row = 0; row < count; row++) {
            const size_t at = (first + row) * k;
            row_falls(index + at, levels + at, k, is_signed, &facts, tile_values + row * k);
            facts.constant &= levels[at] == levels[0];
            facts.repeated |= row_gaps(position, classes, index + at, k, seen, rank_of,
                                       tile + row * k, ranks + at);
        }
        for (size_t i = 0; i < k; i++)
            for (size_t row = 0; row < count; row++) {
                gaps[i * rows + first + row] = tile[row * k + i];
                values[i * rows + first + row] = tile_values[row * k + i];
            }
    }
    for (size_t row = 0; row < rows; row++)
        contexts[row] = FIRST_GAP;
    for (size_t i = 1; i < k; i++) {
        const int64_t *previous = gaps + (i - 1) * rows, *before = i > 1 ? previous - rows : previous;
        for (size_t row = 0; row < rows; row++)
            contexts[i * rows + row] = gap_context((uint32_t)(previous[row] + before[row]));
    }
    return facts;
}

/* Begin to decode class sets: no position yet, and the context of the first gap. */
static void set_start(size_t rows, int64_t *last, uint16_t *contexts) {
    for (size_t row = 0; row < rows; row++) {
        last[row] = -1;
        contexts[row] = FIRST_GAP;
    }
}

/* The i-th members and the contexts of the next gaps. values: (B,) gaps; order: (C,) class at each
 * position, below 2^31. MALFORMED if a position is past the last class. */
VECTORISED static int set_step(size_t i, size_t rows, const int64_t *order, size_t classes,
                               const int64_t *restrict values, int64_t *restrict last,
                               int64_t *restrict previous, uint16_t *restrict contexts,
                               int32_t *restrict members) {
    int64_t outside = 0; /* negative if a position is past the last class */
    for (size_t row = 0; row < rows; row++) {
        last[row] += values[row] + 1;
        outside |= (int64_t)classes - 1 - last[row];
        previous[row] = i ? previous[row] : values[row];
    }
    if (outside < 0)
        return MALFORMED;
    for (size_t row = 0; row < rows; row++) {
        members[row] = (int32_t)order[last[row]];
        contexts[row] = gap_context((uint32_t)(values[row] + previous[row]));
    }
    memcpy(previous, values, rows * sizeof *previous);
    return GOOD;
}

/* Decode class sets to classes in order of position, (B, k).
 *
 * order: (C,) class at each position. last, previous: (B,) scratch; symbols, contexts, values,
 * column: (B,) scratch. */
static int set_decode(rans_decoder *rans, bit_reader bits, const rans_tables *table, size_t rows,
                      size_t k, const int64_t *order, size_t classes, int64_t *last,
                      int64_t *previous, uint8_t *symbols, uint16_t *contexts, int64_t *values,
                      int32_t *column, int64_t *members) {
    set_start(rows, last, contexts);
    for (size_t i = 0; i < k; i++) {
        if (rans_symbols(rans, table, contexts, 0, rows, symbols) ||
            token_values(&bits, symbols, rows, (uint32_t)table->symbols - 1, values) ||
            set_step(i, rows, order, classes, values, last, previous, contexts, column))
            return MALFORMED;
        for (size_t row = 0; row < rows; row++)
            members[row * k + i] = column[row];
    }
    return rans_closed(rans) && bits_finished(&bits) ? GOOD : MALFORMED;
}

#endif
