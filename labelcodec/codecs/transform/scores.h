/* Scores of labels: sums of products of coefficients and basis vectors (SPEC, section 9.4, X-14).
 *
 * Reference: reference/scores.py. Coefficients and vectors fit 16 bits here. Two vectors lie side by
 * side, so that one instruction multiplies a pair of coefficients by a class's pair of entries and
 * adds the products. Sums are of whole numbers below 2^30: exact, in any order.
 */
#ifndef LABELCODEC_SCORES_H
#define LABELCODEC_SCORES_H

#include "labelcodec/entropy/platform.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LABELCODEC_PLAIN)
#define LABELCODEC_PAIRS
#include <immintrin.h>
#endif

#define MAX_SCORE (1 << 29)
#define GROUP 4  /* labels at a time */
#define BLOCK 16 /* classes at a time */

/* largest: (r,) zeroed; receives the largest magnitude in each column of coefficients (B, r), at most
 * INT32_MAX. */
VECTORISED static void largest_magnitudes(const int32_t *restrict coefficients, size_t rows,
                                          size_t rank, int32_t *restrict largest) {
    for (size_t row = 0; row < rows; row++)
        for (size_t j = 0; j < rank; j++) {
            int32_t value = coefficients[row * rank + j], sign = value >> 31;
            int32_t size = (value ^ sign) + ((uint32_t)sign & (value != INT32_MIN));
            largest[j] = size > largest[j] ? size : largest[j];
        }
}

/* Coefficients (r,) of a label as pairs of 16 bits, an odd last one beside 0. */
static void pair_up(const int32_t *coefficients, size_t rank, int16_t *pairs) {
    for (size_t j = 0; j < rank; j++)
        pairs[j] = (int16_t)coefficients[j];
    if (rank % 2)
        pairs[rank] = 0;
}

/* Scores of GROUP labels in BLOCK classes.
 *
 * pairs: (GROUP, count, 2); vectors: (count, stride, 2), from the first of the classes on;
 * mean: (BLOCK,); scores: (GROUP, BLOCK), `width` apart. */
static void score_block(const int16_t *pairs, size_t count, const int16_t *vectors, size_t stride,
                        const int32_t *mean, int32_t *scores, size_t width) {
    for (size_t row = 0; row < GROUP; row++, pairs += 2 * count, scores += width)
        for (size_t c = 0; c < BLOCK; c++) {
            int32_t sum = mean[c];
            for (size_t i = 0; i < count; i++) {
                const int16_t *entry = vectors + 2 * (i * stride + c);
                sum += pairs[2 * i] * entry[0] + pairs[2 * i + 1] * entry[1];
            }
            sum = sum > MAX_SCORE ? MAX_SCORE : sum;
            scores[c] = sum < -MAX_SCORE ? -MAX_SCORE : sum;
        }
}

#if defined(LABELCODEC_PAIRS)
/* As `score_block`. */
__attribute__((target("avx2"))) static void
score_block_avx2(const int16_t *pairs, size_t count, const int16_t *vectors, size_t stride,
                 const int32_t *mean, int32_t *scores, size_t width) {
    const __m256i most = _mm256_set1_epi32(MAX_SCORE), least = _mm256_set1_epi32(-MAX_SCORE);
    __m256i sum[GROUP][2];
    for (int row = 0; row < GROUP; row++)
        for (int half = 0; half < 2; half++)
            sum[row][half] = _mm256_loadu_si256((const __m256i *)mean + half);
    for (size_t i = 0; i < count; i++, vectors += 2 * stride) {
        __m256i first = _mm256_loadu_si256((const __m256i *)vectors);
        __m256i second = _mm256_loadu_si256((const __m256i *)vectors + 1);
        for (int row = 0; row < GROUP; row++) {
            int32_t both;
            memcpy(&both, pairs + 2 * (row * count + i), sizeof both);
            __m256i pair = _mm256_set1_epi32(both);
            sum[row][0] = _mm256_add_epi32(sum[row][0], _mm256_madd_epi16(first, pair));
            sum[row][1] = _mm256_add_epi32(sum[row][1], _mm256_madd_epi16(second, pair));
        }
    }
    for (int row = 0; row < GROUP; row++)
        for (int half = 0; half < 2; half++) {
            __m256i clipped = _mm256_max_epi32(_mm256_min_epi32(sum[row][half], most), least);
            _mm256_storeu_si256((__m256i *)(scores + row * width) + half, clipped);
        }
}
#endif

typedef void score_kernel(const int16_t *, size_t, const int16_t *, size_t, const int32_t *,
                          int32_t *, size_t);

static score_kernel *score_kernel_here(void) {
#if defined(LABELCODEC_PAIRS)
    if (__builtin_cpu_supports("avx2"))
        return score_block_avx2;
#endif
    return score_block;
}

/* Scores (rows, C) of up to GROUP labels.
 *
 * pairs: (GROUP, count, 2), those beyond `rows` anything; vectors: (count, stride, 2) and
 * mean: (stride,), stride the next multiple of BLOCK from C on. */
static void score_group(score_kernel *kernel, const int16_t *pairs, size_t count,
                        const int16_t *vectors, size_t stride, const int32_t *mean, size_t rows,
                        size_t classes, int32_t *scores) {
    int32_t block[GROUP * BLOCK];
    size_t c = 0;
    if (rows == GROUP)
        for (; c + BLOCK <= classes; c += BLOCK)
            kernel(pairs, count, vectors + 2 * c, stride, mean + c, scores + c, classes);
    for (; c < classes; c += BLOCK) {
        size_t width = classes - c < BLOCK ? classes - c : BLOCK;
        kernel(pairs, count, vectors + 2 * c, stride, mean + c, block, BLOCK);
        for (size_t row = 0; row < rows; row++)
            memcpy(scores + row * classes + c, block + row * BLOCK, width * sizeof *scores);
    }
}

/* Scores of one label from sums in double precision, |sum| < 2^53. */
static void clip_double(const double *restrict sums, const int32_t *restrict mean, size_t classes,
                        int32_t *restrict scores) {
    for (size_t c = 0; c < classes; c++) {
        int64_t score = (int64_t)sums[c] + mean[c];
        score = score > MAX_SCORE ? MAX_SCORE : score;
        scores[c] = (int32_t)(score < -MAX_SCORE ? -MAX_SCORE : score);
    }
}

#endif
