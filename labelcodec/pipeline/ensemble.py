"""Several teachers as one: the weighted mean of their logits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from labelcodec.errors import ConfigError, LabelcodecWarning
from labelcodec.label_space import looks_like_probabilities
from labelcodec.pipeline.model_output import logits_of
from labelcodec.pipeline.preprocessing import Preprocessing, own_preprocessing, resolved
from labelcodec.pipeline.teacher import Teacher, load_teacher
from labelcodec.wording import counted


class MeanOfLogits(nn.Module):
    """A model whose logits are the weighted mean of those of several models.

    Args:
        models: the models, each of which returns (B, C) logits, see `logits_of`.
        shares: weight of each in the mean; they sum to 1.
        classes: C.
        output: key or position of the logits among several outputs of a model.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        shares: Sequence[float],
        classes: int,
        output: str | int | None = None,
    ) -> None:
        super().__init__()
        self.models, self.shares = nn.ModuleList(models), tuple(shares)
        self._classes, self._output = classes, output
        self._checked = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C) float32 mean of the models' logits for (B, 3, H, W) images."""
        mean = torch.zeros(len(images), self._classes, device=images.device)
        for number, (model, share) in enumerate(zip(self.models, self.shares, strict=True)):
            who = f"teacher {number + 1}"
            logits = logits_of(model(images), (len(images), self._classes), who, self._output)
            if not self._checked and looks_like_probabilities(logits.float().cpu().numpy()):
                warnings.warn(
                    f"{who} returns probabilities, each row sums to 1; the mean is of logits: have "
                    "it return what it has before its softmax",
                    LabelcodecWarning,
                    stacklevel=2,
                )
            mean += share * logits.float()
        self._checked = True
        return mean


def weight_files(weights: Path | str | Sequence[Path | str] | None) -> list[Path] | None:
    """Weights as a list of files; None without any."""
    if weights is None:
        return None
    return [Path(weights)] if isinstance(weights, (str, Path)) else list(map(Path, weights))


def load_teachers(
    teachers: Sequence[nn.Module | str],
    weights: Sequence[Path] | None,
    shares: Sequence[float] | None,
    classes: int,
    device: torch.device,
    *,
    output: str | int | None = None,
    **settings: Any,
) -> Teacher:
    """Load several teachers as one, which gives the weighted mean of their logits.

    They see the same images: the preprocessing is that of the first one, unless it is passed.

    Args:
        teachers: names or modules, as in `load_teacher`.
        weights: file of the weights of each; None for teachers that include them.
        shares: weight of each in the mean, above 0; None for equal ones. They are divided by their
            sum.
        classes: C.
        device: device to run on.
        output: key or position of the logits among several outputs, see `logits_of`.
        **settings: further parameters of `load_teacher`.

    Raises:
        ConfigError: no teacher, not one file of weights or share for each, a share that is not
            above 0, or as in `load_teacher`.
        MismatchError: as in `load_teacher`.
    """
    if not teachers:
        raise ConfigError("`teacher` names no model")
    for name, values in (("weights", weights), ("shares", shares)):
        if values is not None and len(values) != len(teachers):
            raise ConfigError(
                f"`{name}` has {counted(len(values), 'entry')} for "
                f"{counted(len(teachers), 'teacher')}, expected one "
                "for each"
            )
    loaded = [
        load_teacher(
            teacher,
            None if weights is None else weights[i],
            classes,
            device,
            output=output,
            **settings,
        )
        for i, teacher in enumerate(teachers)
    ]
    if len(loaded) == 1:
        return loaded[0]
    parts = np.asarray([1.0] * len(loaded) if shares is None else shares, np.float64)
    if not (np.isfinite(parts).all() and (parts > 0).all()):
        raise ConfigError(f"`shares` are {parts.tolist()}, expected numbers above 0")
    normed = (parts / parts.sum()).tolist()
    model = MeanOfLogits([each.model for each in loaded], normed, classes, output).eval()
    facts = {
        "name": " + ".join(str(each.facts["name"]) for each in loaded),
        "teachers": [dict(each.facts) for each in loaded],
        "shares": normed,
    }
    return replace(loaded[0], model=model, facts=facts, output=None)


def settle(
    teacher: Teacher, given: Preprocessing, usual: Preprocessing
) -> tuple[Teacher, Preprocessing, tuple[str, ...]]:
    """Decide how a teacher sees images, see `preprocessing.resolved`.

    Args:
        teacher: the teacher, or several as one.
        given: the caller's settings.
        usual: what is taken where neither the caller nor the teacher's configuration says.

    Returns:
        The teacher with its normalisation, the settings, and notes for the user.
    """
    models, name = [teacher.model], str(teacher.facts["name"])
    names = [name]
    if isinstance(teacher.model, MeanOfLogits):
        models = list(teacher.model.models)
        names = [str(part["name"]) for part in teacher.facts["teachers"]]
    own = [own_preprocessing(model, each) for model, each in zip(models, names, strict=True)]
    settings, notes = resolved(given, own[0], usual, names[0])
    for other, each in zip(own[1:], names[1:], strict=True):
        notes += resolved(settings, other, usual, each)[1]
    return replace(teacher, normalisation=settings.normalisation), settings, notes
