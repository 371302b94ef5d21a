/* Decoding of coefficients, peak positions and residuals (SPEC, sections 9.2 and 9.3).
 *
 * Reference: reference/symbols.py.
 */
#ifndef LABELCODEC_SYMBOLS_H
#define LABELCODEC_SYMBOLS_H

#include "labelcodec/entropy/rans.h"

#define LEVELS 4
#define DECAY 3
#define MAX_MAGNITUDE 15
#define MAX_COEFFICIENT (1 << 15)
#define MAX_RESIDUAL (1 << 24)
#define GAP_COUNTS 9   /* peaks still to come, from which on the context stays the same; + 1 */
#define GAP_BEFORE 64  /* previous gaps of -1 .. 62 */
#define RESIDUAL_PLACES 512

/* Activity after a coefficient: below 2^11 times the weight, which is at most 2^9. */
INLINED int32_t clamped(int64_t value) {
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

INLINED int32_t next_activity(int32_t active, int32_t magnitude, int32_t weight) {
    magnitude = magnitude > MAX_MAGNITUDE ? MAX_MAGNITUDE : magnitude;
    return active + magnitude * weight - (active >> DECAY);
}

/* Contexts (r, B) of coefficients (B, r). weights, column: (r,); thresholds: (r, 3) ascending. */
static void coefficient_contexts(const int32_t *coefficients, const int64_t *column,
                                 const int64_t *weights, const int64_t *thresholds, size_t rows,
                                 size_t rank, int64_t *contexts) {
    for (size_t row = 0; row < rows; row++) {
        int32_t active = 0;
        for (size_t j = 0; j < rank; j++) {
            int32_t value = coefficients[row * rank + j], level = 0;
            for (int i = 0; i < LEVELS - 1; i++)
                level += active >= thresholds[j * (LEVELS - 1) + i];
            contexts[j * rows + row] = column[j] * LEVELS + level;
            active = next_activity(active, value < 0 ? -value : value,
                                   (int32_t)weights[j]);
        }
    }
}

/* Decode coefficients, (r, B), and residuals, (P,).
 *
 * residual_context: (9, 512) context by number of peaks and position, both capped.
 * active: (B,) zeroed scratch; contexts, symbols, values: scratch for the larger of B and P. */
static int value_decode(rans_decoder *rans, bit_reader bits, const rans_tables *table,
                        const int64_t *counts, const int64_t *places, size_t rows, size_t peaks,
                        const int64_t *column, const int64_t *weights, const int64_t *thresholds,
                        size_t rank, const uint16_t *residual_context, int32_t *active,
                        uint16_t *contexts, uint8_t *symbols, int64_t *values,
                        int32_t *coefficients, int64_t *residuals) {
    uint32_t escape = (uint32_t)table->symbols - 1;
    for (size_t j = 0; j < rank; j++, coefficients += rows) {
        int32_t low = clamped(thresholds[j * (LEVELS - 1)]);
        int32_t middle = clamped(thresholds[j * (LEVELS - 1) + 1]);
        int32_t high = clamped(thresholds[j * (LEVELS - 1) + 2]);
        int32_t first = (int32_t)column[j] * LEVELS, weight = (int32_t)weights[j];
        int64_t largest = 0;
        for (size_t row = 0; row < rows; row++)
            contexts[row] = (uint16_t)(first + (active[row] >= low) + (active[row] >= middle) +
                                       (active[row] >= high));
        if (rans_symbols(rans, table, contexts, 0, rows, symbols) ||
            token_values(&bits, symbols, rows, escape, values))
            return MALFORMED;
        for (size_t row = 0; row < rows; row++)
            largest = values[row] > largest ? values[row] : largest;
        if (largest > 2 * MAX_COEFFICIENT - 2)
            return MALFORMED;
        for (size_t row = 0; row < rows; row++) {
            int32_t value = (int32_t)values[row];
            coefficients[row] = (value >> 1) ^ -(value & 1);
            active[row] = next_activity(active[row], (value + 1) >> 1, weight);
        }
    }
    size_t peak = 0;
    for (size_t row = 0; row < rows; row++) {
        int64_t many = counts[row] < GAP_COUNTS ? counts[row] : GAP_COUNTS - 1;
        for (int64_t i = 0; i < counts[row] && peak < peaks; i++, peak++) {
            int64_t place = places[peak] < RESIDUAL_PLACES ? places[peak] : RESIDUAL_PLACES - 1;
            contexts[peak] = residual_context[many * RESIDUAL_PLACES + place];
        }
    }
    if (peak != peaks || rans_symbols(rans, table, contexts, 0, peaks, symbols) ||
        token_values(&bits, symbols, peaks, escape, residuals))
        return MALFORMED;
    if (!rans_closed(rans) || !bits_finished(&bits))
        return MALFORMED;
    int64_t largest = 0;
    for (size_t i = 0; i < peaks; i++) {
        residuals[i] = (residuals[i] >> 1) ^ -(residuals[i] & 1);
        int64_t size = residuals[i] < 0 ? -residuals[i] : residuals[i];
        largest = size > largest ? size : largest;
    }
    return largest > MAX_RESIDUAL ? MALFORMED : GOOD;
}

/* Decode the number of peaks of each label, (B,), and their positions, (P,), label by label.
 *
 * gap_contexts: (9, 64) context by peaks to come and previous gap + 1, both capped.
 * first, left, last, before, values: (B,) scratch; contexts, symbols: (B,) scratch. */
static int gap_decode(rans_decoder *rans, bit_reader bits, const rans_tables *table, size_t rows,
                      size_t peaks, size_t classes, const uint16_t *gap_contexts, int64_t *first,
                      int64_t *left, int64_t *last, int64_t *before, int64_t *values,
                      uint16_t *contexts, uint8_t *symbols, int64_t *counts, int64_t *places) {
    uint32_t escape = (uint32_t)table->symbols - 1;
    uint64_t total = 0;
    int64_t most = 0;
    if (rans_symbols(rans, table, NULL, 0, rows, symbols) ||
        token_values(&bits, symbols, rows, escape, counts))
        return MALFORMED;
    for (size_t row = 0; row < rows; row++) {
        first[row] = (int64_t)total;
        left[row] = (int64_t)row;
        last[row] = before[row] = -1;
        most = counts[row] > most ? counts[row] : most;
        total += (uint64_t)counts[row];
    }
    if (most > (int64_t)classes || total != peaks)
        return MALFORMED;
    size_t listed = rows; /* labels that have an i-th peak; they keep their order */
    for (int64_t i = 0; i < most; i++) {
        size_t remaining = 0;
        for (size_t j = 0; j < listed; j++) {
            int64_t row = left[j], to_come = counts[row] - i;
            if (to_come <= 0)
                continue;
            to_come = to_come < GAP_COUNTS ? to_come : GAP_COUNTS - 1;
            int64_t gap = before[row] + 1 < GAP_BEFORE ? before[row] + 1 : GAP_BEFORE - 1;
            contexts[remaining] = gap_contexts[to_come * GAP_BEFORE + gap];
            left[remaining++] = row;
        }
        listed = remaining;
        if (rans_symbols(rans, table, contexts, 0, listed, symbols) ||
            token_values(&bits, symbols, listed, escape, values))
            return MALFORMED;
        for (size_t j = 0; j < listed; j++) {
            int64_t row = left[j];
            before[row] = values[j];
            last[row] += values[j] + 1;
            if (last[row] >= (int64_t)classes)
                return MALFORMED;
            places[first[row] + i] = last[row];
        }
    }
    return rans_closed(rans) && bits_finished(&bits) ? GOOD : MALFORMED;
}

#endif
