/* Crop and resize of one image (SPEC, section 17.2). Reference: reference/resize.py.
 *
 * A pass along an axis gives every output value as a sum of source bytes times 22-bit weights,
 * rounded and clipped to a byte. Down the rows, the sources of a value are whole rows; across the
 * columns, they are first gathered into one row per tap. So both inner loops run over bytes that
 * stand next to each other. Rows are made when they are needed: never more than `taps` are kept.
 */
#ifndef LABELCODEC_RESIZE_H
#define LABELCODEC_RESIZE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "labelcodec/entropy/platform.h"

enum { WEIGHT_BITS = 22, HALF = 1 << (WEIGHT_BITS - 1), BLOCK = 256, NO_MEMORY = 1 };

/* Source pixels and weights of every output pixel along an axis. */
typedef struct {
    size_t sources;  /* most source pixels of an output pixel */
    size_t taps;     /* the same, rounded up to an even number; the weight of what it adds is 0 */
    int64_t *first;  /* (out,) first source pixel, from the start of the crop */
    int32_t *weight; /* (out, taps) in units of 2^-22 */
} axis_taps;

/* The filter at a distance of x source pixels: of Keys with a = -1/2, or a triangle. */
static double filter_value(int bicubic, double x) {
    x = fabs(x);
    if (!bicubic)
        return x < 1 ? 1 - x : 0;
    if (x < 1)
        return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/* First source pixel of an output pixel and the one behind the last. */
INLINED void tap_range(double centre, double support, int64_t extent, int64_t *low, int64_t *high) {
    *low = (int64_t)(centre - support + 0.5);
    *low = *low < 0 ? 0 : *low;
    *high = (int64_t)(centre + support + 0.5);
    *high = *high > extent ? extent : *high;
}

/* Set the taps that resize `extent` pixels to `out`; a status. */
static int taps_of(int64_t extent, size_t out, int bicubic, axis_taps *axis) {
    const double scale = (double)extent / (double)out, widened = scale > 1 ? scale : 1;
    const double support = (bicubic ? 2 : 1) * widened, inverse = 1.0 / widened;
    int64_t low, high, most = 0;
    for (size_t i = 0; i < out; i++) {
        tap_range(((double)i + 0.5) * scale, support, extent, &low, &high);
        most = high - low > most ? high - low : most;
    }
    axis->sources = (size_t)most;
    axis->taps = most <= 2 ? 2 : (axis->sources + 3) / 4 * 4;
    axis->first = malloc(out * sizeof *axis->first);
    axis->weight = calloc(out * axis->taps, sizeof *axis->weight);
    double *value = malloc(axis->taps * sizeof *value);
    if (axis->first && axis->weight && value)
        for (size_t i = 0; i < out; i++) {
            const double centre = ((double)i + 0.5) * scale;
            double sum = 0;
            tap_range(centre, support, extent, &low, &high);
            for (int64_t pixel = low; pixel < high; pixel++) {
                double x = ((double)pixel - centre + 0.5) * inverse;
                sum += value[pixel - low] = filter_value(bicubic, x);
            }
            /* The last output pixels begin earlier, with weights 0, to end within the crop. */
            int64_t first = extent - most < low ? extent - most : low;
            int32_t *weight = axis->weight + i * axis->taps + (low - first);
            for (int64_t tap = 0; tap < high - low; tap++) {
                double part = value[tap] / sum * (1 << WEIGHT_BITS);
                weight[tap] = (int32_t)(part + (part < 0 ? -0.5 : 0.5));
            }
            axis->first[i] = first;
        }
    const int status = axis->first && axis->weight && value ? GOOD : NO_MEMORY;
    free(value);
    return status;
}

INLINED uint8_t grey_level(int32_t sum) {
    sum >>= WEIGHT_BITS;
    sum = sum < 0 ? 0 : sum;
    sum = sum > 255 ? 255 : sum;
    return (uint8_t)sum;
}

static void fill_sums(int32_t *sum) {
    for (size_t i = 0; i < BLOCK; i++)
        sum[i] = HALF;
}

VECTORISED static void grey_levels(const int32_t *restrict sum, size_t count,
                                   uint8_t *restrict out) {
    for (size_t i = 0; i < count; i++)
        out[i] = grey_level(sum[i]);
}

/* ---- Down: an output row from whole rows ---------------------------------------------------- */

VECTORISED static void down2(const uint8_t *const *row, const int32_t *weight, size_t count,
                             uint8_t *restrict out) {
    const uint8_t *a = row[0], *b = row[1];
    const int32_t wa = weight[0], wb = weight[1];
    for (size_t i = 0; i < count; i++)
        out[i] = grey_level(HALF + wa * a[i] + wb * b[i]);
}

VECTORISED static void down4(const uint8_t *const *row, const int32_t *weight, size_t count,
                             uint8_t *restrict out) {
    const uint8_t *a = row[0], *b = row[1], *c = row[2], *d = row[3];
    const int32_t wa = weight[0], wb = weight[1], wc = weight[2], wd = weight[3];
    for (size_t i = 0; i < count; i++)
        out[i] = grey_level(HALF + wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i]);
}

