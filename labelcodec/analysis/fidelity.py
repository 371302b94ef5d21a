"""Fidelity of labels: distances between the softmax distributions of two label sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.analysis.json_safe import json_safe
from labelcodec.analysis.union import is_worthwhile, over_union
from labelcodec.augmentation.facts import same_bits
from labelcodec.batch import Labels
from labelcodec.kept_counts import kept_of

TEMPERATURES = (1.0, 2.0, 4.0, 20.0)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Fidelity:
    """Distances between the softmax distributions P of one set and Q of another.

    Attributes:
        labels: number of labels compared.
        kl: temperature -> mean of KL(P || Q) = sum P log(P / Q) in nats; inf if any class has
            Q = 0 and P > 0.
        tv: temperature -> mean total variation, sum |P - Q| / 2, in 0..1.
        kl_max: temperature -> largest KL of a label.
        tv_max: temperature -> largest total variation of a label.
        infinite: number of labels whose KL is infinite.
        top1_agreement: fraction of labels with the same most probable class, in 0..1.
        max_dz: largest absolute difference of two finite logits, constant offsets of a label
            included; None if either set holds probabilities.
        kept_mass: mean probability in P, at temperature 1, of the classes that top-k labels of Q
            keep, in 0..1; None unless P holds full labels and Q top-k ones.
        unmeasured: number of values that are NaN or +inf in either set; they have no difference
            and make the means NaN. (-inf stands for probability 0.)
    """

    labels: int
    kl: dict[float, float]
    tv: dict[float, float]
    kl_max: dict[float, float]
    tv_max: dict[float, float]
    infinite: int
    top1_agreement: float
    max_dz: float | None
    unmeasured: int
    kept_mass: float | None = None

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON-serializable values; NaN and infinite numbers become None."""
        return {
            "labels": self.labels,
            **{
                name: json_safe({f"{tau:g}": value for tau, value in getattr(self, name).items()})
                for name in ("kl", "tv", "kl_max", "tv_max")
            },
            "infinite": self.infinite,
            "top1_agreement": self.top1_agreement,
            "max_dz": self.max_dz,
            "unmeasured": self.unmeasured,
            "kept_mass": json_safe(self.kept_mass),
        }


