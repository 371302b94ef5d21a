"""Labels of token positions as another project stored them: checks, and the mass of the tail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels, Precision, Space, Tail
from labelcodec.errors import DumpError
from labelcodec.kept_counts import pad, pad_classes
from labelcodec.label_space import TOLERANCE, finite_rows, looks_like_probabilities
from labelcodec.tail_mass import floor_of
from labelcodec.wording import counted

Where = Callable[[int], str]  # names a row in messages


@dataclass(frozen=True, eq=False)
class Positions:
    """Columns of n positions, as their source holds them.

    Attributes:
        value: (n, k) values of kept classes, or (n, C) of all; floating point.
        index: (n, k) integers, the kept classes; None for full labels.
        tokens: (n,) integers, the token ids; None if unknown.
        mask: (n,) bool or integers of 0 and 1, the positions that count in the loss; None for all.
        tail: (n,) floats, probability mass of the classes left out; None if unknown.
        count: (n,) integers, how many classes each position keeps; what stands behind them in
            `value` and `index` is ignored. None if all keep k.
    """

    value: NDArray[Any]
    index: NDArray[Any] | None = None
    tokens: NDArray[Any] | None = None
    mask: NDArray[Any] | None = None
    tail: NDArray[Any] | None = None
    count: NDArray[Any] | None = None

    def rows(self, chosen: slice) -> Positions:
        """The columns of some of the positions."""
        beside = (None if column is None else column[chosen] for column in self._beside())
        return Positions(self.value[chosen], *beside)

    def _beside(self) -> tuple[NDArray[Any] | None, ...]:
        return self.index, self.tokens, self.mask, self.tail, self.count


def concatenate(parts: Sequence[Positions]) -> Positions:
    """The positions of one or more parts, one after another; all parts have the same columns."""
    if any(part.count is not None for part in parts):
        parts = [replace(part, count=_kept(part)) for part in parts]
    beside = [
        None if columns[0] is None else np.concatenate(columns)
        for columns in zip(*(part._beside() for part in parts), strict=True)
    ]
    return Positions(np.concatenate([part.value for part in parts]), *beside)


@dataclass(frozen=True)
class LabelKind:
    """What the labels of a source are.

    Attributes:
        classes: C, the size of the vocabulary.
        k: most classes that a position keeps; None for full labels.
        space: logits (log-probabilities are such) or probabilities.
        tail: as in `Labels`.
        precision: dtype of the values.
    """

    classes: int
    k: int | None
    space: Space
    tail: Tail | None
    precision: Precision


def space_of(first: NDArray[Any], label_type: str | None, is_full: bool, where: str) -> Space:
    """What the values of labels are.

    Args:
        first: (n, k) or (n, C) values of the first positions.
        label_type: 'logits', 'probabilities' or None if the caller did not say.
        is_full: whether the labels hold all classes.
        where: the source, for messages.

    Raises:
        DumpError: nobody said what they are, and they look like probabilities.
    """
    if label_type is not None:
        return "probabilities" if label_type == "probabilities" else "logits"
    if looks_like_probabilities(first) if is_full else _may_be_probabilities(first):
        raise DumpError(
            f"{where}: the values lie in 0..1 and their sums are at most 1, as those of "
            "probabilities: pass `label_type=probabilities`, or `label_type=logits` if they are "
            "logits"
        )
    return "logits"


def to_labels(columns: Positions, kind: LabelKind, where: Where) -> Labels:
    """Checked labels of n positions.

    Args:
        columns: the columns.
        kind: what the labels are.
        where: names a row.

    Raises:
        DumpError: NaN, a class twice or outside of the vocabulary, a number of kept classes that
            is not in 1..k, values that are no probabilities, or a tail that does not fit.
    """
    value, index = columns.value, columns.index
    count = None
    if columns.count is not None and index is not None:
        count = _counts(columns.count, index.shape[1], where)
        is_kept = np.arange(index.shape[1]) < count[:, None]
        value = np.where(is_kept, value, -np.inf if kind.space == "logits" else 0)
        value = value.astype(columns.value.dtype)
        index = pad_classes(index, count)
    value = single(value, where)
    if kind.precision == "float16":
        value = value.astype(np.float16, copy=False)
    if (bad := _first(np.isnan(value).any(axis=1))) is not None:
        raise DumpError(f"{where(bad)}: has NaN values")
    if kind.space == "probabilities":
        _check_probabilities(value, kind.k is None, where)
    if index is None:
        return Labels(kind.classes, value, space=kind.space, precision=kind.precision)
    index = _classes(index, kind.classes, where)
    tail = None if columns.tail is None else _mass(columns.tail, where)
    floor = None
    if tail is not None and kind.space == "logits":
        floor = _floor(value, tail, kind.classes, count, where)
    elif tail is not None:
        _check_rest(value, tail, where)
    labels = Labels(kind.classes, value, index, kind.space, kind.tail, kind.precision, floor)
    return labels if count is None else pad(labels, count)


def kept_values(columns: Positions) -> NDArray[Any]:
    """(n, k) values; 0 behind those that positions keep, whatever the source has there."""
    if columns.count is None:
        return columns.value
    is_kept = np.arange(columns.value.shape[1]) < columns.count[:, None]
    return np.where(is_kept, columns.value, 0)


def to_tokens(tokens: NDArray[Any], classes: int, where: Where) -> NDArray[np.int32]:
    """(n,) int32 checked token ids.

    Raises:
        DumpError: an id outside of the vocabulary.
    """
    if (bad := _first((tokens < 0) | (tokens >= classes))) is not None:
        raise DumpError(
            f"{where(bad)}: has token {tokens[bad]}, the vocabulary has {classes}; was another "
            "tokenizer used, or is `classes` wrong?"
        )
    return tokens.astype(np.int32)


def to_mask(mask: NDArray[Any], where: Where) -> NDArray[np.bool_]:
    """(n,) bool loss mask.

    Raises:
        DumpError: an entry that is neither 0 nor 1.
    """
    if (bad := _first((mask != 0) & (mask != 1))) is not None:
        raise DumpError(f"{where(bad)}: has {mask[bad]} in the loss mask, expected 0 or 1")
    return mask.astype(bool)


def single(value: NDArray[Any], where: Where) -> NDArray[Any]:
    """Values in float16 or float32, without a change of any.

    Raises:
        DumpError: a float64 that float32 does not hold.
    """
    if value.dtype != np.float64:
        return value
    with np.errstate(over="ignore"):
        narrow = value.astype(np.float32)
    if (bad := _first(((narrow != value) & ~np.isnan(value)).any(axis=1))) is not None:
        raise DumpError(
            f"{where(bad)}: has float64 values that float32 does not hold exactly; save them as "
            "float32"
        )
    return narrow


def short_precisions(value: NDArray[Any]) -> set[Precision]:
    """The precisions of 16 bits that hold all values exactly."""
    with np.errstate(over="ignore", invalid="ignore"):
        half, narrow = value.astype(np.float16), value.astype(np.float32)
    fitting: set[Precision] = set()
    if np.array_equal(half, value):
        fitting.add("float16")
    if np.array_equal(narrow, value) and not (narrow.view(np.uint32) & 0xFFFF).any():
        fitting.add("bfloat16")
    return fitting


def _floor(
    value: NDArray[Any],
    tail: NDArray[Any],
    classes: int,
    count: NDArray[np.int64] | None,
    where: Where,
) -> NDArray[Any]:
    """(n,) logit of the classes left out; where there are none, the smallest logit."""
    kept = np.full(len(value), value.shape[1]) if count is None else count
    is_whole = kept == classes
    if (bad := _first(is_whole & (tail > TOLERANCE))) is not None:
        raise DumpError(f"{where(bad)}: has a tail of {tail[bad]:.6g}, but leaves no class out")
    floor = floor_of(value, tail, np.where(is_whole, 1, classes - kept))
    smallest = np.where(np.isneginf(value), np.inf, value).min(axis=1)
    return np.where(is_whole, smallest, floor).astype(value.dtype)


def _kept(columns: Positions) -> NDArray[Any]:
    samples, k = columns.value.shape
    return np.full(samples, k) if columns.count is None else columns.count


def _counts(count: NDArray[Any], k: int, where: Where) -> NDArray[np.int64]:
    if (bad := _first((count < 1) | (count > k))) is not None:
        raise DumpError(f"{where(bad)}: keeps {count[bad]} classes, expected 1..{k}")
    return count.astype(np.int64)


def _classes(index: NDArray[Any], classes: int, where: Where) -> NDArray[np.int64]:
    outside = (index < 0) | (index >= classes)
    if (bad := _first(outside.any(axis=1))) is not None:
        worst = index[bad][outside[bad]][0]
        raise DumpError(
            f"{where(bad)}: has class {worst}, outside of the {counted(classes, 'class')} of the "
            "vocabulary; was another tokenizer used, or is `classes` wrong?"
        )
    index = index.astype(np.int64)
    ordered = np.sort(index, axis=1)
    twice = ordered[:, 1:] == ordered[:, :-1]
    if (bad := _first(twice.any(axis=1))) is not None:
        raise DumpError(f"{where(bad)}: has class {ordered[bad, 1:][twice[bad]][0]} twice")
    return index


def _mass(tail: NDArray[Any], where: Where) -> NDArray[Any]:
    if (bad := _first(~((tail >= 0) & (tail < 1)))) is not None:
        raise DumpError(
            f"{where(bad)}: has a tail of {tail[bad]}, expected a mass of 0 and more, below 1"
        )
    return tail


def _check_probabilities(value: NDArray[Any], is_full: bool, where: Where) -> None:
    sums = value.sum(axis=1, dtype=np.float64)
    broken = (value < 0).any(axis=1) | (sums > 1 + TOLERANCE) | (sums <= 0)
    if is_full:
        broken |= sums < 1 - TOLERANCE
    if (bad := _first(broken)) is not None:
        raise DumpError(
            f"{where(bad)}: its values are no probabilities, they sum to {sums[bad]:.6g}"
        )


def _check_rest(value: NDArray[Any], tail: NDArray[Any], where: Where) -> None:
    rest = 1 - value.sum(axis=1, dtype=np.float64)
    if (bad := _first(np.abs(rest - tail) > TOLERANCE)) is not None:
        raise DumpError(
            f"{where(bad)}: has a tail of {tail[bad]:.6g}, but its probabilities leave "
            f"{rest[bad]:.6g}"
        )


def _may_be_probabilities(value: NDArray[Any]) -> bool:
    value = finite_rows(value)
    if value.shape[1] < 2 or not len(value) or value.min() < 0 or value.max() > 1:
        return False
    sums = value.sum(axis=1, dtype=np.float64)
    return bool((sums < 1 + TOLERANCE).all() and (sums > 0).all())


def _first(broken: Any) -> int | None:
    """The first of (n,) rows that is broken."""
    return int(broken.argmax()) if broken.any() else None