/* Add four rows, weighted, to the sums. */
VECTORISED static void down_add(const uint8_t *const *row, const int32_t *weight, size_t start,
                                size_t count, int32_t *restrict sum) {
    const uint8_t *restrict a = row[0] + start, *restrict b = row[1] + start;
    const uint8_t *restrict c = row[2] + start, *restrict d = row[3] + start;
    const int32_t wa = weight[0], wb = weight[1], wc = weight[2], wd = weight[3];
    for (size_t i = 0; i < count; i++)
        sum[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i];
}

static void down(const uint8_t *const *row, const int32_t *weight, size_t taps, size_t count,
                 uint8_t *out) {
    int32_t sum[BLOCK];
    if (taps == 2)
        down2(row, weight, count, out);
    else if (taps == 4)
        down4(row, weight, count, out);
    else
        for (size_t start = 0; start < count; start += BLOCK) {
            const size_t length = count - start < BLOCK ? count - start : BLOCK;
            fill_sums(sum);
            for (size_t tap = 0; tap < taps; tap += 4)
                down_add(row + tap, weight + tap, start, length, sum);
            grey_levels(sum, length, out + start);
        }
}

/* ---- Across: the pixels of a row, gathered into one row per tap ----------------------------- */

/* What a pass across rows of three colours needs. */
typedef struct {
    size_t out, sources, taps; /* output pixels; source pixels of each, see `axis_taps` */
    size_t stride;             /* bytes from a gathered row to the next */
    size_t *offset;            /* (out,) byte at which the sources of an output pixel begin */
    int32_t *weight;           /* (taps, 3 out) */
    uint8_t *gathered;         /* (taps, stride) */
} across_pass;

static int across_open(across_pass *pass, const axis_taps *columns, size_t out, int flip) {
    const size_t taps = columns->taps;
    pass->out = out, pass->sources = columns->sources, pass->taps = taps;
    pass->stride = 3 * out + 1;
    pass->offset = malloc(out * sizeof *pass->offset);
    pass->weight = malloc(3 * out * taps * sizeof *pass->weight);
    pass->gathered = calloc(taps, pass->stride);
    if (!pass->offset || !pass->weight || !pass->gathered)
        return NO_MEMORY;
    for (size_t x = 0; x < out; x++) {
        const size_t from = flip ? out - 1 - x : x;
        pass->offset[x] = 3 * (size_t)columns->first[from];
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t channel = 0; channel < 3; channel++)
                pass->weight[(tap * out + x) * 3 + channel] = columns->weight[from * taps + tap];
    }
    return GOOD;
}

VECTORISED static void across2(const uint8_t *row, size_t stride, const int32_t *weight,
                               size_t count, uint8_t *restrict out) {
    const uint8_t *a = row, *b = row + stride;
    const int32_t *wa = weight, *wb = weight + count;
    for (size_t i = 0; i < count; i++)
        out[i] = grey_level(HALF + wa[i] * a[i] + wb[i] * b[i]);
}

/* Add four gathered rows, weighted, to the sums. */
VECTORISED static void across_add(const uint8_t *row, size_t stride, const int32_t *weight,
                                  size_t out, size_t count, int32_t *restrict sum) {
    const uint8_t *restrict a = row, *restrict b = a + stride;
    const uint8_t *restrict c = b + stride, *restrict d = c + stride;
    const int32_t *wa = weight, *wb = wa + out, *wc = wb + out, *wd = wc + out;
    for (size_t i = 0; i < count; i++)
        sum[i] += wa[i] * a[i] + wb[i] * b[i] + wc[i] * c[i] + wd[i] * d[i];
}

static void gather(const uint8_t *row, const size_t *restrict offset, size_t out,
                   uint8_t *restrict gathered) {
    for (size_t x = 0; x < out; x++)
        memcpy(gathered + 3 * x, row + offset[x], 4);
}

/* Resize one row. Four bytes are moved at once: one behind the row is read, but not used. */
static void across(const across_pass *pass, const uint8_t *row, uint8_t *out) {
    const size_t count = 3 * pass->out, stride = pass->stride;
    for (size_t tap = 0; tap < pass->sources; tap++)
        gather(row + 3 * tap, pass->offset, pass->out, pass->gathered + tap * stride);
    if (pass->taps == 2) {
        across2(pass->gathered, stride, pass->weight, count, out);
        return;
    }
    int32_t sum[BLOCK];
    for (size_t start = 0; start < count; start += BLOCK) {
        const size_t length = count - start < BLOCK ? count - start : BLOCK;
        fill_sums(sum);
        for (size_t tap = 0; tap < pass->taps; tap += 4)
            across_add(pass->gathered + tap * stride + start, stride,
                       pass->weight + tap * count + start, count, length, sum);
        grey_levels(sum, length, out + start);
    }
}

