/* CRC-32 of zip files, 64 bytes at a time by carry-less multiplication.
 *
 * Method: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009.
 * Where the processor cannot, `crc32_can_fold` is 0 and zlib does it.
 */
#ifndef LABELCODEC_CRC32_H
#define LABELCODEC_CRC32_H

#include "labelcodec/entropy/platform.h"

static uint32_t crc32_table[256]; /* of single bytes */

/* Fill the table; once, before anything else here. */
static void crc32_start(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++)
            rest = rest >> 1 ^ (rest & 1 ? 0xEDB88320u : 0);
        crc32_table[byte] = rest;
    }
}

/* The register after further bytes. */
INLINED uint32_t crc32_bytes(uint32_t state, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        state = state >> 8 ^ crc32_table[(state ^ data[i]) & 255];
    return state;
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(LABELCODEC_PLAIN)
#include <immintrin.h>

#define FOLDING __attribute__((target("pclmul,sse4.1")))

static int crc32_can_fold(void) {
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

FOLDING INLINED __m128i crc32_load(const uint8_t *data) {
    return _mm_loadu_si128((const __m128i *)data);
}

/* `next`, with what stands 16 or 64 bytes before it added modulo the polynomial. */
FOLDING INLINED __m128i crc32_fold(__m128i before, __m128i by, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(before, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(before, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* The CRC of any number of bytes; only where `crc32_can_fold`. */
FOLDING static uint32_t crc32_of(const uint8_t *data, size_t size) {
    /* x^(8 n + 32) and x^(8 n - 32) modulo the polynomial, bits reflected, for n = 64 and 16 bytes */
    const __m128i by64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i by16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    uint8_t rest[16];
    if (size < 64)
        return ~crc32_bytes(~0u, data, size);
    __m128i lanes[4];
    for (int lane = 0; lane < 4; lane++)
        lanes[lane] = crc32_load(data + 16 * lane);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(-1)); /* the register starts with ones */
    for (data += 64, size -= 64; size >= 64; data += 64, size -= 64)
        for (int lane = 0; lane < 4; lane++)
            lanes[lane] = crc32_fold(lanes[lane], by64, crc32_load(data + 16 * lane));
    __m128i all = lanes[0];
    for (int lane = 1; lane < 4; lane++)
        all = crc32_fold(all, by16, lanes[lane]);
    for (; size >= 16; data += 16, size -= 16)
        all = crc32_fold(all, by16, crc32_load(data));
    _mm_storeu_si128((__m128i *)rest, all);
    return ~crc32_bytes(crc32_bytes(0, rest, 16), data, size);
}

#else

static int crc32_can_fold(void) { return 0; }
static uint32_t crc32_of(const uint8_t *data, size_t size) {
    return ~crc32_bytes(~0u, data, size);
}

#endif

#endif
