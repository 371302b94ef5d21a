from __future__ import annotations

import numpy as np
import pytest

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.mix import Mix
from labelcodec.augmentation.parts import Augmentation
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform.image_mixture import concatenate, image_mixture

INDEX = np.array([7, 3, 5])
PARTNER = np.array([2, 2, 0])


def cutmix(*box: int) -> BatchContext:
    return BatchContext(INDEX, Augmentation(mix=Mix("cutmix", PARTNER, 0.3, box)))


def test_without_mix_a_picture_is_its_own_image():
    found = image_mixture(BatchContext(INDEX, Augmentation()), (10, 10))
    np.testing.assert_array_equal(found.image, [[7, 7], [3, 3], [5, 5]])
    np.testing.assert_array_equal(found.part, [[256, 0]] * 3)
    np.testing.assert_array_equal(found.crop, 7)


@pytest.mark.parametrize(
    ("box", "own"),
    [
        ((0, 10, 0, 20), 0), ((0, 5, 0, 10), 192), ((5, 15, -5, 5), 224), ((0, 1, 0, 1), 255),
        ((4, 4, 0, 20), 256), ((6, 2, 0, 20), 256), ((50, 60, 0, 20), 256),
        ((-(1 << 61), 1 << 61, -(1 << 61), 1 << 61), 0),
    ],
)  # fmt: skip
def test_cutmix_counts_the_pixels_of_the_box(box, own):
    found = image_mixture(cutmix(*box), (10, 20))
    np.testing.assert_array_equal(found.image, [[7, 5], [3, 5], [5, 7]])
    np.testing.assert_array_equal(found.part, [[own, 256 - own]] * 3)


@pytest.mark.parametrize(
    ("ratio", "own"),
    [(0.25, 64), (0.501, 128), (0.503, 129), (-3, 0), (1e308, 256), (np.nan, 256), (-np.inf, 0)],
)
def test_mixup_goes_by_the_ratio(ratio, own):
    pictures = BatchContext(INDEX, Augmentation(mix=Mix("mixup", PARTNER, ratio, None)))
    np.testing.assert_array_equal(image_mixture(pictures, (10, 20)).part, [[own, 256 - own]] * 3)


def test_crops_are_classed_by_their_share_of_the_image():
    box = np.array([[0, 0, 10, 10], [1, 1, 5, 5], [0, 0, 7, 8]], np.int32)
    crop = Crop(box, np.array([[10, 10], [10, 10], [8, 8]], np.int32))
    mix = Mix("cutmix", PARTNER, 0.3, (0, 1, 0, 1))
    found = image_mixture(BatchContext(INDEX, Augmentation(crop=crop, mix=mix)), (8, 8))
    np.testing.assert_array_equal(found.crop, [[7, 7], [2, 7], [7, 7]])


def test_crops_that_are_fractions():
    box = np.zeros((6, 4), np.float32)
    box[:, 2:] = [[1, 1], [0.5, 0.5], [np.nan, 1], [np.inf, 0], [-1, 1], [4, 4]]
    pictures = BatchContext(np.arange(6), Augmentation(crop=Crop(box, None)))
    np.testing.assert_array_equal(image_mixture(pictures, (8, 8)).crop[:, 0], [7, 2, 7, 7, 0, 7])


def test_joined_pictures_keep_their_order():
    both = concatenate(
        [
            image_mixture(cutmix(0, 5, 0, 10), (10, 20)),
            image_mixture(cutmix(0, 10, 0, 20), (10, 20)),
        ]
    )
    assert len(both) == 6 and len(both[::2]) == 3
    np.testing.assert_array_equal(both.part[:, 0], [192] * 3 + [0] * 3)
