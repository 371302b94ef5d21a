/* Permutations of class sets (SPEC, section 8.3). Reference: reference/permutation.py.
 *
 * Members of the set come in order of position; each names its rank among the remaining ones, as
 * an interval of 4096 / remaining slots. Members of equal level share the intervals of their run.
 * Invariant: k <= 4096, so that every interval has a slot.
 */
#ifndef LABELCODEC_PERMUTATION_H
#define LABELCODEC_PERMUTATION_H

#include "labelcodec/entropy/rans.h"

/* Where the interval of a remaining entry begins: floor(4096 * entry / left). */
INLINED uint32_t order_bound(uint64_t entry, uint64_t reciprocal_of_left) {
    return (uint32_t)((entry << SLOT_BITS) * reciprocal_of_left >> 38);
}

/* Reciprocals for exact division: n / d = n * reciprocals[d] >> 38 for n <= 2^24, d <= 4096. */
static void order_reciprocals(size_t k, uint64_t *reciprocals) {
    for (size_t d = 1; d <= k; d++)
        reciprocals[d] = ((uint64_t)1 << 38) / d + 1;
}

/* The runs of equal levels in a label, and a Fenwick tree of their remaining lengths:
 * tree[i] is the sum of those of runs i - (i & -i) to i - 1. */
typedef struct {
    size_t count, top;        /* number of runs; highest power of two in it */
    int64_t *head, *size;     /* (k,) next rank of each run, and its remaining length */
    int64_t *tree;            /* (k + 1,) */
} level_runs;

INLINED int runs_tied(const int64_t *levels, size_t k) {
    int tied = 0;
    for (size_t i = 1; i < k; i++)
        tied |= levels[i] == levels[i - 1];
    return tied;
}

static void runs_find(level_runs *runs, const int64_t *levels, size_t k) {
    size_t count = 0;
    for (size_t i = 0; i < k; i++) {
        if (i == 0 || levels[i] != levels[i - 1]) {
            runs->head[count] = (int64_t)i;
            runs->size[count] = runs->tree[count + 1] = 0;
            count++;
        }
        runs->size[count - 1]++;
    }
    for (size_t i = 1; i <= count; i++) {
        size_t parent = i + (i & (0 - i));
        runs->tree[i] += runs->size[i - 1];
        if (parent <= count)
            runs->tree[parent] += runs->tree[i];
    }
    runs->count = count;
    for (runs->top = 1; 2 * runs->top <= count;)
        runs->top *= 2;
}

/* Remove one rank: from `run`, or, if that is -1, from the run that holds `entry`. Returns the run,
 * and in *before the number of remaining ranks before it. */
INLINED size_t runs_leave(level_runs *runs, int64_t run, int64_t entry, int64_t *before) {
    size_t at = 0;
    int64_t passed = 0;
    for (size_t step = runs->top; step; step >>= 1) {
        size_t next = at + step;
        if (next > runs->count)
            continue;
        if ((int64_t)next <= run || (run < 0 && passed + runs->tree[next] <= entry)) {
            at = next;
            passed += runs->tree[next];
        } else {
            runs->tree[next]--;
        }
    }
    *before = passed;
    return at;
}

/* entries[i] = rank[i] less the number of smaller ranks before it; both (k, B). */
VECTORISED static void order_entries(const int16_t *restrict rank, size_t rows, size_t k,
                                     int16_t *restrict entries) {
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t row = 0; row < rows; row++)
                entries[i * rows + row] = (int16_t)(entries[i * rows + row] -
                    (rank[j * rows + row] < rank[i * rows + row]));
}

/* Ranks of up to TILE labels from their entries (labels, k): rank i of a label is ranks[i * TILE +
 * label]. ranks: (k, TILE), which holds ranks of other labels or zeros. */
#define TILE 32
VECTORISED static void order_ranks(const int16_t *entries, size_t labels, size_t k,
                                   int16_t *restrict ranks) {
    for (size_t label = 0; label < labels; label++)
        for (size_t i = 0; i < k; i++)
            ranks[i * TILE + label] = entries[label * k + i];
    for (size_t i = k; i-- > 0;) {
        int16_t below[TILE]; /* later ranks above it move up by one */
        for (size_t label = 0; label < TILE; label++)
            below[label] = (int16_t)(ranks[i * TILE + label] - 1);
        for (size_t j = i + 1; j < k; j++)
            for (size_t label = 0; label < TILE; label++)
                ranks[j * TILE + label] = (int16_t)(
                    ranks[j * TILE + label] + (ranks[j * TILE + label] > below[label]));
    }
}

/* Intervals (start << 16 | frequency), (B, k), of ranks (B, k) whose levels (B, k) descend; levels
 * may be NULL where no two of a label are equal.
 * rank, entries: (k, B) scratch; run_of: (k,) scratch; reciprocals: (k + 1,) scratch. */
