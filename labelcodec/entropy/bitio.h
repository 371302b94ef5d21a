/* Bit packing, lowest bit first, and mixed-radix digits (SPEC, section 6.5).
 *
 * Reference: labelcodec/entropy/reference/bits.py.
 */
#ifndef LABELCODEC_BITIO_H
#define LABELCODEC_BITIO_H

#include "labelcodec/entropy/platform.h"

#define MAX_DIGIT_GROUP ((int64_t)1 << 62)

INLINED uint64_t load64(const uint8_t *data) {
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

INLINED void store64(uint8_t *data, uint64_t word) { memcpy(data, &word, 8); }

/* The variable-length integer in front of data, and where it ends; MALFORMED if it does not. */
INLINED int varint_read(const uint8_t *data, size_t size, size_t *value, size_t *end) {
    *value = 0;
    for (unsigned i = 0; i < 9 && i < size; i++) {
        *value |= (size_t)(data[i] & 0x7F) << (7 * i);
        *end = i + 1;
        if (data[i] < 0x80)
            return GOOD;
    }
    return MALFORMED;
}

INLINED uint64_t low_bits(uint64_t value, unsigned width) { /* width: 0..63 */
    return value & (((uint64_t)1 << width) - 1);
}

/* Positions of the bits of a byte, lowest first. */
static uint32_t bits_of[256][8];

static void fill_bits(void) {
    for (unsigned byte = 0; byte < 256; byte++)
        for (unsigned bit = 0, count = 0; bit < 8; bit++)
            if (byte >> bit & 1)
                bits_of[byte][count++] = bit;
}

/* Where flags (count + 8,) are 1, to at (count + 8,); returns how often. Without branches, since
 * nothing predicts where. */
static size_t flagged(uint8_t *restrict flags, size_t count, uint32_t *restrict at) {
    size_t number = 0;
    memset(flags + count, 0, 8);
    for (size_t first = 0; first < count; first += 8) {
        uint64_t word = load64(flags + first);
        const uint32_t *bits = bits_of[word * 0x0102040810204080u >> 56];
        for (size_t i = 0; i < 8; i++)
            at[number + i] = (uint32_t)first + bits[i];
        number += word * 0x0101010101010101u >> 56;
    }
    return number;
}

/* A reader of bits. Invariant: position <= end; only bytes of the part are read. */
typedef struct {
    const uint8_t *data;
    uint64_t position, end; /* in bits */
} bit_reader;

INLINED bit_reader bits_open(const uint8_t *data, size_t size, uint64_t position) {
    bit_reader bits = {data, position, 8 * (uint64_t)size};
    return bits;
}

/* The next `width` (0..63) bits to *value; MALFORMED if the part ends before. */
INLINED int bits_take(bit_reader *bits, unsigned width, uint64_t *value) {
    if (UNLIKELY(bits->position > bits->end || width > bits->end - bits->position))
        return MALFORMED;
    uint64_t byte = bits->position >> 3, size = bits->end >> 3;
    unsigned offset = bits->position & 7;
    uint64_t word = 0, next = 0;
    if (byte + 9 <= size) {
        word = load64(bits->data + byte);
        next = bits->data[byte + 8];
    } else {
        for (uint64_t i = byte; i < size && i < byte + 8; i++)
            word |= (uint64_t)bits->data[i] << (8 * (i - byte));
        if (byte + 8 < size)
            next = bits->data[byte + 8];
    }
    word >>= offset;
    if (offset)
        word |= next << (64 - offset);
    *value = low_bits(word, width);
    bits->position += width;
    return GOOD;
}

/* Whether what is left of the part is less than one byte, its padding. */
INLINED int bits_finished(const bit_reader *bits) {
    return (bits->position + 7) >> 3 == bits->end >> 3;
}

/* A writer of bits into `data`, which has 8 bytes of room behind what is written. */
typedef struct {
    uint8_t *data;
    uint64_t pending;
    unsigned filled; /* bits in `pending`, 0..63 */
} bit_writer;

INLINED void bits_put(bit_writer *out, uint64_t value, unsigned width) { /* width: 0..63 */
    value = low_bits(value, width);
    out->pending |= value << out->filled;
    if (out->filled + width >= 64) {
        store64(out->data, out->pending);
        out->data += 8;
        unsigned written = 64 - out->filled; /* 1..64 bits of the value are out */
        out->pending = written < 64 ? value >> written : 0;
        out->filled = width - written;
    } else {
        out->filled += width;
    }
}

INLINED void bits_flush(bit_writer *out) { store64(out->data, out->pending); }

/* values[i] in widths[i] bits; `data` has room for the sum of the widths and 16 bytes. */
static void pack_bits(const uint64_t *values, const int64_t *widths, size_t count, uint8_t *data) {
    bit_writer out = {data, 0, 0};
    for (size_t i = 0; i < count; i++)
        bits_put(&out, values[i], (unsigned)widths[i]);
    bits_flush(&out);
}

/* values[i] in `width` (0..62) bits; `data` has room for them and 16 bytes. */
static void pack_fixed(const int64_t *values, size_t count, unsigned width, uint8_t *data) {
    bit_writer out = {data, 0, 0};
    for (size_t i = 0; i < count; i++)
        bits_put(&out, (uint64_t)values[i], width);
    bits_flush(&out);
}

/* `count` values of `width` (0..32) bits from bit `position` on; the caller has checked that
 * `data` holds them. Eight narrow values share one load, where they begin at a whole byte. */
static void unpack_at(const uint8_t *data, size_t size, uint64_t position, unsigned width,
                      uint32_t *restrict values, size_t count) {
    size_t i = 0;
    uint32_t mask = width < 32 ? ((uint32_t)1 << width) - 1 : UINT32_MAX;
    if (width <= 7)
        for (; i + 8 <= count && (position >> 3) + 8 <= size; i += 8, position += 8 * width) {
            uint64_t word = load64(data + (position >> 3)) >> (position & 7);
            for (unsigned j = 0; j < 8; j++)
                values[i + j] = (uint32_t)(word >> (j * width)) & mask;
        }
    for (; i < count && (position >> 3) + 8 <= size; i++, position += width)
        values[i] = (uint32_t)(load64(data + (position >> 3)) >> (position & 7)) & mask;
    bit_reader bits = bits_open(data, size, position);
    for (; i < count; i++) {
        uint64_t value = 0;
        bits_take(&bits, width, &value);
        values[i] = (uint32_t)value;
    }
}

/* Inverse of `pack_fixed`, for values of up to 32 bits. */
static void unpack_fixed32(const uint8_t *data, size_t size, unsigned width, uint32_t *values,
                           size_t count) {
    unpack_at(data, size, 0, width, values, count);
}

/* Inverse of `pack_fixed`, with `low` added; values of up to 62 bits. */
static void unpack_column(const uint8_t *data, size_t size, unsigned width, int64_t low,
                          int64_t *values, size_t count) {
    uint32_t block[256];
    bit_reader bits = bits_open(data, size, 0);
    for (size_t first = 0; first < count; first += 256) {
        size_t some = count - first < 256 ? count - first : 256;
        if (width <= 32) {
            unpack_at(data, size, (uint64_t)first * width, width, block, some);
            for (size_t i = 0; i < some; i++)
                values[first + i] = low + (int64_t)block[i];
            continue;
        }
        for (size_t i = first; i < first + some; i++) {
            uint64_t value = 0;
            bits_take(&bits, width, &value);
            values[i] = low + (int64_t)value;
        }
    }
}

/* Inverse of `pack_fixed`, for values of up to 62 bits. */
static void unpack_fixed64(const uint8_t *data, size_t size, unsigned width, uint64_t *values,
                           size_t count) {
    bit_reader bits = bits_open(data, size, 0);
    for (size_t i = 0; i < count; i++) {
        values[i] = 0;
        bits_take(&bits, width, &values[i]);
    }
}

/* End (exclusive) of the digit group that starts at `first`, and its width in bits. Radices >= 1. */
INLINED size_t next_group(const int64_t *radices, size_t count, size_t first, unsigned *width) {
    int64_t product = 1;
    size_t stop = first;
    while (stop < count && product <= MAX_DIGIT_GROUP / radices[stop])
        product *= radices[stop++];
    *width = product > 1 ? highest_bit((uint64_t)(product - 1)) + 1 : 0;
    return stop;
}

/* The mixed-radix number of digits first .. stop - 1, the first digit lowest. */
INLINED uint64_t combined(const int64_t *digits, const int64_t *radices, size_t first,
                          size_t stop) {
    uint64_t value = 0;
    for (size_t i = stop; i-- > first;)
        value = value * (uint64_t)radices[i] + (uint64_t)digits[i];
    return value;
}

/* Read `count` digits from bit `position` to the end of the data. */
static int unpack_digits(const uint8_t *data, size_t size, uint64_t position,
                         const int64_t *radices, size_t count, int64_t *digits) {
    bit_reader bits = bits_open(data, size, position);
    for (size_t first = 0; first < count;) {
        unsigned width;
        uint64_t value;
        size_t stop = next_group(radices, count, first, &width);
        if (stop == first || bits_take(&bits, width, &value))
            return MALFORMED;
        for (size_t i = first; i < stop; i++) {
            uint64_t radix = (uint64_t)radices[i], quotient = value / radix;
            digits[i] = (int64_t)(value - quotient * radix);
            value = quotient;
        }
        if (value)
            return MALFORMED;
        first = stop;
    }
    return bits_finished(&bits) ? GOOD : MALFORMED;
}

/* Exchange place i of `order` (count + 1 entries) with place i + steps[i], for i = 0, 1, ….
 * Returns MALFORMED if a step leads outside. */
static int shuffle(const int64_t *steps, size_t count, int32_t *order) {
    for (size_t i = 0; i <= count; i++)
        order[i] = (int32_t)i;
    for (size_t i = 0; i < count; i++) {
        if ((uint64_t)steps[i] > count - i)
            return MALFORMED;
        int32_t own = order[i];
        order[i] = order[i + (size_t)steps[i]];
        order[i + (size_t)steps[i]] = own;
    }
    return GOOD;
}

/* digits[i] = number of later entries that are smaller than permutation[i]. */
VECTORISED static void permutation_digits(const int32_t *permutation, size_t count,
                                          int64_t *digits) {
    for (size_t i = 0; i < count; i++) {
        int32_t own = permutation[i], smaller = 0;
        for (size_t j = i + 1; j < count; j++)
            smaller += permutation[j] < own;
        digits[i] = smaller;
    }
}

/* Pack a permutation of 0..n - 1 as its digits, of radices n, n - 1, …, 1. digits, radices: (n,)
 * scratch; data: room for 63 bits an entry and 16 bytes. Returns the number of bytes. */
static size_t pack_permutation(const int32_t *permutation, size_t n, int64_t *digits,
                               int64_t *radices, uint8_t *data) {
    bit_writer out = {data, 0, 0};
    uint64_t total = 0;
    permutation_digits(permutation, n, digits);
    for (size_t i = 0; i < n; i++)
        radices[i] = (int64_t)(n - i);
    for (size_t first = 0, stop; first < n; first = stop) {
        unsigned width;
        stop = next_group(radices, n, first, &width);
        bits_put(&out, combined(digits, radices, first, stop), width);
        total += width;
    }
    bits_flush(&out);
    return (size_t)((total + 7) >> 3);
}

/* The permutation of 0..n - 1 with these digits (digits[i] < n - i), in their place.
 *
 * left: 2 * leaves zeroed entries, leaves = the smallest power of two >= n: a binary tree with the
 * number of remaining elements below each node.
 */
static void permutation_of(int64_t *digits, size_t n, size_t leaves, int32_t *left) {
    for (size_t i = 0; i < n; i++)
        left[leaves + i] = 1;
    for (size_t node = leaves - 1; node > 0; node--)
        left[node] = left[2 * node] + left[2 * node + 1];
    for (size_t i = 0; i < n; i++) {
        size_t node = 1;
        int64_t digit = digits[i];
        while (node < leaves) {
            left[node]--;
            node *= 2;
            int right = digit >= left[node];
            digit -= right ? left[node] : 0;
            node += (size_t)right;
        }
        left[node]--;
        digits[i] = (int64_t)(node - leaves);
    }
}

/* Unpack a permutation of 0..n - 1: the inverse of `pack_permutation`. radices: (n,) scratch; left:
 * 2 * leaves zeroed entries of scratch, leaves = the smallest power of two >= n. */
static int unpack_permutation(const uint8_t *data, size_t size, size_t n, size_t leaves,
                              int64_t *radices, int32_t *left, int64_t *permutation) {
    for (size_t i = 0; i < n; i++)
        radices[i] = (int64_t)(n - i);
    if (unpack_digits(data, size, 0, radices, n, permutation))
        return MALFORMED;
    permutation_of(permutation, n, leaves, left);
    return GOOD;
}

#endif
