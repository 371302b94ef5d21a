# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The transform codec's kernels, compiled from the C headers beside this file; see `reference`."""

import numpy as np

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from labelcodec.codecs.transform.contexts import gap_context, residual_context
from labelcodec.codecs.transform.format import (
    MAX_CODED, MAX_ENTRY, MAX_PEAK, MAX_RESIDUAL, MAX_SCORE, MAX_SUM,
)
from labelcodec.entropy cimport kernels as c

cdef extern from "labelcodec/codecs/transform/prediction.h" nogil:
    void crop_eighths(const int32_t *, const int32_t *, size_t, int64_t *)
    void predict_mixed(
        const int16_t *, size_t, const int64_t *, const int64_t *, const int64_t *,
        const int64_t *, const int64_t *, size_t, size_t, int32_t *
    )
    int32_t restore(const int32_t *, const int32_t *, size_t, size_t, int32_t *)

cdef extern from "labelcodec/codecs/transform/symbols.h" nogil:
    void contexts_to "coefficient_contexts"(
        const int32_t *, const int64_t *, const int64_t *, const int64_t *, size_t, size_t,
        int64_t *
    )
    int values_to "value_decode"(
        c.rans_decoder *, c.bit_reader, const c.rans_tables *, const int64_t *, const int64_t *,
        size_t, size_t, const int64_t *, const int64_t *, const int64_t *, size_t,
        const uint16_t *, int32_t *, uint16_t *, uint8_t *, int64_t *, int32_t *, int64_t *
    )
    int gaps_to "gap_decode"(
        c.rans_decoder *, c.bit_reader, const c.rans_tables *, size_t, size_t, size_t,
        const uint16_t *, int64_t *, int64_t *, int64_t *, int64_t *, int64_t *, uint16_t *,
        uint8_t *, int64_t *, int64_t *
    )

cdef extern from "labelcodec/codecs/transform/peaks.h" nogil:
    int CLASS_BITS
    ctypedef struct ranker:
        uint16_t *coarse
        uint8_t *flags
        uint32_t *best
        uint64_t *keys
        uint64_t *sorted
    void classes_at(ranker *, const int32_t *, size_t, const int64_t *, size_t, int64_t *)
    void expand_row(
        int32_t *, size_t, const int64_t *, const int32_t *, size_t, const int32_t *, int32_t,
        unsigned
    )
    size_t choose_row(
        ranker *, const int32_t *, const float *, const float *, size_t, size_t, float *, float *,
        int64_t *, int64_t *
    )
    void scaled(const int32_t *, size_t, float, float *)
    void finish_row(
        ranker *, int32_t *, size_t, const int64_t *, const int64_t *, size_t, int64_t,
        const int32_t *, int32_t, unsigned, float, int64_t *, int32_t *
    )

cdef extern from "labelcodec/codecs/transform/scores.h" nogil:
    int GROUP, BLOCK
    ctypedef struct score_kernel:
        pass
    score_kernel *score_kernel_here()
    void largest_magnitudes(const int32_t *, size_t, size_t, int32_t *)
    void pair_up(const int32_t *, size_t, int16_t *)
    void score_group(
        score_kernel *, const int16_t *, size_t, const int16_t *, size_t, const int32_t *, size_t,
        size_t, int32_t *
    )
    void clip_double(const double *, const int32_t *, size_t, int32_t *)

cdef extern from "labelcodec/codecs/transform/fitting.h" nogil:
    void mix_to "mix_rows"(
        const int64_t *, const float *, const float *, size_t, size_t, float *
    )
    void sum_to "sum_rows"(
        const int64_t *, const float *, const float *, size_t, size_t, double *
    )
    void add_masses(
        const int32_t *, const float *, const float *, float, const uint8_t *, size_t, unsigned,
        int32_t, double *, double *
    )

c.rans_start()

# Context tables, each input capped at the value from which on the context stays the same.
_COUNTS = np.maximum(np.arange(9), 1)[:, None]
cdef const uint16_t[:, ::1] _GAPS = gap_context(_COUNTS, np.arange(-1, 63)).astype(np.uint16)
cdef const uint16_t[:, ::1] _RESIDUALS = residual_context(_COUNTS, np.arange(512)).astype(np.uint16)