static void order_intervals(const int16_t *ranks, const int64_t *levels, size_t rows, size_t k,
                            level_runs runs, int64_t *run_of, uint64_t *reciprocals, int16_t *rank,
                            int16_t *entries, uint32_t *intervals) {
    order_reciprocals(k, reciprocals);
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < k; i++)
            rank[i * rows + row] = entries[i * rows + row] = ranks[row * k + i];
    order_entries(rank, rows, k, entries);
    for (size_t row = 0; row < rows; row++) {
        const int64_t *level = levels ? levels + row * k : NULL;
        int tied = levels && runs_tied(level, k);
        if (tied) {
            runs_find(&runs, level, k);
            for (size_t run = 0; run < runs.count; run++)
                for (int64_t i = 0; i < runs.size[run]; i++)
                    run_of[runs.head[run] + i] = (int64_t)run;
        }
        for (size_t i = 0; i < k; i++) {
            int64_t low = entries[i * rows + row], count = 1;
            if (tied) {
                size_t run = runs_leave(&runs, run_of[ranks[row * k + i]], 0, &low);
                count = runs.size[run]--;
            }
            uint32_t start = order_bound((uint64_t)low, reciprocals[k - i]);
            uint32_t stop = order_bound((uint64_t)(low + count), reciprocals[k - i]);
            intervals[row * k + i] = start << 16 | (stop - start);
        }
    }
}

/* Sort classes of equal level in ascending order; Shell's sort copes with long runs. */
static void order_sort_ties(int64_t *index, const int64_t *levels, size_t k) {
    size_t length = 1, gap = 1;
    for (size_t i = 1; i < k; i++) {
        length = levels[i] == levels[i - 1] ? length + 1 : 1;
        if (length > 9 * gap)
            gap = 3 * gap + 1;
    }
    for (; gap; gap /= 3)
        for (size_t i = gap; i < k; i++)
            for (size_t j = i; j >= gap && levels[j - gap] == levels[j] &&
                               index[j - gap] > index[j]; j -= gap) {
                int64_t other = index[j];
                index[j] = index[j - gap];
                index[j - gap] = other;
            }
}

/* Decode classes by rank, (B, k): the inverse of `order_intervals`.
 * members: (B, k) classes in order of position; entries: (B, k) scratch; ranks: (k, TILE) zeroed
 * scratch. */
SEPARATE int order_decode(rans_decoder *rans, const int64_t *restrict levels,
                          const int64_t *restrict members, size_t rows, size_t k, level_runs runs,
                          uint64_t *restrict reciprocals, int16_t *restrict entries,
                          int16_t *restrict ranks, int64_t *restrict index) {
    uint16_t buffer[PADDED + BEHIND];
    uint32_t state[MAX_LANES];
    const unsigned lanes = rans->lanes;
    unsigned lane = 0;
    order_reciprocals(k, reciprocals);
    memcpy(state, rans->state, lanes * sizeof *state);
    for (size_t row = 0; row < rows; row++) {
        const int64_t *level = levels + row * k;
        int tied = runs_tied(level, k);
        if (tied)
            runs_find(&runs, level, k);
        for (size_t first = 0; first < k; first += PADDED) {
            size_t stop = k - first < PADDED ? k : first + PADDED, read = 0;
            const uint16_t *words = rans_padded(rans, stop - first, buffer);
            for (size_t i = first; i < stop; i++) {
                uint32_t slot = state[lane] & (SLOTS - 1), left = (uint32_t)(k - i);
                int64_t low = (int64_t)((((uint64_t)slot + 1) * left - 1) >> SLOT_BITS), count = 1;
                if (tied) {
                    size_t run = runs_leave(&runs, -1, low, &low);
                    count = runs.size[run]--;
                    index[row * k + (size_t)runs.head[run]++] = members[row * k + i];
                } else {
                    entries[row * k + i] = (int16_t)low;
                }
                uint32_t start = order_bound((uint64_t)low, reciprocals[left]);
                uint32_t end = order_bound((uint64_t)(low + count), reciprocals[left]);
                rans_advance(&state[lane], slot, start, end - start, words, &read);
                lane = lane + 1 == lanes ? 0 : lane + 1;
            }
            if (read > rans->count - rans->read)
                return MALFORMED;
            rans->read += read;
        }
        if (tied)
            for (size_t i = 0; i < k; i++)
                entries[row * k + i] = 0; /* which are not used */
    }
    memcpy(rans->state, state, lanes * sizeof *state);
    for (size_t first = 0; first < rows; first += TILE) {
        const size_t count = rows - first < TILE ? rows - first : TILE;
        order_ranks(entries + first * k, count, k, ranks);
        for (size_t row = 0; row < count; row++) {
            const size_t label = (first + row) * k;
            if (runs_tied(levels + label, k))
                order_sort_ties(index + label, levels + label, k);
            else
                for (size_t i = 0; i < k; i++)
                    index[label + (size_t)ranks[i * TILE + row]] = members[label + i];
        }
    }
    return rans_closed(rans) ? GOOD : MALFORMED;
}

#endif
