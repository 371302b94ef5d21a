# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Kernels of the crop stream and of resizing, compiled from C; documented in `reference`."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from labelcodec.augmentation.crop.resampling import check_interpolation
from labelcodec.entropy cimport kernels as c

cdef extern from "labelcodec/augmentation/crop/kernels.h" nogil:
    int MAX_TOKEN
    int boxes_inside(const int32_t *, const int32_t *, size_t)
    size_t encode_to "box_encode"(
        const int32_t *, const int32_t *, size_t, const uint32_t *, size_t, const uint32_t *,
        size_t, unsigned, int64_t *, int64_t *, uint32_t *, uint32_t *, uint16_t *, size_t *,
        uint8_t *
    )
    int decode_to "box_decode"(
        c.rans_decoder *, c.bit_reader, const int32_t *, size_t, const c.rans_tables *,
        const c.rans_tables *, int64_t *, int64_t *, int64_t *, int64_t *, uint8_t *, uint16_t *,
        int32_t *
    )

cdef extern from "labelcodec/augmentation/crop/resize.h" nogil:
    ctypedef struct image_crop:
        const uint8_t *pixels
        size_t stride, rows, columns
    int resize_to "crop_resize"(const image_crop *, size_t, size_t, int, int, uint8_t *)

cdef extern from "labelcodec/augmentation/crop/fractions.h" nogil:
    int pixels_of_half(const uint16_t *, const int32_t *, size_t, int32_t *)
    int pixels_of_single(const uint32_t *, const int32_t *, size_t, int32_t *)

cdef object HALF = np.dtype(np.float16), SINGLE = np.dtype(np.float32)

c.rans_start()


def box_encode(
    box, size, const uint32_t[:, ::1] height, const uint32_t[:, ::1] width, unsigned lanes
):
    """As `reference.box_encode`."""
    cdef const int32_t[:, ::1] boxes = np.ascontiguousarray(box)
    cdef const int32_t[:, ::1] sizes = np.ascontiguousarray(size)
    cdef size_t rows = boxes.shape[0], tall = height.shape[1], wide = width.shape[1]
    cdef size_t first = 0, used = 0
    if boxes.shape[1] != 4 or sizes.shape[0] != boxes.shape[0] or sizes.shape[1] != 2 or not rows:
        raise ValueError("crop boxes of impossible shape")
    if not height.size or width.shape[0] <= MAX_TOKEN or not 0 < lanes <= c.MAX_LANES:
        raise ValueError("crop tables of impossible shape")
    if not boxes_inside(&boxes[0, 0], &sizes[0, 0], rows):
        return None
    states, words = np.empty(lanes, np.uint32), np.empty(2 * rows + 1, np.uint16)
    bits = np.empty(20 * rows + c.PADDING, np.uint8)
    cdef uint32_t[::1] state = states, interval = np.empty(2 * rows, np.uint32)
    cdef int64_t[::1] number = np.empty(2 * rows, np.int64), radix = np.empty(2 * rows, np.int64)
    cdef uint16_t[::1] word = words
    cdef uint8_t[::1] out = bits
    with nogil:
        used = encode_to(
            &boxes[0, 0], &sizes[0, 0], rows, &height[0, 0], tall, &width[0, 0], wide, lanes,
            &number[0], &radix[0], &interval[0], &state[0], &word[0], &first, &out[0],
        )
    return states, words[first:], bits[:used]


def box_decode(
    const uint8_t[::1] data, unsigned lanes, const int32_t[:, ::1] size, height, width
):
    """As `reference.box_decode`."""
    cdef c.rans_tables tall, wide
    cdef c.rans_decoder rans
    cdef c.bit_reader bits
    cdef size_t rows = size.shape[0]
    c.tables_open(&tall, height[0], height[1])
    c.tables_open(&wide, width[0], width[1])
    if size.shape[1] != 2 or wide.contexts <= MAX_TOKEN:
        raise ValueError("crop tables of impossible shape")
    if not 0 < lanes <= c.MAX_LANES:
        raise ValueError(f"{lanes} rANS lanes, allowed are 1..{c.MAX_LANES}")
    box = np.empty((rows, 4), np.int32)
    if not rows or c.coded_open(&rans, &bits, &data[0], data.shape[0], lanes):
        return box, int(rows > 0)
    cdef int32_t[:, ::1] out = box
    cdef int64_t[::1] scratch = np.empty(7 * rows, np.int64)
    cdef uint16_t *contexts = <uint16_t *>&scratch[6 * rows]
    cdef uint8_t *symbols = <uint8_t *>(contexts + rows)
    cdef int status
    with nogil:
        status = decode_to(
            &rans, bits, &size[0, 0], rows, &tall, &wide, &scratch[0], &scratch[rows],
            &scratch[2 * rows], &scratch[4 * rows], symbols, contexts, &out[0, 0],
        )
    return box, status


