"""The Triton kernel that crops and resizes, launched by `fused`."""

from __future__ import annotations

import triton
import triton.language as tl

from labelcodec.augmentation.crop.resampling import BITS

_SHIFT, _HALF = tl.constexpr(BITS), tl.constexpr(1 << BITS - 1)
_FIELDS = tl.constexpr(10)  # numbers that describe a crop


@triton.jit
def resize(
    pixels,
    resized,
    crops,
    row_first,
    row_weight,
    column_first,
    column_weight,
    height,
    width,
    row_width,
    column_width,
    block: tl.constexpr,
):
    """Resize `block` output pixels of one crop.

    Both passes run for each output pixel by itself: the grey levels between the passes are computed
    anew for each, which costs less than writing them to memory.
    """
    sample = tl.program_id(0).to(tl.int64)
    crop = crops + sample * _FIELDS
    origin, line = tl.load(crop), tl.load(crop + 1)
    last_row, last_column = tl.load(crop + 2), tl.load(crop + 3)
    row_taps, column_taps = tl.load(crop + 6).to(tl.int32), tl.load(crop + 7).to(tl.int32)
    rows_first, flip = tl.load(crop + 8), tl.load(crop + 9)
    pixel = tl.program_id(1) * block + tl.arange(0, block)
    inside = pixel < height * width
    row = tl.load(crop + 4) * height + pixel // width  # of the tables
    from_left = pixel % width
    column = tl.load(crop + 5) * width + tl.where(flip != 0, width - 1 - from_left, from_left)
    top = tl.load(row_first + row, mask=inside, other=0).to(tl.int64)
    left = tl.load(column_first + column, mask=inside, other=0).to(tl.int64)
    row_weights, column_weights = (
        row_weight + row * row_width,
        column_weight + column * column_width,
    )
    out = resized + sample * 3 * height * width + 3 * pixel
    for colour in tl.static_range(3):
        source = pixels + origin + colour
        if rows_first != 0:
            level = _weighted(
                source,
                left,
                3,
                last_column,
                column_weights,
                column_taps,
                top,
                line,
                last_row,
                row_weights,
                row_taps,
                inside,
                block,
            )
        else:
            level = _weighted(
                source,
                top,
                line,
                last_row,
                row_weights,
                row_taps,
                left,
                3,
                last_column,
                column_weights,
                column_taps,
                inside,
                block,
            )
        tl.store(out + colour, level.to(tl.uint8), mask=inside)


@triton.jit
def _weighted(
    source,
    outer,
    outer_stride,
    outer_last,
    outer_weights,
    outer_taps,
    inner,
    inner_stride,
    inner_last,
    inner_weights,
    inner_taps,
    inside,
    block: tl.constexpr,
):
    """Grey levels of output pixels, the inner axis resized before the outer one."""
    total = tl.zeros((block,), tl.int32)
    for tap in range(outer_taps):
        line = source + tl.minimum(outer + tap, outer_last) * outer_stride
        between = tl.zeros((block,), tl.int32)
        for step in range(inner_taps):
            place = line + tl.minimum(inner + step, inner_last) * inner_stride
            grey = tl.load(place, mask=inside, other=0).to(tl.int32)
            between += grey * tl.load(inner_weights + step, mask=inside, other=0)
        total += _rounded(between) * tl.load(outer_weights + tap, mask=inside, other=0)
    return _rounded(total)


@triton.jit
def _rounded(total):
    return tl.minimum(tl.maximum((total + _HALF) >> _SHIFT, 0), 255)