cdef class _Ranker:
    """The arrays behind a `ranker` of C classes."""

    cdef ranker rank
    cdef uint16_t[::1] coarse
    cdef uint8_t[::1] flags
    cdef uint32_t[::1] best
    cdef uint64_t[::1] keys

    def __cinit__(self, size_t classes):
        if not 0 < classes <= 1 << CLASS_BITS:
            raise ValueError(f"{classes} classes, allowed are 1..{1 << CLASS_BITS}")
        self.coarse = np.zeros(classes + 8, np.uint16)
        self.flags = np.zeros(classes + 8, np.uint8)
        self.best = np.zeros(classes + 8, np.uint32)
        self.keys = np.zeros(2 * classes + 1, np.uint64)
        self.rank.coarse, self.rank.flags = &self.coarse[0], &self.flags[0]
        self.rank.best = &self.best[0]
        self.rank.keys, self.rank.sorted = &self.keys[0], &self.keys[classes]


def _ends(counts, places, size_t classes):
    """Where each label's peaks begin and end; positions must be below C."""
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    if int(ends[len(counts)]) != len(places) or (len(counts) and int(counts.min()) < 0):
        raise ValueError(f"{len(places)} peaks of labels that have {int(ends[len(counts)])}")
    if len(places) and (int(places.min()) < 0 or int(places.max()) >= classes):
        raise ValueError(f"a position outside 0..{classes - 1}")
    return ends


def eighths(box, size):
    """As `reference.eighths`."""
    cdef const int32_t[:, ::1] boxes = np.ascontiguousarray(box, np.int32)
    cdef const int32_t[:, ::1] sizes = np.ascontiguousarray(size, np.int32)
    if boxes.shape[1] != 4 or sizes.shape[1] != 2 or sizes.shape[0] != boxes.shape[0]:
        raise ValueError("crop boxes of impossible shape")
    classes = np.empty(len(box), np.int64)
    cdef int64_t[::1] out = classes
    if len(box):
        crop_eighths(&boxes[0, 0], &sizes[0, 0], boxes.shape[0], &out[0])
    return classes


def mixed(entries, unit, kept, image, part, crop):
    """As `reference.mixed`."""
    cdef const int16_t[:, ::1] means = np.ascontiguousarray(entries, np.int16)
    cdef const int64_t[::1] units = np.ascontiguousarray(unit, np.int64)
    cdef const int64_t[::1] share = np.ascontiguousarray(kept, np.int64)
    cdef const int64_t[:, ::1] images = np.ascontiguousarray(image, np.int64)
    cdef const int64_t[:, ::1] parts = np.ascontiguousarray(part, np.int64)
    cdef const int64_t[:, ::1] crops = np.ascontiguousarray(crop, np.int64)
    cdef size_t rows = images.shape[0], rank = units.shape[0], known = means.shape[0]
    if not images.shape[1] == parts.shape[1] == crops.shape[1] == 2 or share.shape[0] != 8:
        raise ValueError("two images per label are needed, and eight shares")
    if not images.shape[0] == parts.shape[0] == crops.shape[0] or means.shape[1] != units.shape[0]:
        raise ValueError("images, parts and crops of different labels")
    result = np.zeros((rows, rank), np.int32)
    cdef int32_t[:, ::1] out = result
    if result.size:
        with nogil:
            predict_mixed(
                &means[0, 0] if known else NULL, known, &units[0], &share[0], &images[0, 0],
                &parts[0, 0], &crops[0, 0], rows, rank, &out[0, 0],
            )
    return result


def restored(coded, predicted):
    """As `reference.restored`."""
    cdef const int32_t[:, ::1] difference = np.ascontiguousarray(coded, np.int32)
    cdef const int32_t[:, ::1] base = np.ascontiguousarray(predicted, np.int32)
    cdef size_t rows = base.shape[0], rank = base.shape[1]
    if difference.shape[0] != base.shape[1] or difference.shape[1] != base.shape[0]:
        raise ValueError("differences and predictions of different shapes")
    coefficients = np.empty((rows, rank), np.int32)
    cdef int32_t[:, ::1] out = coefficients
    cdef int32_t largest = 0
    if coefficients.size:
        with nogil:
            largest = restore(&difference[0, 0], &base[0, 0], rows, rank, &out[0, 0])
    return coefficients, int(largest >= MAX_CODED)


