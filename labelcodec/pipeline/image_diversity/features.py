"""Penultimate features of images: what a model's last linear layer is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from labelcodec.errors import DataError, MismatchError
from labelcodec.pipeline.evaluation import EvaluationImages
from labelcodec.pipeline.forward import call_model
from labelcodec.pipeline.model_output import logits_of
from labelcodec.progress import Progress
from labelcodec.replay.loading import iterate_loader, start_worker
from labelcodec.replay.normalisation import normalise
from labelcodec.threads import worker_count
from labelcodec.wording import counted


@dataclass(frozen=True, eq=False)
class Features:
    """Features of the images of a folder.

    Attributes:
        values: (N, d) float32, in order of the folder; finite, and no row is all zero.
        layer: name of the linear layer whose input they are.
    """

    values: NDArray[np.float32]
    layer: str


@torch.inference_mode()
def image_features(
    model: nn.Module,
    images: EvaluationImages,
    normalisation: Mapping[str, Any] | None,
    who: str,
    device: torch.device | str = "cpu",
    *,
    batch_size: int = 128,
    workers: int = 0,
    progress: Progress | None = None,
) -> Features:
    """Features of all images of a folder.

    Args:
        model: the model, on the device and in evaluation mode.
        images: the images.
        normalisation: mean and std of inputs in 0..1; None for inputs in 0..1.
        who: name of the model in error messages.
        device: device of the model.
        batch_size: images per forward pass.
        workers: processes that load images.
        progress: called with images done and total images.

    Raises:
        MismatchError: an image cannot be read, or the model does not take the images, or as in
            `penultimate`.
        DataError: features are NaN, infinite, or all zero.
    """
    processes = worker_count(workers, -(-len(images) // batch_size))
    loader = DataLoader(images, batch_size, num_workers=processes, worker_init_fn=start_worker)
    values, layer, done = np.empty((0, 0), np.float32), "", 0
    for levels, _ in iterate_loader(loader):
        inputs = normalise(levels.to(device), normalisation)
        layer, tensor = penultimate(model, inputs, who)
        rows = tensor.float().cpu().numpy()
        if not done:
            values = np.empty((len(images), rows.shape[1]), np.float32)
        stop = done + len(rows)
        _check(rows, images.listing.paths[done:stop], who)
        values[done:stop] = rows
        done = stop
        if progress is not None:
            progress(done, len(images))
    return Features(values, layer)


def penultimate(model: nn.Module, inputs: torch.Tensor, who: str) -> tuple[str, torch.Tensor]:
    """The input of the linear layer that a forward pass calls last, which gives the logits.

    Args:
        model: the model.
        inputs: (B, 3, H, W) images, normalised and on the model's device.
        who: name of the model in error messages.

    Returns:
        The layer's name, and its (B, d) input. An input with positions, (B, ..., d), is averaged
        over them.

    Raises:
        MismatchError: the model has no linear layer or calls none, the last one does not give the
            logits, or the model does not take the images.
    """
    linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    if not linear:
        raise MismatchError(
            f"{who}: has no linear layer (torch.nn.Linear), whose input the features are (a "
            "TorchScript or exported file does not show its layers)"
        )
    calls: list[tuple[str, torch.Tensor]] = []
    handles = [
        layer.register_forward_pre_hook(lambda _, args, name=name: calls.append((name, args[0])))
        for name, layer in linear.items()
    ]
    try:
        returned = call_model(model, inputs, who)
    finally:
        for handle in handles:
            handle.remove()
    if not calls:
        raise MismatchError(
            f"{who}: calls none of its linear layers in a forward pass; the features are the input "
            "of the last one"
        )
    name, values = calls[-1]
    _check_gives_logits(returned, (len(inputs), linear[name].out_features), name, who)
    if values.ndim < 2 or len(values) != len(inputs):
        raise MismatchError(
            f"{who}: its last linear layer {name} is given {tuple(values.shape)} for "
            f"{counted(len(inputs), 'image')}, expected one row of features per image"
        )
    return name, values.flatten(1, -2).mean(dim=1) if values.ndim > 2 else values


def _check_gives_logits(returned: Any, shape: tuple[int, int], name: str, who: str) -> None:
    """Refuse a layer inside the network, such as one that weighs channels."""
    try:
        logits_of(returned, shape, who)
    except MismatchError:
        raise MismatchError(
            f"{who}: its last linear layer {name} gives {shape[1]} values, which are not the "
            "model's output; the features are the input of the linear layer that gives the logits"
        ) from None


def _check(rows: NDArray[np.float32], paths: tuple[str, ...], who: str) -> None:
    for good, problem in (
        (np.isfinite(rows).all(axis=1), "that are NaN or infinite"),
        (rows.any(axis=1), "that are all 0 and so have no direction"),
    ):
        if not good.all():
            raise DataError(
                f"{paths[int(np.argmin(good))]}: {who} gives features {problem}; check the model's "
                "weights and its `normalisation`"
            )
