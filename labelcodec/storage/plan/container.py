"""Bytes of the library's own containers by component."""

from __future__ import annotations

from math import lgamma, log

from labelcodec.storage.plan import measured
from labelcodec.storage.plan.labels import label_cost
from labelcodec.storage.plan.setting import Batches, Setting

# At most, as no such labels were measured: a byte for each of 7 numbers; 4 + 16 + 16 bits.
_CUTOUT, _RANDAUGMENT = 7, 4.5


def container_components(
    spec: str, setting: Setting, kept: Batches
) -> tuple[dict[str, int], float | None]:
    """Bytes by component of a container, and its labels' total variation at tau = 4.

    Raises:
        ConfigError: a spec that does not parse, or that cannot be predicted.
    """
    cost = label_cost(spec, setting, kept.labels)
    parts = {
        "label index": kept.labels * cost.index,
        "label values": kept.labels * cost.values,
        "side information": cost.side,
        "framing and index": measured.FRAMING + measured.FRAMING_BATCH * kept.count,
    }
    for count, samples in kept.groups:
        for name, size in _augmentation(setting, samples).items():
            parts[name] = parts.get(name, 0) + count * size
    return {name: round(size) for name, size in parts.items()}, cost.tv4


def _augmentation(setting: Setting, samples: int) -> dict[str, float]:
    """F and the image order of one batch."""
    if not samples:
        return {}
    order = (setting.images - 1).bit_length() / 8 * samples
    parts: dict[str, float] = {
        "image index": order + measured.COLUMN_HEAD,
        "crop": measured.CROP * samples,
    }
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
