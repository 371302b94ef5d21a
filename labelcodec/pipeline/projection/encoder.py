"""Encoders: loading by name, the digest of their weights, and their features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn
from torch.func import functional_call

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.pipeline.forward import call_model
from labelcodec.pipeline.models import OPEN_CLIP, is_file, model_name, trained
from labelcodec.pipeline.weights import OPTIONAL

OUTPUT = ""  # name of the features that are the encoder's output


class _Reached(BaseException):
    """Ends a forward pass at the features; no `except Exception` of a network catches it."""

    def __init__(self, features: torch.Tensor) -> None:
        self.features = features


@dataclass(frozen=True, eq=False)
class Encoder:
    """A trained network without its classifier.

    Attributes:
        model: the whole network, in evaluation mode, on its device.
        name: its name, as in `models.build`, or a module's class.
        classes: number of classes that it is built with.
        features: name of the layer whose input is the features; '' for the network's output.
        sha256: SHA-256 (hex) of its weights, see `weights_digest`.
    """

    model: nn.Module
    name: str
    classes: int
    features: str
    sha256: str

    def __call__(
        self, inputs: torch.Tensor, weights: Mapping[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(B, d) features of (B, 3, H, W) inputs.

        Args:
            inputs: normalised float images of the encoder's input size.
            weights: tensors instead of the network's own, by name.

        Raises:
            MismatchError: the network fails on such images, or has no such features.
        """
        who = f"the encoder {self.name}"
        changed = _Changed(self.model, weights or {})
        handle = None
        if self.features != OUTPUT:
            handle = self.model.get_submodule(self.features).register_forward_pre_hook(_stop)
        try:
            features = call_model(changed, inputs, who)
        except _Reached as reached:
            features = reached.features
        else:
            if handle is not None:
                raise MismatchError(f"{who} does not use its layer {self.features!r}")
        finally:
            if handle is not None:
                handle.remove()
        return _pooled(features, len(inputs), who)

    def used_layers(self, inputs: torch.Tensor) -> list[str]:
        """Names of the convolutions and linear layers that the features depend on.

        Args:
            inputs: inputs as for a call.
        """
        called: set[str] = set()
        layers = {
            name: module
            for name, module in self.model.named_modules()
            if isinstance(module, (nn.Conv2d, nn.Linear)) and name != self.features
        }

        def noting(name: str) -> Callable[..., None]:
            return lambda *_: called.add(name)

        handles = [layers[name].register_forward_pre_hook(noting(name)) for name in layers]
        try:
            with torch.no_grad():
                self(inputs)
        finally:
            for handle in handles:
                handle.remove()
        return [name for name in layers if name in called]


def load_encoder(
    encoder: nn.Module | str,
    weights: Path | None,
    classes: int,
    features: str | None,
    device: torch.device,
) -> Encoder:
    """Load an encoder by name, or wrap a trained torch module.

    Args:
        encoder: a name as in `models.build`, but no model file, or a module.
        weights: file of the weights; None for a module or a function that includes them.
        classes: number of classes that the network is built with.
        features: name of the layer whose input is the features; '' for the network's output; None
            for the classifier, the last linear layer or 1x1 convolution with `classes` outputs,
            and for the output of the image towers of open_clip.
        device: device to run on.

    Raises:
        ConfigError: an unknown name, missing weights, or no such layer.
        MismatchError: the weights do not fit.
    """
    name = model_name(encoder)
    if isinstance(encoder, nn.Module):
        if weights is not None:
            raise ConfigError(f"{name} is a trained module, `encoder_weights` cannot be added")
        model = encoder.eval()
    elif is_file(name):
        raise ConfigError(f"{name}: the layers of a model file cannot be updated; name a network")
    elif weights is None and ":" not in name:
        raise ConfigError(f"the encoder {name} has random weights; pass `encoder_weights`")
    else:
        model = trained(name, classes, weights)
    if features is None and name.partition("/")[0] == OPEN_CLIP:
        features = OUTPUT
    layer = _classifier(model, classes, name) if features is None else features
    if layer != OUTPUT and layer not in dict(model.named_modules()):
        raise ConfigError(f"the encoder {name} has no layer {layer!r}; see `features`")
    digest = weights_digest(model.state_dict())
    return Encoder(model.requires_grad_(False).to(device), name, classes, layer, digest)


def weights_digest(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 (hex) of a network's weights: names, types, shapes and values (SPEC, PJ-3)."""
    digest = hashlib.sha256()
    for name in sorted(state, key=str.encode):
        if name.endswith(OPTIONAL):
            continue
        value = state[name].detach().cpu().contiguous()
        kind, sides = str(value.dtype).removeprefix("torch."), ",".join(map(str, value.shape))
        digest.update(b"\0".join(text.encode() for text in (name, kind, sides, "")))
        digest.update(value.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _classifier(model: nn.Module, classes: int, name: str) -> str:
    """Name of the last linear layer or 1x1 convolution that has an output per class."""
    fitting: list[str] = [
        layer
        for layer, module in model.named_modules()
        if (isinstance(module, nn.Linear) and module.out_features == classes)
        or (
            isinstance(module, nn.Conv2d)
            and module.out_channels == classes
            and module.kernel_size == (1, 1)
        )
    ]
    if not fitting:
        raise ConfigError(
            f"the encoder {name} has no linear layer or 1x1 convolution of {classes} outputs; pass "
            "`features`, the name of the layer whose input is the features, or '' for its output"
        )
    return fitting[-1]


class _Changed(nn.Module):
    """A network with some of its weights replaced."""

    def __init__(self, model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._call = partial(functional_call, model, dict(weights))

    def forward(self, inputs: torch.Tensor) -> Any:
        return self._call((inputs,))


def _stop(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> NoReturn:
    raise _Reached(inputs[0])


def _pooled(features: object, samples: int, who: str) -> torch.Tensor:
    """(B, d) features; those of a convolution are averaged over rows and columns."""
    if not isinstance(features, torch.Tensor) or features.ndim not in (2, 4):
        shape = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features)
        raise MismatchError(f"{who}: its features are {shape}, expected (B, d) or (B, d, H, W)")
    if len(features) != samples:
        raise MismatchError(f"{who}: {len(features)} features of {samples} images")
    return features.mean(dim=(2, 3)) if features.ndim == 4 else features