def coefficient_contexts(coefficients, column, weights, thresholds):
    """As `reference.coefficient_contexts`."""
    cdef const int32_t[:, ::1] values = np.ascontiguousarray(coefficients, np.int32)
    cdef const int64_t[::1] classes = np.ascontiguousarray(column, np.int64)
    cdef const int64_t[::1] weight = np.ascontiguousarray(weights, np.int64)
    cdef const int64_t[:, ::1] bounds = np.ascontiguousarray(thresholds, np.int64)
    cdef size_t rows = values.shape[0], rank = values.shape[1]
    if not classes.shape[0] == weight.shape[0] == bounds.shape[0] == values.shape[1]:
        raise ValueError("a context model of another rank")
    contexts = np.zeros((rank, rows), np.int64)
    cdef int64_t[:, ::1] out = contexts
    if contexts.size:
        with nogil:
            contexts_to(
                &values[0, 0], &classes[0], &weight[0], &bounds[0, 0], rows, rank, &out[0, 0]
            )
    return contexts


def value_decode(
    states, words, const uint8_t[::1] bits, counts, places, column, weights, thresholds, lookup
):
    """As `reference.value_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef c.bit_reader reader = c.reader_of(bits, 0)
    cdef const int64_t[::1] count = np.ascontiguousarray(counts, np.int64)
    cdef const int64_t[::1] place = np.ascontiguousarray(places, np.int64)
    cdef const int64_t[::1] classes = np.ascontiguousarray(column, np.int64)
    cdef const int64_t[::1] weight = np.ascontiguousarray(weights, np.int64)
    cdef const int64_t[:, ::1] bounds = np.ascontiguousarray(thresholds, np.int64)
    cdef size_t rows = count.shape[0], peaks = place.shape[0], rank = classes.shape[0]
    cdef size_t most = max(rows, peaks, 1)
    if not classes.shape[0] == weight.shape[0] == bounds.shape[0] or bounds.shape[1] != 3:
        raise ValueError("a context model of impossible shape")
    if table.contexts < 78 or (peaks and int(places.min()) < 0) or not rows or not rank:
        raise ValueError("label values need 78 contexts, and at least one label")
    if int(column.min()) < 0 or int(column.max()) >= 12:
        raise ValueError("a coefficient of unknown class")
    coefficients, residuals = np.zeros((rank, rows), np.int32), np.zeros(peaks, np.int64)
    cdef int32_t[:, ::1] out = coefficients
    cdef int64_t[::1] residual = residuals, values = np.empty(rows, np.int64)
    cdef int32_t[::1] active = np.zeros(rows, np.int32)
    cdef uint16_t[::1] contexts = np.empty(most, np.uint16)
    cdef uint8_t[::1] symbols = np.empty(most, np.uint8)
    cdef int status
    with nogil:
        status = values_to(
            &rans, reader, &table, &count[0], &place[0] if peaks else NULL, rows, peaks,
            &classes[0], &weight[0], &bounds[0, 0], rank, &_RESIDUALS[0, 0], &active[0],
            &contexts[0], &symbols[0], &values[0], &out[0, 0], &residual[0] if peaks else NULL,
        )
    return coefficients, residuals, status


def gap_decode(
    states, words, const uint8_t[::1] bits, size_t rows, size_t peaks, size_t classes, lookup
):
    """As `reference.gap_decode`."""
    cdef c.rans_tables table
    cdef c.rans_decoder rans
    c.tables_open(&table, lookup[0], lookup[1])
    c.decoder_open(&rans, states, words)
    cdef c.bit_reader reader = c.reader_of(bits, 0)
    if table.contexts < 43 or not rows:
        raise ValueError("peak positions need 43 contexts, and at least one label")
    counts, places = np.zeros(rows, np.int64), np.zeros(peaks, np.int64)
    cdef int64_t[::1] count = counts, place = places, scratch = np.empty(5 * rows, np.int64)
    cdef uint16_t[::1] contexts = np.empty(rows, np.uint16)
    cdef uint8_t[::1] symbols = np.empty(rows, np.uint8)
    cdef int status
    with nogil:
        status = gaps_to(
            &rans, reader, &table, rows, peaks, classes, &_GAPS[0, 0], &scratch[0],
            &scratch[rows], &scratch[2 * rows], &scratch[3 * rows], &scratch[4 * rows],
            &contexts[0], &symbols[0], &count[0], &place[0] if peaks else NULL,
        )
    return counts, places, status


def ranked_classes(scores, counts, places):
    """As `reference.ranked_classes`."""
    cdef const int32_t[:, ::1] score = np.ascontiguousarray(scores, np.int32)
    cdef const int64_t[::1] place = np.ascontiguousarray(places, np.int64)
    cdef size_t rows = score.shape[0], width = score.shape[1], row
    cdef const int64_t[::1] ends = _ends(counts, places, width)
    cdef _Ranker rank = _Ranker(width)
    if ends.shape[0] != score.shape[0] + 1:
        raise ValueError("as many counts as labels are needed")
    classes = np.zeros(len(places), np.int64)
    cdef int64_t[::1] out = classes
    if len(places):
        with nogil:
            for row in range(rows):
                if ends[row + 1] > ends[row]:
                    classes_at(
                        &rank.rank, &score[row, 0], width, &place[ends[row]],
                        ends[row + 1] - ends[row], &out[ends[row]],
                    )
    return classes


def choose(scores, gain, price, size_t most):
    """As `reference.choose`."""
    cdef const int32_t[:, ::1] score = np.ascontiguousarray(scores, np.int32)
    cdef const float[:, ::1] saved = np.ascontiguousarray(gain, np.float32)
    cdef const float[::1] prices = np.ascontiguousarray(price, np.float32)
    cdef size_t rows = score.shape[0], width = score.shape[1], row, total = 0
    cdef _Ranker rank = _Ranker(width)
    if saved.shape[0] != score.shape[0] or not saved.shape[1] == prices.shape[0] == width:
        raise ValueError("scores and gains of different shapes")
    counts = np.zeros(rows, np.int64)
    places = np.empty(rows * min(most, width) + width, np.int64)
    classes = np.empty_like(places)
    cdef int64_t[::1] count = counts, place = places, chosen = classes
    cdef float[::1] excess = np.empty(2 * width, np.float32)
    with nogil:
        for row in range(rows):
            count[row] = choose_row(
                &rank.rank, &score[row, 0], &saved[row, 0], &prices[0], width, most, &excess[0],
                &excess[width], &place[total], &chosen[total],
            )
            total += count[row]
    return counts, places[:total].copy(), classes[:total].copy()


cdef class _Expansion:
    """The checked arguments of `expand`, which turn one label's scores into its logits."""

    cdef const int64_t[::1] ends, classes
    cdef const int32_t[::1] values, tail
    cdef size_t width
    cdef unsigned shift

    def __cinit__(self, shape, counts, classes, values, tail, unsigned shift):
        self.width, self.shift = shape[1], shift
        self.classes = np.ascontiguousarray(classes, np.int64)
        self.values = np.ascontiguousarray(values, np.int32)
        self.tail = np.ascontiguousarray(tail, np.int32)
        self.ends = _ends(counts, classes, self.width)
        if len(counts) != shape[0] or self.values.shape[0] != self.classes.shape[0]:
            raise ValueError("as many counts as labels are needed, and as many values as classes")
        if not self.tail.shape[0] or shift > 31:
            raise ValueError("a tail correction of impossible shape")

    cdef void apply(self, size_t row, int32_t *full) noexcept nogil:
        cdef size_t first = self.ends[row], count = self.ends[row + 1] - first
        expand_row(
            full, self.width, &self.classes[first] if count else NULL,
            &self.values[first] if count else NULL, count, &self.tail[0],
            self.tail.shape[0] - 1, self.shift,
        )


