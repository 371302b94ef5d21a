/* The dense codec's inner loops (SPEC, section 7). Reference: reference.py.
 *
 * A value is high << shift | low. High bits are entropy-coded position by position, B labels each,
 * in a context predicted from the four preceding positions; low bits are packed label by label.
 * Arrays over positions are in class order, order[c] being the class at position c.
 * Invariants, checked on loading: |place|, |mean|, |base| <= 2^25, so that sums fit 32 bits.
 */
#ifndef LABELCODEC_DENSE_H
#define LABELCODEC_DENSE_H

#include "labelcodec/codecs/dense/split.h"
#include "labelcodec/entropy/rans.h"

#define UNKNOWN (-(1 << 30)) /* fixed-point value of a pattern without a symbol */
#define CONTEXT_SHIFT 5
#define WEIGHT_SHIFT 5
#define LAGS 4  /* preceding positions that predict a value */

/* What predicts contexts. */
typedef struct {
    const int32_t *mean; /* (C,) mean fixed-point value at each position */
    int32_t base, last;  /* prediction at which context 0 begins; the last context */
    size_t rows, classes;
} dense_model;

INLINED int32_t context_of(int32_t mean, int32_t r1, int32_t r2, int32_t r3, int32_t r4,
                           int32_t base, int32_t last) {
    int32_t weighted = 10 * r1 + 5 * r2 + 3 * r3 + 2 * r4;
    int32_t context = (mean + (weighted >> WEIGHT_SHIFT) - base) >> CONTEXT_SHIFT;
    context = context < 0 ? 0 : context;
    return context > last ? last : context;
}

/* ---- Both directions: position by position, all labels at once ------------------------------ */

/* Contexts of a position. residual: (rows,) residuals of the preceding ones, the nearest at [0]. */
VECTORISED static void column_contexts(int32_t *const residual[LAGS], int32_t mean, int32_t base,
                                       int32_t last, size_t rows, uint16_t *restrict contexts) {
    const int32_t *r1 = residual[0], *r2 = residual[1], *r3 = residual[2], *r4 = residual[3];
    for (size_t row = 0; row < rows; row++)
        contexts[row] =
            (uint16_t)context_of(mean, r1[row], r2[row], r3[row], r4[row], base, last);
}

/* Move on by a position; returns the array for its residuals. */
INLINED int32_t *next_residuals(int32_t *residual[LAGS]) {
    int32_t *farthest = residual[LAGS - 1];
    memmove(residual + 1, residual, (LAGS - 1) * sizeof *residual);
    return residual[0] = farthest;
}

/* `residuals` is (4, rows) zeros. */
INLINED void open_residuals(int32_t *residual[LAGS], int32_t *residuals, size_t rows) {
    for (size_t i = 0; i < LAGS; i++)
        residual[i] = residuals + i * rows;
}

/* ---- Encoding ------------------------------------------------------------------------------- */

/* Contexts (C, B) of high bits (C, B) in class order. place_of: fixed-point value of every pattern,
 * or UNKNOWN. residuals: (4, B) zeros; contexts: (B,) scratch. */
static void dense_contexts(const dense_model *model, const int32_t *place_of, const uint16_t *high,
                           int32_t *residuals, uint16_t *contexts, uint8_t *out) {
    const size_t rows = model->rows;
    int32_t *residual[LAGS];
    open_residuals(residual, residuals, rows);
    for (size_t c = 0; c < model->classes; c++, high += rows, out += rows) {
        column_contexts(residual, model->mean[c], model->base, model->last, rows, contexts);
        int32_t *own = next_residuals(residual);
        for (size_t row = 0; row < rows; row++) {
            int32_t place = place_of[high[row]];
            own[row] = place == UNKNOWN ? 0 : place - model->mean[c];
            out[row] = (uint8_t)contexts[row];
        }
    }
}

/* What a pattern of high bits stands for: its fixed-point value or UNKNOWN, and its symbol. */
typedef struct {
    int32_t place;
    uint32_t symbol;
} dense_pattern;

/* Scratch of the encoder for one position. */
typedef struct {
    uint16_t *contexts; /* (B,) */
    int32_t *places;    /* (B,) */
    uint32_t *cells;    /* (B,) symbols, then their positions in the table of intervals */
} dense_column;

/* Look up a position's patterns. Apart from the arithmetic, which is done in vectors. */
SEPARATE void column_patterns(const dense_pattern *restrict patterns, const uint16_t *restrict high,
                            size_t rows, int32_t *restrict places, uint32_t *restrict symbols) {
    for (size_t row = 0; row < rows; row++) {
        dense_pattern pattern = patterns[high[row]];
        places[row] = pattern.place;
        symbols[row] = pattern.symbol;
    }
}

/* Residuals of a position, and where its intervals are; returns whether it has escaped symbols. */
VECTORISED static uint32_t column_cells(const int32_t *restrict places, int32_t mean,
                                        const uint16_t *restrict contexts, uint32_t symbols,
                                        size_t rows, int32_t *restrict residual,
                                        uint32_t *restrict cells) {
    uint32_t escaped = 0;
    for (size_t row = 0; row < rows; row++)
        residual[row] = places[row] == UNKNOWN ? 0 : places[row] - mean;
    for (size_t row = 0; row < rows; row++) {
        escaped |= cells[row] == symbols - 1;
        cells[row] += contexts[row] * symbols;
    }
    return escaped;
}