@dataclass
class Accumulator:
    """Accumulates the distances batch by batch, in constant memory."""

    labels: int = 0
    kl: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    tv: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    kl_max: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    tv_max: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    infinite: int = 0
    agree: int = 0
    max_dz: float | None = 0.0
    unmeasured: int = 0
    kept_mass: float | None = None  # sum over the labels

    def add(self, a: Labels, b: Labels) -> None:
        """Compare the labels of one batch, sample by sample; P is from `a`, Q from `b`."""
        if "probabilities" in (a.space, b.space):
            self.max_dz = None
        if _same_values(a, b) and np.isfinite(a.value.max(axis=1)).all():
            self._add_equal(len(a))
            return
        if is_worthwhile(a, b):
            self._add_union(a, b)
            return
        left, right = _dense_rows(a), _dense_rows(b)
        kept = _kept_classes(b) if a.index is None and b.index is not None else None
        rows = max(1, _CHUNK // a.classes)  # those of a whole vocabulary do not fit into memory
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for start in range(0, len(a), rows):
                part = slice(start, start + rows)
                p = left(part)
                q = p if b is a else right(part)
                if kept is not None:
                    self._add_kept(_as_logits(p, a.space), kept[part])
                equal = q is p or (a.space == b.space and np.array_equal(p, q))
                if equal and np.isfinite(p.max(axis=1)).all():
                    self._add_equal(len(p))
                else:
                    self._add(_as_logits(p, a.space), _as_logits(q, b.space))

    def _add_union(self, a: Labels, b: Labels) -> None:
        """Add top-k labels, by the classes that they keep."""
        assert a.index is not None and b.index is not None
        rows = max(1, _CHUNK // (a.index.shape[1] + b.index.shape[1] + 1))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for start in range(0, len(a), rows):
                part = slice(start, start + rows)
                self._add(*over_union(a.rows(part), b.rows(part)))

    def _add_equal(self, labels: int) -> None:
        """Add labels of the same distributions: all distances are 0."""
        self.labels += labels
        self.agree += labels

    def _add_kept(self, p: NDArray[np.float64], kept: NDArray[np.int64]) -> None:
        """Add the probability of the classes that labels keep; -1 for columns without a class."""
        shares = np.exp(np.take_along_axis(log_softmax(p), np.maximum(kept, 0), axis=1))
        self.kept_mass = (self.kept_mass or 0.0) + float(shares.sum(where=kept >= 0))

    def _add(
        self,
        p: NDArray[np.float64],
        q: NDArray[np.float64],
        log_count: NDArray[np.float64] | None = None,
    ) -> None:
        """Add logits, of which each column stands for exp(log_count) classes; one by default."""
        self.labels += len(p)
        self.unmeasured += int(np.count_nonzero(_unmeasurable(p) | _unmeasurable(q)))
        self.agree += int((p.argmax(axis=1) == q.argmax(axis=1)).sum())
        if self.max_dz is not None:
            both = np.isfinite(p) & np.isfinite(q)
            self.max_dz = max(self.max_dz, float(np.abs(p - q).max(where=both, initial=0.0)))
        for tau in TEMPERATURES:
            scaled = (p / tau, q / tau)
            if log_count is not None:
                scaled = (scaled[0] + log_count, scaled[1] + log_count)
            log_p, log_q = map(log_softmax, scaled)
            prob = np.exp(log_p)
            # 0 log 0 = 0; where Q = 0 < P the term is inf, as intended.
            kl = np.where(prob == 0, 0.0, prob * (log_p - log_q)).sum(axis=1)
            tv = np.abs(prob - np.exp(log_q)).sum(axis=1) / 2
            for values, total, worst in ((kl, self.kl, self.kl_max), (tv, self.tv, self.tv_max)):
                total[tau] += float(values.sum())
                worst[tau] = float(np.maximum(worst[tau], values.max()))  # NaN stays NaN
        self.infinite += int(np.isposinf(kl).sum())  # at the highest tau, where no Q underflows

    def merge(self, other: Accumulator) -> None:
        """Add what another accumulator measured."""
        self.labels += other.labels
        self.infinite += other.infinite
        self.agree += other.agree
        self.unmeasured += other.unmeasured
        if self.max_dz is not None:
            self.max_dz = None if other.max_dz is None else max(self.max_dz, other.max_dz)
        if other.kept_mass is not None:
            self.kept_mass = (self.kept_mass or 0.0) + other.kept_mass
        for tau in TEMPERATURES:
            self.kl[tau] += other.kl[tau]
            self.tv[tau] += other.tv[tau]
            self.kl_max[tau] = float(np.maximum(self.kl_max[tau], other.kl_max[tau]))
            self.tv_max[tau] = float(np.maximum(self.tv_max[tau], other.tv_max[tau]))

    def result(self) -> Fidelity:
        """Means and maxima over all labels added; requires at least one label."""
        return Fidelity(
            labels=self.labels,
            kl={tau: total / self.labels for tau, total in self.kl.items()},
            tv={tau: total / self.labels for tau, total in self.tv.items()},
            kl_max=dict(self.kl_max),
            tv_max=dict(self.tv_max),
            infinite=self.infinite,
            top1_agreement=self.agree / self.labels,
            max_dz=self.max_dz,
            unmeasured=self.unmeasured,
            kept_mass=None if self.kept_mass is None else self.kept_mass / self.labels,
        )


def log_softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, C) float64 log softmax over the classes; -inf stays -inf (probability 0)."""
    shifted = z - z.max(axis=1, keepdims=True)
    log_p: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p


def _unmeasurable(z: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isnan(z) | np.isposinf(z)


def _kept_classes(labels: Labels) -> NDArray[np.int64]:
    """(B, k) classes of top-k labels; -1 where a label keeps fewer, or gives no probability."""
    assert labels.index is not None
    is_kept = np.arange(labels.index.shape[1]) < kept_of(labels)[:, None]
    if labels.space == "probabilities":
        is_kept &= labels.value > 0
    return np.where(is_kept, labels.index, -1)


def _same_values(a: Labels, b: Labels) -> bool:
    """Whether two batches hold the same values, which then need not be expanded."""
    if a.compact is not None or b.compact is not None:
        return False
    if (a.space, a.tail, a.classes) != (b.space, b.tail, b.classes):
        return False
    pairs = ((a.value, b.value), (a.index, b.index), (a.floor, b.floor))
    return b is a or all(same_bits(left, right) for left, right in pairs)


def _dense_rows(labels: Labels) -> Callable[[slice], NDArray[np.float32]]:
    """What gives (b, C) float32 values of a slice of the samples."""
    if labels.compact is None:
        return lambda part: labels.rows(part).dense()
    whole = labels.dense()
    return lambda part: whole[part]


def _as_logits(dense: NDArray[np.float32], space: str) -> NDArray[np.float64]:
    values = dense.astype(np.float64)
    return np.log(values) if space == "probabilities" else values
