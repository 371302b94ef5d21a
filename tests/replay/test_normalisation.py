from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelcodec import Mix
from labelcodec.augmentation.mix import mix_images, partner_share
from labelcodec.checks import check_normalisation
from labelcodec.errors import DataError
from labelcodec.replay.normalisation import normalise

NORMALISATION = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def batch(seed: int = 0, samples: int = 6) -> torch.Tensor:
    shape = (samples, 3, 9, 8)
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def test_normalise_rounds_as_torchvision_does():
    """`ToTensor` divides by 255 in float32; `Normalize` subtracts, then divides."""
    images = batch()
    level = images.numpy().astype(np.float32) / np.float32(255)
    mean, std = (np.float32(NORMALISATION[key])[:, None, None] for key in ("mean", "std"))
    assert np.array_equal(normalise(images, NORMALISATION), (level - mean) / std)
    assert np.array_equal(normalise(images, None), level)


@pytest.mark.parametrize(
    ("given_", "what"),
    [
        ({"mean": [0, 0, 0]}, "'std' is None, expected three numbers"),
        ({"mean": [128, 128, 128], "std": [1, 1, 1]}, "divide mean and std of inputs in 0..255"),
        ({"mean": [0, 0, 0], "std": [1, -1, 1]}, "expected numbers above 0"),
        ({"std": [1, 1, 1]}, "'mean' is None"),
        ({"mean": [0, 0], "std": [1, 1, 1]}, r"'mean' is \[0, 0\]"),
        ({"mean": "abc", "std": [1, 1, 1]}, "'mean' is 'abc'"),
        ({"mean": [0, 0, {}], "std": [1, 1, 1]}, "'mean'"),
        ({"mean": [0, 0, 0], "std": [1, float("nan"), 1]}, "'std'"),
        ({"mean": [0, 0, 0], "std": [1, 0, 1]}, "'std' .* expected numbers above 0"),
    ],
)
def test_impossible_normalisations(given_, what):
    with pytest.raises(DataError, match=what):
        check_normalisation(given_)


def test_possible_normalisations():
    check_normalisation(None)
    check_normalisation({"mean": np.zeros(3), "std": (1, 1, 1)})


@given(st.data())
def test_cutmix_pastes_the_partner_as_it_was(data):
    edges = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in (9, 8)]
    partner = np.array(data.draw(st.lists(st.integers(0, 5), min_size=6, max_size=6)))
    (row0, row1), (column0, column1) = edges
    images = batch().float()
    found = mix_images(images.clone(), Mix("cutmix", partner, 0.3, (row0, row1, column0, column1)))
    for i, image in enumerate(images):
        expected = image.clone()
        inside = (slice(None), slice(row0, row1), slice(column0, column1))
        expected[inside] = images[partner[i]][inside]
        assert torch.equal(found[i], expected)


def test_cutmix_of_grey_levels_is_cutmix_of_normalised_images():
    mixed = Mix("cutmix", np.array([3, 1, 0, 5, 2, 4]), 0.5, (2, 7, 0, 5))
    first = normalise(mix_images(batch(), mixed), NORMALISATION)
    assert torch.equal(first, mix_images(normalise(batch(), NORMALISATION), mixed))


def test_mixup_weighs_with_the_ratio():
    images, partner = normalise(batch(), NORMALISATION), np.array([3, 1, 0, 5, 2, 4])
    found = mix_images(images, Mix("mixup", partner, 0.3, None))
    assert torch.equal(found, 0.3 * images + (1 - 0.3) * images[partner])


def test_unmixed_batches_stay():
    images = batch()
    assert mix_images(images, None) is images


EDGE = st.integers(-3, 12)


@given(EDGE, EDGE, EDGE, EDGE)
def test_the_partners_share_is_the_pasted_area(row0: int, row1: int, col0: int, col1: int) -> None:
    """Also of boxes that reach beyond the image, as replay clips them."""
    images = torch.zeros(2, 3, 6, 9)
    images[1] = 1
    mixed = Mix("cutmix", np.array([1, 0]), 0.9, (row0, row1, col0, col1))
    pasted = mix_images(images, mixed)[0, 0]
    assert partner_share(mixed, (6, 9)) == pytest.approx(float(pasted.mean()), abs=1e-6)


def test_the_partners_share_of_mixup() -> None:
    mixed = Mix("mixup", np.array([1, 0]), 0.3, None)
    images = torch.stack([torch.zeros(3, 6, 9), torch.ones(3, 6, 9)])
    assert partner_share(mixed, (6, 9)) == pytest.approx(float(mix_images(images, mixed)[0].mean()))
