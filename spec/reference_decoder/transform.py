"""The transform codec (SPEC, section 9)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import integers
from .entropy import Coded, Tables, half_octave
from .matrix import matrix, signed
from .prediction import Means, predicted, predictions, read_means
from .primitives import Arrays, Bytes, Row, need

LIMIT = 1 << 29


@dataclass(frozen=True)
class Frame:
    """The parts `frame` and `basis` of 9.1."""

    point: int
    peak: int
    shift: int
    scale: Row
    tail: Row
    mean: Row
    basis: list[Row]  # by column


@dataclass(frozen=True)
class TransformTables(Frame):
    """The tables of 9.1."""

    column: Row
    thresholds: list[Row]  # three, by column
    values: Tables
    gaps: Tables
    means: Means | None


def read_frame(parts: dict[str, bytes], classes: int) -> Frame:
    """The parts `frame` and `basis` of 9.1 [X-2 to X-4]."""
    frame = Bytes(parts["frame"])
    point, rank, peak, shift = (frame.varint() for _ in range(4))
    need(1 <= point <= 60 and 1 <= rank <= min(1024, classes), "X-2")
    need(rank * classes <= 1 << 24, "X-2")
    need(1 <= peak <= 1 << 24 and shift <= 28, "X-2")
    scale, tail, mean = (integers(frame, count) for count in (rank, 48, classes))
    frame.close()
    need(all(0 < x < 1 << 31 for x in scale) and max(map(abs, tail)) <= LIMIT, "X-2")
    need(max(map(abs, mean)) <= LIMIT >> 8, "X-2")
    basis = matrix(Bytes(parts["basis"]), classes, rank)
    reach = sum(s * max(map(abs, row)) for s, row in zip(scale, basis, strict=True))
    need(reach << 15 < 1 << 53, "X-4")
    return Frame(point, peak, shift, scale, tail, mean, basis)


def check_reached(parts: dict[str, bytes]) -> None:
    """The part `reached` [X-17]."""
    if "reached" in parts:
        need(len(parts["reached"]) == 52, "X-17")
        need(all(map(math.isfinite, struct.unpack("<2Q9f", parts["reached"])[2:])), "X-17")


def transform_tables(parts: dict[str, bytes], classes: int) -> TransformTables:
    """The tables of 9.1 [X-2 to X-7, X-17, X-18]."""
    frame = read_frame(parts, classes)
    rank = len(frame.scale)
    source = Bytes(parts["contexts"])
    column, *thresholds = (integers(source, rank) for _ in range(4))
    source.close()
    need(all(0 <= x < 12 for x in column), "X-5")
    values, gaps = Tables(parts["values"]), Tables(parts["gaps"])
    need(len(values.starts) == 78 and len(gaps.starts) == 43, "X-6")
    (price,) = struct.unpack("<d", parts["price"])
    need(0 <= price < float("inf"), "X-7")
    check_reached(parts)
    return TransformTables(
        **vars(frame),
        column=column,
        thresholds=thresholds,
        values=values,
        gaps=gaps,
        means=read_means(parts, rank),
    )


def read_transform(
    streams: dict[int, bytes],
    samples: int,
    header: dict[str, Any],
    tables: TransformTables,
    batch: Arrays,
) -> Arrays:
    """Labels of the transform codec [X-8 to X-16, X-19 to X-22]; `batch` is the rest of it."""
    classes = header["classes"]
    need(not {"k", "tail"} & header["labels"].keys(), "X-1")
    need(header["labels"]["space"] == "logits", "X-1")
    need(9 in streams and 10 in streams, "X-8")
    places = read_places(streams[9], samples, classes, tables)
    coefficients, residuals = read_values(streams[10], places, tables)
    if tables.means:
        coefficients = predicted(coefficients, predictions(batch, tables.means))
    value = [logits(*label, tables) for label in zip(coefficients, places, residuals, strict=True)]
    return {"label_value": np.array(value, np.float32) * np.float32(2.0**-tables.point)}


def read_places(data: bytes, samples: int, classes: int, tables: TransformTables) -> list[Row]:
    """Places of each label's peaks [X-8 to X-11]."""
    source = Bytes(data)
    total = source.varint()
    need(total + samples * len(tables.scale) <= 1 << 23, "X-8")
    coded = Coded(source.rest(), samples + total)
    counts = coded.take(tables.gaps, [0] * samples)
    need(max(counts) <= classes and sum(counts) == total, "X-9")
    gaps: list[Row] = [[] for _ in counts]
    for i in range(max(counts)):
        rows = [row for row, count in enumerate(counts) if count > i]
        contexts = []
        for row in rows:
            before = min(half_octave(gaps[row][-1] + 2) + 1 >> 1, 6) if i else 0
            contexts.append(1 + 7 * min(half_octave(counts[row] - i), 5) + before)
        for row, gap in zip(rows, coded.take(tables.gaps, contexts), strict=True):
            gaps[row].append(gap)
    coded.close()
    places = [[sum(row[: i + 1]) + i for i in range(len(row))] for row in gaps]
    need(all(place < classes for row in places for place in row), "X-10")
    return places


def read_values(
    data: bytes, places: list[Row], tables: TransformTables
) -> tuple[list[Row], list[Row]]:
    """Coefficients and residuals of each label [X-12, X-13]."""
    rank, samples = len(tables.scale), len(places)
    coded = Coded(data, samples * rank + sum(map(len, places)))
    active = [0] * samples
    coefficients: list[Row] = [[] for _ in places]
    for j, column in enumerate(tables.column):
        bounds = [row[j] for row in tables.thresholds]
        contexts = [4 * column + sum(bound <= a for bound in bounds) for a in active]
        for row, value in enumerate(coded.take(tables.values, contexts)):
            q = signed(value)
            need(abs(q) < 1 << 15, "X-12")
            coefficients[row].append(q)
            active[row] += min(abs(q), 15) * (16 << (11 - column >> 1)) - (active[row] >> 3)
    contexts = []
    for row in places:
        many = min(half_octave(len(row)) // 3, 2) if row else 0
        contexts += [48 + 3 * min(half_octave(p + 1) >> 1, 9) + many for p in row]
    flat = [signed(value) for value in coded.take(tables.values, contexts)]
    coded.close()
    need(all(abs(value) <= 1 << 24 for value in flat), "X-12")
    left = iter(flat)
    return coefficients, [[next(left) for _ in row] for row in places]


def logits(coefficients: Row, places: Row, residuals: Row, tables: Frame) -> Row:
    """Logits of a label in units [X-14 to X-16]."""
    scores = scores_of(coefficients, tables)
    ranking = sorted(range(len(scores)), key=lambda c: (-scores[c], c))
    peaks = {}
    for place, residual in zip(places, residuals, strict=True):
        raised = scores[ranking[place]] + residual * tables.peak
        peaks[ranking[place]] = max(min(raised, LIMIT), -LIMIT)
    high = max(peaks.get(c, score) for c, score in enumerate(scores))
    return [
        peaks[c] if c in peaks else score + tables.tail[min(high - score >> tables.shift, 47)]
        for c, score in enumerate(scores)
    ]


def scores_of(coefficients: Row, tables: Frame) -> Row:
    """Scores of a label in units [X-14]."""
    scores = [256 * mean for mean in tables.mean]
    for q, scale, entries in zip(coefficients, tables.scale, tables.basis, strict=True):
        scores = [score + q * scale * entry for score, entry in zip(scores, entries, strict=True)]
    return [max(min(score, LIMIT), -LIMIT) for score in scores]
