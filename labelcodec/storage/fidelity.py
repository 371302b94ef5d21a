"""How far one set of labels is from another, as a student would see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.storage.plain import plain

TEMPERATURES = (1.0, 2.0, 4.0, 20.0)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Fidelity:
    """Distances between the softmax distributions P of one set and Q of another.

    Attributes:
        labels: how many labels were compared.
        kl: temperature -> mean of sum P log(P / Q) in nats; inf where a label's Q is 0 and its P
            is not.
        tv: temperature -> mean of sum |P - Q| / 2, 0..1.
        kl_max: temperature -> that of the worst label.
        tv_max: temperature -> that of the worst label.
        infinite: labels whose KL is infinite.
        top1_agreement: share of labels with the same most probable class, 0..1.
        max_dz: largest difference of two logits that are both finite, shifts of whole labels
            included; None when either set holds probabilities.
        unmeasured: values that are NaN or +inf in either set; they have no difference and make
            the means NaN. (-inf is a class of probability 0.)
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

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; what is not finite becomes 'inf' or 'nan'."""
        return {
            "labels": self.labels,
            **{
                name: plain({f"{tau:g}": value for tau, value in getattr(self, name).items()})
                for name in ("kl", "tv", "kl_max", "tv_max")
            },
            "infinite": self.infinite,
            "top1_agreement": self.top1_agreement,
            "max_dz": self.max_dz,
            "unmeasured": self.unmeasured,
        }


@dataclass
class Accumulator:
    """Adds labels batch by batch; memory does not grow with their number."""

    labels: int = 0
    kl: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    tv: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    kl_max: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    tv_max: dict[float, float] = field(default_factory=lambda: dict.fromkeys(TEMPERATURES, 0.0))
    infinite: int = 0
    agree: int = 0
    max_dz: float | None = 0.0
    unmeasured: int = 0

    def add(self, a: Labels, b: Labels) -> None:
        """Compare the labels of one batch, sample by sample; `a` gives P, `b` gives Q."""
        if "probabilities" in (a.space, b.space):
            self.max_dz = None
        p, q = a.dense(), b.dense()
        rows = max(1, _CHUNK // a.classes)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for start in range(0, len(p), rows):
                part = slice(start, start + rows)
                self._add(_as_logits(p[part], a.space), _as_logits(q[part], b.space))

    def _add(self, p: NDArray[np.float64], q: NDArray[np.float64]) -> None:
        self.labels += len(p)
        self.unmeasured += int(np.count_nonzero(_lost(p) | _lost(q)))
        self.agree += int((p.argmax(axis=1) == q.argmax(axis=1)).sum())
        if self.max_dz is not None:
            both = np.isfinite(p) & np.isfinite(q)
            self.max_dz = max(self.max_dz, float(np.abs(p - q).max(where=both, initial=0.0)))
        for tau in TEMPERATURES:
            log_p, log_q = log_softmax(p / tau), log_softmax(q / tau)
            prob = np.exp(log_p)
            # 0 log 0 = 0; with Q = 0 < P the term is inf, as it should be.
            kl = np.where(prob == 0, 0.0, prob * (log_p - log_q)).sum(axis=1)
            tv = np.abs(prob - np.exp(log_q)).sum(axis=1) / 2
            for found, total, worst in ((kl, self.kl, self.kl_max), (tv, self.tv, self.tv_max)):
                total[tau] += float(found.sum())
                worst[tau] = float(np.maximum(worst[tau], found.max()))  # NaN stays NaN
        self.infinite += int(np.isposinf(kl).sum())  # at the highest one nothing underflows

    def result(self) -> Fidelity:
        """The means over everything that was added; needs at least one label."""
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
        )


def log_softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, C) log softmax along the classes; -inf stays -inf (probability 0)."""
    shifted = z - z.max(axis=1, keepdims=True)
    log_p: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p


def _lost(z: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isnan(z) | np.isposinf(z)


def _as_logits(dense: NDArray[np.float32], space: str) -> NDArray[np.float64]:
    values = dense.astype(np.float64)
    return np.log(values) if space == "probabilities" else values
