"""Mean and variance of the inputs of BatchNorm layers, by class and channel (LPLD's squeeze)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.extras import needing_extra
from labelcodec.files.atomic import atomic_file
from labelcodec.files.regular import read_regular

KEY, VERSION = "labelcodec", 1
MALFORMED = KeyError, TypeError, ValueError, AttributeError, RecursionError


@dataclass
class Moments:
    """Pooled moments of the values of a layer, by class and channel.

    Attributes:
        count: (C,) float64 number of values of a channel: images times positions.
        mean: (C, channels) float64.
        deviations: (C, channels) float64 sum of squared deviations from the mean.
    """

    count: torch.Tensor
    mean: torch.Tensor
    deviations: torch.Tensor

    @classmethod
    def empty(cls, classes: int, channels: int, device: torch.device | str = "cpu") -> Moments:
        """Moments of no values."""
        zeros = torch.zeros(classes, channels, dtype=torch.float64, device=device)
        return cls(zeros[:, 0].clone(), zeros, zeros.clone())

    def add(self, values: torch.Tensor, classes: torch.Tensor) -> None:
        """Add the values of a batch.

        Args:
            values: (B, channels, …) input of the layer.
            classes: (B,) int64 class of each image, 0..C-1.
        """
        self.merge(_of_batch(values, classes, len(self.count)))

    def merge(self, other: Moments) -> None:
        """Add the values of which `other` are the moments (Chan, Golub, LeVeque 1979)."""
        count = self.count + other.count
        share = (other.count / count.clamp_min(1))[:, None]
        difference = other.mean - self.mean
        self.deviations += other.deviations + difference**2 * (self.count[:, None] * share)
        self.mean += difference * share
        self.count = count

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Count, mean and deviations."""
        return self.count, self.mean, self.deviations

    def variance(self) -> torch.Tensor:
        """(C, channels) float64 population variance; 0 for a class without values."""
        return self.deviations / self.count.clamp_min(1)[:, None]


@dataclass
class MovingMoments:
    """Exponential moving averages of the moments of batches, as the paper's code keeps them.

    A class is updated by the batches that hold images of it, and begins with the first of them.

    Attributes:
        momentum: weight of a new batch, above 0 and up to 1.
        count: (C,) float64 number of values seen.
        mean: (C, channels) float64 moving average of the means.
        average: (C, channels) float64 moving average of the variances.
    """

    momentum: float
    count: torch.Tensor
    mean: torch.Tensor
    average: torch.Tensor

    @classmethod
    def empty(
        cls, momentum: float, classes: int, channels: int, device: torch.device | str = "cpu"
    ) -> MovingMoments:
        """Averages of no batches."""
        zeros = torch.zeros(classes, channels, dtype=torch.float64, device=device)
        return cls(momentum, zeros[:, 0].clone(), zeros, zeros.clone())

    def add(self, values: torch.Tensor, classes: torch.Tensor) -> None:
        """Add a batch; arguments as in `Moments.add`."""
        batch = _of_batch(values, classes, len(self.count))
        seen = batch.count > 0
        weight = torch.where(self.count > 0, self.momentum, 1.0) * seen
        self.mean += weight[:, None] * (batch.mean - self.mean)
        self.average += weight[:, None] * (batch.variance() - self.average)
        self.count += batch.count

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Count, mean and average."""
        return self.count, self.mean, self.average

    def variance(self) -> torch.Tensor:
        """(C, channels) float64 averages of the variances; 0 for a class without values."""
        return self.average


def _of_batch(values: torch.Tensor, classes: torch.Tensor, count: int) -> Moments:
    """Moments of one batch. Sums are in float64, deviations from a float32 mean of each image."""
    values = values.detach().float().flatten(2) if values.ndim > 2 else values.detach()[..., None]
    positions = values.shape[2]
    image_mean = values.sum(2, dtype=torch.float64) / positions
    near = image_mean.float()
    spread = (values - near[..., None]).square_().sum(2, dtype=torch.float64)
    spread -= positions * (image_mean - near) ** 2
    moments = Moments.empty(count, values.shape[1], values.device)
    images = torch.bincount(classes, minlength=count).double()
    moments.count = images * positions
    moments.mean.index_add_(0, classes, image_mean).div_(images.clamp_min(1)[:, None])
    spread += positions * (image_mean - moments.mean[classes]) ** 2
    moments.deviations.index_add_(0, classes, spread)
    return moments


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """Statistics of a layer: (C, channels) float32 mean and population variance."""

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ClassStatistics:
    """What squeeze collects of a model.

    Attributes:
        layers: layer name -> statistics of its input, in the model's order.
        images: (C,) int64 number of images of each class, with every epoch counted.
        facts: the model's name and weights, the inputs and how the statistics were taken.
        digest: SHA-256 (hex) of the file that they were loaded from; empty if they were not.
    """

    layers: Mapping[str, LayerStatistics]
    images: NDArray[np.int64]
    facts: Mapping[str, Any]
    digest: str = ""

    @property
    def classes(self) -> int:
        """C."""
        return len(self.images)

    def save(self, path: Path) -> None:
        """Write a .safetensors file: LAYER.mean and LAYER.variance, `images`, and JSON metadata.

        Raises:
            MissingExtraError: the safetensors package is not installed.
            OSError: the file cannot be written.
        """
        with needing_extra("statistics of classes"):
            from safetensors.numpy import save
        tensors: dict[str, NDArray[Any]] = {"images": self.images}
        for name, layer in self.layers.items():
            tensors |= {f"{name}.mean": layer.mean, f"{name}.variance": layer.variance}
        facts = {"version": VERSION, **self.facts, "layers": list(self.layers)}
        with atomic_file(path) as file:
            file.write(save(tensors, {KEY: json.dumps(facts)}))


def load_statistics(path: Path) -> ClassStatistics:
    """Read a file that `ClassStatistics.save` wrote.

    Raises:
        MissingExtraError: the safetensors package is not installed.
        MismatchError: there is no such file, or it holds something else.
    """
    with needing_extra("statistics of classes"):
        from safetensors import SafetensorError
        from safetensors.numpy import load
    try:
        content = read_regular(path, MismatchError, "a file of statistics")
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        facts = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][KEY])
        if facts.pop("version") != VERSION:
            raise MismatchError(f"{path}: statistics of a newer version; update labelcodec")
        images = tensors["images"]
        layers = {
            name: LayerStatistics(tensors[f"{name}.mean"], tensors[f"{name}.variance"])
            for name in facts.pop("layers")
        }
        digest = hashlib.sha256(content).hexdigest()
        statistics = ClassStatistics(layers, images, facts, digest)
        _check(statistics)
        return statistics
    except FileNotFoundError:
        raise MismatchError(f"{path}: no such file of statistics") from None
    except (SafetensorError, *MALFORMED) as error:
        raise MismatchError(
            f"{path}: not a file that squeeze wrote ({type(error).__name__})"
        ) from None


def _check(statistics: ClassStatistics) -> None:
    """Raise a ValueError for arrays of another type or shape."""
    images = statistics.images
    if images.dtype != np.int64 or images.ndim != 1 or (images < 0).any():
        raise ValueError("images")
    for layer in statistics.layers.values():
        for values in (layer.mean, layer.variance):
            if values.dtype != np.float32 or values.ndim != 2 or len(values) != len(images):
                raise ValueError("statistics")
        if layer.mean.shape != layer.variance.shape or not (layer.variance >= 0).all():
            raise ValueError("variance")
