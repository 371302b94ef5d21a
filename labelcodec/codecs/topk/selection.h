/* The k largest values of each label (SPEC, section 8.2). Reference: reference/class_set.py. */
#ifndef LABELCODEC_SELECTION_H
#define LABELCODEC_SELECTION_H

#include "labelcodec/entropy/platform.h"

/* A key per class: smaller for larger values; +0 and -0 have the same. A label's k smallest keys,
 * each with its class in the low `shift` bits, go to `chosen` in order of the class.
 *
 * keys, flags: scratch for C and C + 8 entries; the 8 behind the last flag are zero.
 * One function for each width of the values; the sign is the highest bit. */
#define SELECT_ROW(NAME, TYPE, BITS)                                                               \
    VECTORISED static void NAME(const TYPE *bits, size_t classes, size_t k, unsigned shift,        \
                                TYPE *restrict keys, uint8_t *restrict flags, uint64_t *chosen) {  \
        const TYPE sign = (TYPE)((TYPE)1 << (BITS - 1));                                           \
        for (size_t c = 0; c < classes; c++) {                                                     \
            TYPE value = bits[c];                                                                  \
            value = value == sign ? 0 : value;                                                     \
            keys[c] = value & sign ? value : (TYPE)(value ^ (TYPE)(sign - 1));                     \
        }                                                                                          \
        TYPE limit = 0; /* becomes the k-th smallest key, bit by bit */                            \
        size_t below = 0;                                                                          \
        for (unsigned bit = BITS; bit-- > 0;) {                                                    \
            TYPE candidate = (TYPE)(limit | (TYPE)1 << bit);                                       \
            size_t smaller = 0;                                                                    \
            for (size_t first = 0; first < classes; first += 32768) { /* a TYPE counts these */    \
                size_t stop = first + 32768 < classes ? first + 32768 : classes;                   \
                TYPE part = 0;                                                                     \
                for (size_t c = first; c < stop; c++)                                              \
                    part = (TYPE)(part + (keys[c] < candidate));                                   \
                smaller += part;                                                                   \
            }                                                                                      \
            if (smaller < k) {                                                                     \
                limit = candidate;                                                                 \
                below = smaller;                                                                   \
            }                                                                                      \
        }                                                                                          \
        for (size_t c = 0; c < classes; c++)                                                       \
            flags[c] = keys[c] <= limit;                                                           \
        size_t equal = k - below, count = 0; /* of those at the limit, the first in class order */ \
        for (size_t c = 0; c < classes; c += 8) {                                                  \
            uint64_t word;                                                                         \
            memcpy(&word, flags + c, 8);                                                           \
            while (word) {                                                                         \
                size_t own = c + lowest_bit(word) / 8;                                             \
                word &= word - 1;                                                                  \
                if (keys[own] == limit) {                                                          \
                    if (!equal)                                                                    \
                        continue;                                                                  \
                    equal--;                                                                       \
                }                                                                                  \
                chosen[count++] = (uint64_t)keys[own] << shift | own;                              \
            }                                                                                      \
        }                                                                                          \
    }

SELECT_ROW(select16, uint16_t, 16)
SELECT_ROW(select32, uint32_t, 32)

#endif
