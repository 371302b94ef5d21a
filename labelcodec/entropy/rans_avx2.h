/* The inner loops of rANS for 32 lanes in AVX2 (SPEC, section 6.3): the same as `rans_put` and
 * `rans_symbol` for one symbol after the other. `has_avx2` says whether this machine runs them.
 */
#ifndef LABELCODEC_RANS_AVX2_H
#define LABELCODEC_RANS_AVX2_H

#include "labelcodec/entropy/platform.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LABELCODEC_PLAIN)
#define LABELCODEC_AVX2
#include <immintrin.h>

/* For each set of 8 lanes, the shuffle that moves their 16-bit words behind each other, to the end,
 * and the one that moves as many words from the beginning to these lanes. */
static uint8_t words_to_end[256][16] __attribute__((aligned(16)));
static uint8_t words_to_lanes[256][16] __attribute__((aligned(16)));
static int has_avx2;

static void avx2_start(void) {
    has_avx2 = __builtin_cpu_supports("avx2");
    memset(words_to_end, 0x80, sizeof words_to_end); /* which a shuffle reads as 0 */
    memset(words_to_lanes, 0x80, sizeof words_to_lanes);
    for (unsigned set = 0; set < 256; set++) {
        unsigned first = 8 - (unsigned)__builtin_popcount(set);
        for (unsigned lane = 0, count = 0; lane < 8; lane++)
            if (set >> lane & 1) {
                for (unsigned byte = 0; byte < 2; byte++) {
                    words_to_end[set][2 * (first + count) + byte] = (uint8_t)(2 * lane + byte);
                    words_to_lanes[set][2 * lane + byte] = (uint8_t)(2 * count + byte);
                }
                count++;
            }
    }
}

/* Encode `count` intervals of frequency 1 and more, a multiple of 32, the last one first.
 *
 * states: (32,), updated. words: the next word goes to words[used]; used >= count.
 * Returns where the word after the last one would go.
 * A quotient is below 2^20: computed in floats it is off by 1 at most. */
__attribute__((target("avx2"), noinline)) static size_t
rans_put_avx2(const uint32_t *intervals, size_t count, uint32_t *states, uint16_t *words,
              size_t used) {
    const __m256i lowest = _mm256_set1_epi32(0xFFFF), ones = _mm256_set1_epi32(-1);
    __m256i state[4];
    for (int i = 0; i < 4; i++)
        state[i] = _mm256_loadu_si256((const __m256i *)(states + 8 * i));
    for (size_t first = count; first; first -= 32)
        for (int i = 3; i >= 0; i--) {
            __m256i interval = _mm256_loadu_si256((const __m256i *)(intervals + first - 32 + 8 * i));
            __m256i start = _mm256_srli_epi32(interval, 16), own = state[i];
            __m256i freq = _mm256_and_si256(interval, lowest);
            __m256i fits = _mm256_cmpgt_epi32(freq, _mm256_srli_epi32(own, 20));
            unsigned full = ~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(fits)) & 0xFF;

            __m256i word = _mm256_and_si256(own, lowest);
            __m128i narrow = _mm_packus_epi32(_mm256_castsi256_si128(word),
                                              _mm256_extracti128_si256(word, 1));
            __m128i order = _mm_load_si128((const __m128i *)words_to_end[full]);
            _mm_storeu_si128((__m128i *)(words + used - 7), _mm_shuffle_epi8(narrow, order));
            used -= (size_t)__builtin_popcount(full);
            own = _mm256_blendv_epi8(_mm256_srli_epi32(own, 16), own, fits);

            __m256 half = _mm256_cvtepi32_ps(_mm256_srli_epi32(own, 1)); /* signed integers only */
            __m256 twice = _mm256_div_ps(_mm256_set1_ps(2), _mm256_cvtepi32_ps(freq));
            __m256i quotient = _mm256_cvttps_epi32(_mm256_mul_ps(half, twice));
            __m256i rest = _mm256_sub_epi32(own, _mm256_mullo_epi32(quotient, freq));
            __m256i under = _mm256_cmpgt_epi32(_mm256_setzero_si256(), rest);
            __m256i over = _mm256_xor_si256(_mm256_cmpgt_epi32(freq, rest), ones);
            quotient = _mm256_sub_epi32(_mm256_add_epi32(quotient, under), over);
            rest = _mm256_add_epi32(rest, _mm256_and_si256(under, freq));
            rest = _mm256_sub_epi32(rest, _mm256_and_si256(over, freq));
            state[i] = _mm256_add_epi32(_mm256_slli_epi32(quotient, 12),
                                        _mm256_add_epi32(start, rest));
        }
    for (int i = 0; i < 4; i++)
        _mm256_storeu_si256((__m256i *)(states + 8 * i), state[i]);
    return used;
}

