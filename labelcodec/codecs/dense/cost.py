"""Cost model of the dense codec: full logits take the same number of bits per value."""

from __future__ import annotations

from labelcodec.codecs.cost import MANTISSA_BYTES, LabelCost, LabelSetting
from labelcodec.codecs.dense.codec import Dense

VALUE = 1.4314  # bytes per float16 logit
SIDE, SIDE_PER_CLASS = 3050, 3.2  # bytes of the side information
SECONDS = 2.91  # of CPU time per gigabyte of source


def cost(codec: Dense, setting: LabelSetting, labels: int) -> LabelCost:
    """Predict the size of a label set.

    Args:
        codec: the configuration.
        setting: classes, images and precision of the labels.
        labels: number of labels in the file; it does not matter.
    """
    value = VALUE + (MANTISSA_BYTES if setting.precision == "float32" else 0)
    side = SIDE + SIDE_PER_CLASS * setting.classes
    return LabelCost(0, value * setting.classes, side, 0.0, seconds=SECONDS)
