/* Normalisation of images by a table of all grey levels. Reference: reference.py. */
#ifndef LABELCODEC_REPLAY_H
#define LABELCODEC_REPLAY_H

#include <stddef.h>
#include <stdint.h>

/* levels, out: pixels of three colours each; table: (3, 256), a row per colour. */
static void normalise_levels(const uint8_t *levels, size_t pixels, const float *table,
                             float *out) {
    for (size_t i = 0; i < pixels; i++) {
        out[3 * i] = table[levels[3 * i]];
        out[3 * i + 1] = table[256 + levels[3 * i + 1]];
        out[3 * i + 2] = table[512 + levels[3 * i + 2]];
    }
}

#endif
