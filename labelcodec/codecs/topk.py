"""topk: classes as a set and an arrangement of it, values as gaps down the ranking (SPEC 8).

Bit-exact by default: the order of the source is kept, values keep their bits. With a step, values
are rounded to its multiples and equal values stand in order of class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Tail
from labelcodec.codecs import classorder, values
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.ranking import SET_CONTEXTS, VALUE_CONTEXTS
from labelcodec.codecs.topk_coder import MAX_CELLS, TopKCoder
from labelcodec.entropy import coding, tables
from labelcodec.errors import ConfigError, CorruptError, DataError

NO_K = "topk: full labels need k, for instance topk:k=50"


@dataclass(frozen=True)
class TopK:
    """Configuration of the codec.

    Attributes:
        k: classes to keep, 1..C; None keeps what a top-k source holds.
        step: None keeps values bit for bit; else values become multiples of it, in logits.
        tail: what stands for the other classes of a full label; a top-k source keeps its own.
    """

    k: int | None = None
    step: float | None = None
    tail: Tail = "zero"

    name = "topk"
    fit_labels = 8192

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise ConfigError(f"topk: k={self.k}, allowed are 1 and more")
        if self.step is not None and not 1e-6 <= self.step <= 1e6:
            raise ConfigError(f"topk: step={self.step}, allowed are 1e-6..1e6")
        if self.tail not in ("zero", "uniform", "floor"):
            raise ConfigError(f"topk: tail={self.tail}, allowed are zero, uniform, floor")

    @property
    def lossy(self) -> bool:
        """Whether values are changed (leaving classes out is not counted here)."""
        return self.step is not None

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """Give k and tail of the stored labels, given those of the source.

        Raises:
            ConfigError: a full source and no k.
            DataError: the source has fewer than k classes.
        """
        if k is None and self.k is None:
            raise ConfigError(NO_K)
        if k is not None and self.k is not None and self.k > k:
            raise DataError(f"k={self.k} of labels that hold {k} classes")
        return self.k or k, self.tail if k is None else tail

    def prepare(self, labels: Labels, allow_nonfinite: bool = False) -> Labels:
        """The labels as they will be stored.

        Raises:
            ConfigError: full labels and no k.
            DataError: NaN or infinite values, values not of their precision, fewer classes
                than k, a tail that does not fit, or too many values for a batch.
        """
        if labels.index is None or self.step is None:
            values.check_type(labels)
        if not allow_nonfinite:
            _check_finite(labels)
        if labels.index is None:
            labels = self._select(labels)
        elif self.k is not None and self.k != labels.k:
            order = np.argsort(-labels.value, axis=1, kind="stable")
            labels = _by_rank(labels, labels.index, order[:, : self.k])
        if labels.value.size > MAX_CELLS:
            raise DataError(f"{labels.value.size} kept values, at most {MAX_CELLS} fit a batch")
        return labels if self.step is None else self._round(labels, self.step)

    def _select(self, labels: Labels) -> Labels:
        """The k largest; among equals the lowest class first, but +0 before -0."""
        if self.k is None:
            raise ConfigError(NO_K)
        if self.k > labels.classes:
            raise DataError(f"k={self.k} of {labels.classes} classes")
        if self.tail == "uniform" and labels.space == "logits":
            raise DataError("a 'uniform' tail needs probabilities, these are logits")
        keys = values.ranking_keys(labels.value, labels.precision)
        if self.k < labels.classes:
            keys = np.partition(keys, self.k - 1, axis=1)[:, : self.k]
        keys = np.sort(keys, axis=1)
        index = values.class_of_key(keys)
        picked = replace(
            labels,
            value=np.take_along_axis(labels.value, index, axis=1),
            index=index,
            tail=self.tail,
            floor=labels.value.min(axis=1) if self.tail == "floor" else None,
        )
        return _zeros_in_order(picked)

    def _round(self, labels: Labels, step: float) -> Labels:
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
        pictures: Sequence[Pictures] = (),
    ) -> TopKCoder:
        """A coder with tables for labels like the (prepared) samples."""
        batches = list(samples)
        order = classorder.fit((_membership(labels) for labels in batches), classes)
        blank = coding.fit_tables([], 1)
        bare = TopKCoder(self.step, classes, order, blank, blank)
        ranked = [part for part in map(bare.ranking, batches) if part is not None]
        sets = coding.fit_tables([part.members for part in ranked], SET_CONTEXTS)
        falls = [part.gaps for part in ranked if part.gaps is not None]
        return replace(bare, sets=sets, gaps=coding.fit_tables(falls, VALUE_CONTEXTS))

    def load(self, parts: Mapping[str, bytes], classes: int) -> TopKCoder:
        """The coder whose `dump` gave these parts.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            order = classorder.load(parts["order"], classes)
            sets, gaps = tables.load(parts["set"]), tables.load(parts["values"])
        except KeyError as missing:
            raise CorruptError(f"the topk tables lack {missing}") from None
        if len(sets.freqs) != SET_CONTEXTS or len(gaps.freqs) != VALUE_CONTEXTS:
            raise CorruptError("the topk tables have the wrong number of contexts")
        return TopKCoder(self.step, classes, order, sets, gaps)


def _check_finite(labels: Labels) -> None:
    if not values.all_finite(labels.value):
        sample = int(np.argwhere(~np.isfinite(labels.value))[0][0])
        raise DataError(f"sample {sample} has NaN or infinite values; see --allow-nonfinite")


def _by_rank(labels: Labels, index: NDArray[np.int64], order: NDArray[np.intp]) -> Labels:
    """The labels with their classes in this order of places."""
    return replace(
        labels,
        value=np.take_along_axis(labels.value, order, axis=1),
        index=np.take_along_axis(index, order, axis=1),
    )


def _zeros_in_order(labels: Labels) -> Labels:
    """The same labels with -0, which was picked as an equal of +0, ranked behind it.

    Bit for bit it lies below, and one label that rises would make its whole batch plain.
    """
    assert labels.index is not None
    if not (np.signbit(labels.value) & (labels.value == 0)).any():
        return labels
    bits = values.to_bits(labels.value, labels.precision)
    levels = values.to_levels(bits, values.LAYOUTS[labels.precision].width)
    return _by_rank(labels, labels.index, np.argsort(-levels, axis=1, kind="stable"))


def _membership(labels: Labels) -> NDArray[np.float32]:
    assert labels.index is not None
    member = np.zeros((len(labels), labels.classes), np.float32)
    np.put_along_axis(member, labels.index, np.float32(1), axis=1)
    return member
