"""The teacher: a model, and what it says of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from labelcodec.batch import Labels, Mix, Precision
from labelcodec.errors import DataError
from labelcodec.pipeline.asking import asked
from labelcodec.pipeline.models import trained
from labelcodec.replay.finish import mix, normalise

AUTOCAST = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Teacher:
    """A model that labels.

    Attributes:
        model: (B, 3, H, W) to (B, C) logits, in evaluation mode on its device.
        classes: C.
        device: where it runs.
        normalisation: mean and std of its inputs in 0..1; None for inputs in 0..1.
        autocast: 'float16' or 'bfloat16' arithmetic where torch finds it safe; None for float32.
        precision: type in which logits are kept.
        facts: its name, its arithmetic and the SHA-256 of its weights, for the header.
    """

    model: nn.Module
    classes: int
    device: torch.device
    normalisation: Mapping[str, Any] | None
    autocast: str | None
    precision: Precision
    facts: Mapping[str, Any]

    @torch.inference_mode()
    def label(self, images: torch.Tensor, mixed: Mix | None) -> Labels:
        """Labels of a batch.

        Args:
            images: (B, 3, H, W) uint8, not mixed yet.
            mixed: how they are to be mixed.

        Raises:
            MismatchError: the model does not take such images or does not give (B, C) numbers.
            DataError: logits that are not finite in the precision asked for.
        """
        inputs = mix(normalise(images.to(self.device), self.normalisation), mixed)
        kind = AUTOCAST.get(self.autocast or "", torch.float32)
        with torch.autocast(self.device.type, kind, enabled=self.autocast is not None):
            logits = asked(self.model, inputs, self.classes, f"the teacher {self.facts['name']}")
        return Labels(self.classes, self._kept(logits), precision=self.precision)

    def _kept(self, logits: torch.Tensor) -> NDArray[Any]:
        """Logits in the precision asked for; bfloat16 is held in float32."""
        kept = logits.to(getattr(torch, self.precision))
        if not kept.isfinite().all():
            raise DataError(
                f"the teacher {self.facts['name']} gave logits that are not finite in "
                f"{self.precision}; keep them in another precision, or turn autocast off"
            )
        if kept.dtype == torch.bfloat16:
            kept = kept.float()
        values: NDArray[Any] = kept.cpu().numpy()
        return values


def load_teacher(
    name: str,
    weights: Path | None,
    classes: int,
    device: torch.device,
    *,
    normalisation: Mapping[str, Any] | None,
    autocast: str | None,
    precision: Precision,
) -> Teacher:
    """A teacher by name, see `models.trained`.

    Raises:
        ConfigError: an unknown name, or no weights.
        MismatchError: weights that do not fit.
    """
    model = trained(name, classes, weights).to(device)
    facts: dict[str, Any] = {"name": name} | ({"autocast": autocast} if autocast else {})
    file = weights or (Path(name) if Path(name).is_file() else None)
    if file is not None:
        with file.open("rb") as data:
            facts["sha256"] = hashlib.file_digest(data, "sha256").hexdigest()
    return Teacher(model, classes, device, normalisation, autocast, precision, facts)