/* ---- Both passes ---------------------------------------------------------------------------- */

/* A crop of an image of three colours. */
typedef struct {
    const uint8_t *pixels; /* its first pixel */
    size_t stride;         /* bytes from a row to the next */
    size_t rows, columns;  /* its sides in pixels */
} image_crop;

/* What a crop is resized with; zero before it is opened. */
typedef struct {
    axis_taps rows, columns;
    across_pass pass;
    const uint8_t **row; /* (rows.taps,) the sources of an output row */
    uint8_t *kept;       /* (rows.sources, 3 out) rows that the first pass made */
    uint8_t *line;       /* (3 columns + 1,) a row of the crop, and room for one byte more */
} resize_work;

static void resize_close(resize_work *work) {
    free(work->rows.first), free(work->rows.weight);
    free(work->columns.first), free(work->columns.weight);
    free(work->pass.offset), free(work->pass.weight), free(work->pass.gathered);
    free(work->row), free(work->kept), free(work->line);
}

static int resize_open(resize_work *work, const image_crop *crop, size_t height, size_t width,
                       int bicubic, int flip) {
    if (taps_of((int64_t)crop->rows, height, bicubic, &work->rows) ||
        taps_of((int64_t)crop->columns, width, bicubic, &work->columns) ||
        across_open(&work->pass, &work->columns, width, flip))
        return NO_MEMORY;
    work->row = malloc(work->rows.taps * sizeof *work->row);
    work->kept = malloc(work->rows.sources * 3 * width);
    work->line = calloc(3 * crop->columns + 1, 1);
    return work->row && work->kept && work->line ? GOOD : NO_MEMORY;
}

/* Columns, then rows. */
static void columns_first(resize_work *work, const image_crop *crop, size_t height, uint8_t *out) {
    const size_t sources = work->rows.sources, taps = work->rows.taps, bytes = 3 * work->pass.out;
    size_t made = 0;
    for (size_t y = 0; y < height; y++) {
        const size_t first = (size_t)work->rows.first[y];
        for (; made < first + sources; made++) {
            const uint8_t *row = crop->pixels + made * crop->stride;
            if (made == crop->rows - 1) /* perhaps the image's last: nothing may be read behind */
                row = memcpy(work->line, row, 3 * crop->columns);
            across(&work->pass, row, work->kept + made % sources * bytes);
        }
        for (size_t tap = 0; tap < taps; tap++) {
            const size_t from = first + (tap < sources ? tap : sources - 1);
            work->row[tap] = work->kept + from % sources * bytes;
        }
        down(work->row, work->rows.weight + y * taps, taps, bytes, out + y * bytes);
    }
}

/* Rows, then columns. */
static void rows_first(resize_work *work, const image_crop *crop, size_t height, uint8_t *out) {
    const size_t sources = work->rows.sources, taps = work->rows.taps;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *first = crop->pixels + (size_t)work->rows.first[y] * crop->stride;
        for (size_t tap = 0; tap < taps; tap++)
            work->row[tap] = first + (tap < sources ? tap : sources - 1) * crop->stride;
        down(work->row, work->rows.weight + y * taps, taps, 3 * crop->columns, work->line);
        across(&work->pass, work->line, out + y * 3 * work->pass.out);
    }
}

/* Resize a crop to (height, width) pixels, `out`, and mirror it left to right if `flip`; a status.
 * Its sides and those of the output are at least 1. */
static int crop_resize(const image_crop *crop, size_t height, size_t width, int bicubic, int flip,
                       uint8_t *out) {
    const int64_t fewer_rows = (int64_t)crop->rows - (int64_t)height;
    const int64_t fewer_columns = (int64_t)crop->columns - (int64_t)width;
    resize_work work = {0};
    if (!fewer_rows && !fewer_columns && !flip) { /* all weights are 0 or 1 */
        for (size_t y = 0; y < height; y++)
            memcpy(out + 3 * width * y, crop->pixels + crop->stride * y, 3 * width);
        return GOOD;
    }
    const int status = resize_open(&work, crop, height, width, bicubic, flip);
    if (status == GOOD && fewer_rows > 0 && fewer_rows > 2 * fewer_columns)
        rows_first(&work, crop, height, out);
    else if (status == GOOD)
        columns_first(&work, crop, height, out);
    resize_close(&work);
    return status;
}

#endif