def expand(scores, counts, classes, values, tail, unsigned shift):
    """As `reference.expand`."""
    full = np.array(scores, np.int32, order="C")
    cdef int32_t[:, ::1] out = full
    cdef _Expansion expansion = _Expansion(full.shape, counts, classes, values, tail, shift)
    cdef size_t row
    if full.size:
        with nogil:
            for row in range(<size_t>out.shape[0]):
                expansion.apply(row, &out[row, 0])
    return full


def scored(coefficients, pairs, reach, mean):
    """As `reference.scored`."""
    cdef const int32_t[:, ::1] coded = np.ascontiguousarray(coefficients, np.int32)
    cdef const int16_t[:, :, ::1] vectors = pairs
    cdef size_t rows = coded.shape[0], rank = coded.shape[1], count = vectors.shape[0]
    cdef size_t stride = vectors.shape[1], classes = len(mean), row = 0, i, group
    if vectors.shape[2] != 2 or count != (rank + 1) // 2 or len(reach) != rank:
        raise ValueError("coefficients of another rank than the vectors")
    if stride % BLOCK or stride < classes or not count:
        raise ValueError("vectors of impossible shape")
    if (mean.size and int(np.abs(mean).max()) > MAX_SCORE) or (reach < 0).any():
        raise ValueError("means or magnitudes out of range")
    scores, padded = np.empty((rows, classes), np.int32), np.zeros(stride, np.int32)
    padded[:classes] = mean
    if not scores.size:
        return scores, 0
    largest = np.zeros(rank, np.int32)
    cdef int32_t[::1] most = largest
    largest_magnitudes(&coded[0, 0], rows, rank, &most[0])
    if int(largest.max()) > MAX_ENTRY or largest.astype(float) @ reach >= MAX_SUM:
        return scores, 1
    cdef const int32_t[::1] means = padded
    cdef int32_t[:, ::1] out = scores
    cdef int16_t[::1] paired = np.zeros(GROUP * 2 * count, np.int16)
    cdef score_kernel *kernel = score_kernel_here()
    with nogil:
        while row < rows:
            group = min(<size_t>GROUP, rows - row)
            for i in range(group):
                pair_up(&coded[row + i, 0], rank, &paired[2 * i * count])
            score_group(
                kernel, &paired[0], count, &vectors[0, 0, 0], stride, &means[0], group, classes,
                &out[row, 0],
            )
            row += group
    return scores, 0