/* Decode `count` symbols, a multiple of 32.
 *
 * symbol: (K, 4096) symbol that owns each slot; interval: (K, S); contexts: (count,), or NULL for one
 * `context`. states: (32,), updated. words: at least count + 8 that may be read.
 * Returns how many words were taken. Tables are looked up number by number: gathering is slower. */
__attribute__((target("avx2"), noinline)) static size_t
rans_get_avx2(const uint8_t *restrict symbol, const uint32_t *restrict interval, size_t symbols,
              const uint16_t *contexts, size_t context, size_t count, uint32_t *states,
              const uint16_t *words, uint8_t *restrict out) {
    const __m256i slot_mask = _mm256_set1_epi32(4095), lowest = _mm256_set1_epi32(0xFFFF);
    const __m256i row_size = _mm256_set1_epi32((int)symbols);
    uint32_t slots[32], rows[32], ranges[32];
    size_t read = 0;
    __m256i state[4];
    for (int i = 0; i < 4; i++)
        state[i] = _mm256_loadu_si256((const __m256i *)(states + 8 * i));
    for (size_t first = 0; first < count; first += 32, out += 32) {
        for (int i = 0; i < 4; i++) {
            __m256i row = _mm256_set1_epi32((int)context);
            if (contexts)
                row = _mm256_cvtepu16_epi32(
                    _mm_loadu_si128((const __m128i *)(contexts + first + 8 * i)));
            __m256i slot = _mm256_and_si256(state[i], slot_mask);
            slot = _mm256_add_epi32(_mm256_slli_epi32(row, 12), slot);
            _mm256_storeu_si256((__m256i *)(slots + 8 * i), slot);
            _mm256_storeu_si256((__m256i *)(rows + 8 * i), _mm256_mullo_epi32(row, row_size));
        }
        for (int lane = 0; lane < 32; lane++) {
            uint8_t own = symbol[slots[lane]];
            out[lane] = own;
            ranges[lane] = interval[rows[lane] + own];
        }
        for (int i = 0; i < 4; i++) {
            __m256i range = _mm256_loadu_si256((const __m256i *)(ranges + 8 * i));
            __m256i freq = _mm256_and_si256(range, lowest), start = _mm256_srli_epi32(range, 16);
            __m256i slot = _mm256_and_si256(state[i], slot_mask);
            __m256i next = _mm256_mullo_epi32(freq, _mm256_srli_epi32(state[i], 12));
            next = _mm256_add_epi32(next, _mm256_sub_epi32(slot, start));
            __m256i takes =
                _mm256_cmpeq_epi32(_mm256_srli_epi32(next, 16), _mm256_setzero_si256());
            unsigned set = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(takes));
            __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(words + read));
            __m128i order = _mm_load_si128((const __m128i *)words_to_lanes[set]);
            __m256i word = _mm256_cvtepu16_epi32(_mm_shuffle_epi8(some, order));
            __m256i grown = _mm256_or_si256(_mm256_slli_epi32(next, 16), word);
            state[i] = _mm256_blendv_epi8(next, grown, takes);
            read += (size_t)__builtin_popcount(set);
        }
    }
    for (int i = 0; i < 4; i++)
        _mm256_storeu_si256((__m256i *)(states + 8 * i), state[i]);
    return read;
}
#endif

#endif
