"""Replay of one image: crop, resize, flip and cutout (SPEC, section 17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor

from .primitives import need

Level = list[int]
Rows = list[list[Level]]  # H rows of W pixels of 3 levels


def bilinear(x: float) -> float:
    """Filter of radius 1 [Y-3]."""
    return 1 - x if x < 1 else 0.0


def bicubic(x: float) -> float:
    """Filter of radius 2 [Y-3]."""
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


FILTERS: dict[str, tuple[int, Callable[[float], float]]] = {
    "bilinear": (1, bilinear),
    "bicubic": (2, bicubic),
}


def weights(n: int, m: int, i: int, interpolation: str) -> tuple[int, list[int]]:
    """First source pixel of output pixel i, and the weights of it and the next ones [Y-3]."""
    radius, kernel = FILTERS[interpolation]
    scale = n / m
    wide = max(scale, 1.0)
    centre = (i + 0.5) * scale
    low = max(int(centre - radius * wide + 0.5), 0)
    high = min(int(centre + radius * wide + 0.5), n)
    values = [kernel(abs((j - centre + 0.5) * (1 / wide))) for j in range(low, high)]
    total = 0.0
    for value in values:
        total += value
    shares = [2**22 * (value / total) for value in values]
    return low, [int(share + 0.5) if share >= 0 else int(share - 0.5) for share in shares]


def resize_width(rows: Rows, width: int, interpolation: str) -> Rows:
    """One pass [Y-4]."""
    resized: Rows = [[] for _ in rows]
    for i in range(width):
        low, weight = weights(len(rows[0]), width, i, interpolation)
        for source, target in zip(rows, resized, strict=True):
            sums = [2**21] * 3
            for k, pixel in zip(weight, source[low:], strict=False):
                sums = [total + k * level for total, level in zip(sums, pixel, strict=True)]
            target.append([min(max(total >> 22, 0), 255) for total in sums])
    return resized


def turned(rows: Rows) -> Rows:
    """Rows as columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def resize_height(rows: Rows, height: int, interpolation: str) -> Rows:
    """The other pass [Y-4]."""
    return turned(resize_width(turned(rows), height, interpolation))


def pixel_box(fractions: Sequence[float], height: int, width: int) -> list[int]:
    """Top, left, height and width in pixels of a box in fractions [Y-2]."""
    top, left, tall, broad = fractions
    start = [round(height * top), round(width * left)]
    stop = [round(height * top + height * tall), round(width * left + width * broad)]
    return [*start, stop[0] - start[0], stop[1] - start[1]]


def replay(
    image: Rows,
    box: Sequence[int],
    size: tuple[int, int],
    interpolation: str,
    flip: bool = False,
    cutout: Sequence[float] | None = None,
) -> Rows:
    """An augmented image, before it is mixed [Y-1]."""
    top, left, tall, broad = box
    need(min(top, left) >= 0 and min(tall, broad) >= 1, "Y-2")
    need(top + tall <= len(image) and left + broad <= len(image[0]), "Y-2")
    rows = [row[left : left + broad] for row in image[top : top + tall]]
    height, width = size
    if tall > height and tall - height > 2 * (broad - width):  # [Y-5]
        rows = resize_width(resize_height(rows, height, interpolation), width, interpolation)
    else:
        rows = resize_height(resize_width(rows, width, interpolation), height, interpolation)
    if flip:
        rows = [row[::-1] for row in rows]  # [Y-6]
    if cutout is not None:
        paint(rows, cutout)
    return rows


def paint(rows: Rows, cutout: Sequence[float]) -> None:
    """Cover rows and columns with a colour [Y-7]."""
    spans = []
    for side, centre, extent in zip((len(rows), len(rows[0])), cutout, cutout[2:4], strict=False):
        middle, half = round(side * centre), round(side * extent) // 2
        spans.append(range(max(middle - half, 0), min(middle + half + 1, side)))
    for y in spans[0]:
        for x in spans[1]:
            rows[y][x] = [floor(level) for level in cutout[4:]]
