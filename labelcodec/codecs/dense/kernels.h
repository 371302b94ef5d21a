/* The dense codec's inner loops (SPEC, section 7). Reference: reference.py.
 *
 * A value is high << shift | low. High bits are entropy-coded position by position, B labels each,
 * in a context predicted from the four preceding positions; low bits are packed label by label.
 * Arrays over positions are in class order, order[c] being the class at position c.
 * Invariants, checked on loading: |place|, |mean|, |base| <= 2^25, so that sums fit 32 bits.
 */
#ifndef LABELCODEC_DENSE_H
#define LABELCODEC_DENSE_H

#include "labelcodec/entropy/rans.h"

#define UNKNOWN (-(1 << 30)) /* fixed-point value of a pattern without a symbol */
#define CONTEXT_SHIFT 5
#define WEIGHT_SHIFT 5
#define TILE 16 /* labels that are transposed together */

/* Prediction of the next position. residual: four (rows,) residuals, the nearest at [0]. */
VECTORISED static void dense_predict(int32_t *const residual[4], int32_t mean, int32_t base,
                                     int32_t last, size_t rows, uint16_t *contexts) {
    const int32_t *r1 = residual[0], *r2 = residual[1], *r3 = residual[2], *r4 = residual[3];
    for (size_t row = 0; row < rows; row++) {
        int32_t weighted = 10 * r1[row] + 5 * r2[row] + 3 * r3[row] + 2 * r4[row];
        int32_t context = (mean + (weighted >> WEIGHT_SHIFT) - base) >> CONTEXT_SHIFT;
        context = context < 0 ? 0 : context;
        contexts[row] = (uint16_t)(context > last ? last : context);
    }
}

/* Make the residuals of a position the nearest; the farthest array is reused for them. */
INLINED void dense_shift(int32_t *residual[4]) {
    int32_t *farthest = residual[3];
    residual[3] = residual[2];
    residual[2] = residual[1];
    residual[1] = residual[0];
    residual[0] = farthest;
}

VECTORISED static void dense_residuals(const int32_t *place_of, const uint16_t *high, int32_t mean,
                                       size_t rows, int32_t *residual) {
    for (size_t row = 0; row < rows; row++) {
        int32_t place = place_of[high[row]];
        residual[row] = place == UNKNOWN ? 0 : place - mean;
    }
}

/* Split values to high bits by position, (C, B), and low bits without their `drop` lowest, (B, C).
 * One function for each width of the values. */
#define DENSE_SPLIT(NAME, TYPE)                                                                    \
    VECTORISED static void NAME(const TYPE *bits, size_t rows, size_t classes,                     \
                                const int64_t *order, unsigned shift, unsigned drop,               \
                                uint16_t *high, TYPE *low) {                                       \
        TYPE mask = (TYPE)(((uint64_t)1 << shift) - 1);                                            \
        for (size_t first = 0; first < rows; first += TILE) {                                      \
            size_t stop = first + TILE < rows ? first + TILE : rows;                               \
            for (size_t c = 0; c < classes; c++)                                                   \
                for (size_t row = first; row < stop; row++) {                                      \
                    TYPE value = bits[row * classes + (size_t)order[c]];                           \
                    high[c * rows + row] = (uint16_t)(value >> shift);                             \
                    low[row * classes + c] = (TYPE)((value & mask) >> drop);                       \
                }                                                                                  \
        }                                                                                          \
    }

DENSE_SPLIT(dense_split16, uint16_t)
DENSE_SPLIT(dense_split32, uint32_t)

/* Inverse of the split. */
#define DENSE_JOIN(NAME, TYPE)                                                                     \
    VECTORISED static void NAME(const uint16_t *high, const uint32_t *low, size_t rows,            \
                                size_t classes, const int64_t *order, unsigned shift,              \
                                unsigned drop, TYPE *bits) {                                       \
        for (size_t first = 0; first < rows; first += TILE) {                                      \
            size_t stop = first + TILE < rows ? first + TILE : rows;                               \
            for (size_t c = 0; c < classes; c++)                                                   \
                for (size_t row = first; row < stop; row++)                                        \
                    bits[row * classes + (size_t)order[c]] =                                       \
                        (TYPE)((uint32_t)high[c * rows + row] << shift |                           \
                               low[row * classes + c] << drop);                                    \
        }                                                                                          \
    }

DENSE_JOIN(dense_join16, uint16_t)
DENSE_JOIN(dense_join32, uint32_t)

/* Pack values of `width` (0..20) bits, eight at a time where they fit one word. */
#define DENSE_PACK(NAME, TYPE)                                                                     \
    static void NAME(const TYPE *low, size_t count, unsigned width, uint8_t *data) {               \
        size_t i = 0;                                                                              \
        for (; width <= 8 && i + 8 <= count; i += 8, data += width) {                              \
            uint64_t word = 0;                                                                     \
            for (unsigned j = 0; j < 8; j++)                                                       \
                word |= (uint64_t)low[i + j] << (j * width);                                       \
            store64(data, word);                                                                   \
        }                                                                                          \
        bit_writer out = {data, 0, 0};                                                             \
        for (; i < count; i++)                                                                     \
            bits_put(&out, low[i], width);                                                         \
        bits_flush(&out);                                                                          \
    }

