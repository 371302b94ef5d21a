/* What the kernels ask of a compiler: little-endian words, inlining, wide vectors where they pay. */
#ifndef LABELCODEC_PLATFORM_H
#define LABELCODEC_PLATFORM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernels read little-endian words; on this machine the NumPy reference runs"
#endif

/* With LABELCODEC_PLAIN no function is compiled for what only some processors or compilers have.
 * VECTORISED: the function is compiled twice, the second time for AVX2, and the loader picks. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(LABELCODEC_PLAIN)
#define VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#define VECTORISED
#endif

#if defined(__GNUC__)
#define INLINED static inline __attribute__((always_inline))
#define SEPARATE static __attribute__((noinline)) /* a loop that needs all registers */
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define INLINED static inline
#define SEPARATE static
#define UNLIKELY(condition) (condition)
#endif

/* Statuses of all decoders: anything but GOOD means that the stream is malformed. */
enum { GOOD = 0, MALFORMED = 1 };

/* Position of the highest and of the lowest bit of a number that is not 0. */
INLINED unsigned highest_bit(uint64_t number) {
#if defined(__GNUC__)
    return 63 - (unsigned)__builtin_clzll(number);
#else
    unsigned bit = 0;
    while (number >> bit > 1)
        bit++;
    return bit;
#endif
}

INLINED unsigned lowest_bit(uint64_t number) {
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(number);
#else
    unsigned bit = 0;
    while (!(number >> bit & 1))
        bit++;
    return bit;
#endif
}

/* Order of two uint64_t, for qsort. */
static int compare_numbers(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

#endif
