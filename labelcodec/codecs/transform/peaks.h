/* Ranking, choice and expansion of peaks (SPEC, section 9.4). Reference: reference/peaks.py.
 *
 * A label's ranking is by descending score, then by class. Scores lie within +-2^29 units, so that
 * the distance of a score to the label's largest fits 31 bits. C is at most 2^20.
 */
#ifndef LABELCODEC_PEAKS_H
#define LABELCODEC_PEAKS_H

#include "labelcodec/codecs/transform/scores.h"
#include "labelcodec/entropy/bitio.h"

#define BUCKETS 128
#define CLASS_BITS 20
#define CLASS_MASK (((uint64_t)1 << CLASS_BITS) - 1)
#define FEW 24 /* up to so many keys are sorted by insertion */

/* Scratch for one label of C classes. */
typedef struct {
    uint16_t *coarse;  /* (C + 8,) distance to the largest score, in 2^shift units, < 2^16 */
    uint8_t *flags;    /* (C + 8,) */
    uint32_t *best;    /* (C + 8,) the best classes */
    uint64_t *keys;    /* (C,) their keys: distance << 20 | class */
    uint64_t *sorted;  /* (C + 1,) */
    int32_t high;      /* the largest score */
    unsigned shift;
} ranker;

static void sort_keys(uint64_t *keys, size_t count) {
    if (count > FEW) {
        qsort(keys, count, sizeof *keys, compare_numbers);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        uint64_t key = keys[i];
        size_t j = i;
        for (; j && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

VECTORISED static int32_t largest_score(const int32_t *scores, size_t classes, int32_t *smallest) {
    int32_t high = scores[0], low = scores[0];
    for (size_t c = 0; c < classes; c++) {
        high = scores[c] > high ? scores[c] : high;
        low = scores[c] < low ? scores[c] : low;
    }
    *smallest = low;
    return high;
}

VECTORISED static void coarse_distances(const int32_t *scores, size_t classes, int32_t high,
                                        unsigned shift, uint16_t *restrict coarse) {
    for (size_t c = 0; c < classes; c++)
        coarse[c] = (uint16_t)((uint32_t)(high - scores[c]) >> shift);
}

VECTORISED static size_t count_within(const uint16_t *coarse, size_t classes, uint16_t limit) {
    size_t total = 0;
    for (size_t first = 0; first < classes; first += 32768) {
        size_t stop = first + 32768 < classes ? first + 32768 : classes;
        uint16_t part = 0;
        for (size_t c = first; c < stop; c++)
            part = (uint16_t)(part + (coarse[c] <= limit));
        total += part;
    }
    return total;
}

VECTORISED static void flag_within(const uint16_t *coarse, size_t classes, uint16_t limit,
                                   uint8_t *restrict flags) {
    for (size_t c = 0; c < classes; c++)
        flags[c] = coarse[c] <= limit;
}

/* Coarse distances of a label's scores; returns the largest. */
static uint32_t rank_open(ranker *rank, const int32_t *scores, size_t classes) {
    int32_t low;
    rank->high = largest_score(scores, classes, &low);
    rank->shift = 0;
    while ((uint32_t)(rank->high - low) >> rank->shift >> 16)
        rank->shift++;
    coarse_distances(scores, classes, rank->high, rank->shift, rank->coarse);
    return (uint32_t)(rank->high - low) >> rank->shift;
}

/* A coarse distance that holds the `needed` best classes, and few others if they are few. */
static uint32_t rank_limit(const ranker *rank, size_t classes, size_t needed, uint32_t farthest) {
    uint32_t limit = farthest, below = 0;
    if (2 * needed >= classes)
        return limit;
    while (below < limit) {
        uint32_t middle = (below + limit) / 2;
        size_t within = count_within(rank->coarse, classes, (uint16_t)middle);
        if (within < needed) {
            below = middle + 1;
            continue;
        }
        limit = middle;
        if (within < needed + needed / 2 + 8)
            break;
    }
    return limit;
}

/* A key: the distance to the largest score, then the class. */
INLINED uint64_t key_of(const ranker *rank, const int32_t *scores, size_t own) {
    return (uint64_t)(uint32_t)(rank->high - scores[own]) << CLASS_BITS | own;
}

/* List the keys of the classes within a coarse distance, by class, and count them by bucket.
 *
 * A bucket is `key >> fold`, below BUCKETS. size: (BUCKETS,) zeroed. Returns the number of keys. */
static size_t list_within(ranker *rank, const int32_t *scores, size_t classes, uint32_t limit,
                          unsigned *fold, uint32_t *size) {
    uint64_t *keys = rank->keys;
    unsigned by = CLASS_BITS + rank->shift;
    flag_within(rank->coarse, classes, (uint16_t)limit, rank->flags);
    size_t count = flagged(rank->flags, classes, rank->best);
    for (; limit >= BUCKETS; limit >>= 1)
        by++;
    for (size_t i = 0; i < count; i++) {
        keys[i] = key_of(rank, scores, rank->best[i]);
        size[keys[i] >> by]++;
    }
    *fold = by;
    return count;
}

/* The keys of the wanted buckets, sorted.
 *
 * size, wanted: (BUCKETS,); kept: number of keys in the wanted buckets. */
static void sort_wanted(ranker *rank, size_t listed, unsigned fold, const uint32_t *size,
                        const uint8_t *wanted, size_t kept) {
    struct {
        uint32_t next, step; /* where the bucket's next key goes to; 0 moves on to nowhere */
    } slot[BUCKETS];
    size_t first = 0;
    if (kept <= FEW) {
        for (size_t i = 0; i < listed; i++) {
            rank->sorted[first] = rank->keys[i];
            first += wanted[rank->keys[i] >> fold];
        }
        sort_keys(rank->sorted, first);
        return;
    }
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        slot[bucket].step = wanted[bucket];
        slot[bucket].next = (uint32_t)(wanted[bucket] ? first : kept); /* a place that is not read */
        first += wanted[bucket] ? size[bucket] : 0;
    }
    for (size_t i = 0; i < listed; i++) {
        uint64_t key = rank->keys[i];
        rank->sorted[slot[key >> fold].next] = key;
        slot[key >> fold].next += slot[key >> fold].step;
    }
    first = 0;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        if (wanted[bucket]) {
            sort_keys(rank->sorted + first, size[bucket]);
            first += size[bucket];
        }
}

/* Classes at ascending positions (below C) of a label's ranking; of others, any classes. */
static void classes_at(ranker *rank, const int32_t *scores, size_t classes, const int64_t *places,
                       size_t count, int64_t *chosen) {
    uint32_t size[BUCKETS] = {0};
    uint8_t wanted[BUCKETS] = {0};
    unsigned fold;
    if (!count)
        return;
    uint32_t farthest = rank_open(rank, scores, classes);
    uint32_t limit = rank_limit(rank, classes, (size_t)places[count - 1] + 1, farthest);
    size_t listed = list_within(rank, scores, classes, limit, &fold, size);
    int64_t before = 0, kept = 0; /* classes of the buckets so far, and of those that are wanted */
    size_t place = 0;
    for (size_t bucket = 0; bucket < BUCKETS && place < count; before += size[bucket++]) {
        int64_t stop = before + size[bucket];
        if (places[place] >= stop)
            continue;
        for (; place < count && places[place] < stop; place++)
            chosen[place] = kept + places[place] - before; /* among the wanted buckets' classes */
        wanted[bucket] = 1;
        kept += size[bucket];
    }
    for (; place < count; place++)
        chosen[place] = -1;
    sort_wanted(rank, listed, fold, size, wanted, (size_t)kept);
    for (place = 0; place < count; place++) {
        size_t at = (size_t)chosen[place];
        chosen[place] = at < (size_t)kept ? (int64_t)(rank->sorted[at] & CLASS_MASK) : 0;
    }
}

/* Add the tail correction of each class's distance to the largest, in place. */
VECTORISED static void correct_tail(int32_t *restrict full, size_t classes, int32_t high,
                                    const int32_t *restrict tail, int32_t last, unsigned shift) {
    for (size_t c = 0; c < classes; c++) {
        int32_t distance = (int32_t)((uint32_t)(high - full[c]) >> shift);
        full[c] += tail[distance > last ? last : distance];
    }
}

/* Logits of one label in units: peaks have their values, other classes are corrected. */
static void expand_row(int32_t *full, size_t classes, const int64_t *chosen, const int32_t *values,
                       size_t count, const int32_t *tail, int32_t last, unsigned shift) {
    int32_t low;
    for (size_t i = 0; i < count; i++)
        full[chosen[i]] = values[i];
    correct_tail(full, classes, largest_score(full, classes, &low), tail, last, shift);
    for (size_t i = 0; i < count; i++)
        full[chosen[i]] = values[i];
}

VECTORISED static void scaled(const int32_t *restrict units, size_t count, float unit,
                              float *restrict logits) {
    for (size_t i = 0; i < count; i++)
        logits[i] = (float)units[i] * unit;
}

/* As `correct_tail`, and the logits in place of units: float32 in the memory of (C,) int32. */
VECTORISED static void finish_tail(int32_t *restrict full, size_t classes, int32_t high,
                                   const int32_t *restrict tail, int32_t last, unsigned shift,
                                   float unit) {
    for (size_t c = 0; c < classes; c++) {
        int32_t distance = (int32_t)((uint32_t)(high - full[c]) >> shift);
        float logit = (float)(full[c] + tail[distance > last ? last : distance]) * unit;
        memcpy(full + c, &logit, sizeof logit);
    }
}

/* Logits of one label from its scores, which they replace: (C,) int32 become float32.
 *
 * places, residuals: (count,); chosen, values: (count,) scratch; peak: units per step of a residual.
 * |residual| and peak are at most 2^24. */
static void finish_row(ranker *rank, int32_t *scores, size_t classes, const int64_t *places,
                       const int64_t *residuals, size_t count, int64_t peak, const int32_t *tail,
                       int32_t last, unsigned shift, float unit, int64_t *chosen,
                       int32_t *values) {
    int32_t low;
    classes_at(rank, scores, classes, places, count, chosen);
    for (size_t i = 0; i < count; i++) {
        int64_t value = scores[chosen[i]] + residuals[i] * peak;
        value = value > MAX_SCORE ? MAX_SCORE : value;
        values[i] = (int32_t)(value < -MAX_SCORE ? -MAX_SCORE : value);
    }
    for (size_t i = 0; i < count; i++)
        scores[chosen[i]] = values[i];
    finish_tail(scores, classes, largest_score(scores, classes, &low), tail, last, shift, unit);
    for (size_t i = 0; i < count; i++) {
        float logit = (float)values[i] * unit;
        memcpy(scores + chosen[i], &logit, sizeof logit);
    }
}

/* Choose the peaks of a label whose gain is worth their bits.
 *
 * gain: (C,) nats saved; price: (C,) nats that a peak at each position must save, ascending.
 * places: (C,) receives the positions, ascending; chosen: (C,) the classes. excess, kept: (C,)
 * scratch. At most `most` peaks, those with the largest excess; ties at the limit are dropped.
 * Returns the number of peaks. */
static int compare_floats(const void *a, const void *b) {
    float first = *(const float *)a, second = *(const float *)b;
    return (first > second) - (first < second);
}

static size_t choose_row(ranker *rank, const int32_t *scores, const float *gain,
                         const float *price, size_t classes, size_t most, float *excess,
                         float *kept, int64_t *places, int64_t *chosen) {
    uint32_t limit = 0, size[BUCKETS] = {0};
    uint8_t wanted[BUCKETS] = {0};
    unsigned fold;
    size_t likely = 0, count = 0, left = 0, keys = 0, place = 0, at = 0;
    rank_open(rank, scores, classes);
    for (size_t c = 0; c < classes; c++)
        if (gain[c] > price[0]) {
            limit = rank->coarse[c] > limit ? rank->coarse[c] : limit;
            chosen[likely++] = (int64_t)c;
        }
    if (!likely)
        return 0;
    size_t listed = list_within(rank, scores, classes, limit, &fold, size);
    for (size_t i = 0; i < likely; i++)
        wanted[key_of(rank, scores, (size_t)chosen[i]) >> fold] = 1;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        keys += wanted[bucket] ? size[bucket] : 0;
    sort_wanted(rank, listed, fold, size, wanted, keys);
    for (size_t bucket = 0; bucket < BUCKETS; place += size[bucket++]) {
        if (!wanted[bucket])
            continue;
        for (size_t i = 0; i < size[bucket]; i++) {
            size_t own = rank->sorted[at++] & CLASS_MASK;
            if (gain[own] > price[place + i]) {
                places[count] = (int64_t)(place + i);
                chosen[count] = (int64_t)own;
                excess[count++] = gain[own] - price[place + i];
            }
        }
    }
    if (count <= most) { /* an excess may round to 0 */
        for (size_t i = 0; i < count; i++)
            if (excess[i] > 0) {
                places[left] = places[i];
                chosen[left++] = chosen[i];
            }
        return left;
    }
    memcpy(kept, excess, count * sizeof *kept);
    qsort(kept, count, sizeof *kept, compare_floats);
    float least = kept[count - most - 1];
    for (size_t i = 0; i < count; i++)
        if (excess[i] > least) {
            places[left] = places[i];
            chosen[left++] = chosen[i];
        }
    return left;
}

#endif
