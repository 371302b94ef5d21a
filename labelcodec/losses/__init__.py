"""Losses of training on soft labels, as functions on tensors.

    loss = losses.kl(model(batch.images), batch.labels, temperature=4.0)

They take `SoftLabels` in any form: dense, expanded or top-k. For top-k labels they hold no (B, C)
array beside the student's logits and their gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelcodec.lazy import lazy_attributes

if TYPE_CHECKING:
    from labelcodec.losses.calibration import student_temperature
    from labelcodec.losses.chunks import in_chunks
    from labelcodec.losses.divergence import kl
    from labelcodec.losses.hard_label import hard
    from labelcodec.losses.logit_distance import cosine, mse
    from labelcodec.losses.phases import Phase, phase_at
    from labelcodec.losses.targets import target

__all__ = [
    "Phase",
    "cosine",
    "hard",
    "in_chunks",
    "kl",
    "mse",
    "phase_at",
    "student_temperature",
    "target",
]

_MODULES = {
    "Phase": "phases",
    "cosine": "logit_distance",
    "hard": "hard_label",
    "in_chunks": "chunks",
    "kl": "divergence",
    "mse": "logit_distance",
    "phase_at": "phases",
    "student_temperature": "calibration",
    "target": "targets",
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
