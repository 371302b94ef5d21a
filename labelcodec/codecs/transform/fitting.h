/* Sums that fitting takes over all labels. Reference: reference/fitting.py.
 *
 * Products are rounded to single precision and added up in double precision, in order of the
 * labels, so that the sums are the same as the reference's to the last bit.
 */
#ifndef LABELCODEC_FITTING_H
#define LABELCODEC_FITTING_H

#include "labelcodec/entropy/platform.h"

/* Labels predicted from two images each: image (N, 2) below K, weight (N, 2), mean (K, R). */
VECTORISED static void mix_rows(const int64_t *image, const float *weight, const float *mean,
                                size_t rows, size_t width, float *restrict result) {
    for (size_t row = 0; row < rows; row++) {
        const float *own = mean + (size_t)image[2 * row] * width;
        const float *partner = mean + (size_t)image[2 * row + 1] * width;
        const float first = weight[2 * row], second = weight[2 * row + 1];
        for (size_t j = 0; j < width; j++)
            result[row * width + j] = first * own[j] + second * partner[j];
    }
}

/* Weighted sums of labels (N, R) by image, (K, R) of zeros at first: the transpose of `mix_rows`. */
VECTORISED static void sum_rows(const int64_t *image, const float *weight, const float *labels,
                                size_t rows, size_t width, double *restrict sums) {
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < 2; i++) {
            double *sum = sums + (size_t)image[2 * row + i] * width;
            const float share = weight[2 * row + i];
            for (size_t j = 0; j < width; j++)
                sum[j] += (double)(share * labels[row * width + j]);
        }
}

/* Probability mass of one label's classes by their distance to its largest logit, in steps of
 * 2^shift units; classes with a flag are left out.
 * units, p, q, flags: (C,); p_mass, q_mass: (last + 1,), added to. */
static void add_masses(const int32_t *units, const float *p, const float *q, float weight,
                       const uint8_t *flags, size_t classes, unsigned shift, int32_t last,
                       double *p_mass, double *q_mass) {
    int32_t high = units[0];
    for (size_t c = 0; c < classes; c++)
        high = units[c] > high ? units[c] : high;
    for (size_t c = 0; c < classes; c++) {
        int32_t distance = (int32_t)((uint32_t)(high - units[c]) >> shift);
        distance = distance > last ? last : distance;
        if (!flags[c]) {
            p_mass[distance] += (double)(p[c] * weight);
            q_mass[distance] += (double)(q[c] * weight);
        }
    }
}

#endif
