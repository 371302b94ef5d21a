"""Context model of the transform codec: contexts and frequency tables (SPEC, section 9.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.compact import TransformLabels
from labelcodec.codecs.transform.contexts import activity, gap_context, residual_context
from labelcodec.codecs.transform.fit.deadzone import DeadZones, dead_zones
from labelcodec.codecs.transform.format import (
    COLUMN_CLASSES,
    GAP_CONTEXTS,
    LEVELS,
    MAX_MAGNITUDE,
    VALUE_CONTEXTS,
)
from labelcodec.entropy import coding, packing, tables
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError


@dataclass(frozen=True, eq=False)
class ContextModel:
    """Contexts and frequency tables of the two label streams.

    Attributes:
        column: (r,) int64 class of each coefficient column, 0..11, by its typical magnitude.
        thresholds: (r, 3) int64 activities that separate a column's four context levels.
        values: 78 frequency tables: 48 for coefficients, then 30 for residuals.
        gaps: 43 frequency tables: 1 for peak counts, then 42 for gaps.
    """

    column: NDArray[np.int64]
    thresholds: NDArray[np.int64]
    values: TableSet
    gaps: TableSet

    @cached_property
    def weights(self) -> NDArray[np.int64]:
        """(r,) weight of each column's magnitudes in the activity; larger for sparse columns."""
        return 16 << (COLUMN_CLASSES - 1 - self.column) // 2

    @classmethod
    def fit(
        cls, samples: Sequence[TransformLabels], column: NDArray[np.int64] | None = None
    ) -> ContextModel:
        """Fit contexts and tables to sample labels.

        Args:
            samples: compact labels.
            column: (r,) classes of the coefficient columns; derived from the samples by default.
        """
        coefficients = np.concatenate([sample.coded for sample in samples]).astype(np.int64)
        if column is None:
            column = column_classes(coefficients)
        blank = coding.fit_tables([], 1)
        model = cls(column, np.zeros((len(column), LEVELS - 1), np.int64), blank, blank)
        model = cls(column, _thresholds(coefficients, model.weights), blank, blank)
        values = coding.fit_tables(
            [coding.tokenise(*model.value_integers(s)) for s in samples], VALUE_CONTEXTS
        )
        gaps = coding.fit_tables([coding.tokenise(*gap_integers(s)) for s in samples], GAP_CONTEXTS)
        return cls(column, model.thresholds, values, gaps)

    def value_integers(self, compact: TransformLabels) -> tuple[NDArray[Any], NDArray[Any]]:
        """Zigzag-mapped coefficients, column by column, then residuals, label by label.

        Returns:
            (n,) int64 integers and their contexts.
        """
        coefficients = np.ascontiguousarray(compact.coded)
        contexts = kernels().coefficient_contexts(
            coefficients, self.column, self.weights, self.thresholds
        )
        rest = residual_context(np.repeat(compact.counts, compact.counts), compact.places)
        values = np.concatenate([coefficients.T.ravel(), compact.residuals]).astype(np.int64)
        return (values << 1) ^ (values >> 63), np.concatenate([contexts.ravel(), rest])

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to the named parts `contexts`, `values` and `gaps`."""
        return {
            "contexts": packing.pack_ints(self.column)
            + b"".join(map(packing.pack_ints, self.thresholds.T)),
            "values": tables.to_bytes(self.values),
            "gaps": tables.to_bytes(self.gaps),
        }

    @classmethod
    def from_parts(cls, parts: Mapping[str, bytes], rank: int) -> ContextModel:
        """Deserialize what `to_parts` wrote.

        Args:
            parts: the named parts of the side information.
            rank: r.

        Raises:
            CorruptError: malformed parts.
            KeyError: a part is missing.
        """
        column, rest = packing.unpack_ints(memoryview(parts["contexts"]), rank)
        thresholds = np.zeros((rank, LEVELS - 1), np.int64)
        for j in range(LEVELS - 1):
            thresholds[:, j], rest = packing.unpack_ints(rest, rank)
        values, gaps = tables.from_bytes(parts["values"]), tables.from_bytes(parts["gaps"])
        if len(values.freqs) != VALUE_CONTEXTS or len(gaps.freqs) != GAP_CONTEXTS:
            raise CorruptError("the transform tables have the wrong number of contexts")
        if len(rest) or (column < 0).any() or (column >= COLUMN_CLASSES).any():
            raise CorruptError("a coefficient of unknown class")
        return cls(column, thresholds, values, gaps)


def column_classes(coded: NDArray[Any]) -> NDArray[np.int64]:
    """(r,) class of each column of (B, r) coded coefficients, from its mean magnitude."""
    size = np.abs(coded).mean(axis=0)
    level = np.rint(2 * np.log2(np.maximum(size, 2.0**-5)) + 6)
    classes: NDArray[np.int64] = np.clip(level, 0, COLUMN_CLASSES - 1).astype(np.int64)
    return classes


def zones_of(column: NDArray[np.int64]) -> DeadZones:
    """Dead zones for columns of these classes; class k has mean magnitude 2^((k - 6) / 2)."""
    return dead_zones(2.0 ** ((column - 6) / 2))


def _thresholds(coefficients: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """(r, 3) quartiles of the activity before each column, rounded up.

    A quartile between two activities is interpolated.
    """
    place, share = np.divmod((len(coefficients) - 1) * np.arange(1, LEVELS), LEVELS)
    ends = np.stack([place, np.minimum(place + 1, len(coefficients) - 1)])
    thresholds = np.zeros((len(weights), LEVELS - 1), np.int64)
    active = np.zeros(len(coefficients), np.int64)
    for j, weight in enumerate(weights.tolist()):
        ranked = np.partition(active, ends.ravel())[ends]
        thresholds[j] = -(-(ranked[0] * (LEVELS - share) + ranked[1] * share) // LEVELS)
        active = activity(active, np.minimum(np.abs(coefficients[:, j]), MAX_MAGNITUDE), weight)
    return thresholds


def gap_integers(compact: TransformLabels) -> tuple[NDArray[Any], NDArray[Any]]:
    """Peak counts, then the first gap of every label, the second gap, …; and their contexts."""
    counts, places = compact.counts, compact.places
    first = np.cumsum(counts) - counts
    number = np.arange(len(places)) - np.repeat(first, counts)
    before = np.concatenate([[-1], places[:-1]]) if len(places) else places
    gaps = places - np.where(number == 0, -1, before) - 1
    previous = np.where(number == 0, -1, np.concatenate([[0], gaps[:-1]]) if len(gaps) else gaps)
    contexts = gap_context(np.repeat(counts, counts) - number, previous)
    order = np.argsort(number, kind="stable")
    return (
        np.concatenate([counts, gaps[order]]),
        np.concatenate([np.zeros(len(counts), np.int64), contexts[order]]),
    )
