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
#define LAGS 4  /* preceding positions that predict a value */
#define TILE 16 /* labels that are transposed together */

/* What predicts contexts. */
typedef struct {
    const int32_t *place_of; /* fixed-point value of every pattern of high bits, or UNKNOWN */
    const int32_t *mean;     /* (C,) mean fixed-point value at each position */
    int32_t base, last;      /* prediction at which context 0 begins; the last context */
    size_t rows, classes;
} dense_model;

INLINED int32_t context_of(int32_t mean, int32_t r1, int32_t r2, int32_t r3, int32_t r4,
                           int32_t base, int32_t last) {
    int32_t weighted = 10 * r1 + 5 * r2 + 3 * r3 + 2 * r4;
    int32_t context = (mean + (weighted >> WEIGHT_SHIFT) - base) >> CONTEXT_SHIFT;
    context = context < 0 ? 0 : context;
    return context > last ? last : context;
}

/* ---- Encoding: label by label, since all values are known ----------------------------------- */

/* Contexts of one label's high bits, (C,). residual: (4 + C,) scratch that begins with 4 zeros. */
VECTORISED static void row_contexts(const dense_model *model, const uint16_t *high,
                                    int32_t *restrict residual, int32_t *restrict contexts) {
    const int32_t *place_of = model->place_of, *mean = model->mean;
    const int32_t base = model->base, last = model->last;
    for (size_t c = 0; c < model->classes; c++) {
        int32_t place = place_of[high[c]];
        residual[LAGS + c] = place == UNKNOWN ? 0 : place - mean[c];
    }
    for (size_t c = 0; c < model->classes; c++)
        contexts[c] = context_of(mean[c], residual[c + 3], residual[c + 2], residual[c + 1],
                                 residual[c], base, last);
}

/* Contexts (C, B) of high bits (B, C). residual: (4 + C,) scratch that begins with 4 zeros;
 * label_contexts: (C,) scratch. */
static void dense_contexts(const dense_model *model, const uint16_t *high, int32_t *residual,
                           int32_t *label_contexts, uint8_t *contexts) {
    for (size_t row = 0; row < model->rows; row++) {
        row_contexts(model, high + row * model->classes, residual, label_contexts);
        for (size_t c = 0; c < model->classes; c++)
            contexts[c * model->rows + row] = (uint8_t)label_contexts[c];
    }
}

/* Intervals of one label; returns whether a value must be escaped. */
VECTORISED static uint32_t row_intervals(const uint32_t *packed, uint32_t symbols,
                                         const uint32_t *symbol_of, const uint16_t *high,
                                         const int32_t *contexts, size_t classes,
                                         uint32_t *restrict intervals) {
    uint32_t escaped = 0;
    for (size_t c = 0; c < classes; c++) {
        uint32_t symbol = symbol_of[high[c]];
        uint32_t interval = packed[(uint32_t)contexts[c] * symbols + symbol];
        intervals[c] = interval;
        escaped |= (uint32_t)(symbol == symbols - 1) | (uint32_t)((interval & 0xFFFF) == 0);
    }
    return escaped;
}

/* One label in class order: its high bits, and its low bits without the `drop` lowest. `low` has
 * room for C values and is first filled with the values. One function for each width of them. */
#define ROW_SPLIT(NAME, TYPE)                                                                      \
    VECTORISED static void NAME(const TYPE *restrict bits, const int32_t *restrict order,          \
                                size_t classes, unsigned shift, unsigned drop,                     \
                                uint16_t *restrict high, TYPE *restrict low) {                     \
        const TYPE mask = (TYPE)(((uint64_t)1 << shift) - 1);                                      \
        for (size_t c = 0; c < classes; c++)                                                       \
            low[c] = bits[order[c]];                                                               \
        for (size_t c = 0; c < classes; c++) {                                                     \
            TYPE value = low[c];                                                                   \
            high[c] = (uint16_t)(value >> shift);                                                  \
            low[c] = (TYPE)((value & mask) >> drop);                                               \
        }                                                                                          \
    }

ROW_SPLIT(row_split16, uint16_t)
ROW_SPLIT(row_split32, uint32_t)

