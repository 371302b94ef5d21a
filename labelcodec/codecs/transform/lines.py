"""Searches along a line, for functions that cost much to evaluate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

CROSSING_TRIALS = 9
TOLERANCE = 0.004
STEEP = 100  # ratio of costs
NEAREST = 0.15  # of the way between two points: where a third one tells something


def crossing(
    excess: Callable[[float], float], good: float, bad: float, near: float
) -> float | None:
    """The last point, or nearly, on the way from good to bad with an excess of at most 0.

    Args:
        excess: monotone, to be known within 0.004.
        good: where the excess is least.
        bad: where it is most.
        near: a guess between the two.

    Returns:
        The point; None where the excess is above 0 even at `good`.
    """
    at, found, stride = near, excess(near), 1.0
    if -TOLERANCE <= found <= 0:
        return near
    toward = bad if found <= 0 else good
    while True:
        if at == toward:
            return at if found <= 0 else None
        further = at + math.copysign(min(stride, abs(toward - at)), toward - at)
        other = excess(further)
        if (other <= 0) != (found <= 0):
            break
        at, found, stride = further, other, 2 * stride
    if found <= 0:
        good, below, bad, above = at, found, further, other
    else:
        good, below, bad, above = further, other, at, found
    for _ in range(CROSSING_TRIALS):
        if below >= -TOLERANCE:
            break
        share = min(max(below / (below - above), 0.1), 0.9)  # regula falsi, kept from the ends
        middle = good + share * (bad - good)
        found = excess(middle)
        if found > 0:
            bad, above, below = middle, found, below / 2
        else:
            good, below, above = middle, found, above / 2
    return good


def minimum(
    cost: Callable[[float], float],
    start: float,
    stride: float,
    ends: tuple[float, float],
    trials: int,
) -> float:
    """Where the cost is least, about.

    Args:
        cost: with one minimum.
        start: a guess.
        stride: first distance to other points.
        ends: smallest and largest point.
        trials: points to evaluate once the best one has a neighbour on either side.
    """
    low, high = ends
    at = {x: cost(x) for x in (max(start - stride, low), start, min(start + stride, high))}
    while (best := min(at, key=lambda x: at[x])) in (min(at), max(at)) and low < best < high:
        stride *= 2
        x = max(best - stride, low) if best == min(at) else min(best + stride, high)
        at[x] = cost(x)
    for _ in range(trials):
        points = sorted(at)
        place = points.index(min(at, key=lambda x: at[x]))
        x = _between(points[max(place - 1, 0) : place + 2], at)
        at[x] = cost(x)
    return min(at, key=lambda x: at[x])


def _between(points: Sequence[float], at: Mapping[float, float]) -> float:
    """Where a parabola through three points is lowest, not too near to the middle one.

    A middle between two points, where there are no more or the three are level.
    """
    if len(points) < 3:
        return sum(points) / len(points)
    left, middle, right = points
    a, b, c = (at[x] for x in points)
    if max(a, c) > STEEP * b > 0:  # no parabola: the edge of what is possible, best near to it
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
