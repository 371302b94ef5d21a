"""Maximum mean discrepancy (MMD) of two sets of features, with a Gaussian kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.errors import ConfigError, DataError
from labelcodec.progress import Progress

BLOCK = 1024  # images per side of a block of the kernel matrix: 8 MB
PAIRS = 10_000  # over which the median distance is taken
SEED = 0


@dataclass(frozen=True)
class Discrepancy:
    """MMD of two sets A and B: means of the kernel exp(-|x - y|^2 / (2 bandwidth^2)).

    Attributes:
        within_a: mean over all pairs (x, y) of A, x = y included, 0..1.
        within_b: the same of B.
        between: mean over all x of A and y of B, 0..1.
        bandwidth: sigma of the kernel, in the units of the features.
    """

    within_a: float
    within_b: float
    between: float
    bandwidth: float

    @property
    def squared(self) -> float:
        """MMD^2, 0..2: the biased estimate (V-statistic), which is 0 for equal sets."""
        squared = self.within_a + self.within_b - 2 * self.between
        return max(squared, 0.0)  # negative by rounding only


def discrepancy(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    bandwidth: float | None = None,
    *,
    device: torch.device | str = "cpu",
    block: int = BLOCK,
    progress: Progress | None = None,
) -> Discrepancy:
    """MMD of two sets of features.

    LPLD, eqs. 5 and 6: MMD^2 = K_AA + K_BB - 2 K_AB, where K_XY is the mean of the kernel over all
    pairs. K_AA and K_BB include the pairs of an image with itself, whose kernel is 1. The kernel
    matrix is computed in float64, block by block, and never kept.

    Args:
        a: (n, d) finite features.
        b: (m, d) finite features.
        bandwidth: sigma of the kernel, 1e-38 to 1e38; None for `median_distance`.
        device: device to compute on; one that has float64.
        block: images per side of a block.
        progress: called with blocks done and total blocks.

    Raises:
        ConfigError: as in `check_bandwidth`.
        DataError: as in `median_distance`.
    """
    check_bandwidth(bandwidth)
    sigma = median_distance(a, b) if bandwidth is None else bandwidth
    # distances are those of centred features, which have fewer digits to lose
    centre = (a.sum(axis=0, dtype=np.float64) + b.sum(axis=0, dtype=np.float64)) / (len(a) + len(b))
    middle = torch.from_numpy(centre).to(device)
    sums = dict.fromkeys(((0, 0), (1, 1), (0, 1)), 0.0)
    sets = (a, b)
    blocks = list(_blocks((len(a), len(b)), block))
    for i, (left, right) in enumerate(blocks):
        x, y = (
            (torch.from_numpy(sets[part.owner][part.start : part.stop]).to(device) - middle) / sigma
            for part in (left, right)
        )
        # a block off the diagonal stands for its transpose, too
        twice = left.owner == right.owner and left.start != right.start
        sums[left.owner, right.owner] += (1 + twice) * _kernel_sum(x, y)
        if progress is not None:
            progress(i + 1, len(blocks))
    return Discrepancy(
        sums[0, 0] / len(a) ** 2, sums[1, 1] / len(b) ** 2, sums[0, 1] / (len(a) * len(b)), sigma
    )


def check_bandwidth(bandwidth: float | None) -> None:
    """Check a bandwidth.

    Raises:
        ConfigError: it is neither None nor in the range of float32, in which features are.
    """
    if bandwidth is not None and not 1e-38 <= bandwidth <= 1e38:
        raise ConfigError(f"`bandwidth` is {bandwidth}, allowed is a number from 1e-38 to 1e38")


def median_distance(
    a: NDArray[np.float32], b: NDArray[np.float32], pairs: int = PAIRS, seed: int = SEED
) -> float:
    """Median distance between different images of both sets, the usual bandwidth of the kernel.

    It is taken over all pairs, or over a random sample with replacement if there are more.

    Args:
        a: (n, d) features.
        b: (m, d) features.
        pairs: number of pairs to sample.
        seed: seed of the sample.

    Raises:
        DataError: the median is 0, or there is a single image in each set and they are equal.
    """
    pooled = np.concatenate([a, b])
    count = len(pooled)
    if count * (count - 1) // 2 <= pairs:
        left, right = np.triu_indices(count, 1)
    else:
        rng = np.random.default_rng(seed)
        left = rng.integers(count, size=pairs)
        right = (left + rng.integers(1, count, size=pairs)) % count
    differences = pooled[left].astype(np.float64) - pooled[right]
    median = float(np.median(np.linalg.norm(differences, axis=1)))
    if median == 0:
        raise DataError(
            "the median distance between the images' features is 0, so it is no bandwidth: at "
            "least half of the pairs of images are alike to the model; pass `bandwidth`"
        )
    return median


@dataclass(frozen=True)
class _Part:
    """Rows start..stop - 1 of the features of set 0 or 1."""

    owner: int
    start: int
    stop: int


def _blocks(lengths: tuple[int, int], block: int) -> Iterator[tuple[_Part, _Part]]:
    """The blocks of the kernel matrix of both sets on and above its diagonal."""
    parts = [
        _Part(owner, start, min(start + block, length))
        for owner, length in enumerate(lengths)
        for start in range(0, length, block)
    ]
    for i, left in enumerate(parts):
        for right in parts[i:]:
            yield left, right


def _kernel_sum(x: torch.Tensor, y: torch.Tensor) -> float:
    """Sum of exp(-|x - y|^2 / 2) over all pairs of rows of (p, d) and (q, d)."""
    squares = torch.addmm(y.square().sum(dim=1), x, y.T, alpha=-2)
    squares += x.square().sum(dim=1, keepdim=True)
    return float(squares.clamp_(min=0).mul_(-0.5).exp_().sum())