/* Four values of `width` (0..7) bits, 16 bits apart in a word, moved next to each other. */
INLINED uint64_t squeezed(uint64_t word, unsigned width) {
    const uint64_t even = 0x0000FFFF0000FFFFu, lowest = 0x00000000FFFFFFFFu;
    word = (word & even) | (word >> 16 & even) << width;
    return (word & lowest) | (word >> 32) << (2 * width);
}

/* Append values of `width` bits. */
static void put_row16(bit_writer *out, const uint16_t *low, size_t count, unsigned width) {
    size_t i = 0;
    if (width <= 7)
        for (; i + 8 <= count; i += 8) {
            uint64_t first = squeezed(load64((const uint8_t *)(low + i)), width);
            uint64_t second = squeezed(load64((const uint8_t *)(low + i + 4)), width);
            bits_put(out, first | second << (4 * width), 8 * width);
        }
    for (; i < count; i++)
        bits_put(out, low[i], width);
}

static void put_row32(bit_writer *out, const uint32_t *low, size_t count, unsigned width) {
    for (size_t i = 0; i < count; i++)
        bits_put(out, low[i], width);
}

/* Write (tile, C) intervals to columns of (C, B): to[c * rows + i] = from[i * C + c]. */
static void transpose_tile(const uint32_t *restrict from, size_t tile, size_t classes,
                           uint32_t *restrict to, size_t rows) {
    for (size_t c = 0; c < classes; c++)
        for (size_t i = 0; i < tile; i++)
            to[c * rows + i] = from[i * classes + c];
}

/* Scratch of the encoder, and what it writes. */
typedef struct {
    uint16_t *high;      /* (C,) */
    uint32_t *low;       /* (C,) */
    int32_t *residual;   /* (4 + C,), beginning with 4 zeros */
    int32_t *contexts;   /* (C,) */
    uint32_t *tile;      /* (TILE, C) intervals, to be transposed */
    uint32_t *intervals; /* (C, B) */
    uint64_t *escapes;   /* (B * C,): coding position << 16 | high bits, in coding order */
    uint8_t *packed_low; /* B * C * (shift - drop) bits and 16 bytes of room */
} dense_output;

/* Intervals, escapes and low bits of a batch. bits: (B, C) of 2 or 4 bytes each. symbol_of: symbol
 * of every pattern, the escape S - 1 for those without. Returns the number of escapes. */
static size_t dense_encode(const dense_model *model, const void *bits, int is_half,
                           const int32_t *order, unsigned shift, unsigned drop,
                           const uint32_t *symbol_of, const uint32_t *packed, size_t symbols,
                           dense_output out) {
    const size_t rows = model->rows, classes = model->classes;
    bit_writer low = {out.packed_low, 0, 0};
    size_t count = 0;
    for (size_t row = 0; row < rows; row++) {
        uint32_t *intervals = out.tile + row % TILE * classes;
        if (row && row % TILE == 0)
            transpose_tile(out.tile, TILE, classes, out.intervals + row - TILE, rows);
        if (is_half) {
            row_split16((const uint16_t *)bits + row * classes, order, classes, shift, drop,
                        out.high, (uint16_t *)out.low);
            put_row16(&low, (const uint16_t *)out.low, classes, shift - drop);
        } else {
            row_split32((const uint32_t *)bits + row * classes, order, classes, shift, drop,
                        out.high, out.low);
            put_row32(&low, out.low, classes, shift - drop);
        }
        row_contexts(model, out.high, out.residual, out.contexts);
        if (!row_intervals(packed, (uint32_t)symbols, symbol_of, out.high, out.contexts, classes,
                           intervals))
            continue;
        for (size_t c = 0; c < classes; c++)
            if (symbol_of[out.high[c]] == symbols - 1 || !(intervals[c] & 0xFFFF)) {
                intervals[c] = packed[(size_t)out.contexts[c] * symbols + symbols - 1];
                out.escapes[count++] = (uint64_t)(c * rows + row) << 16 | out.high[c];
            }
    }
    size_t left = (rows - 1) % TILE + 1;
    transpose_tile(out.tile, left, classes, out.intervals + rows - left, rows);
    bits_flush(&low);
    qsort(out.escapes, count, sizeof *out.escapes, compare_numbers);
    return count;
}

/* ---- Decoding: position by position, all labels at once ------------------------------------- */

