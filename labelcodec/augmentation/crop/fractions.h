/* Crop boxes from fractions of the image sides, where whole pixels give back the same bits.
 *
 * A fraction f of a side s is round(f s) pixels, computed in double; these give back their quotient
 * by s, rounded to float32, for float16 files then to float16. Reference: reference/fractions.py.
 */
#ifndef LABELCODEC_CROP_FRACTIONS_H
#define LABELCODEC_CROP_FRACTIONS_H

#include <math.h>

#include "labelcodec/entropy/platform.h"

/* The value of a float16 from 0 to 1. */
INLINED double value_of_half(uint16_t half) {
    if (half < 1 << 10)
        return half * 0x1p-24; /* subnormal */
    uint32_t bits = ((uint32_t)half << 13) + ((127 - 15) << 23);
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* A number from 0 to 1 rounded to float16, to nearest and half to even. */
INLINED uint16_t half_of_value(float value) {
    uint32_t bits;
    if (value < 0x1p-14f)
        return (uint16_t)rint(value * 0x1p24);
    memcpy(&bits, &value, 4);
    bits += 0xFFF + (bits >> 13 & 1);
    return (uint16_t)((bits - ((127 - 15) << 23)) >> 13);
}

/* Pixels of a fraction of a side, for a fraction from 0 to 1; `back` is the quotient in float32. */
INLINED int32_t pixels_of(double fraction, double side, float *back) {
    double pixels = rint(fraction * side);
    *back = (float)(pixels / side);
    return (int32_t)pixels;
}

/* fraction: (B, 4) top/H, left/W, height/H, width/W in the bits of float16; size: (B, 2) H, W.
 * Whether all pixels give back their fraction; box: (B, 4), which are then right. */
static int pixels_of_half(const uint16_t *fraction, const int32_t *size, size_t rows,
                          int32_t *box) {
    for (size_t i = 0; i < 4 * rows; i++) {
        float back;
        int32_t side = size[i / 4 * 2 + i % 2];
        if (fraction[i] > 0x3C00 || side < 1) /* above 1, negative or no number */
            return 0;
        box[i] = pixels_of(value_of_half(fraction[i]), side, &back);
        if (half_of_value(back) != fraction[i])
            return 0;
    }
    return 1;
}

/* The same for the bits of float32. */
static int pixels_of_single(const uint32_t *fraction, const int32_t *size, size_t rows,
                            int32_t *box) {
    for (size_t i = 0; i < 4 * rows; i++) {
        float value, back;
        int32_t side = size[i / 4 * 2 + i % 2];
        if (fraction[i] > 0x3F800000 || side < 1)
            return 0;
        memcpy(&value, fraction + i, 4);
        box[i] = pixels_of(value, side, &back);
        if (memcmp(&back, fraction + i, 4))
            return 0;
    }
    return 1;
}

#endif
