"""Normalisation and CutMix in one pass are those of both, one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelcodec import Mix
from labelcodec.augmentation.mix import mix_images
from labelcodec.replay.finishing import finished_images
from labelcodec.replay.normalisation import normalise, normalised_levels
from labelcodec.replay.recycled_arrays import RecycledArrays
from tests import kernels

NORMALISATION = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
EDGE = st.integers(-3, 12)


def batch(seed: int = 0, samples: int = 6) -> torch.Tensor:
    shape = (samples, 9, 8, 3)
    levels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return torch.from_numpy(levels).permute(0, 3, 1, 2)


def mixes() -> st.SearchStrategy[Mix | None]:
    partners = st.lists(st.integers(0, 5), min_size=6, max_size=6).map(np.array)
    boxes = st.none() | st.tuples(EDGE, EDGE, EDGE, EDGE)
    return st.none() | st.builds(
        lambda partner, box: Mix("mixup" if box is None else "cutmix", partner, 0.3, box),
        partners,
        boxes,
    )


@given(mixes(), st.sampled_from([NORMALISATION, None]), st.booleans())
def test_one_pass_gives_the_values_of_two(mix, normalisation, channels_last) -> None:
    images = batch() if channels_last else batch().contiguous()
    before = images.clone()
    finished = finished_images(images, normalisation, mix, RecycledArrays())
    assert torch.equal(finished, mix_images(normalise(batch(), normalisation), mix))
    assert torch.equal(images, before)
    assert finished.stride() == normalise(images, normalisation).stride()


def test_no_images() -> None:
    assert finished_images(batch()[:0], NORMALISATION, None, RecycledArrays()).shape == (0, 3, 9, 8)


def test_the_table_has_every_level_of_every_colour() -> None:
    levels = torch.arange(256, dtype=torch.uint8).repeat(3, 1)[None, :, None]
    assert torch.equal(normalised_levels(NORMALISATION), normalise(levels, NORMALISATION)[0, :, 0])


@kernels.few
@given(kernels.seeds, st.integers(0, 4))
def test_the_kernels_agree(seed, samples) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 7, 2).tolist()
    levels = rng.integers(0, 256, (samples, height, width, 3), np.uint8)
    table = rng.normal(size=(3, 256)).astype(np.float32)
    partner = rng.integers(0, max(samples, 1), samples)
    box = (*np.sort(rng.integers(0, height + 1, 2)), *np.sort(rng.integers(0, width + 1, 2)))
    first, second = (np.full(levels.shape, np.nan, np.float32) for _ in range(2))
    for finish, out in zip(kernels.implementations("finish_levels"), (first, second), strict=True):
        finish(levels, table, partner, tuple(map(int, box)), out)
    assert np.array_equal(first, second)  # and so without NaN


@pytest.mark.parametrize(
    ("levels", "table", "partner", "box", "problem"),
    [
        ((1, 3, 3, 3), (3, 256), [0], (0, 1, 0, 1), "different shapes"),
        ((2, 3, 3, 4), (3, 256), [0, 1], (0, 1, 0, 1), "impossible shape"),
        ((2, 3, 3, 3), (3, 255), [0, 1], (0, 1, 0, 1), "impossible shape"),
        ((2, 3, 3, 3), (3, 256), [0, 2], (0, 1, 0, 1), "partner outside"),
        ((2, 3, 3, 3), (3, 256), [0, -1], (0, 1, 0, 1), "partner outside"),
        ((2, 3, 3, 3), (3, 256), [0], (0, 1, 0, 1), "different numbers"),
        ((2, 3, 3, 3), (3, 256), [0, 1], (0, 4, 0, 1), "box outside"),
        ((2, 3, 3, 3), (3, 256), [0, 1], (2, 1, 0, 1), "box outside"),
        ((2, 3, 3, 3), (3, 256), [0, 1], (0, 1, 0, 4), "box outside"),
    ],
)
def test_the_kernel_refuses_what_leaves_its_arrays(levels, table, partner, box, problem) -> None:
    _, compiled = kernels.implementations("finish_levels")
    arrays = np.zeros(levels, np.uint8), np.zeros(table, np.float32), np.array(partner, np.int64)
    with pytest.raises(ValueError, match=problem):
        compiled(*arrays, box, np.zeros((2, 3, 3, 3), np.float32))
