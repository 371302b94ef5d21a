"""Replay gives what torchvision's own transforms give; needs torchvision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelcodec import Augmentation, Crop
from labelcodec.augmentation.randaugment import operations
from labelcodec.replay.image_replay import replay_image
from labelcodec.replay.normalisation import normalise
from tests.replay.pillow_vectors import (
    BOXES,
    FILL,
    OPERATIONS,
    SIZE,
    boxes_resized_as_defined,
    picture,
)
from tests.replay.test_image_replay import cropped, drawn
from tests.replay.test_normalisation import NORMALISATION

transforms = pytest.importorskip("torchvision.transforms")

PICTURE = picture()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("flip", [False, True])
def test_crop_flip_and_normalise(interpolation, flip):
    functional = transforms.functional
    recorded = cropped(*BOXES, flip=np.full(len(BOXES), flip))
    found = [replay_image(PICTURE, recorded, i, SIZE, interpolation) for i in range(len(BOXES))]
    images = normalise(torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2), NORMALISATION)
    for i in boxes_resized_as_defined():
        image, box = images[i], BOXES[i]
        mode = transforms.InterpolationMode(interpolation)
        expected = functional.resized_crop(PICTURE, *box, list(SIZE), mode)
        expected = functional.hflip(expected) if flip else expected
        tensor = transforms.ToTensor()(expected)
        assert torch.equal(image, transforms.Normalize(**NORMALISATION)(tensor))


def test_crops_are_recorded_as_fractions():
    """The peers' path: fractions times sides, handed to `resized_crop` as floats."""
    functional = transforms.functional
    for box in (BOXES[i] for i in boxes_resized_as_defined()):
        share = np.array([box], np.float32) / np.float32([48, 64, 48, 64])
        edges = (float(a) * side for a, side in zip(share[0], (48, 64, 48, 64), strict=True))
        expected = functional.resized_crop(PICTURE, *edges, list(SIZE))
        recorded = Augmentation(Crop(share, None))
        assert np.array_equal(replay_image(PICTURE, recorded, 0, SIZE), expected)


def test_operations():
    functional, bicubic = transforms.functional, transforms.InterpolationMode.BICUBIC
    by_number = {
        0: lambda image, _: functional.autocontrast(image),
        1: lambda image, _: functional.equalize(image),
        2: lambda image, _: functional.invert(image),
        3: lambda image, value: functional.rotate(image, value, bicubic, fill=list(FILL)),
        4: lambda image, value: functional.posterize(image, int(value)),
        5: functional.solarize,
        7: functional.adjust_saturation,
        8: functional.adjust_contrast,
        9: functional.adjust_brightness,
        10: functional.adjust_sharpness,
    }
    for op, value in OPERATIONS:
        if op in by_number and (op, value) != (4, 0):
            expected = by_number[op](PICTURE, value)
            assert operations.apply(PICTURE, drawn((op, 0.3, value)), 0) == expected, op
