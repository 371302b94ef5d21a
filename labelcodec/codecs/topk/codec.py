"""Configuration of the topk codec (SPEC, section 8).

A label is stored as the set of its classes, a permutation that ranks them, and the differences
between successive values. By default it is bit-exact: the source's order and every bit of the
values are kept. With a step, values are rounded to multiples of it, and equal values are
ordered by class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Tail
from labelcodec.codecs import class_order, float_bits
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.interface import Codec
from labelcodec.codecs.topk.coder import TopKCoder
from labelcodec.codecs.topk.format import MAX_CELLS, SET_CONTEXTS, VALUE_CONTEXTS
from labelcodec.codecs.topk.selection import largest
from labelcodec.entropy import coding, tables
from labelcodec.errors import ConfigError, CorruptError, DataError
from labelcodec.kept_counts import by_count, join
from labelcodec.tail_mass import mean_floor, narrowed_floor
from labelcodec.wording import counted

FLOOR_STEP = 1 / 64  # of the logit that stands for the mass of the classes left out
NO_K = "topk: full labels need k, for instance topk:k=50"


@dataclass(frozen=True)
class TopK(Codec):
    """Configuration of the topk codec.

    Attributes:
        k: number of classes to keep, 1..C; None keeps all that a top-k source holds.
        step: quantisation step in logits, 1e-6..1e6; None keeps values bit for bit.
        tail: what stands for the dropped classes of full labels: 'zero', 'uniform' (probabilities),
            'floor' (their smallest logit), or 'mass' (the logit that gives all of them the mass
            they have at temperature 1). A top-k source keeps its own tail; with 'mass', its floor
            is computed anew where classes are dropped.

    Raises:
        ConfigError: a value out of range.
    """

    k: int | None = None
    step: float | None = None
    tail: Literal["zero", "uniform", "floor", "mass"] = "zero"

    name = "topk"
    fit_labels = 8192

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise ConfigError(f"topk: k={self.k}, allowed are 1 and more")
        if self.step is not None and not 1e-6 <= self.step <= 1e6:
            raise ConfigError(f"topk: step={self.step}, allowed are 1e-6..1e6")
        if self.tail not in ("zero", "uniform", "floor", "mass"):
            raise ConfigError(f"topk: tail={self.tail}, allowed are zero, uniform, floor, mass")

    @property
    def lossy(self) -> bool:
        """Whether stored values differ from the source's; dropping classes does not count."""
        return self.step is not None

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """Number of classes and tail of the stored labels.

        Args:
            k: number of classes in the source; None for full labels.
            tail: tail of the source; None for full labels.

        Raises:
            ConfigError: full labels and no k.
            DataError: the source holds fewer than k classes.
        """
        if k is None and self.k is None:
            raise ConfigError(NO_K)
        if k is not None and self.k is not None and self.k > k:
            raise DataError(f"k={self.k} of labels that hold {counted(k, 'class')}")
        return self.k or k, self._tail_of_labels if k is None else tail

    @property
    def _tail_of_labels(self) -> Tail:
        """The tail of labels that were full."""
        return "floor" if self.tail == "mass" else self.tail

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = False,
        context: BatchContext | None = None,
    ) -> Labels:
        """Select and quantise labels: the result is exactly what a reader will return.

        Args:
            labels: full or top-k labels.
            allow_nonfinite: accept NaN and infinite values.
            context: ignored.

        Raises:
            ConfigError: full labels and no k.
            DataError: NaN or infinite values, values that are not of their precision, fewer classes
                than k, a tail that does not fit, or too many values for a batch.
        """
        if labels.count is not None:
            groups = [
                (samples, self.prepare(group, allow_nonfinite))
                for samples, group in by_count(labels)
            ]
            return join(groups, min(labels.value.shape[1], self.k or labels.value.shape[1]))
        if labels.index is None or self.step is None:
            float_bits.check_type(labels)
        if labels.index is None:
            labels = self._select(labels, allow_nonfinite)
        else:
            if not (allow_nonfinite or float_bits.all_finite(labels.value)):
                _refuse_nonfinite(labels)
            if self.k is not None and self.k != labels.k:
                labels = self._narrow(labels, self.k)
        if labels.value.size > MAX_CELLS:
            raise DataError(f"{labels.value.size} kept values, at most {MAX_CELLS} fit a batch")
        return labels if self.step is None else self._round(labels, self.step)

    def _select(self, labels: Labels, allow_nonfinite: bool) -> Labels:
        """Select the k largest values; equal values rank by class, +0 before -0."""
        if self.k is None:
            raise ConfigError(NO_K)
        if self.k > labels.classes:
            raise DataError(f"k={self.k} of {counted(labels.classes, 'class')}")
        if self.tail == "uniform" and labels.space == "logits":
            raise DataError("a 'uniform' tail needs probabilities, these are logits")
        if self.tail == "mass" and labels.space == "probabilities":
            raise DataError("tail 'mass' is for logits, these are probabilities: use uniform")
        selected = largest(labels.value, labels.precision, self.k)
        if not (allow_nonfinite or selected.finite):
            _refuse_nonfinite(labels)
        return replace(
            labels,
            value=selected.value,
            index=selected.index,
            tail=self._tail_of_labels,
            floor=self._floor(labels, selected.index),
        )

    def _floor(self, labels: Labels, index: NDArray[np.int64]) -> NDArray[Any] | None:
        """(B,) logit of the classes left out, in the dtype of the values."""
        if self.tail not in ("floor", "mass"):
            return None
        if self.tail == "floor" or index.shape[1] == labels.classes:
            smallest: NDArray[Any] = labels.value.min(axis=1)
            return smallest
        return self._coarse(mean_floor(labels.value, index), labels)

    def _coarse(self, floor: NDArray[np.float64], labels: Labels) -> NDArray[Any]:
        """Floors as numbers that take few bytes, in the precision of the labels.

        Their mass changes by less than a hundredth, or by less than rounding the kept values
        changes theirs.
        """
        grid = max(FLOOR_STEP, (self.step or 0) / 4)
        coarse = np.rint(floor / grid) * grid
        return float_bits.rounded(coarse, labels.precision).astype(labels.value.dtype)

    def _narrow(self, labels: Labels, k: int) -> Labels:
        """The k largest classes of top-k labels; among equal values those that stand first."""
        assert labels.index is not None
        order = np.argsort(-labels.value, axis=1, kind="stable")
        floor = labels.floor
        if self.tail == "mass" and floor is not None and k < labels.value.shape[1]:
            dropped = np.take_along_axis(labels.value, order[:, k:], axis=1)
            left_out = labels.classes - labels.value.shape[1]
            floor = self._coarse(narrowed_floor(dropped, floor, left_out), labels)
        return replace(_by_rank(labels, labels.index, order[:, :k]), floor=floor)

    def _round(self, labels: Labels, step: float) -> Labels:
        """Round values to multiples of the step, ranked by value and then by class."""
        assert labels.index is not None
        with np.errstate(invalid="ignore"):
            steps = np.rint(labels.value.astype(np.float64) / step) + 0.0  # no negative zero
        floor = None if labels.floor is None else labels.floor.astype(np.float32)
        rounded = replace(labels, value=(steps * step).astype(np.float32), floor=floor)
        return _by_rank(rounded, labels.index, np.lexsort((labels.index, -steps), axis=1))

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> TopKCoder:
        """Fit the codec's tables to sample labels.

        Args:
            samples: labels returned by `prepare`.
            classes: C.
            expected: ignored.
            contexts: ignored.
        """
        groups = [group for labels in samples for _, group in by_count(labels)]
        order = class_order.fit_sets(map(_kept_classes, groups), classes)
        blank = coding.fit_tables([], 1)
        bare = TopKCoder(self.step, classes, order, blank, blank)
        ranked = [part for part in map(bare.ranking, groups) if part is not None]
        members = [coding.tokenise(part.gaps, part.contexts) for part in ranked]
        falls = [
            coding.tokenise(part.values, part.value_contexts)
            for part in ranked
            if part.values is not None
        ]
        return replace(
            bare,
            sets=coding.fit_tables(members, SET_CONTEXTS),
            gaps=coding.fit_tables(falls, VALUE_CONTEXTS),
        )

    def from_parts(self, parts: Mapping[str, bytes], classes: int) -> TopKCoder:
        """Deserialize a coder from the named parts that its `to_parts` wrote.

        Args:
            parts: the named parts of the side information.
            classes: C.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            order = class_order.from_bytes(parts["order"], classes)
            sets, gaps = tables.from_bytes(parts["set"]), tables.from_bytes(parts["values"])
        except KeyError as missing:
            raise CorruptError(f"the topk tables lack {missing}") from None
        if len(sets.freqs) != SET_CONTEXTS or len(gaps.freqs) != VALUE_CONTEXTS:
            raise CorruptError("the topk tables have the wrong number of contexts")
        return TopKCoder(self.step, classes, order, sets, gaps)


def _refuse_nonfinite(labels: Labels) -> NoReturn:
    sample = int(np.argwhere(~np.isfinite(labels.value))[0][0])
    raise DataError(f"sample {sample} has NaN or infinite values; see `allow_nonfinite`")


def _by_rank(labels: Labels, index: NDArray[np.int64], order: NDArray[np.intp]) -> Labels:
    """The labels with their classes in the order of these (B, k) columns."""
    return replace(
        labels,
        value=np.take_along_axis(labels.value, order, axis=1),
        index=np.take_along_axis(index, order, axis=1),
    )


def _kept_classes(labels: Labels) -> NDArray[np.int64]:
    assert labels.index is not None
    return labels.index