/* Contexts of a position. residual: (rows,) residuals of the preceding ones, the nearest at [0]. */
VECTORISED static void column_contexts(int32_t *const residual[LAGS], int32_t mean, int32_t base,
                                       int32_t last, size_t rows, uint16_t *restrict contexts) {
    const int32_t *r1 = residual[0], *r2 = residual[1], *r3 = residual[2], *r4 = residual[3];
    for (size_t row = 0; row < rows; row++)
        contexts[row] =
            (uint16_t)context_of(mean, r1[row], r2[row], r3[row], r4[row], base, last);
}

/* High bits and residuals of a position from its symbols; returns whether a value is escaped.
 * pattern_of, place_of: (S,) pattern of each symbol, and its fixed-point value. */
VECTORISED static uint32_t column_values(const uint8_t *symbols, uint32_t escape,
                                         const uint16_t *pattern_of, const int32_t *place_of,
                                         int32_t mean, size_t rows, uint16_t *restrict high,
                                         int32_t *restrict residual) {
    uint32_t escaped = 0;
    for (size_t row = 0; row < rows; row++) {
        int32_t place = place_of[symbols[row]];
        residual[row] = place == UNKNOWN ? 0 : place - mean;
        escaped |= symbols[row] == escape;
    }
    for (size_t row = 0; row < rows; row++)
        high[row] = pattern_of[symbols[row]];
    return escaped;
}

/* Decode high bits, (C, B).
 *
 * pattern_of, place_of: (S,) pattern of each symbol, and its fixed-point value. escapes: (count,)
 * patterns, each below the number of patterns. residuals: (4, B) zeros; contexts, symbols: (B,). */
static int dense_decode(const dense_model *model, rans_decoder *rans, const rans_tables *table,
                        const uint16_t *pattern_of, const int32_t *place_of,
                        const uint16_t *escapes, size_t count, int32_t *residuals,
                        uint16_t *contexts, uint8_t *symbols, uint16_t *high) {
    const size_t rows = model->rows;
    const uint32_t escape = (uint32_t)table->symbols - 1;
    int32_t *residual[LAGS];
    size_t used = 0;
    for (size_t i = 0; i < LAGS; i++)
        residual[i] = residuals + i * rows;
    for (size_t c = 0; c < model->classes; c++, high += rows) {
        int32_t mean = model->mean[c], *farthest = residual[LAGS - 1];
        column_contexts(residual, mean, model->base, model->last, rows, contexts);
        if (rans_symbols(rans, table, contexts, 0, rows, symbols))
            return MALFORMED;
        memmove(residual + 1, residual, (LAGS - 1) * sizeof *residual);
        residual[0] = farthest;
        if (!column_values(symbols, escape, pattern_of, place_of, mean, rows, high, farthest))
            continue;
        for (size_t row = 0; row < rows; row++)
            if (symbols[row] == escape) {
                if (used == count)
                    return MALFORMED;
                high[row] = escapes[used++];
                int32_t place = model->place_of[high[row]];
                farthest[row] = place == UNKNOWN ? 0 : place - mean;
            }
    }
    return rans_closed(rans) && used == count ? GOOD : MALFORMED;
}

/* Values (B, C) from high bits (C, B) and packed low bits (B, C), both in class order.
 * position: (C,) position of each class; low: (TILE, C) scratch. */
#define DENSE_JOIN(NAME, TYPE)                                                                     \
    static void NAME(const uint16_t *high, const uint8_t *packed, size_t size, unsigned width,     \
                     unsigned drop, unsigned shift, const int32_t *position, size_t rows,          \
                     size_t classes, uint32_t *low, TYPE *bits) {                                  \
        for (size_t first = 0; first < rows; first += TILE) {                                      \
            size_t tile = rows - first < TILE ? rows - first : TILE;                               \
            unpack_at(packed, size, (uint64_t)first * classes * width, width, low, tile * classes);\
            for (size_t own = 0; own < classes; own++) {                                           \
                size_t c = (size_t)position[own];                                                  \
                const uint16_t *tops = high + c * rows + first;                                    \
                for (size_t row = 0; row < tile; row++)                                            \
                    bits[(first + row) * classes + own] =                                          \
                        (TYPE)((uint32_t)tops[row] << shift | low[row * classes + c] << drop);     \
            }                                                                                      \
        }                                                                                          \
    }

DENSE_JOIN(dense_join16, uint16_t)
DENSE_JOIN(dense_join32, uint32_t)

#endif
