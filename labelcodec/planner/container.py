"""Predicted size of containers by component."""

from __future__ import annotations

from math import lgamma, log

from labelcodec.codecs import registry
from labelcodec.codecs.cost import LabelCost
from labelcodec.errors import ConfigError
from labelcodec.planner import measured
from labelcodec.planner.setting import Batches, Setting
from labelcodec.plugins import imported

# Upper bounds in bytes per sample and operation, not measured: 7 numbers of one byte each for
# cutout; 4 + 16 + 16 bits for a RandAugment operation.
_CUTOUT, _RANDAUGMENT = 7, 4.5


class NotMeasured(ConfigError):
    """The codec cannot be predicted, as it provides no cost function."""


def label_cost(spec: str, setting: Setting, labels: int) -> LabelCost:
    """Predict the cost of the labels of a data set with a codec.

    Args:
        spec: a codec spec.
        setting: the data set.
        labels: number of labels stored.

    Raises:
        ConfigError: the spec does not parse, or cannot be predicted.
        NotMeasured: the codec has no cost function.
    """
    codec = registry.parse(spec)
    entry = registry.CODECS.find(codec.name)
    if entry is None or entry.cost is None:
        raise NotMeasured(f"{spec}: not measured, there is no prediction for this codec")
    cost: LabelCost = imported(entry.cost)(codec, setting, labels)
    return cost


def container_components(cost: LabelCost, setting: Setting, kept: Batches) -> dict[str, int]:
    """Predicted bytes by component of a container with the given label cost.

    Args:
        cost: predicted size of the labels.
        setting: the label set.
        kept: the batches that are stored.
    """
    parts = {
        "label index": kept.labels * cost.index,
        "label values": kept.labels * cost.values,
        "side information": cost.side,
        "framing and index": measured.FRAMING + measured.FRAMING_BATCH * kept.count,
    }
    for count, samples in kept.groups:
        for name, size in _augmentation(setting, samples).items():
            parts[name] = parts.get(name, 0) + count * size
    return {name: round(size) for name, size in parts.items()}


def _augmentation(setting: Setting, samples: int) -> dict[str, float]:
    """Bytes of the augmentation F of one batch; its image indices follow from a recipe."""
    if not samples:
        return {}
    parts: dict[str, float] = {"crop": measured.CROP * samples}
    if setting.cutout:
        parts["cutout"] = _CUTOUT * (samples + measured.COLUMN_HEAD)
    else:
        parts["flip"] = (samples + 7) // 8
    if setting.randaugment:
        parts["randaugment"] = _RANDAUGMENT * setting.randaugment * samples
    if setting.mix:
        parts["mix index"] = lgamma(samples + 1) / log(2) / 8 + measured.COLUMN_HEAD
        parts["mix ratio"] = 8
    if setting.mix == "cutmix":
        parts["mix box"] = measured.BOX
    return parts
