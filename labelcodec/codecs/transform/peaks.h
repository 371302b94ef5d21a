/* Ranking, choice and expansion of peaks (SPEC, section 9.4). Reference: reference/peaks.py.
 *
 * A label's ranking is by descending score, then by class. Scores lie within +-2^29 units, so that
 * the distance of a score to the label's largest fits 31 bits. C is at most 2^20.
 */
#ifndef LABELCODEC_PEAKS_H
#define LABELCODEC_PEAKS_H

#include "labelcodec/entropy/platform.h"

#define BUCKETS 512
#define CLASS_BITS 20
#define FEW 24 /* up to so many keys are sorted by insertion */

/* Scratch for one label of C classes. */
typedef struct {
    uint16_t *coarse;  /* (C + 8,) distance to the largest score, in 2^shift units, < 2^16 */
    uint8_t *flags;    /* (C + 8,), the last 8 zero */
    uint64_t *keys;    /* (C,) distance << 20 | class of the best classes */
    uint64_t *sorted;  /* (C,) */
    uint32_t start[BUCKETS + 1];
    int32_t high;      /* the largest score */
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
    unsigned shift = 0;
    rank->high = largest_score(scores, classes, &low);
    while ((uint32_t)(rank->high - low) >> shift >> 16)
        shift++;
    coarse_distances(scores, classes, rank->high, shift, rank->coarse);
    return (uint32_t)(rank->high - low) >> shift;
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

/* Rank the classes within a coarse distance: rank->sorted[i] & (2^20 - 1) is the class at position
 * i, for the ascending positions `places`, or all if that is NULL. Returns how many classes there
 * are. A bucket sort by coarse distance, then by key in the buckets that hold a position. */
static size_t rank_within(ranker *rank, const int32_t *scores, size_t classes, uint32_t limit,
                          const int64_t *places, size_t remaining) {
    const int32_t high = rank->high;
    flag_within(rank->coarse, classes, (uint16_t)limit, rank->flags);
    unsigned fold = 0; /* from a coarse distance to its bucket */
    while (limit >> fold >= BUCKETS)
        fold++;
    uint32_t *start = rank->start;
    memset(start, 0, sizeof rank->start);
    size_t count = 0;
    for (size_t c = 0; c < classes; c += 8) {
        uint64_t word;
        memcpy(&word, rank->flags + c, 8);
        while (word) {
            size_t own = c + lowest_bit(word) / 8;
            word &= word - 1;
            start[(rank->coarse[own] >> fold) + 1]++;
            rank->keys[count++] = (uint64_t)(uint32_t)(high - scores[own]) << CLASS_BITS | own;
        }
    }
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        start[bucket + 1] += start[bucket];
    for (size_t i = 0; i < count; i++) {
        size_t own = rank->keys[i] & ((1 << CLASS_BITS) - 1);
        rank->sorted[start[rank->coarse[own] >> fold]++] = rank->keys[i];
    }
    size_t first = 0; /* start[b] is now the end of bucket b */
    for (size_t bucket = 0; bucket < BUCKETS && first < count; bucket++) {
        size_t stop = start[bucket], holds = places ? 0 : 1;
        for (; places && remaining && (size_t)*places < stop; places++, remaining--)
            holds = 1;
        if (holds && stop - first > 1)
            sort_keys(rank->sorted + first, stop - first);
        first = stop;
    }
    return count;
}

/* Classes at ascending positions (below C) of a label's ranking. */
static void classes_at(ranker *rank, const int32_t *scores, size_t classes, const int64_t *places,
                       size_t count, int64_t *chosen) {
    if (!count)
        return;
    uint32_t farthest = rank_open(rank, scores, classes);
    size_t needed = (size_t)places[count - 1] + 1;
    uint32_t limit = rank_limit(rank, classes, needed, farthest);
    rank_within(rank, scores, classes, limit, places, count);
    for (size_t i = 0; i < count; i++)
        chosen[i] = (int64_t)(rank->sorted[places[i]] & ((1 << CLASS_BITS) - 1));
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

/* Scores of one label: exact sums of products plus the means, within +-MAX_SCORE units. */
#define MAX_SCORE (1 << 29)
VECTORISED static void clip_single(const float *restrict sums, const int32_t *restrict mean,
                                   size_t classes, int32_t *restrict scores) {
    for (size_t c = 0; c < classes; c++) { /* |sum| < 2^24, |mean| <= 2^29 */
        int32_t score = (int32_t)sums[c] + mean[c];
        score = score > MAX_SCORE ? MAX_SCORE : score;
        scores[c] = score < -MAX_SCORE ? -MAX_SCORE : score;
    }
}

static void clip_double(const double *restrict sums, const int32_t *restrict mean, size_t classes,
                        int32_t *restrict scores) {
    for (size_t c = 0; c < classes; c++) { /* |sum| < 2^53 */
        int64_t score = (int64_t)sums[c] + mean[c];
        score = score > MAX_SCORE ? MAX_SCORE : score;
        scores[c] = (int32_t)(score < -MAX_SCORE ? -MAX_SCORE : score);
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
    uint32_t limit = 0;
    int likely = 0;
    rank_open(rank, scores, classes);
    for (size_t c = 0; c < classes; c++)
        if (gain[c] > price[0]) {
            limit = rank->coarse[c] > limit ? rank->coarse[c] : limit;
            likely = 1;
        }
    if (!likely)
        return 0;
    size_t count = 0, left = 0, ranked = rank_within(rank, scores, classes, limit, NULL, 0);
    for (size_t place = 0; place < ranked; place++) {
        size_t own = rank->sorted[place] & ((1 << CLASS_BITS) - 1);
        if (gain[own] > price[place]) {
            places[count] = (int64_t)place;
            chosen[count] = (int64_t)own;
            excess[count++] = gain[own] - price[place];
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
