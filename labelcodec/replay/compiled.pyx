# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The replay's kernels, compiled from `kernels.h`; documented in `reference`."""

from libc.stdint cimport int64_t, uint8_t

cdef extern from "labelcodec/replay/kernels.h" nogil:
    void finish_to "finish_levels"(
        const uint8_t *, size_t, size_t, size_t, const float *, const int64_t *, const size_t *,
        float *
    )


def finish_levels(
    const uint8_t[:, :, :, ::1] levels, const float[:, ::1] table, const int64_t[::1] partner, box,
    float[:, :, :, ::1] out
):
    """As `reference.finish_levels`."""
    cdef size_t samples = levels.shape[0], height = levels.shape[1], width = levels.shape[2]
    cdef size_t[4] edges
    cdef size_t sample
    edges[0], edges[1], edges[2], edges[3] = box
    if levels.shape[3] != 3 or table.shape[0] != 3 or table.shape[1] != 256:
        raise ValueError("images or a table of impossible shape")
    if not (edges[0] <= edges[1] <= height and edges[2] <= edges[3] <= width):
        raise ValueError("a box outside the images")
    if <size_t>partner.shape[0] != samples:
        raise ValueError("images and partners of different numbers")
    for sample in range(samples):
        if not 0 <= partner[sample] < <int64_t>samples:
            raise ValueError("a partner outside the batch")
    for sample in range(4):
        if out.shape[sample] != levels.shape[sample]:
            raise ValueError("images and results of different shapes")
    if not levels.size:
        return
    with nogil:
        finish_to(
            &levels[0, 0, 0, 0], samples, height, width, &table[0, 0], &partner[0], edges,
            &out[0, 0, 0, 0],
        )
