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

/* Context of a gap: the half-octave of the two preceding gaps' sum, plus 1. */
INLINED uint16_t gap_context(uint32_t total) { /* total: 1 .. 2^31, the sum + 1 */
    unsigned high = highest_bit(total);
    unsigned half = high ? total >> (high - 1) & 1 : 0, context = 2 * high + half;
    return (uint16_t)(context > GAP_CONTEXTS ? GAP_CONTEXTS : context);
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

/* Class set, permutation and falls of B labels.
 *
 * position: (C,) position of each class; index: (B, k) classes, each below C; levels: (B, k).
 * seen: (C / 64 + 1,) zeroed scratch, zero again afterwards; rank_of: (C,) scratch.
 * gaps, contexts, values: (k, B); ranks: (B, k). A first level is zigzag-mapped if `is_signed`. */
static ranking_facts rank_labels(const int64_t *position, size_t classes, const int64_t *index,
                                 const int64_t *levels, size_t rows, size_t k, int is_signed,
                                 uint64_t *seen, uint16_t *rank_of, int64_t *gaps,
                                 uint16_t *contexts, int16_t *ranks, int64_t *values) {
    ranking_facts facts = {0, 0, 1, 1, 0, 0};
    for (size_t row = 0; row < rows; row++, index += k, levels += k, ranks += k) {
        for (size_t i = 0; i < k; i++) {
            uint64_t own = (uint64_t)position[index[i]];
            facts.repeated |= (int)(seen[own >> 6] >> (own & 63) & 1);
            seen[own >> 6] |= (uint64_t)1 << (own & 63);
            rank_of[own] = (uint16_t)i;
            int64_t level = levels[i], size = level < 0 ? -level : level;
            facts.largest = size > facts.largest ? size : facts.largest;
            facts.constant &= level == levels[0];
            if (i) {
                int64_t fall = levels[i - 1] - level;
                facts.rising |= fall < 0;
                facts.tied += fall == 0;
                facts.by_class &= fall != 0 || index[i] > index[i - 1];
                values[i * rows + row] = fall;
            } else {
                values[row] = !is_signed ? level : level >= 0 ? 2 * level : -2 * level - 1;
            }
        }
        size_t i = 0;
        int64_t last = -1, previous = 0, before = 0;
        for (size_t word = 0; word <= classes / 64; word++) {
            uint64_t bits = seen[word];
            seen[word] = 0;
            while (bits) {
                int64_t own = (int64_t)(64 * word + lowest_bit(bits));
                bits &= bits - 1;
                int64_t gap = own - last - 1;
                ranks[i] = (int16_t)rank_of[own];
                gaps[i * rows + row] = gap;
                contexts[i * rows + row] =
                    i ? gap_context((uint32_t)(previous + (i > 1 ? before : previous) + 1))
                      : FIRST_GAP;
                before = previous;
                previous = gap;
                last = own;
                i++;
            }
        }
        for (; i < k; i++) { /* only where a class is repeated: the result is not used */
            ranks[i] = 0;
            gaps[i * rows + row] = contexts[i * rows + row] = 0;
        }
        facts.constant &= levels[0] == levels[-(ptrdiff_t)(row * k)];
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

/* The i-th members, into column i of (B, k), and the contexts of the next gaps. values: (B,) gaps;
 * order: (C,) class at each position. MALFORMED if a position is past the last class. */
INLINED int set_step(size_t i, size_t rows, size_t k, const int64_t *order, size_t classes,
                     const int64_t *values, int64_t *last, int64_t *previous, int64_t *before,
                     uint16_t *contexts, int64_t *members) {
    int64_t highest = 0;
    for (size_t row = 0; row < rows; row++) {
        int64_t own = last[row] + values[row] + 1;
        highest = own > highest ? own : highest;
        last[row] = own;
        before[row] = i ? previous[row] : values[row];
        previous[row] = values[row];
    }
    if (highest >= (int64_t)classes)
        return MALFORMED;
    for (size_t row = 0; row < rows; row++) {
        members[row * k + i] = order[last[row]];
        contexts[row] = gap_context((uint32_t)(previous[row] + before[row] + 1));
    }
    return GOOD;
}

/* Decode class sets to classes in order of position, (B, k).
 *
 * order: (C,) class at each position. last, previous, before: (B,) scratch; symbols, contexts,
 * values: (B,) scratch. */
static int set_decode(rans_decoder *rans, bit_reader bits, const rans_tables *table, size_t rows,
                      size_t k, const int64_t *order, size_t classes, int64_t *last,
                      int64_t *previous, int64_t *before, uint8_t *symbols, uint16_t *contexts,
                      int64_t *values, int64_t *members) {
    set_start(rows, last, contexts);
    for (size_t i = 0; i < k; i++)
        if (rans_symbols(rans, table, contexts, 0, rows, symbols) ||
            token_values(&bits, symbols, rows, (uint32_t)table->symbols - 1, values) ||
            set_step(i, rows, k, order, classes, values, last, previous, before, contexts,
                     members))
            return MALFORMED;
    return rans_closed(rans) && bits_finished(&bits) ? GOOD : MALFORMED;
}

#endif