DENSE_PACK(dense_pack16, uint16_t)
DENSE_PACK(dense_pack32, uint32_t)

/* Everything that coding high bits needs beside the frequency tables. */
typedef struct {
    const int32_t *place_of;   /* fixed-point value of every pattern of high bits, or UNKNOWN */
    const int32_t *mean;       /* (C,) mean fixed-point value at each position */
    int32_t base, last;        /* prediction at which context 0 begins; the last context */
    size_t rows, classes;
    int32_t *residual;         /* (4, B) zeroed scratch */
    uint16_t *contexts;        /* (B,) scratch */
} dense_model;

INLINED void dense_start(const dense_model *model, int32_t *residual[4]) {
    for (size_t i = 0; i < 4; i++)
        residual[i] = model->residual + i * model->rows;
}

/* Context of each of the (C, B) high bits. */
static void dense_contexts(const dense_model *model, const uint16_t *high, uint8_t *contexts) {
    int32_t *residual[4];
    size_t rows = model->rows;
    dense_start(model, residual);
    for (size_t c = 0; c < model->classes; c++) {
        dense_predict(residual, model->mean[c], model->base, model->last, rows, model->contexts);
        for (size_t row = 0; row < rows; row++)
            contexts[c * rows + row] = (uint8_t)model->contexts[row];
        dense_shift(residual);
        dense_residuals(model->place_of, high + c * rows, model->mean[c], rows, residual[0]);
    }
}

/* Look up intervals; returns whether a value must be escaped. */
VECTORISED static uint32_t dense_lookup(const uint32_t *packed, size_t symbols,
                                        const uint32_t *symbol_of, const uint16_t *high,
                                        const uint16_t *contexts, size_t rows,
                                        uint32_t *intervals) {
    uint32_t escape = (uint32_t)symbols - 1, escaped = 0;
    for (size_t row = 0; row < rows; row++) {
        uint32_t symbol = symbol_of[high[row]];
        uint32_t interval = packed[contexts[row] * (uint32_t)symbols + symbol];
        intervals[row] = interval;
        escaped |= (uint32_t)(symbol == escape) | (uint32_t)((interval & 0xFFFF) == 0);
    }
    return escaped;
}

/* Intervals of the (C, B) high bits, and the escaped high bits in coding order.
 * symbol_of: symbol of every pattern, the escape S - 1 for those without. Returns their number. */
static size_t dense_intervals(const dense_model *model, const uint16_t *high,
                              const uint32_t *symbol_of, const uint32_t *packed, size_t symbols,
                              uint32_t *intervals, uint16_t *escapes) {
    int32_t *residual[4];
    size_t rows = model->rows, count = 0;
    dense_start(model, residual);
    for (size_t c = 0; c < model->classes; c++, high += rows, intervals += rows) {
        const uint16_t *contexts = model->contexts;
        dense_predict(residual, model->mean[c], model->base, model->last, rows, model->contexts);
        if (dense_lookup(packed, symbols, symbol_of, high, contexts, rows, intervals))
            for (size_t row = 0; row < rows; row++)
                if (symbol_of[high[row]] == symbols - 1 || !(intervals[row] & 0xFFFF)) {
                    intervals[row] = packed[contexts[row] * symbols + symbols - 1];
                    escapes[count++] = high[row];
                }
        dense_shift(residual);
        dense_residuals(model->place_of, high, model->mean[c], rows, residual[0]);
    }
    return count;
}

/* Decode the high bits, (C, B). pattern_of: (S,) pattern of each symbol. escapes: (count,)
 * patterns, each below the number of patterns. symbols: (B,) scratch. */
static int dense_decode(const dense_model *model, rans_decoder *rans, const rans_tables *table,
                        const uint16_t *pattern_of, const uint16_t *escapes, size_t count,
                        uint8_t *symbols, uint16_t *high) {
    int32_t *residual[4];
    size_t rows = model->rows, used = 0;
    uint8_t escape = (uint8_t)(table->symbols - 1);
    dense_start(model, residual);
    for (size_t c = 0; c < model->classes; c++, high += rows) {
        uint32_t escaped = 0;
        dense_predict(residual, model->mean[c], model->base, model->last, rows, model->contexts);
        if (rans_symbols(rans, table, model->contexts, 0, rows, symbols))
            return MALFORMED;
        for (size_t row = 0; row < rows; row++) {
            escaped |= symbols[row] == escape;
            high[row] = pattern_of[symbols[row]];
        }
        if (UNLIKELY(escaped))
            for (size_t row = 0; row < rows; row++)
                if (symbols[row] == escape) {
                    if (used == count)
                        return MALFORMED;
                    high[row] = escapes[used++];
                }
        dense_shift(residual);
        dense_residuals(model->place_of, high, model->mean[c], rows, residual[0]);
    }
    return rans_closed(rans) && used == count ? GOOD : MALFORMED;
}

#endif
