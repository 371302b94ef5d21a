/* Labels (B, C) to high bits by class and low bits, packed label by label in class order (SPEC,
 * section 7). Reference: reference.py.
 *
 * A value is high << shift | low; the `drop` lowest bits are not stored. Labels are split in tiles,
 * whose values are transposed to (C, TILE): what follows is the same for all labels of a tile.
 */
#ifndef LABELCODEC_DENSE_SPLIT_H
#define LABELCODEC_DENSE_SPLIT_H

#include "labelcodec/entropy/bitio.h"

#define TILE 16            /* labels that are transposed together */
#define PACKED 8           /* positions whose low bits are packed together */
#define MAX_PACKED_WIDTH 7 /* low bits: PACKED of them fit a word at any bit of a byte */

#if defined(__has_builtin) && !defined(LABELCODEC_PLAIN)
#if __has_builtin(__builtin_shufflevector)
#define VECTORS
#endif
#endif

#ifdef VECTORS
typedef uint16_t vector8 __attribute__((vector_size(16)));
typedef uint16_t vector16 __attribute__((vector_size(2 * TILE))); /* a number of each label */

/* Numbers of two vectors in turn: those of their first halves and those of their last. */
#define ZIP_FIRST(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_LAST(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)

/* Eight columns of (8, C) numbers: to[c * rows + i] = from[i * C + c]. */
INLINED void transpose8(const uint16_t *restrict from, size_t classes, uint16_t *restrict to,
                        size_t rows) {
    vector8 a[8], b[8];
    for (size_t i = 0; i < 8; i++)
        memcpy(&a[i], from + i * classes, sizeof a[i]);
    for (size_t step = 0; step < 3; step++) {
        for (size_t i = 0; i < 4; i++) {
            b[2 * i] = ZIP_FIRST(a[i], a[i + 4]);
            b[2 * i + 1] = ZIP_LAST(a[i], a[i + 4]);
        }
        memcpy(a, b, sizeof a);
    }
    for (size_t c = 0; c < 8; c++)
        memcpy(to + c * rows, &a[c], sizeof a[c]);
}
#endif

/* Columns of (TILE, C) numbers: to[c * rows + i] = from[i * C + c] for i < tile. */
SEPARATE void transpose_tile(const uint16_t *restrict from, size_t tile, size_t classes,
                             uint16_t *restrict to, size_t rows) {
    size_t c = 0;
#ifdef VECTORS
    for (; tile == TILE && c + 8 <= classes; c += 8)
        for (size_t i = 0; i < TILE; i += 8)
            transpose8(from + i * classes + c, classes, to + c * rows + i, rows);
#endif
    for (; c < classes; c++)
        for (size_t i = 0; i < tile; i++)
            to[c * rows + i] = from[i * classes + c];
}

/* Split labels value by value. tile: (TILE, C) scratch; high: (C, B); packed: with 16 bytes of room
 * behind the low bits. One function for each width of values. */
#define DENSE_SPLIT(NAME, TYPE)                                                                    \
    SEPARATE void NAME(const TYPE *bits, size_t rows, size_t classes, const int32_t *order,        \
                       unsigned shift, unsigned drop, uint16_t *restrict tile, uint16_t *high,     \
                       uint8_t *packed) {                                                          \
        const TYPE mask = (TYPE)(((uint64_t)1 << shift) - 1);                                      \
        bit_writer low = {packed, 0, 0};                                                           \
        for (size_t row = 0; row < rows; row++, bits += classes) {                                 \
            size_t in_tile = row % TILE;                                                           \
            for (size_t c = 0; c < classes; c++)                                                   \
                tile[in_tile * classes + c] = (uint16_t)(bits[c] >> shift);                        \
            if (in_tile == TILE - 1 || row == rows - 1)                                            \
                transpose_tile(tile, in_tile + 1, classes, high + row - in_tile, rows);            \
            for (size_t c = 0; c < classes; c++)                                                   \
                bits_put(&low, (bits[order[c]] & mask) >> drop, shift - drop);                     \
        }                                                                                          \
        bits_flush(&low);                                                                          \
    }

DENSE_SPLIT(dense_split32, uint32_t)

#ifdef VECTORS
/* High bits of a tile of values (C, TILE); high: (C, B), from the tile's first label on. */
VECTORISED static void tile_high(const uint16_t *tile, size_t labels, size_t classes,
                                 unsigned shift, uint16_t *restrict high, size_t rows) {
    for (size_t c = 0; c < classes; c++, high += rows) {
        vector16 values;
        memcpy(&values, tile + c * TILE, sizeof values);
        values >>= shift;
        if (labels == TILE)
            memcpy(high, &values, sizeof values);
        else
            memcpy(high, &values, labels * sizeof *high);
    }
}

/* Low bits of the next `count` positions, PACKED at most: words[i] receives those of label i. */
INLINED void tile_words(const uint16_t *tile, const int32_t *order, size_t count, unsigned drop,
                        unsigned width, uint64_t *restrict words) {
    static const uint16_t nothing[TILE];
    const uint16_t mask = (uint16_t)((1u << width) - 1);
    uint16_t pairs[PACKED / 2][TILE];
    for (size_t j = 0; j < PACKED; j += 2) {
        vector16 even, odd;
        memcpy(&even, j < count ? tile + (size_t)order[j] * TILE : nothing, sizeof even);
        memcpy(&odd, j + 1 < count ? tile + (size_t)order[j + 1] * TILE : nothing, sizeof odd);
        even = (even >> drop & mask) | (odd >> drop & mask) << width;
        memcpy(pairs[j / 2], &even, sizeof even);
    }
    for (size_t i = 0; i < TILE; i++)
        words[i] = (uint64_t)pairs[0][i] | (uint64_t)pairs[1][i] << 2 * width |
                   (uint64_t)pairs[2][i] << 4 * width | (uint64_t)pairs[3][i] << 6 * width;
}

/* Low bits of a tile, whose first label begins at bit `position` of zeroed bytes. */
VECTORISED static void tile_low(const uint16_t *tile, size_t labels, size_t classes,
                                const int32_t *order, unsigned drop, unsigned width,
                                uint64_t position, uint8_t *restrict packed) {
    for (size_t c = 0; c < classes; c += PACKED, position += PACKED * width) {
        uint64_t words[TILE], at = position;
        tile_words(tile, order + c, classes - c, drop, width, words);
        for (size_t i = 0; i < labels; i++, at += (uint64_t)classes * width) {
            uint8_t *to = packed + (at >> 3);
            store64(to, load64(to) | words[i] << (at & 7));
        }
    }
}

/* Split labels tile by tile. shift - drop: MAX_PACKED_WIDTH at most; tile: (C, TILE) scratch; high:
 * (C, B); packed: zeroed, with 8 bytes of room behind the low bits. */
SEPARATE void dense_split16(const uint16_t *bits, size_t rows, size_t classes, const int32_t *order,
                            unsigned shift, unsigned drop, uint16_t *restrict tile, uint16_t *high,
                            uint8_t *packed) {
    const unsigned width = shift - drop;
    for (size_t first = 0; first < rows; first += TILE) {
        size_t labels = rows - first < TILE ? rows - first : TILE;
        transpose_tile(bits + first * classes, labels, classes, tile, TILE);
        tile_high(tile, labels, classes, shift, high + first, rows);
        tile_low(tile, labels, classes, order, drop, width, (uint64_t)first * classes * width,
                 packed);
    }
}
#else
DENSE_SPLIT(dense_split16, uint16_t)
#endif

#endif
