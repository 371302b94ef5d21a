# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The replay's kernels, compiled from `kernels.h`; documented in `reference`."""

import numpy as np

from libc.stdint cimport uint8_t

cdef extern from "labelcodec/replay/kernels.h" nogil:
    void normalise_to "normalise_levels"(const uint8_t *, size_t, const float *, float *)


def normalise_levels(const uint8_t[:, ::1] levels, const float[:, ::1] table):
    """As `reference.normalise_levels`."""
    cdef size_t pixels = levels.shape[0]
    if levels.shape[1] != 3 or table.shape[0] != 3 or table.shape[1] != 256:
        raise ValueError("pixels or a table of impossible shape")
    normalised = np.empty((pixels, 3), np.float32)
    if not pixels:
        return normalised
    cdef float[:, ::1] out = normalised
    with nogil:
        normalise_to(&levels[0, 0], pixels, &table[0, 0], &out[0, 0])
    return normalised
