/* Descending values as levels: order-preserving integers (SPEC, section 8.4).
 *
 * First levels of all B labels, then the falls to the second level, the third, …; each rank is one
 * context. Reference: reference/values.py.
 */
#ifndef LABELCODEC_VALUES_H
#define LABELCODEC_VALUES_H

#include "labelcodec/entropy/rans.h"

/* The i-th levels, in the place of those before them, from (B,) first levels or falls. */
VECTORISED static void levels_step(size_t i, size_t rows, int is_signed,
                                   const int64_t *restrict values, int64_t *restrict level) {
    if (i)
        for (size_t row = 0; row < rows; row++)
            level[row] -= values[row];
    else
        for (size_t row = 0; row < rows; row++)
            level[row] = is_signed ? (values[row] >> 1) ^ -(values[row] & 1) : values[row];
}

/* Decode levels, (B, k). contexts: (k,) context of each rank, below table->contexts.
 * symbols, values, level: (B,) scratch. A first level is zigzag-mapped if `is_signed`. */
static int levels_decode(rans_decoder *rans, bit_reader bits, const rans_tables *table,
                         const uint16_t *contexts, size_t rows, size_t k, int is_signed,
                         uint8_t *symbols, int64_t *values, int64_t *level, int64_t *levels) {
    for (size_t i = 0; i < k; i++) {
        if (rans_symbols(rans, table, NULL, contexts[i], rows, symbols) ||
            token_values(&bits, symbols, rows, (uint32_t)table->symbols - 1, values))
            return MALFORMED;
        levels_step(i, rows, is_signed, values, level);
        for (size_t row = 0; row < rows; row++)
            levels[row * k + i] = level[row];
    }
    return rans_closed(rans) && bits_finished(&bits) ? GOOD : MALFORMED;
}

/* Bit patterns of levels of `width` bits, shifted up by `drop`; MALFORMED if one is too wide. */
#define LEVEL_BITS(NAME, TYPE)                                                                     \
    VECTORISED static int NAME(const int64_t *restrict levels, size_t count, unsigned width,       \
                               unsigned drop, TYPE *restrict bits) {                               \
        const uint32_t top = (uint32_t)1 << (width - 1);                                           \
        uint64_t seen = 0;                                                                         \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint32_t level = (uint32_t)levels[i], positive = level >> (width - 1) & 1;             \
            seen |= (uint64_t)levels[i];                                                           \
            bits[i] = (TYPE)((level ^ (top | ((positive - 1) & (top - 1)))) << drop);              \
        }                                                                                          \
        return seen >> width ? MALFORMED : GOOD;                                                   \
    }

LEVEL_BITS(level_bits16, uint16_t)
LEVEL_BITS(level_bits32, uint32_t)

/* Levels of bit patterns without their `*drop` lowest bits, which are zero in all of them: the
 * inverse of `level_bits`. One function for each width of the values. */
#define BIT_LEVELS(NAME, TYPE)                                                                     \
    VECTORISED static void NAME(const TYPE *bits, size_t count, unsigned *drop, int64_t *levels) { \
        TYPE seen = 0;                                                                             \
        for (size_t i = 0; i < count; i++)                                                         \
            seen |= bits[i];                                                                       \
        const unsigned zeros = seen ? lowest_bit(seen) : 0, width = 8 * sizeof seen - zeros;       \
        const uint32_t top = (uint32_t)1 << (width - 1);                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint32_t value = (uint32_t)bits[i] >> zeros, negative = value >> (width - 1);          \
            levels[i] = (int64_t)(value ^ (top | ((0 - negative) & (top - 1))));                   \
        }                                                                                          \
        *drop = zeros;                                                                             \
    }

BIT_LEVELS(bit_levels16, uint16_t)
BIT_LEVELS(bit_levels32, uint32_t)

#endif
