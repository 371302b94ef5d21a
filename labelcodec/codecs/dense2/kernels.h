/* The dense2 codec's inner loops (SPEC, section 14). Reference: reference.py.
 *
 * A label's prediction is a sum of basis columns; values are cut into cells, the offset of a value's
 * cell from the predicted one is a symbol, and bits below a cell's width are packed. All labels, and
 * the classes of each, are coded in order.
 * Invariants, checked on loading: |weight| <= 32767, |entry| <= 128, at most 64 of them, and
 * |mean| <= 2^29, so that predictions stay below 2^30; |first| <= 2^20; 1 <= edge < top.
 */
#ifndef LABELCODEC_DENSE2_H
#define LABELCODEC_DENSE2_H

#include "labelcodec/entropy/rans.h"

#define MAX_OCTAVE 20
#define MAX_GAP 16
#define MOST_HALVES 4097 /* predictions beyond this many half cells share the outer contexts */

typedef struct {
    const int16_t *basis;      /* (C, rank) entries, rank padded with zeros to a multiple of 16 */
    const int32_t *mean;       /* (C,) */
    const uint8_t *context_of; /* context of -MOST_HALVES..MOST_HALVES half cells */
    size_t classes, rank;
    unsigned shift, mantissa, sign; /* sign: position of the sign bit */
    int32_t edge, top, first;
    unsigned drop;
} dense2_model;

/* Predicted cells and contexts of one label; weights: (rank,). */
VECTORISED static void dense2_predict(const dense2_model *model, const int16_t *restrict weights,
                                      int32_t *restrict cells, uint16_t *restrict contexts) {
    const size_t rank = model->rank;
    const unsigned shift = model->shift;
    for (size_t c = 0; c < model->classes; c++) {
        const int16_t *entry = model->basis + c * rank;
        int32_t units = 0;
        for (size_t j = 0; j < rank; j++)
            units += (int32_t)weights[j] * entry[j];
        cells[c] = units + model->mean[c];
    }
    for (size_t c = 0; c < model->classes; c++) {
        int32_t half = cells[c] >> (shift - 1);
        half = half < -MOST_HALVES ? -MOST_HALVES : half > MOST_HALVES ? MOST_HALVES : half;
        contexts[c] = model->context_of[half + MOST_HALVES];
        cells[c] >>= shift;
    }
}

/* Number of low bits of a value in this octave. */
INLINED unsigned dense2_width(const dense2_model *model, int octave) {
    int width = (int)(model->mantissa - model->drop) - (octave > 0 ? octave : 0);
    return width > 0 ? (unsigned)width : 0;
}

/* Octave and cell of a value; returns whether a symbol can describe it. */
INLINED int dense2_cell(const dense2_model *model, uint32_t value, int *octave, int32_t *cell) {
    uint32_t fraction = ((uint32_t)1 << model->mantissa) - 1, number = 0;
    int32_t field = (int32_t)(value >> model->mantissa & (uint32_t)(model->top));
    int above = field - model->edge;
    *octave = above;
    if (field == 0 || field == model->top || above > MAX_OCTAVE || above < -MAX_GAP)
        return 0;
    if (above >= 0)
        number = (uint32_t)((uint64_t)((value & fraction) | (fraction + 1)) << above >> model->mantissa);
    *cell = (int32_t)number ^ -(int32_t)(value >> model->sign & 1);
    return 1;
}

/* Symbol of a value whose predicted cell is `cell`; the escape is the last of `symbols`. */
INLINED uint32_t dense2_symbol(const dense2_model *model, uint32_t value, int32_t predicted,
                               uint32_t symbols, int *octave) {
    int32_t cell;
    if (value == 0)
        return 0;
    if (!dense2_cell(model, value, octave, &cell))
        return symbols - 1;
    uint32_t offset = (uint32_t)(cell - predicted - model->first); /* below 2^31 in magnitude */
    return offset < symbols - 2 ? offset + 1 : symbols - 1;
}

/* Where an encoder writes to; gaps and low have 16 bytes of room behind 16 and 23 bits a value. */
typedef struct {
    uint32_t *intervals; /* (B * C,) */
    uint32_t *escapes;   /* (B * C,) */
    bit_writer gaps, low;
    size_t escaped;
    uint64_t gap_bits, low_bits;
} dense2_output;

