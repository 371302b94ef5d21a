/* Normalisation and CutMix of images in one pass. Reference: reference.py. */
#ifndef LABELCODEC_REPLAY_H
#define LABELCODEC_REPLAY_H

#include <stddef.h>
#include <stdint.h>

/* Look up `pixels` pixels of three colours; table: (3, 256), a row per colour. */
static void look_up(const uint8_t *levels, size_t pixels, const float *table, float *out) {
    for (size_t i = 0; i < pixels; i++) {
        out[3 * i] = table[levels[3 * i]];
        out[3 * i + 1] = table[256 + levels[3 * i + 1]];
        out[3 * i + 2] = table[512 + levels[3 * i + 2]];
    }
}

/* levels, out: (samples, height, width, 3). Within the box, row0 <= row < row1 and column0 <=
 * column < column1, an image has the pixels of its partner. */
static void finish_levels(const uint8_t *levels, size_t samples, size_t height, size_t width,
                          const float *table, const int64_t *partner, const size_t *box,
                          float *out) {
    size_t line = 3 * width, before = box[2], inside = box[3] - box[2];
    for (size_t sample = 0; sample < samples; sample++) {
        const uint8_t *own = levels + sample * height * line;
        const uint8_t *other = levels + (size_t)partner[sample] * height * line;
        for (size_t row = 0; row < height; row++, own += line, other += line, out += line) {
            if (row < box[0] || row >= box[1]) {
                look_up(own, width, table, out);
                continue;
            }
            look_up(own, before, table, out);
            look_up(other + 3 * before, inside, table, out + 3 * before);
            size_t after = before + inside;
            look_up(own + 3 * after, width - after, table, out + 3 * after);
        }
    }
}

#endif