def clipped(sums, mean):
    """As `reference.clipped`."""
    cdef const double[:, ::1] wide = np.ascontiguousarray(sums, np.float64)
    cdef const int32_t[::1] means = np.ascontiguousarray(mean, np.int32)
    cdef size_t rows = wide.shape[0], width = wide.shape[1], row
    if means.shape[0] != wide.shape[1]:
        raise ValueError("as many means as classes are needed")
    scores = np.empty((rows, width), np.int32)
    cdef int32_t[:, ::1] out = scores
    if scores.size:
        with nogil:
            for row in range(rows):
                clip_double(&wide[row, 0], &means[0], width, &out[row, 0])
    return scores


def finished(scores, counts, places, residuals, int64_t peak, tail, unsigned shift, float unit):
    """As `reference.finished`."""
    cdef int32_t[:, ::1] score = scores
    cdef const int64_t[::1] place = np.ascontiguousarray(places, np.int64)
    cdef const int64_t[::1] residual = np.ascontiguousarray(residuals, np.int64)
    cdef const int32_t[::1] correction = np.ascontiguousarray(tail, np.int32)
    cdef size_t rows = score.shape[0], width = score.shape[1], row, first, count
    cdef const int64_t[::1] ends = _ends(counts, places, width)
    cdef _Ranker rank = _Ranker(width)
    if ends.shape[0] != score.shape[0] + 1 or residual.shape[0] != place.shape[0]:
        raise ValueError("as many counts as labels are needed, and as many residuals as places")
    if not correction.shape[0] or shift > 31 or not 0 < peak <= MAX_PEAK:
        raise ValueError("a tail correction or a peak of impossible size")
    if len(residuals) and int(np.abs(residuals).max()) > MAX_RESIDUAL:
        raise ValueError(f"a residual above {MAX_RESIDUAL}")
    most = int(np.max(counts, initial=1))
    cdef int64_t[::1] chosen = np.empty(most, np.int64)
    cdef int32_t[::1] values = np.empty(most, np.int32)
    if scores.size:
        with nogil:
            for row in range(rows):
                first, count = ends[row], ends[row + 1] - ends[row]
                finish_row(
                    &rank.rank, &score[row, 0], width, &place[first] if count else NULL,
                    &residual[first] if count else NULL, count, peak, &correction[0],
                    correction.shape[0] - 1, shift, unit, &chosen[0], &values[0],
                )
    return scores.view(np.float32)


def expand_logits(scores, counts, classes, values, tail, unsigned shift, float unit):
    """As `reference.expand_logits`."""
    cdef const int32_t[:, ::1] score = np.ascontiguousarray(scores, np.int32)
    cdef _Expansion expansion = _Expansion(scores.shape, counts, classes, values, tail, shift)
    cdef size_t rows = score.shape[0], width = score.shape[1], row
    result = np.empty((rows, width), np.float32)
    if not result.size:
        return result
    cdef float[:, ::1] out = result
    cdef int32_t[::1] full = np.empty(width, np.int32)
    with nogil:
        for row in range(rows):
            memcpy(&full[0], &score[row, 0], width * sizeof(int32_t))
            expansion.apply(row, &full[0])
            scaled(&full[0], width, unit, &out[row, 0])
    return result