def whole_pixels(fraction, const int32_t[:, ::1] size):
    """As `reference.whole_pixels`."""
    cdef const uint16_t[:, ::1] half
    cdef const uint32_t[:, ::1] single
    cdef size_t rows = size.shape[0]
    cdef int32_t[:, ::1] out
    cdef int is_found
    if fraction.shape != (rows, 4) or size.shape[1] != 2:
        raise ValueError("fractions of impossible shape")
    box = np.empty((rows, 4), np.int32)
    if not rows:
        return box
    out = box
    if fraction.dtype == HALF:
        half = np.ascontiguousarray(fraction).view(np.uint16)
        is_found = pixels_of_half(&half[0, 0], &size[0, 0], rows, &out[0, 0])
    elif fraction.dtype == SINGLE:
        single = np.ascontiguousarray(fraction).view(np.uint32)
        is_found = pixels_of_single(&single[0, 0], &size[0, 0], rows, &out[0, 0])
    else:
        raise ValueError("fractions of impossible dtype")
    return box if is_found else None


cdef int bicubic_of(str interpolation) except -1:
    """Whether an interpolation is bicubic; else it is bilinear."""
    check_interpolation(interpolation)
    return interpolation == "bicubic"


cdef inline int open_crop(
    image_crop *crop, const uint8_t *image, int64_t height, int64_t width, const int64_t *box
) noexcept nogil:
    """Set the crop of an image in memory; whether it lies within it."""
    cdef int64_t top = box[0], left = box[1], rows = box[2], columns = box[3]
    if not (0 <= top < height and 0 <= left < width):
        return 0
    if not (0 < rows <= height - top and 0 < columns <= width - left):
        return 0
    crop.stride = 3 * width
    crop.pixels = image + top * crop.stride + 3 * left
    crop.rows, crop.columns = rows, columns
    return 1


def crop_resize(
    const uint8_t[:, :, ::1] image, box, str interpolation, bint flip, uint8_t[:, :, ::1] out
):
    """As `reference.crop_resize`."""
    cdef int bicubic = bicubic_of(interpolation), status
    cdef size_t height = out.shape[0], width = out.shape[1]
    cdef int64_t[4] edges
    cdef image_crop crop
    edges[0], edges[1], edges[2], edges[3] = box
    if image.shape[2] != 3 or out.shape[2] != 3 or not image.size or not out.size:
        raise ValueError("images of impossible shape")
    if not open_crop(&crop, &image[0, 0, 0], image.shape[0], image.shape[1], edges):
        raise ValueError("a crop box outside its image")
    with nogil:
        status = resize_to(&crop, height, width, bicubic, flip, &out[0, 0, 0])
    if status:
        raise MemoryError


def pool_resize(
    const uint8_t[::1] pool, const int64_t[::1] start, const int64_t[:, ::1] size,
    const int64_t[:, ::1] box, str interpolation, flip, uint8_t[:, :, :, ::1] out
):
    """As `reference.pool_resize`."""
    cdef const uint8_t[::1] flips = np.ascontiguousarray(flip, np.bool_).view(np.uint8)
    cdef int bicubic = bicubic_of(interpolation), status = 0
    cdef size_t height = out.shape[1], width = out.shape[2]
    cdef int64_t sample, samples = out.shape[0], space = pool.shape[0], rows, columns
    cdef int64_t outside = -1
    cdef image_crop crop
    if start.shape[0] != samples or size.shape[0] != samples or size.shape[1] != 2:
        raise ValueError("arrays of different lengths")
    if box.shape[0] != samples or box.shape[1] != 4 or flips.shape[0] != samples:
        raise ValueError("arrays of different lengths")
    if not samples:
        return
    if out.shape[3] != 3 or not out.size:
        raise ValueError("images of impossible shape")
    for sample in range(samples):
        rows, columns = size[sample, 0], size[sample, 1]
        if rows < 1 or columns < 1 or not 0 <= start[sample] <= space:
            raise ValueError("an image outside its pool")
        if rows > (space - start[sample]) // 3 // columns:
            raise ValueError("an image outside its pool")
    with nogil:
        for sample in range(samples):
            if not open_crop(
                &crop, &pool[0] + start[sample], size[sample, 0], size[sample, 1], &box[sample, 0]
            ):
                outside = sample
                break
            status = resize_to(
                &crop, height, width, bicubic, flips[sample], &out[sample, 0, 0, 0]
            )
            if status:
                break
    if outside >= 0:
        raise ValueError("a crop box outside its image")
    if status:
        raise MemoryError
