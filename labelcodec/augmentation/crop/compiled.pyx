# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The crop stream's kernels, compiled from `kernels.h`; documented in `reference`."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from labelcodec.entropy cimport kernels as c

cdef extern from "labelcodec/augmentation/crop/kernels.h" nogil:
    int MAX_TOKEN
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

c.rans_start()


def box_encode(
    box, size, const uint32_t[:, ::1] height, const uint32_t[:, ::1] width, unsigned lanes
):
    """As `reference.box_encode`."""
    cdef const int32_t[:, ::1] boxes = np.ascontiguousarray(box, np.int32)
    cdef const int32_t[:, ::1] sizes = np.ascontiguousarray(size, np.int32)
    cdef size_t rows = boxes.shape[0], tall = height.shape[1], wide = width.shape[1]
    cdef size_t first = 0, used = 0
    if boxes.shape[1] != 4 or sizes.shape[0] != boxes.shape[0] or sizes.shape[1] != 2 or not rows:
        raise ValueError("crop boxes of impossible shape")
    if not height.size or width.shape[0] <= MAX_TOKEN or not 0 < lanes <= c.MAX_LANES:
        raise ValueError("crop tables of impossible shape")
    wide_box = box.astype(np.int64)
    ends = wide_box[:, :2] + wide_box[:, 2:]
    if (box[:, 2:] < 1).any() or (box[:, :2] < 0).any() or (ends > size).any():
        raise ValueError("a crop box outside its image")
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


def box_decode(states, words, const uint8_t[::1] bits, size, height, width):
    """As `reference.box_decode`."""
    cdef c.rans_tables tall, wide
    cdef c.rans_decoder rans
    c.tables_open(&tall, height[0], height[1])
    c.tables_open(&wide, width[0], width[1])
    c.decoder_open(&rans, states, words)
    cdef c.bit_reader reader = c.reader_of(bits, 0)
    cdef const int32_t[:, ::1] sizes = np.ascontiguousarray(size, np.int32)
    cdef size_t rows = sizes.shape[0]
    if sizes.shape[1] != 2 or wide.contexts <= MAX_TOKEN:
        raise ValueError("crop tables of impossible shape")
    box = np.zeros((rows, 4), np.int32)
    if not rows:
        return box, 0
    cdef int64_t[::1] scratch = np.empty(6 * rows, np.int64)
    cdef uint8_t[::1] symbols = np.empty(rows, np.uint8)
    cdef uint16_t[::1] contexts = np.empty(rows, np.uint16)
    cdef int32_t[:, ::1] out = box
    cdef int status
    with nogil:
        status = decode_to(
            &rans, reader, &sizes[0, 0], rows, &tall, &wide, &scratch[0], &scratch[rows],
            &scratch[2 * rows], &scratch[4 * rows], &symbols[0], &contexts[0], &out[0, 0],
        )
    return box, status
