/* The k largest values of each label (SPEC, section 8.2). Reference: reference/selection.py.
 *
 * A key per class is smaller for larger values. The k-th smallest key is found bit by bit; as soon
 * as a bound leaves few classes, only those are looked at. The choice does not depend on the bounds
 * that are tried.
 */
#ifndef LABELCODEC_SELECTION_H
#define LABELCODEC_SELECTION_H

#include "labelcodec/entropy/bitio.h"

#define FEW(k) (3 * (k) + 32) /* so many classes are worth a closer look */

/* Values of `width` bits, the sign highest; NaN and infinities have all bits of `exponent`. */
typedef struct {
    const void *bits;
    unsigned width; /* 16 or 32 */
    uint32_t sign, exponent;
} selection_values;

/* Scratch for a label of C classes, and what its successor is tried with. */
typedef struct {
    uint32_t *keys;   /* (C,) */
    uint32_t *own;    /* (C + 8,) the few classes that are looked at more closely */
    uint32_t *few;    /* (C,) their keys */
    uint32_t *picked; /* (C + 8,) which of them are selected */
    uint8_t *flags;   /* (C + 8,) */
    uint32_t bound;   /* any key; becomes one that few keys of the label are not above */
} selection_scratch;

INLINED uint32_t key_of(uint32_t value, uint32_t sign) {
    return value & sign ? value : value ^ (sign - 1);
}

/* Keys of a label for which -0 is +0; returns whether a value is NaN or infinite. One function for
 * each width of the values. */
#define SELECTION_KEYS(NAME, TYPE)                                                                 \
    VECTORISED static uint32_t NAME(const TYPE *bits, size_t classes, uint32_t sign,               \
                                    uint32_t exponent, uint32_t *restrict keys) {                  \
        uint32_t nonfinite = 0;                                                                    \
        for (size_t c = 0; c < classes; c++) {                                                     \
            uint32_t value = bits[c];                                                              \
            nonfinite |= (value & exponent) == exponent;                                           \
            keys[c] = key_of(value == sign ? 0 : value, sign);                                     \
        }                                                                                          \
        return nonfinite;                                                                          \
    }

SELECTION_KEYS(keys16, uint16_t)
SELECTION_KEYS(keys32, uint32_t)

/* Number of keys that are not above `bound`. */
VECTORISED static size_t keys_up_to(const uint32_t *keys, size_t count, uint32_t bound) {
    uint32_t number = 0;
    for (size_t i = 0; i < count; i++)
        number += keys[i] <= bound;
    return number;
}

/* The next bits of the k-th smallest key, from *bit down, until the keys that are not above *bound
 * are at most `enough`; returns their number. *limit: the bits found so far, the others 0. */
static size_t narrow(const uint32_t *keys, size_t count, size_t k, size_t enough, unsigned *bit,
                     uint32_t *limit, uint32_t *bound) {
    size_t number = count;
    while (number > enough && *bit) {
        uint32_t candidate = *limit | (uint32_t)1 << --*bit;
        size_t below = keys_up_to(keys, count, candidate - 1);
        if (below < k) {
            *limit = candidate;
        } else {
            *bound = candidate - 1;
            number = below;
        }
    }
    return number;
}

VECTORISED static void flag_up_to(const uint32_t *keys, size_t classes, uint32_t bound,
                                  uint8_t *restrict flags) {
    for (size_t c = 0; c < classes; c++)
        flags[c] = keys[c] <= bound;
}

/* Positions of the bits of a byte, lowest first. */
static uint32_t bits_of[256][8];

static void selection_start(void) {
    for (unsigned byte = 0; byte < 256; byte++)
        for (unsigned bit = 0, count = 0; bit < 8; bit++)
            if (byte >> bit & 1)
                bits_of[byte][count++] = bit;
}

/* The classes of keys that are not above `bound`; returns their number. Without branches, since
 * nothing predicts which classes are kept. flags: (C + 8,) scratch. */
static size_t classes_up_to(const uint32_t *keys, size_t classes, uint32_t bound,
                            uint8_t *restrict flags, uint32_t *restrict own) {
    size_t count = 0;
    flag_up_to(keys, classes, bound, flags);
    memset(flags + classes, 0, 8);
    for (size_t c = 0; c < classes; c += 8) {
        uint64_t word = load64(flags + c);
        const uint32_t *bits = bits_of[word * 0x0102040810204080u >> 56];
        for (size_t i = 0; i < 8; i++)
            own[count + i] = (uint32_t)c + bits[i];
        count += word * 0x0101010101010101u >> 56;
    }
    return count;
}

/* Row `row` of (B, C) values: the keys of its k largest, each with its class in the low `shift`
 * bits, go to `chosen` in order of the class. Of equal values, +0 and -0 among them, those are
 * taken that stand first; the key of -0 follows that of +0. Returns whether a value is NaN or
 * infinite. */
SEPARATE uint32_t select_row(const selection_values *values, size_t row, size_t classes, size_t k,
                           unsigned shift, selection_scratch *scratch, uint64_t *chosen) {
    const uint16_t *half = (const uint16_t *)values->bits + row * classes;
    const uint32_t *single = (const uint32_t *)values->bits + row * classes;
    const int is_half = values->width == 16;
    const uint32_t sign = values->sign, *own = scratch->own, *few = scratch->few;
    uint32_t limit = 0, unused = 0;
    unsigned bit = values->width;
    uint32_t nonfinite = is_half ? keys16(half, classes, sign, values->exponent, scratch->keys)
                                 : keys32(single, classes, sign, values->exponent, scratch->keys);
    size_t count = keys_up_to(scratch->keys, classes, scratch->bound);
    if (count < k || count > FEW(k)) {
        scratch->bound = UINT32_MAX;
        narrow(scratch->keys, classes, k, FEW(k), &bit, &limit, &scratch->bound);
    }
    count = classes_up_to(scratch->keys, classes, scratch->bound, scratch->flags, scratch->own);
    for (size_t i = 0; i < count; i++)
        scratch->few[i] = scratch->keys[own[i]];
    narrow(few, count, k, 0, &bit, &limit, &unused);
    size_t below = limit ? keys_up_to(few, count, limit - 1) : 0, equal = k - below, taken = 0;
    count = classes_up_to(few, count, limit, scratch->flags, scratch->picked);
    for (size_t i = 0; i < count && taken < k; i++) {
        size_t at = scratch->picked[i];
        if (few[at] == limit && equal-- == 0) {
            equal = 0;
            continue;
        }
        uint32_t value = is_half ? half[own[at]] : single[own[at]];
        chosen[taken++] = (uint64_t)key_of(value, sign) << shift | own[at];
    }
    return nonfinite;
}

#endif
