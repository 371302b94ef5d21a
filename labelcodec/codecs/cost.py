"""Predicted size of labels: what a codec's cost function is given and gives.

Predictions start from measured files of real ImageNet-1K labels: 10 000 labels of 1000 images, C =
1000, batches of 128. The tables in each codec's `cost` and `measured` modules are those of
benchmarks/results/planner.json, in bytes per label; a test holds them to it.

Labels of C classes are modelled as a random sample of the reference's 1000 classes, so logits have
the same distribution: the top 5 of 100 classes take the values of the top 50 of 1000, and
neighbours in the ranking are 1000 / C times as far apart. Each rule was checked on files outside
the tables (benchmarks/planner.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

CLASSES, LABELS, IMAGES = 1000, 10_000, 1000  # of the reference
MANTISSA_BYTES = 13 / 8  # what a float32 has more than a float16; nothing predicts these bits


class LabelSetting(Protocol):
    """A label set whose size is to be predicted; `planner.Setting` is one."""

    @property
    def classes(self) -> int:
        """C."""

    @property
    def images(self) -> int:
        """Images that the labels are of."""

    @property
    def precision(self) -> str:
        """Type of the teacher's logits: 'float16' or 'float32'."""

    @property
    def value_bytes(self) -> int:
        """Bytes of a logit in that precision."""


@dataclass(frozen=True)
class LabelCost:
    """Predicted size of labels.

    Attributes:
        index: bytes per label for its classes.
        values: bytes per label for its values.
        side: bytes of the side information.
        tv4: mean total variation to the full labels at tau = 4; None where nothing like it was
            measured.
        checked_beyond: whether the rules were checked, on synthetic labels, for more classes than
            the reference has.
        seconds: CPU seconds to read and encode a gigabyte (10^9 bytes) of full labels as SRe2L
            stores them, of benchmarks/results/encode_cost.json, whose slowest row of the codec it
            is; None where none was measured.
    """

    index: float
    values: float
    side: float
    tv4: float | None
    checked_beyond: bool = False
    seconds: float | None = None