/* The intervals of a position; returns whether a symbol has none in its context. */
SEPARATE uint32_t column_intervals(const uint32_t *restrict packed, const uint32_t *restrict cells,
                                 size_t rows, uint32_t *restrict intervals) {
    uint32_t unseen = 0;
    for (size_t row = 0; row < rows; row++) {
        uint32_t interval = packed[cells[row]];
        intervals[row] = interval;
        unseen |= (interval & 0xFFFF) == 0;
    }
    return unseen;
}

/* Intervals (C, B) in class order and escaped high bits of a batch, both in coding order.
 *
 * high: (C, B) by class. packed: (K, S) intervals; the last symbol is the escape, which patterns
 * without a symbol have. residuals: (4, B) zeros. Returns the number of escapes. */
static size_t dense_intervals(const dense_model *model, const uint16_t *high, const int32_t *order,
                              const dense_pattern *patterns, const uint32_t *packed,
                              size_t symbols, int32_t *residuals, dense_column scratch,
                              uint32_t *intervals, uint16_t *escapes) {
    const size_t rows = model->rows;
    size_t count = 0;
    int32_t *residual[LAGS];
    open_residuals(residual, residuals, rows);
    for (size_t c = 0; c < model->classes; c++, intervals += rows) {
        const uint16_t *column = high + (size_t)order[c] * rows;
        int32_t mean = model->mean[c];
        column_contexts(residual, mean, model->base, model->last, rows, scratch.contexts);
        column_patterns(patterns, column, rows, scratch.places, scratch.cells);
        uint32_t escaped = column_cells(scratch.places, mean, scratch.contexts, (uint32_t)symbols,
                                        rows, next_residuals(residual), scratch.cells);
        if (!(column_intervals(packed, scratch.cells, rows, intervals) | escaped))
            continue;
        for (size_t row = 0; row < rows; row++) {
            size_t escape = (scratch.contexts[row] + 1) * symbols - 1;
            if (scratch.cells[row] == escape || !(intervals[row] & 0xFFFF)) {
                intervals[row] = packed[escape];
                escapes[count++] = column[row];
            }
        }
    }
    return count;
}

/* ---- Decoding -------------------------------------------------------------------------------- */

/* What a symbol stands for: a fixed-point value or UNKNOWN, and a pattern of high bits. */
typedef struct {
    int32_t place;
    uint32_t pattern;
} dense_symbol;

/* Look up a position's symbols. Apart from the arithmetic, which is done in vectors. */
SEPARATE void column_symbols(const dense_symbol *restrict known, const uint8_t *restrict symbols,
                             size_t rows, int32_t *restrict places, uint16_t *restrict high) {
    for (size_t row = 0; row < rows; row++) {
        dense_symbol symbol = known[symbols[row]];
        places[row] = symbol.place;
        high[row] = (uint16_t)symbol.pattern;
    }
}

/* Residuals of a position from its values, in place; returns whether a symbol is the escape. */
VECTORISED static uint32_t column_residuals(const uint8_t *restrict symbols, uint8_t escape,
                                            int32_t mean, size_t rows,
                                            int32_t *restrict residual) {
    uint8_t escaped = 0;
    for (size_t row = 0; row < rows; row++)
        residual[row] = residual[row] == UNKNOWN ? 0 : residual[row] - mean;
    for (size_t row = 0; row < rows; row++)
        escaped |= symbols[row] == escape;
    return escaped;
}

/* Decode high bits, (C, B).
 *
 * known: (S,) what each symbol stands for; places: fixed-point value of every pattern. escapes:
 * (count,) patterns, each below the number of patterns. residuals: (4, B) zeros; contexts, symbols:
 * (B,) scratch. */
static int dense_decode(const dense_model *model, rans_decoder *rans, const rans_tables *table,
                        const dense_symbol *known, const int32_t *places,
                        const uint16_t *escapes, size_t count, int32_t *residuals,
                        uint16_t *contexts, uint8_t *symbols, uint16_t *high) {
    const size_t rows = model->rows;
    const uint32_t escape = (uint32_t)table->symbols - 1;
    int32_t *residual[LAGS];
    size_t used = 0;
    open_residuals(residual, residuals, rows);
    for (size_t c = 0; c < model->classes; c++, high += rows) {
        int32_t mean = model->mean[c];
        column_contexts(residual, mean, model->base, model->last, rows, contexts);
        if (rans_symbols(rans, table, contexts, 0, rows, symbols))
            return MALFORMED;
        int32_t *own = next_residuals(residual);
        column_symbols(known, symbols, rows, own, high);
        if (!column_residuals(symbols, (uint8_t)escape, mean, rows, own))
            continue;
        for (size_t row = 0; row < rows; row++)
            if (symbols[row] == escape) {
                if (used == count)
                    return MALFORMED;
                high[row] = escapes[used++];
                int32_t place = places[high[row]];
                own[row] = place == UNKNOWN ? 0 : place - mean;
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
