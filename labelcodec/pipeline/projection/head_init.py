"""Initial weights of a projector's head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.extras import needing_extra

RIDGE = 1e-2  # penalty per label of the linear probe
INITS = ("probe", "class-means", "text", "zero")
Rows = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeadSample:
    """Features and targets of a sample of the labels.

    Attributes:
        features: (N, d) float64 standardised features.
        logits: (N, C) float64 target logits, each row less its mean.
        hard: (N,) int64 class of each image.
    """

    features: Rows
    logits: Rows
    hard: NDArray[np.int64]


def head_weight(init: str | Path | Rows, sample: HeadSample) -> tuple[Rows, Rows]:
    """Weight (C, d) and bias (C,) for standardised features, float64.

    Args:
        init: 'probe', the least-squares solution for the sample; 'class-means', the mean features
            of each class; 'zero'; or a (C, d) array, such as text embeddings of the classes, or
            a .safetensors file with one. Those other than 'probe' and 'zero' are scaled to the
            targets.
        sample: the sample.

    Raises:
        ConfigError: an unknown name.
        DataError: labels that are all the same.
        MismatchError: the file holds no (C, d) tensor.
    """
    classes, features = sample.logits.shape[1], sample.features.shape[1]
    if classes < 2 or float(np.ptp(sample.logits, axis=0).max()) < 1e-6:
        raise DataError("the labels are all the same: a function of the images cannot be trained")
    bias = sample.logits.mean(axis=0)
    targets = sample.logits - bias
    if isinstance(init, str) and init == "probe":
        gram = sample.features.T @ sample.features
        gram += RIDGE * len(sample.features) * np.eye(features)
        return np.linalg.solve(gram, sample.features.T @ targets).T, bias
    if isinstance(init, str) and init == "zero":
        return np.zeros((classes, features)), bias
    directions = _directions(init, sample, (classes, features))
    scores = sample.features @ directions.T
    scores -= scores.mean(axis=1, keepdims=True)
    gain = float((scores * targets).sum() / max((scores * scores).sum(), 1e-12))
    return gain * directions, bias


def _directions(init: str | Path | Rows, sample: HeadSample, shape: tuple[int, int]) -> Rows:
    if isinstance(init, np.ndarray):
        if init.shape != shape:
            raise MismatchError(
                f"`head_init` has shape {init.shape}, expected {shape[0]} classes x {shape[1]} "
                "features"
            )
        return init
    return _class_means(sample) if init == "class-means" else _stored(init, shape)


def low_rank(weight: Rows, rank: int) -> tuple[Rows, Rows]:
    """Factors (r, C) and (r, d) whose product is nearest to a (C, d) weight.

    A weight of zeros gets random second factors, so that the product can be trained.
    """
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    rank = min(rank, len(values))
    if values[0] == 0:
        random = np.random.default_rng(0).normal(size=(rank, weight.shape[1]))
        return np.zeros((rank, len(weight))), random / np.sqrt(weight.shape[1])
    root = np.sqrt(values[:rank])[:, None]
    return root * left.T[:rank], root * right[:rank]


def _class_means(sample: HeadSample) -> Rows:
    """(C, d) mean features of each class's images, less the mean of all; 0 without images."""
    classes = sample.logits.shape[1]
    means = np.zeros((classes, sample.features.shape[1]))
    known = sample.hard >= 0
    counts = np.bincount(sample.hard[known], minlength=classes)
    np.add.at(means, sample.hard[known], sample.features[known])
    return means / np.maximum(counts, 1)[:, None]


def _stored(path: str | Path, shape: Sequence[int]) -> Rows:
    """The only (C, d) tensor of a safetensors file."""
    if Path(path).suffix != ".safetensors":
        raise ConfigError(
            f"`head_init` {str(path)!r}: known are {', '.join(INITS)} and a .safetensors file"
        )
    with needing_extra(f"{path}: reading it"):
        from safetensors.numpy import load_file
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise ConfigError(f"`head_init`: {path} does not exist") from None
    except Exception as error:
        raise MismatchError(f"{path}: not a safetensors file ({type(error).__name__})") from None
    fitting = [value for value in tensors.values() if value.shape == tuple(shape)]
    if len(fitting) != 1:
        held = ", ".join(f"{name} {value.shape}" for name, value in tensors.items())
        raise MismatchError(
            f"{path}: expected one tensor of {shape[0]} classes x {shape[1]} features, it holds "
            f"{held or 'none'}"
        )
    weight: Rows = fitting[0].astype(np.float64)
    if not np.isfinite(weight).all():
        raise MismatchError(f"{path}: has values that are not finite")
    return weight
