"""Compact labels as symbols: contexts of coefficients, gaps and residuals (SPEC, section 9.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs import columns
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.compact import Compact
from labelcodec.codecs.transform.plain.symbols import (
    BEFORE,
    COEFFICIENT_CONTEXTS,
    COLUMN_CLASSES,
    LEFT,
    LEVELS,
    MAX_MAGNITUDE,
    RESIDUAL_CONTEXTS,
    activity,
    gap_context,
    residual_context,
)
from labelcodec.codecs.transform.rounding import Zones, zones
from labelcodec.entropy import coding, tables
from labelcodec.entropy.coding import Symbols
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError

GAP_CONTEXTS = 1 + LEFT * BEFORE
VALUE_CONTEXTS = COEFFICIENT_CONTEXTS + RESIDUAL_CONTEXTS


@dataclass(frozen=True, eq=False)
class Model:
    """The contexts and tables of the two label streams.

    Attributes:
        column: (r,) class of each coefficient, 0..11.
        thresholds: (r, 3) activities that part the levels.
        values: tables of coefficients, then of residuals.
        gaps: tables of counts (the first), then of gaps.
    """

    column: NDArray[np.int64]
    thresholds: NDArray[np.int64]
    values: TableSet
    gaps: TableSet

    @cached_property
    def weights(self) -> NDArray[np.int64]:
        """(r,) weight of each coefficient's magnitude in the activity: rare ones count more."""
        return 16 << (COLUMN_CLASSES - 1 - self.column) // 2

    @classmethod
    def fit(cls, samples: Sequence[Compact], column: NDArray[np.int64] | None = None) -> Model:
        """Tables for compact labels like these, their columns of these classes or of the best."""
        coefficients = np.concatenate([sample.coded for sample in samples]).astype(np.int64)
        if column is None:
            column = column_classes(coefficients)
        blank = coding.fit_tables([], 1)
        model = cls(column, np.zeros((len(column), LEVELS - 1), np.int64), blank, blank)
        model = cls(column, _thresholds(coefficients, model.weights), blank, blank)
        values = coding.fit_tables([model.value_symbols(s) for s in samples], VALUE_CONTEXTS)
        gaps = coding.fit_tables([gap_symbols(s) for s in samples], GAP_CONTEXTS)
        return cls(column, model.thresholds, values, gaps)

    def value_symbols(self, compact: Compact) -> Symbols:
        """Symbols of coefficients, column by column, then of residuals, label by label."""
        coefficients = np.ascontiguousarray(compact.coded)
        contexts = kernels().coefficient_contexts(
            coefficients, self.column, self.weights, self.thresholds
        )
        rest = residual_context(np.repeat(compact.counts, compact.counts), compact.places)
        values = np.concatenate([coefficients.T.ravel(), compact.residuals]).astype(np.int64)
        return coding.tokenise(
            (values << 1) ^ (values >> 63), np.concatenate([contexts.ravel(), rest])
        )

    def dump(self) -> dict[str, bytes]:
        """Named parts for the side information."""
        return {
            "contexts": columns.pack_ints(self.column)
            + b"".join(map(columns.pack_ints, self.thresholds.T)),
            "values": tables.dump(self.values),
            "gaps": tables.dump(self.gaps),
        }

    @classmethod
    def load(cls, parts: Mapping[str, bytes], rank: int) -> Model:
        """Inverse of `dump`.

        Raises:
            CorruptError: malformed parts.
            KeyError: a part is missing.
        """
        column, rest = columns.unpack_ints(memoryview(parts["contexts"]), rank)
        thresholds = np.zeros((rank, LEVELS - 1), np.int64)
        for j in range(LEVELS - 1):
            thresholds[:, j], rest = columns.unpack_ints(rest, rank)
        values, gaps = tables.load(parts["values"]), tables.load(parts["gaps"])
        if len(values.freqs) != VALUE_CONTEXTS or len(gaps.freqs) != GAP_CONTEXTS:
            raise CorruptError("the transform tables have the wrong number of contexts")
        if len(rest) or (column < 0).any() or (column >= COLUMN_CLASSES).any():
            raise CorruptError("a coefficient of unknown class")
        return cls(column, thresholds, values, gaps)


def column_classes(coded: NDArray[Any]) -> NDArray[np.int64]:
    """(r,) class of each column of (B, r) coded coefficients, by their mean magnitude."""
    size = np.abs(coded).mean(axis=0)
    level = np.rint(2 * np.log2(np.maximum(size, 2.0**-5)) + 6)
    classes: NDArray[np.int64] = np.clip(level, 0, COLUMN_CLASSES - 1).astype(np.int64)
    return classes


def zones_of(column: NDArray[np.int64]) -> Zones:
    """How coefficients of columns of these classes are rounded."""
    return zones(2.0 ** ((column - 6) / 2))


def _thresholds(coefficients: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """(r, 3) quartiles of the activity before each column."""
    thresholds = np.zeros((len(weights), LEVELS - 1), np.int64)
    active = np.zeros(len(coefficients), np.int64)
    for j, weight in enumerate(weights.tolist()):
        quartiles = np.quantile(active, np.arange(1, LEVELS) / LEVELS)
        thresholds[j] = np.ceil(quartiles).astype(np.int64)
        active = activity(active, np.minimum(np.abs(coefficients[:, j]), MAX_MAGNITUDE), weight)
    return thresholds


def gap_symbols(compact: Compact) -> Symbols:
    """Symbols of counts, then of every label's first gap, every label's second, ...."""
    counts, places = compact.counts, compact.places
    first = np.cumsum(counts) - counts
    number = np.arange(len(places)) - np.repeat(first, counts)
    before = np.concatenate([[-1], places[:-1]]) if len(places) else places
    gaps = places - np.where(number == 0, -1, before) - 1
    previous = np.where(number == 0, -1, np.concatenate([[0], gaps[:-1]]) if len(gaps) else gaps)
    contexts = gap_context(np.repeat(counts, counts) - number, previous)
    order = np.argsort(number, kind="stable")
    return coding.tokenise(
        np.concatenate([counts, gaps[order]]),
        np.concatenate([np.zeros(len(counts), np.int64), contexts[order]]),
    )
