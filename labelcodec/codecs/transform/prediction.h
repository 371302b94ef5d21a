/* Prediction of coefficients from image means (SPEC, section 9.5). Reference: reference/images.py.
 */
#ifndef LABELCODEC_PREDICTION_H
#define LABELCODEC_PREDICTION_H

#include "labelcodec/entropy/platform.h"

#define EIGHTHS 8
#define WEIGHT_BITS 15
#define HALF ((int64_t)1 << (WEIGHT_BITS - 1))
#define MAX_PREDICTED (1 << 14)
#define FINE 3 /* fractional bits of a predicted coefficient */

/* Crop classes: box (B, 4), size (B, 2) with sides of at least 1. */
static void crop_eighths(const int32_t *box, const int32_t *size, size_t rows, int64_t *classes) {
    for (size_t row = 0; row < rows; row++, box += 4, size += 2) {
        int64_t whole = EIGHTHS * (int64_t)box[2] * box[3], area = (int64_t)size[0] * size[1];
        int64_t eighths = whole <= 0 || area <= 0 ? 0 : whole / area;
        classes[row] = eighths >= EIGHTHS ? EIGHTHS - 1 : eighths;
    }
}

/* Coefficients predicted from the means of two images per label.
 *
 * entries: (K, r); unit: (r,); kept: (8,); image, part, crop: (B, 2), crop below 8; images
 * from K on count as zeros. result: (B, r). */
static void predict_mixed(const int16_t *entries, size_t images, const int64_t *unit,
                          const int64_t *kept, const int64_t *image, const int64_t *part,
                          const int64_t *crop, size_t rows, size_t rank, int32_t *result) {
    for (size_t row = 0; row < rows; row++, image += 2, part += 2, crop += 2, result += rank) {
        int64_t weight[2];
        const int16_t *means[2];
        for (int i = 0; i < 2; i++) {
            int known = (uint64_t)image[i] < images;
            weight[i] = known ? part[i] * kept[crop[i] & (EIGHTHS - 1)] : 0;
            means[i] = images ? entries + (known ? (size_t)image[i] : 0) * rank : NULL;
        }
        for (size_t j = 0; j < rank; j++) {
            int64_t both = means[0] ? means[0][j] * weight[0] + means[1][j] * weight[1] : 0;
            int64_t value = (both * unit[j] + HALF) >> WEIGHT_BITS;
            value = value > MAX_PREDICTED ? MAX_PREDICTED : value;
            result[j] = (int32_t)(value < -MAX_PREDICTED ? -MAX_PREDICTED : value);
        }
    }
}

/* Coefficients (B, r) from coded differences (r, B) and predictions (B, r), or NULL for none.
 * Returns the largest magnitude of a difference. */
static int32_t restore(const int32_t *coded, const int32_t *predicted, size_t rows, size_t rank,
                       int32_t *coefficients) {
    int32_t largest = 0;
    for (size_t row = 0; row < rows; row++)
        for (size_t j = 0; j < rank; j++) {
            int32_t value = coded[j * rows + row], size = value < 0 ? -value : value;
            largest = size > largest ? size : largest;
            coefficients[row * rank + j] = value * (1 << FINE) + predicted[row * rank + j];
        }
    return largest;
}

#endif
