"""The configuration of the transform codec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelcodec.batch import Labels, Tail
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.explicit import explicit
from labelcodec.codecs.transform.frame import MAX_RANK, Frame
from labelcodec.codecs.transform.means import Means
from labelcodec.codecs.transform.reached import MEASURES, Reached
from labelcodec.codecs.transform.sample import gather
from labelcodec.codecs.transform.search import Goal, search
from labelcodec.codecs.transform.symbols import Model
from labelcodec.codecs.values import check_type
from labelcodec.errors import ConfigError, CorruptError, DataError

Parts = Mapping[str, bytes]  # the class has a field of that name
MAX_LOGIT = np.float32(1e15)  # whose squares are sums of single precision


@dataclass(frozen=True)
class Transform:
    """Configuration of the codec; what is not given is chosen to take the fewest bytes.

    Budgets and qualities hold on the labels at hand: on all of them up to 2^24 logits, or 4096
    labels; beyond that on every second, third, ... of them. Where a file has more than those, they
    are measured on labels that the tables were not fitted to, and hold on the rest about as well.

    Attributes:
        rank: coefficients of a label, 1..1024.
        step: quantisation step of the coefficients, in logits.
        peaks: mean number of corrected classes a label, 0..64.
        bytes: a label may take at most so many, its share of the side information included. The
            augmentation and the image index come on top.
        tv1: largest mean total variation at temperature 1 to the source, 1e-6..1.
        tv2: the same at temperature 2.
        tv4: the same at temperature 4.
        kl1: largest mean KL divergence at temperature 1 from the source, in nats.
        kl2: the same at temperature 2.
        kl4: the same at temperature 4.
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
    fit_labels = 8 * 8192  # many of an image show what its labels have in common
    lossy = True

    def __post_init__(self) -> None:
        for key, low, high in (
            ("rank", 1, MAX_RANK), ("step", 1e-6, 1e6), ("peaks", 0, 64), ("bytes", 0.1, 1e6),
            *((measure, 1e-6, 1 if measure[:2] == "tv" else 1e3) for measure in MEASURES),
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
        """The qualities asked for."""
        given = {key: getattr(self, key) for key in MEASURES}
        return {key: value for key, value in given.items() if value is not None}

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """All classes are kept.

        Raises:
            DataError: the source is top-k.
        """
        if k is not None:
            raise DataError("the transform codec needs full labels, these are top-k: use topk")
        return k, tail

    def prepare(self, labels: Labels, allow_nonfinite: bool = False) -> Labels:
        """The labels themselves; the coder decides what is kept of them.

        Raises:
            DataError: labels that are not full finite logits of their precision.
        """
        self.kept(labels.k, labels.tail)
        if labels.space != "logits":
            raise DataError("the transform codec needs logits, these are probabilities")
        check_type(labels)
        good = np.abs(labels.value) <= MAX_LOGIT
        if not good.all():
            sample, c = np.argwhere(~good)[0]
            raise DataError(
                f"sample {sample} has a logit of {labels.value[sample, c]:g}, allowed are finite "
                f"ones up to {MAX_LOGIT:g}; use the dense codec"
            )
        return labels

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        pictures: Sequence[Pictures] = (),
    ) -> TransformCoder:
        """A coder for labels like the samples.

        Args:
            samples: prepared labels.
            classes: C.
            expected: labels of the whole file, which share the side information; by default as
                many as there are samples.
            pictures: of the samples, where they are known: labels of the same images are then
                predicted from their mean, where that saves bytes.

        Raises:
            DataError: fewer labels than the rank, labels that do not differ, or a budget or
                quality that cannot be met; the message says what can.
        """
        parts = list(samples)
        if not parts:
            raise DataError("the transform codec needs labels to fit its basis to; there are none")
        sample = gather(parts, pictures, expected)
        if self.rank is not None and self.step is not None and self.peaks is not None:
            coder = explicit(sample, self.rank, self.step, self.peaks)
        else:
            coder = search(sample, Goal(self.bytes, self.quality))
        try:
            self.load(coder.dump(), classes)
        except CorruptError as error:
            raise DataError(f"transform: labels beyond what its tables hold: {error}") from None
        return coder

    def load(self, parts: Parts, classes: int) -> TransformCoder:
        """The coder whose `dump` gave these parts.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            frame = Frame.load(parts, classes)
            model = Model.load(parts, frame.rank)
            price = np.frombuffer(parts["price"].ljust(8, b"\xff")[:8], "<f8")[0]
        except KeyError as missing:
            raise CorruptError(f"the transform tables lack {missing}") from None
        if len(parts["price"]) != 8 or not 0 <= price < np.inf:
            raise CorruptError("the transform tables have an impossible price")
        found = Reached.load(parts["reached"]) if "reached" in parts else None
        return TransformCoder(frame, model, float(price), found, Means.load(parts, frame.rank))
