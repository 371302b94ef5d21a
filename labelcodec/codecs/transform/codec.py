"""Configuration of the transform codec (SPEC, section 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelcodec.batch import Labels, Tail
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.full_logits import check_full_logits
from labelcodec.codecs.interface import Codec
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.context_model import ContextModel
from labelcodec.codecs.transform.fit.fixed_parameters import fixed_parameters
from labelcodec.codecs.transform.fit.sample import gather
from labelcodec.codecs.transform.fit.search import Goal, search
from labelcodec.codecs.transform.format import MAX_RANK
from labelcodec.codecs.transform.image_means import ImageMeans
from labelcodec.codecs.transform.rd_report import BOUNDS, RDReport, bounds_of
from labelcodec.errors import ConfigError, CorruptError, DataError

MAX_CLASSES = 1 << 16  # that the encoder takes; readers take more
Parts = Mapping[str, bytes]  # `bytes` inside the class is its field


@dataclass(frozen=True)
class Transform(Codec):
    """Configuration of the transform codec.

    Give `rank`, `step` and `peaks`, or a budget (`bytes`), bounds on the distance to the source
    (`tv…`, `kl…`), or a budget and bounds. In the latter cases the encoder searches for the
    parameters that take the fewest bytes or lose the least.

    Budgets and bounds hold on the labels that the tables are fitted to, measured on all of them up
    to 2^24 logits or 4096 labels, and on an even subset of larger samples. Where the file has more
    labels than the sample, the basis is fitted to seven eighths of the sample, and the measurement
    mixes fitted and unfitted labels as the file does, so that the bounds hold on the whole file.

    Attributes:
        rank: coefficients per label, 1..1024.
        step: quantisation step of the coefficients, in logits.
        peaks: mean number of corrected classes per label, 0..64.
        bytes: most bytes per label, its share of the side information included. The augmentation
            and the image index come on top.
        tv1: largest mean total variation to the source at temperature 1, 1e-6..1.
        tv2: the same at temperature 2.
        tv4: the same at temperature 4.
        kl1: largest mean KL divergence from the source at temperature 1, in nats, 1e-6..1000.
        kl2: the same at temperature 2.
        kl4: the same at temperature 4.

    Raises:
        ConfigError: a value out of range, or a combination that does not determine the parameters.
    """

    rank: int | None = None
    step: float | None = None
    peaks: float | None = None
    bytes: float | None = None
    tv1: float | None = None
    tv2: float | None = None
    tv4: float | None = None
    kl1: float | None = None
    kl2: float | None = None
    kl4: float | None = None

    name = "transform"
    fit_labels = 8 * 8192  # the image means need several labels per image
    lossy = True

    def __post_init__(self) -> None:
        for key, low, high in (
            ("rank", 1, MAX_RANK), ("step", 1e-6, 1e6), ("peaks", 0, 64), ("bytes", 0.1, 1e6),
            *BOUNDS,
        ):  # fmt: skip
            value = getattr(self, key)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"transform: {key}={value}, allowed are {low:g}..{high:g}")
        explicit_keys = (self.rank, self.step, self.peaks)
        aimed = self.bytes is not None or self.quality
        if aimed and explicit_keys != (None,) * 3:
            raise ConfigError("transform: give rank, step and peaks, or a budget and qualities")
        if not aimed and None in explicit_keys:
            raise ConfigError(
                "transform: give rank, step and peaks, or a budget or quality such as bytes=30"
            )

    @property
    def quality(self) -> dict[str, float]:
        """The bounds on total variation and KL divergence that are set."""
        return bounds_of(self)

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """What the codec keeps of labels with `k` classes and this tail: everything.

        Raises:
            DataError: the source is top-k.
        """
        if k is not None:
            raise DataError("the transform codec needs full labels, these are top-k: use topk")
        return k, tail

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = False,
        context: BatchContext | None = None,
    ) -> Labels:
        """The labels unchanged, after validation; the loss arises in the coder.

        Raises:
            DataError: labels that are not full, finite logits of their declared precision,
                logits above 1e15 in magnitude, or more than 2^16 classes.
        """
        self.kept(labels.k, labels.tail)
        if labels.classes > MAX_CLASSES:
            raise DataError(
                f"transform: {labels.classes} classes, for more than {MAX_CLASSES} fitting takes "
                "hours and the tables megabytes: use sampled or topk"
            )
        check_full_logits(labels, self.name)
        return labels

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> TransformCoder:
        """Fit the codec's tables to sample labels.

        Args:
            samples: labels returned by `prepare`.
            classes: C.
            expected: number of labels in the whole file, which share the side information; by
                default the number of sample labels.
            contexts: one context per element of `samples`, or none. With contexts, labels are
                predicted from the mean label of their images where that saves bytes.

        Raises:
            DataError: no labels, fewer labels than the rank, labels that do not differ, or a
                budget or bound that cannot be met; the message then names one that can.
        """
        parts = list(samples)
        if not parts:
            raise DataError("the transform codec needs labels to fit its basis to; there are none")
        sample = gather(parts, contexts, expected)
        if self.rank is not None and self.step is not None and self.peaks is not None:
            coder = fixed_parameters(sample, self.rank, self.step, self.peaks)
        else:
            coder = search(sample, Goal(self.bytes, self.quality))
        try:
            self.from_parts(coder.to_parts(), classes)
        except CorruptError as error:
            raise DataError(f"transform: labels beyond what its tables hold: {error}") from None
        return coder

    def from_parts(self, parts: Parts, classes: int) -> TransformCoder:
        """Deserialize a coder from the named parts that its `to_parts` wrote.

        Args:
            parts: the named parts of the side information.
            classes: C.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            basis = BasisTables.from_parts(parts, classes)
            model = ContextModel.from_parts(parts, basis.rank)
            price = np.frombuffer(parts["price"].ljust(8, b"\xff")[:8], "<f8")[0]
        except KeyError as missing:
            raise CorruptError(f"the transform tables lack {missing}") from None
        if len(parts["price"]) != 8 or not 0 <= price < np.inf:
            raise CorruptError("the transform tables have an impossible price")
        reached = RDReport.from_bytes(parts["reached"]) if "reached" in parts else None
        return TransformCoder(
            basis, model, float(price), reached, ImageMeans.from_parts(parts, basis.rank)
        )
