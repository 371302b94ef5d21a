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

/* Scratch for a label of C classes, and what its successor is tried with. */
typedef struct {
    void *keys;       /* (C,) as wide as the values */
    void *few;        /* (C,) keys of the few classes that are looked at more closely */
    uint32_t *own;    /* (C + 8,) these classes */
    uint32_t *picked; /* (C + 8,) which of them are selected */
    uint8_t *flags;   /* (C + 8,) */
    uint32_t bound;   /* any key; becomes one that few keys of the label are not above */
} selection_scratch;

/* Where the k-th smallest key is: limit .. limit + 2^bit - 1, the low `bit` bits of limit being 0. */
typedef struct {
    uint32_t limit;
    unsigned bit; /* 0..32 */
} key_range;

INLINED uint32_t range_end(key_range range) {
    return range.limit | (uint32_t)(((uint64_t)1 << range.bit) - 1);
}

#define KEY uint16_t
#define NAMED(name) name##16
#include "labelcodec/codecs/topk/selection_row.h"
#undef KEY
#undef NAMED

#define KEY uint32_t
#define NAMED(name) name##32
#include "labelcodec/codecs/topk/selection_row.h"
#undef KEY
#undef NAMED

#endif
