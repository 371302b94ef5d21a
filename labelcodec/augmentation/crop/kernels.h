/* Crop boxes: entropy-coded heights and widths, mixed-radix offsets (SPEC, section 5.4).
 *
 * One rANS part holds all heights, then all widths, each in the context of its height's token.
 * The extra bits of both follow it, then the digits of (top, left) of every box.
 * Reference: reference/stream.py.
 */
#ifndef LABELCODEC_CROP_H
#define LABELCODEC_CROP_H

#include "labelcodec/entropy/rans.h"

enum { TOO_LARGE = 2 }; /* status: a box is empty, or larger than its image */

/* Possible (top, left) of each box, interleaved; whether all boxes are within their images. */
static int box_room(const int32_t *size, const int64_t *heights, const int64_t *widths,
                    size_t rows, int64_t *room) {
    int64_t least = 1;
    for (size_t row = 0; row < rows; row++) {
        room[2 * row] = size[2 * row] - heights[row] + 1;
        room[2 * row + 1] = size[2 * row + 1] - widths[row] + 1;
        int64_t sides = heights[row] < widths[row] ? heights[row] : widths[row];
        int64_t space = room[2 * row] < room[2 * row + 1] ? room[2 * row] : room[2 * row + 1];
        int64_t smaller = sides < space ? sides : space;
        least = smaller < least ? smaller : least;
    }
    return least >= 1;
}

#define MAX_SIDE (1 << 24) /* image sides are below this */

/* Whether all boxes are within their images, and not empty. */
static int boxes_inside(const int32_t *box, const int32_t *size, size_t rows) {
    int outside = 0;
    for (size_t i = 0; i < 2 * rows; i++) {
        int32_t start = box[4 * (i >> 1) + (i & 1)], side = box[4 * (i >> 1) + 2 + (i & 1)];
        int64_t end = (int64_t)start + side;
        outside |= (start < 0) | (side < 1) | (size[i] >= MAX_SIDE) | (end > size[i]);
    }
    return !outside;
}

/* Encode boxes that lie within their images.
 *
 * box: (B, 4) top, left, height, width; size: (B, 2). number, radix: (2 B,) scratch.
 * intervals: (2 B,) scratch; words: 2 B + 1; data: room for 2 * 45 + 63 bits a box and 16 bytes.
 * Returns the number of bytes of extra bits and digits. */
static size_t box_encode(const int32_t *box, const int32_t *size, size_t rows,
                         const uint32_t *height, size_t tall, const uint32_t *width, size_t wide,
                         unsigned lanes, int64_t *number, int64_t *radix, uint32_t *intervals,
                         uint32_t *states, uint16_t *words, size_t *first_word, uint8_t *data) {
    bit_writer out = {data, 0, 0};
    uint64_t total = 0;
    for (size_t i = 0; i < 2 * rows; i++) {
        const int32_t *own = box + 4 * (i < rows ? i : i - rows);
        unsigned bits;
        uint64_t extra;
        uint32_t context = token_of((uint64_t)own[2], &bits, &extra); /* the height's token */
        if (i < rows) {
            intervals[i] = interval_of(height, tall, 0, context, &bits, &extra);
        } else {
            uint32_t token = token_of((uint64_t)own[3], &bits, &extra);
            intervals[i] = interval_of(width, wide, context, token, &bits, &extra);
        }
        bits_put(&out, extra, bits);
        total += bits;
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t side = 0; side < 2; side++) {
            number[2 * row + side] = box[4 * row + side];
            radix[2 * row + side] = (int64_t)size[2 * row + side] - box[4 * row + 2 + side] + 1;
        }
    for (size_t first = 0, stop; first < 2 * rows; first = stop) {
        unsigned bits;
        stop = next_group(radix, 2 * rows, first, &bits);
        bits_put(&out, combined(number, radix, first, stop), bits);
        total += bits;
    }
    bits_flush(&out);
    *first_word = rans_encode(intervals, 2 * rows, lanes, words, states);
    return (size_t)((total + 7) >> 3);
}

/* Decode boxes. heights, widths: (B,) scratch; room, offsets: (2 B,) scratch; symbols, contexts:
 * (B,) scratch. `width` must have a context for every token. */
static int box_decode(rans_decoder *rans, bit_reader bits, const int32_t *size, size_t rows,
                      const rans_tables *height, const rans_tables *width, int64_t *heights,
                      int64_t *widths, int64_t *room, int64_t *offsets, uint8_t *symbols,
                      uint16_t *contexts, int32_t *box) {
    unsigned bits_wide;
    uint64_t extra;
    if (rans_symbols(rans, height, NULL, 0, rows, symbols) ||
        token_values(&bits, symbols, rows, (uint32_t)height->symbols - 1, heights))
        return MALFORMED;
    for (size_t row = 0; row < rows; row++)
        contexts[row] = (uint16_t)token_of((uint64_t)heights[row], &bits_wide, &extra);
    if (rans_symbols(rans, width, contexts, 0, rows, symbols) ||
        token_values(&bits, symbols, rows, (uint32_t)width->symbols - 1, widths) ||
        !rans_closed(rans))
        return MALFORMED;
    if (!box_room(size, heights, widths, rows, room))
        return TOO_LARGE;
    if (unpack_digits(bits.data, bits.end >> 3, bits.position, room, 2 * rows, offsets))
        return MALFORMED;
    for (size_t row = 0; row < rows; row++) {
        box[4 * row] = (int32_t)offsets[2 * row];
        box[4 * row + 1] = (int32_t)offsets[2 * row + 1];
        box[4 * row + 2] = (int32_t)heights[row];
        box[4 * row + 3] = (int32_t)widths[row];
    }
    return GOOD;
}

#endif
