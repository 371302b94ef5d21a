"""Teachers: loading, and labelling of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from labelcodec.augmentation.mix import Mix, mix_images
from labelcodec.batch import Labels, Precision
from labelcodec.errors import ConfigError, DataError
from labelcodec.pipeline.forward import forward_teacher
from labelcodec.pipeline.models import is_file, model_name, trained
from labelcodec.replay.normalisation import normalise

AUTOCAST = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Teacher:
    """A model that labels batches.

    Attributes:
        model: maps (B, 3, H, W) images to (B, C) logits; in evaluation mode, on its device.
        classes: C.
        device: the model's device.
        normalisation: mean and std of its inputs in 0..1; None for inputs in 0..1.
        autocast: 'float16' or 'bfloat16' for torch's mixed-precision inference; None for float32.
        precision: dtype to which logits are rounded: 'float16', 'bfloat16' or 'float32'.
        facts: the model's name, its autocast dtype and the SHA-256 of its weights, of their file if
            there is one, for the header.
        output: key or position of the logits among the model's outputs; None for the usual ones.
    """

    model: nn.Module
    classes: int
    device: torch.device
    normalisation: Mapping[str, Any] | None
    autocast: str | None
    precision: Precision
    facts: Mapping[str, Any]
    output: str | int | None = None

    @torch.inference_mode()
    def label(self, images: torch.Tensor, mixed: Mix | None) -> Labels:
        """Label a batch.

        Args:
            images: (B, 3, H, W) uint8, augmented but not mixed.
            mixed: the mix to apply to them; None for no mixing.

        Returns:
            Dense logits, (B, C) in the teacher's precision.

        Raises:
            MismatchError: the model fails on such images, or does not return a (B, C) tensor.
            DataError: logits are not finite in the teacher's precision.
        """
        inputs = mix_images(normalise(images.to(self.device), self.normalisation), mixed)
        dtype = AUTOCAST.get(self.autocast or "", torch.float32)
        with torch.autocast(self.device.type, dtype, enabled=self.autocast is not None):
            who = f"the teacher {self.facts['name']}"
            logits = forward_teacher(self.model, inputs, self.classes, who, self.output)
        return Labels(self.classes, self._rounded(logits), precision=self.precision)

    def _rounded(self, logits: torch.Tensor) -> NDArray[Any]:
        """(B, C) logits rounded to the teacher's precision; bfloat16 values are held in float32."""
        rounded = logits.to(getattr(torch, self.precision))
        if not rounded.isfinite().all():
            if not logits.isfinite().all():
                raise DataError(
                    f"the teacher {self.facts['name']} gave logits that are NaN or infinite; check "
                    "its weights and its inputs, and turn autocast off if it is on"
                )
            raise DataError(
                f"the teacher {self.facts['name']} gave logits that are not finite in "
                f"{self.precision}; keep them in another precision"
            )
        if rounded.dtype == torch.bfloat16:
            rounded = rounded.float()
        values: NDArray[Any] = rounded.cpu().numpy()
        return values


def load_teacher(
    teacher: nn.Module | str,
    weights: Path | None,
    classes: int,
    device: torch.device,
    *,
    weights_key: str | None = None,
    output: str | int | None = None,
    normalisation: Mapping[str, Any] | None,
    autocast: str | None,
    precision: Precision,
) -> Teacher:
    """Load a teacher by name, or wrap a trained torch module.

    Args:
        teacher: a model name as in `models.build`, or a module that maps (B, 3, H, W) images to
            (B, C) logits, which is put into evaluation mode.
        weights: file of the weights; None for a module or a model that includes its weights.
        classes: C.
        device: device to run on.
        weights_key: where in that file the weights are, see `weights.load_weights`.
        output: key or position of the logits among the model's outputs, see `logits_of`.
        normalisation: mean and std of inputs in 0..1; None for inputs in 0..1.
        autocast: 'float16', 'bfloat16' or None, see `Teacher`.
        precision: dtype to which logits are rounded, see `Teacher`.

    Raises:
        ConfigError: an unknown name, missing weights, or weights for a module.
        MismatchError: the weights do not fit.
    """
    name = model_name(teacher)
    stored = Path(name).name if isinstance(teacher, str) and is_file(teacher) else name
    facts: dict[str, Any] = {"name": stored} | ({"autocast": autocast} if autocast else {})
    if isinstance(teacher, nn.Module):
        if weights is not None or weights_key is not None:
            raise ConfigError(f"{name} is a trained module, `weights` cannot be added")
        model = teacher.eval().to(device)
        facts["sha256"] = _state_digest(model)
    else:
        model = trained(teacher, classes, weights, weights_key).to(device)
        file = weights or (Path(name) if Path(name).is_file() else None)
        if file is not None:
            with file.open("rb") as stream:
                facts["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
        else:
            facts["sha256"] = _state_digest(model)
        if weights_key is not None:
            facts["weights_key"] = weights_key
    if output is not None:
        facts["output"] = output
    return Teacher(model, classes, device, normalisation, autocast, precision, facts, output)


def _state_digest(model: nn.Module) -> str:
    """SHA-256 (hex) of a module's state dict, in order of name."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        content = value.detach().cpu().contiguous().view(-1).view(torch.uint8)
        digest.update(name.encode() + b"\0" + content.numpy().tobytes())
    return digest.hexdigest()
