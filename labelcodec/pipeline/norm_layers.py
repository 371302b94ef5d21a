"""The BatchNorm layers of a model, and what they are given in a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from labelcodec.errors import MismatchError


def norm_layers(model: nn.Module, who: str) -> dict[str, _BatchNorm]:
    """The BatchNorm layers of a model by name, in its order; a shared layer has its first name.

    SyncBatchNorm, the layers of libraries that derive theirs from torch's, and all numbers of
    dimensions are BatchNorm layers.

    Args:
        model: the model.
        who: name of the model in error messages.

    Raises:
        MismatchError: it has none.
    """
    layers = {name: part for name, part in model.named_modules() if isinstance(part, _BatchNorm)}
    if not layers:
        raise MismatchError(
            f"{who}: has no BatchNorm layers, whose statistics squeeze collects and recover "
            "matches (a TorchScript or exported file does not show its layers). Without them "
            "recover takes real images or patches of them: `init` and `iterations=0`"
        )
    return layers


class LayerInputs:
    """Collects the inputs of layers during forward passes.

    Args:
        layers: the layers by name.
        who: name of the model in error messages.
    """

    def __init__(self, layers: dict[str, _BatchNorm], who: str) -> None:
        self._layers, self._who = layers, who

    @contextmanager
    def collected(self, measure: Callable[[str, torch.Tensor], Any]) -> Iterator[dict[str, Any]]:
        """In this context a forward pass of the model fills the dict, in the order of the pass.

        A layer that the pass does not use is missing.

        Args:
            measure: called with the name and the (B, channels, …) input of each layer; what it
                returns is kept.

        Raises:
            MismatchError: the pass uses a layer twice, so that its statistics are of two places.
        """
        collected: dict[str, Any] = {}

        def keep(name: str, values: torch.Tensor) -> None:
            self._check_first(name, collected)
            collected[name] = measure(name, values)

        handles = [
            layer.register_forward_pre_hook(lambda _, args, name=name: keep(name, args[0]))
            for name, layer in self._layers.items()
        ]
        try:
            yield collected
        finally:
            for handle in handles:
                handle.remove()

    def _check_first(self, name: str, collected: Mapping[str, Any]) -> None:
        if name in collected:
            raise MismatchError(
                f"{self._who}: uses the layer {name} twice in a forward pass; statistics are of "
                "layers that are used once"
            )