def logits(units, float unit):
    """As `reference.logits`."""
    cdef const int32_t[:, ::1] values = np.ascontiguousarray(units, np.int32)
    result = np.empty(units.shape, np.float32)
    cdef float[:, ::1] out = result
    if units.size:
        with nogil:
            scaled(&values[0, 0], values.shape[0] * values.shape[1], unit, &out[0, 0])
    return result


def _check_mixing(image, weight, size_t images):
    """Image indices and weights of two images per label."""
    if image.shape != weight.shape or image.ndim != 2 or image.shape[1] != 2:
        raise ValueError("two images per label are needed, and their weights")
    if image.size and (int(image.min()) < 0 or int(image.max()) >= images):
        raise ValueError(f"an image outside 0..{images - 1}")


def mix_rows(image, weight, mean):
    """As `reference.mix_rows`."""
    _check_mixing(image, weight, len(mean))
    cdef const int64_t[:, ::1] index = np.ascontiguousarray(image, np.int64)
    cdef const float[:, ::1] share = np.ascontiguousarray(weight, np.float32)
    cdef const float[:, ::1] means = np.ascontiguousarray(mean, np.float32)
    cdef size_t rows = index.shape[0], width = means.shape[1]
    result = np.zeros((rows, width), np.float32)
    cdef float[:, ::1] out = result
    if result.size:
        with nogil:
            mix_to(&index[0, 0], &share[0, 0], &means[0, 0], rows, width, &out[0, 0])
    return result


def sum_rows(image, weight, labels, size_t images):
    """As `reference.sum_rows`."""
    _check_mixing(image, weight, images)
    cdef const int64_t[:, ::1] index = np.ascontiguousarray(image, np.int64)
    cdef const float[:, ::1] share = np.ascontiguousarray(weight, np.float32)
    cdef const float[:, ::1] label = np.ascontiguousarray(labels, np.float32)
    cdef size_t rows = index.shape[0], width = label.shape[1]
    if label.shape[0] != index.shape[0]:
        raise ValueError("as many labels as mixtures are needed")
    sums = np.zeros((images, width))
    cdef double[:, ::1] out = sums
    if label.size:
        with nogil:
            sum_to(&index[0, 0], &share[0, 0], &label[0, 0], rows, width, &out[0, 0])
    return sums.astype(np.float32)


def distance_masses(units, counts, classes, p, q, weight, unsigned shift, int groups):
    """As `reference.distance_masses`."""
    cdef const int32_t[:, ::1] unit = np.ascontiguousarray(units, np.int32)
    cdef const float[:, ::1] first = np.ascontiguousarray(p, np.float32)
    cdef const float[:, ::1] second = np.ascontiguousarray(q, np.float32)
    cdef const float[::1] weights = np.ascontiguousarray(weight, np.float32).reshape(-1)
    cdef const int64_t[::1] chosen = np.ascontiguousarray(classes, np.int64)
    cdef size_t rows = unit.shape[0], width = unit.shape[1], row
    cdef const int64_t[::1] ends = _ends(counts, classes, width)
    cdef Py_ssize_t i
    if not unit.shape[0] == first.shape[0] == second.shape[0] == weights.shape[0]:
        raise ValueError("masses of other labels")
    if not 0 < unit.shape[1] == first.shape[1] == second.shape[1] or groups < 1 or shift > 31:
        raise ValueError("masses of other classes")
    if ends.shape[0] != unit.shape[0] + 1:
        raise ValueError("as many counts as labels are needed")
    p_mass, q_mass = np.zeros(groups), np.zeros(groups)
    cdef double[::1] p_out = p_mass, q_out = q_mass
    cdef uint8_t[::1] flags = np.zeros(width, np.uint8)
    with nogil:
        for row in range(rows):
            for i in range(ends[row], ends[row + 1]):
                flags[chosen[i]] = 1
            add_masses(
                &unit[row, 0], &first[row, 0], &second[row, 0], weights[row], &flags[0], width,
                shift, groups - 1, &p_out[0], &q_out[0],
            )
            for i in range(ends[row], ends[row + 1]):
                flags[chosen[i]] = 0
    return p_mass, q_mass
