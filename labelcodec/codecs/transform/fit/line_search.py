"""One-dimensional searches for functions that are expensive to evaluate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

CROSSING_TRIALS = 9
TOLERANCE = 0.004
STEEP = 100  # ratio of costs at which a parabola is no model
GENTLE, NARROW = 4.0, 0.02  # the first stride per excess, and the shortest
CLOSE = 0.1  # excess from which on strides are measured and not doubled
NEAREST = 0.15  # of an interval: closer points would tell nothing new


def crossing(
    excess: Callable[[float], float], good: float, bad: float, near: float
) -> float | None:
    """Find the last point on the way from `good` to `bad` where a monotone function is at most 0.

    Args:
        excess: the function; values in -0.004..0 end the search.
        good: the end where the function is least.
        bad: the end where it is greatest.
        near: an initial guess between the two.

    Returns:
        The point; None if the function is above 0 even at `good`.
    """
    at, value = near, excess(near)
    if -TOLERANCE <= value <= 0:
        return near
    toward, stride = bad if value <= 0 else good, min(max(GENTLE * abs(value), NARROW), 1.0)
    while True:
        if at == toward:
            return at if value <= 0 else None
        further = at + math.copysign(min(stride, abs(toward - at)), toward - at)
        next_value = excess(further)
        if (next_value <= 0) != (value <= 0):
            break
        if -TOLERANCE <= next_value <= 0:
            return further
        change, stride = value - next_value, 2 * stride
        if abs(next_value) < CLOSE and change:  # a secant past it, but not far
            stride = min(max(stride / 2 * (next_value + TOLERANCE / 2) / change, NARROW), stride)
        at, value = further, next_value
    if value <= 0:
        good, below, bad, above = at, value, further, next_value
    else:
        good, below, bad, above = further, next_value, at, value
    for _ in range(CROSSING_TRIALS):
        if below >= -TOLERANCE:
            break
        # regula falsi, kept away from the ends, for a value amid those that end the search
        share = min(max((below + TOLERANCE / 2) / (below - above), 0.1), 0.9)
        middle = good + share * (bad - good)
        value = excess(middle)
        if value > 0:
            bad, above, below = middle, value, below / 2
        else:
            good, below, above = middle, value, above / 2
    return good


def minimum(
    cost: Callable[[float], float],
    start: float,
    stride: float,
    ends: tuple[float, float],
    trials: int,
) -> float:
    """Find the approximate minimum of a function with a single minimum.

    Args:
        cost: the function.
        start: an initial guess.
        stride: distance of the first other points.
        ends: smallest and largest point.
        trials: evaluations after the minimum is bracketed.

    Returns:
        The evaluated point of least cost.
    """
    low, high = ends
    at = {x: cost(x) for x in (max(start - stride, low), start, min(start + stride, high))}
    while (best := min(at, key=lambda x: at[x])) in (min(at), max(at)) and low < best < high:
        stride *= 2
        x = max(best - stride, low) if best == min(at) else min(best + stride, high)
        at[x] = cost(x)
    for _ in range(trials):
        points = sorted(at)
        best_at = points.index(min(at, key=lambda x: at[x]))
        x = _between(points[max(best_at - 1, 0) : best_at + 2], at)
        at[x] = cost(x)
    return min(at, key=lambda x: at[x])


def _between(points: Sequence[float], at: Mapping[float, float]) -> float:
    """Minimum of the parabola through three points, kept away from the middle one.

    The midpoint of an interval if there are only two points or the three are level.
    """
    if len(points) < 3:
        return sum(points) / len(points)
    left, middle, right = points
    a, b, c = (at[x] for x in points)
    if max(a, c) > STEEP * b > 0:  # no parabola: one end is infeasible, the minimum lies near it
        before, behind = (middle - left) * (1 + (a > c)), (right - middle) * (1 + (c > a))
        return (middle + (left if before > behind else right)) / 2
    rise, fall = (middle - left) * (c - b), (right - middle) * (a - b)
    wide = right if right - middle > middle - left else left
    if rise + fall <= 0:
        return (middle + wide) / 2
    lowest = middle + ((right - middle) * fall - (middle - left) * rise) / (2 * (rise + fall))
    if abs(lowest - middle) < NEAREST * abs(wide - middle):
        return middle + NEAREST * (wide - middle)
    return lowest
