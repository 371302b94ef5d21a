"""Images that a run begins with: noise, real images, and patches of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.pipeline.recovery.initial_images import RealImages, initial_images
from labelcodec.pipeline.recovery.jobs import Job, jobs_of
from labelcodec.pipeline.recovery.patches import best_patches, joined
from labelcodec.pipeline.recovery.pixels import levels, valid_range
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.teacher import Teacher, load_teacher
from labelcodec.replay.normalisation import normalise
from tests.pipeline import scene

CPU = torch.device("cpu")
SIZE = (scene.SIDE, scene.SIDE)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Teacher:
    path = scene.weights(tmp_path_factory.mktemp("teacher") / "weights.safetensors")
    return load_teacher(
        scene.SMALL, path, scene.CLASSES, CPU, normalisation=scene.NORMALISATION, autocast=None,
        precision="float32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> RealImages:
    folder = scene.images(tmp_path_factory.mktemp("real") / "images")
    return RealImages(list_images(folder), SIZE, "bilinear", scene.CLASSES, None)


def test_noise_is_normal_and_does_not_depend_on_the_batch(teacher) -> None:
    settings = RecoverySettings(method="sre2l", ipc=4, batch_size=5)
    all_at_once = jobs_of(RecoverySettings(method="sre2l", ipc=4, batch_size=99), range(6))[0]
    whole = initial_images(all_at_once, settings, teacher, SIZE, None)
    parts = [
        initial_images(job, settings, teacher, SIZE, None) for job in jobs_of(settings, range(6))
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert abs(float(whole.mean())) < 0.1
    assert float(whole.std()) == pytest.approx(1, abs=0.05)
    assert len({image.numpy().tobytes() for image in whole}) == len(whole)


def test_real_images_are_those_of_the_class(teacher, real) -> None:
    settings = RecoverySettings(ipc=3, init="images")
    job = jobs_of(settings, [2])[0]
    images = levels(initial_images(job, settings, teacher, SIZE, real), teacher.normalisation)
    files = (real.listing.root / "class02").glob("*.png")
    of_class = {np.asarray(Image.open(path)).tobytes() for path in files}
    chosen = {image.permute(1, 2, 0).numpy().tobytes() for image in images}
    assert len(chosen) == 3
    assert chosen <= of_class


def test_too_few_images_of_a_class_are_told_by_its_name(tmp_path, real) -> None:
    real.check(range(4), 4)
    with pytest.raises(MismatchError, match=r"has 4 images of class 0, and 5 are needed"):
        real.check(range(4), 5)
    listing = list_images(scene.images(tmp_path / "images", count=4, classes=2))
    few = RealImages(listing, SIZE, "bilinear", 3, ["class00", "class01", "lynx"])
    with pytest.raises(MismatchError, match="has 0 images of class 'lynx'"):
        few.check(range(3), 1)


def test_patches_that_the_teacher_recognises_come_first(tmp_path) -> None:
    """Each image has the class's colour on one side: the best patches are of that side."""
    folder = tmp_path / "images/class0"
    folder.mkdir(parents=True)
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    for number in range(3):
        Image.fromarray(pixels).save(folder / f"{number}.png")

    class Brightness(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            mean = images.mean((1, 2, 3))
            return torch.stack([mean, 1 - mean], dim=1) * 9

    judge = load_teacher(
        Brightness(), None, 2, CPU, normalisation=None, autocast=None, precision="float32"
    )
    bright = RealImages(list_images(tmp_path / "images"), (16, 16), "bilinear", 2, None)
    settings = RecoverySettings(ipc=2, init="patches")
    patches = best_patches(0, settings, judge, bright)
    assert patches.shape == (8, 3, 8, 8)
    brightness = patches.float().mean((1, 2, 3))
    # the best patch of each of the three images, then the second best
    assert brightness[:3].tolist() == sorted(brightness[:3].tolist(), reverse=True)
    assert brightness[3:6].tolist() == sorted(brightness[3:6].tolist(), reverse=True)
    assert brightness[:3].min() > brightness[3:6].max() > brightness[6:].min()
    job = Job((0,), (0, 0), (0, 1))
    images = initial_images(job, settings, judge, (16, 16), bright)
    assert torch.equal(levels(images, None), joined(patches))


def test_joined_images_hold_each_patch_once() -> None:
    patches = torch.arange(8 * 3 * 2 * 5).reshape(8, 3, 2, 5)
    images = joined(patches)
    assert images.shape == (2, 3, 4, 10)
    assert sorted(images.flatten().tolist()) == list(range(8 * 30))
    assert torch.equal(images[0, :, :2, :5], patches[0])
    assert torch.equal(images[1, :, 2:, 5:], patches[7])


@pytest.mark.parametrize("normalisation", [None, scene.NORMALISATION])
def test_levels_are_the_inverse_of_normalising(normalisation) -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    assert torch.equal(levels(normalise(pixels, normalisation), normalisation), pixels)
    low, high = valid_range(normalisation, CPU)
    extremes = normalise(pixels, normalisation)
    torch.testing.assert_close(extremes.amin((0, 2, 3)), low.flatten())
    torch.testing.assert_close(extremes.amax((0, 2, 3)), high.flatten())