/* Encode one label, up to its intervals. values: (C,) bits. */
static void dense2_encode(const dense2_model *model, const uint32_t *restrict values,
                          const int32_t *restrict cells, const uint16_t *restrict contexts,
                          const uint32_t *restrict packed, uint32_t symbols, dense2_output *out) {
    const uint32_t escape = symbols - 1;
    dense2_output to = *out;
    for (size_t c = 0; c < model->classes; c++) {
        int octave = 0;
        uint32_t symbol = dense2_symbol(model, values[c], cells[c], symbols, &octave);
        uint32_t interval = packed[contexts[c] * (size_t)symbols + symbol];
        if (UNLIKELY(symbol == escape || !(interval & 0xFFFF))) {
            interval = packed[contexts[c] * (size_t)symbols + escape];
            to.escapes[to.escaped++] = values[c];
        } else if (symbol != 0) {
            unsigned width = dense2_width(model, octave);
            bits_put(&to.low, values[c] >> model->drop, width);
            to.low_bits += width;
            if (octave < 0) {
                bits_put(&to.gaps, (uint64_t)1 << (-octave - 1), (unsigned)-octave);
                to.gap_bits += (unsigned)-octave;
            }
        }
        *to.intervals++ = interval;
    }
    *out = to;
}

/* Add one label's symbols to counts: (K, S). An escaped value counts as the symbol of its offset. */
static void dense2_count(const dense2_model *model, const uint32_t *values, const int32_t *cells,
                         const uint16_t *contexts, const uint8_t *coded, uint32_t symbols,
                         int64_t *counts) {
    for (size_t c = 0; c < model->classes; c++) {
        int octave;
        uint32_t symbol = coded[c];
        if (UNLIKELY(symbol == symbols - 1))
            symbol = dense2_symbol(model, values[c], cells[c], symbols, &octave);
        counts[contexts[c] * (size_t)symbols + symbol]++;
    }
}

/* What a decoder reads beside the symbols. */
typedef struct {
    const uint32_t *escapes; /* (count,) */
    size_t count, used;
    bit_reader gaps, low;
} dense2_input;

/* The octave of a value in the cell 0 or -1, negative; 0 if the part is malformed. */
INLINED int dense2_gap(bit_reader *gaps) {
    if (gaps->end - gaps->position >= 64) {
        uint64_t word = load64(gaps->data + (gaps->position >> 3)) >> (gaps->position & 7);
        uint32_t head = (uint32_t)word & (((uint32_t)1 << MAX_GAP) - 1);
        int gap = head ? (int)lowest_bit(head) + 1 : 0;
        gaps->position += (unsigned)gap;
        return -gap;
    }
    for (int octave = -1; octave >= -MAX_GAP; octave--) {
        uint64_t bit;
        if (bits_take(gaps, 1, &bit))
            return 0;
        if (bit)
            return octave;
    }
    return 0;
}

/* Decode the values of one label from its symbols. values: (C,). */
static int dense2_decode(const dense2_model *model, const int32_t *restrict cells,
                         const uint8_t *restrict symbols, uint32_t escape, dense2_input *in,
                         uint32_t *restrict values) {
    const uint32_t fraction = ((uint32_t)1 << model->mantissa) - 1;
    const int mantissa = (int)model->mantissa;
    bit_reader low = in->low;
    for (size_t c = 0; c < model->classes; c++) {
        uint32_t symbol = symbols[c];
        if (UNLIKELY(symbol == 0 || symbol == escape)) {
            if (symbol != 0 && in->used == in->count)
                return MALFORMED;
            values[c] = symbol == 0 ? 0 : in->escapes[in->used++];
            continue;
        }
        int32_t cell = cells[c] + model->first + (int32_t)symbol - 1, negative = cell >> 31;
        uint32_t number = (uint32_t)(cell ^ negative);
        int octave = number ? (int)highest_bit(number) : dense2_gap(&in->gaps);
        int32_t field = model->edge + octave;
        if (UNLIKELY(octave > MAX_OCTAVE || field < 1 || field >= model->top || !(octave | number)))
            return MALFORMED;
        unsigned width = dense2_width(model, octave);
        uint64_t bits;
        if (low.end - low.position >= 64) {
            bits = low_bits(load64(low.data + (low.position >> 3)) >> (low.position & 7), width);
            low.position += width;
        } else if (bits_take(&low, width, &bits)) {
            return MALFORMED;
        }
        uint32_t top = octave > mantissa ? number >> (octave - mantissa)
                       : octave >= 0     ? number << (mantissa - octave)
                                         : 0;
        values[c] = (uint32_t)-negative << model->sign | (uint32_t)field << mantissa |
                    (top & fraction) | (uint32_t)bits << model->drop;
    }
    in->low = low;
    return GOOD;
}

#endif
