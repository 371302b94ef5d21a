"""The tensor path gives the grey levels of single images, which are Pillow 13's."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelcodec import Augmentation, Crop, RandAugment
from labelcodec.augmentation.crop import tensors
from labelcodec.augmentation.crop.resampling import rows_first, taps
from labelcodec.augmentation.crop.tap_table import SHARED, table_for
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.source_images import SourceImages
from labelcodec.errors import DataError, MismatchError, UnsupportedError
from labelcodec.replay.batch_replay import replay_batch
from labelcodec.replay.image_replay import replay_image
from tests.replay import pillow_vectors

SMALL, TALL = (48, 64), (150, 40)


def images(sizes, seed: int = 0) -> list[np.ndarray]:
    """Noise, in which every grey level rounds on its own, with some flat and striped parts."""
    rng, made = np.random.default_rng(seed), []
    for height, width in sizes:
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        image[: height // 3] = rng.integers(0, 2, (1, width, 3), np.uint8) * 255
        made.append(image)
    return made


def augmentation(sizes, seed: int, **parts) -> Augmentation:
    rng, sizes = np.random.default_rng(seed), np.array(sizes)
    extent = rng.integers(1, sizes + 1)
    box = np.concatenate([rng.integers(0, sizes - extent + 1), extent], axis=1)
    flip = rng.random(len(sizes)) < 0.5
    return Augmentation(Crop(box.astype(np.int32), sizes.astype(np.int32)), flip, **parts)


def one_by_one(sources, recorded, size, interpolation) -> np.ndarray:
    return np.stack(
        [
            replay_image(Image.fromarray(image), recorded, i, size, interpolation)
            for i, image in enumerate(sources)
        ]
    )


def assert_same(sources, recorded, size, interpolation, expected: np.ndarray) -> None:
    """By the kernel of the CPU, and gathered as on other devices."""
    for crops in (tensors._kernel_crops, tensors.gathered_crops):
        with mock.patch.object(tensors, "_kernel_crops", crops):
            replayed = replay_batch(sources, recorded, size, interpolation)
        assert replayed.dtype == torch.uint8
        assert replayed.is_contiguous(memory_format=torch.channels_last)
        assert np.array_equal(replayed.permute(0, 2, 3, 1).numpy(), expected)


@given(
    st.integers(0, 10**6),
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=4),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["bilinear", "bicubic"]),
)
@settings(max_examples=60, deadline=None)
def test_images_of_any_sizes(seed, sizes, size, interpolation):
    sources, recorded = images(sizes, seed), augmentation(sizes, seed)
    expected = one_by_one(sources, recorded, size, interpolation)
    singles = [torch.from_numpy(image) for image in sources]
    assert_same(singles, recorded, size, interpolation, expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("sides", [SMALL, TALL])
def test_images_of_one_size(sides, interpolation):
    sizes, size = [sides] * 12, (32, 32)
    cutout = np.random.default_rng(3).random((12, 7)).astype(np.float32)
    cutout[:, 4:] = np.floor(cutout[:, 4:] * 256)
    sources, recorded = images(sizes), augmentation(sizes, 1, cutout=cutout)
    expected = one_by_one(sources, recorded, size, interpolation)
    whole = torch.from_numpy(np.stack(sources))
    assert_same(whole, recorded, size, interpolation, expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_stored_vectors(interpolation):
    picture = torch.from_numpy(np.array(pillow_vectors.picture()))
    box = np.array(pillow_vectors.BOXES, np.int32)
    recorded = Augmentation(Crop(box, np.full((len(box), 2), SMALL, np.int32)))
    found = replay_batch([picture] * len(box), recorded, pillow_vectors.SIZE, interpolation)
    with np.load(pillow_vectors.PATH) as stored:
        assert np.array_equal(found.permute(0, 2, 3, 1).numpy(), stored[interpolation])


def test_both_orders_of_the_passes_occur():
    """Else nothing above would notice if one were wrong."""
    box = augmentation([TALL] * 12, 1).crop.box
    assert 0 < rows_first(box, (32, 32)).sum() < 12


def test_no_crop_leaves_images_as_they_are():
    source = torch.from_numpy(np.stack(images([SMALL] * 2)))
    found = replay_batch(source, Augmentation(), SMALL)
    assert torch.equal(found, source.permute(0, 3, 1, 2))


def test_autocast_changes_nothing():
    source = torch.from_numpy(np.stack(images([SMALL] * 3)))
    recorded = augmentation([SMALL] * 3, 5)
    expected = replay_batch(source, recorded, (20, 20))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(replay_batch(source, recorded, (20, 20)), expected)


def test_what_cannot_be_replayed():
    source = torch.from_numpy(np.stack(images([SMALL] * 2)))
    recorded = augmentation([SMALL] * 2, 0)
    with pytest.raises(UnsupportedError, match="'nearest'"):
        replay_batch(source, recorded, (8, 8), "nearest")
    for wrong in (source.permute(0, 3, 1, 2), source.float()):
        with pytest.raises(DataError, match="three colours last"):
            replay_batch(wrong, recorded, (8, 8))
    with pytest.raises(MismatchError, match="one of 48 x 64"):
        replay_batch(source[:, :40], recorded, (8, 8))
    with pytest.raises(DataError, match="no crop was recorded"):
        replay_batch(source, Augmentation(), (8, 8))
    one = np.zeros((2, 1))
    drawn = RandAugment(one.astype(int), one, one, ("float32",))
    with pytest.raises(UnsupportedError, match="RandAugment"):
        replay_batch(source, replace(recorded, randaugment=drawn), (8, 8))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_table_has_the_weights_of_every_extent(interpolation):
    for extents in (np.array([1, 7, 64, 3]), np.array([SHARED + 5, 2, SHARED + 5])):
        table, rows = table_for(extents, 12, interpolation, torch.device("cpu"))
        for extent, row in zip(extents.tolist(), rows.tolist(), strict=True):
            expected = taps(np.zeros(1), np.array([extent]), 12, interpolation)
            assert np.array_equal(table.first[row].numpy(), expected.first[0])
            count = int(table.count[row])
            assert count == (expected.weight[0] != 0).any(axis=0).nonzero()[0].max() + 1
            assert np.array_equal(table.weight[row, :, :count], expected.weight[0, :, :count])
            assert not table.weight[row, :, count:].any()


def test_few_images_at_a_time_change_nothing():
    sizes = [SMALL, TALL, (30, 90), (8, 200)]
    sources, recorded = images(sizes), augmentation(sizes, 2)
    host, target = SourceImages.of([torch.from_numpy(image) for image in sources]), (20, 24)
    crops = host, recorded.crop.box, recorded.flip, NetworkInput(target)
    expected = tensors.gathered_crops(*crops)
    with mock.patch.object(tensors, "AT_ONCE", 1):
        parts = tensors.gathered_crops(*crops)
    assert torch.equal(parts, expected)


FUSED = """
import sys
import numpy as np, torch
from labelcodec.augmentation.crop import fused, tensors
from labelcodec.augmentation.crop.resampling import rows_first
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.source_images import SourceImages
rng = np.random.default_rng(0)
size = np.array([[48, 64], [150, 40], [30, 90], [8, 300], [1, 1]])
extent = np.maximum(rng.integers(1, size + 1), size // 2)
box = np.concatenate([rng.integers(0, size - extent + 1), extent], axis=1)
pictures = [torch.from_numpy(rng.integers(0, 256, (*sides, 3), np.uint8)) for sides in size]
images, flip = SourceImages.of(pictures), np.array([True, False, True, True, False])
for target in (NetworkInput((17, 32)), NetworkInput((20, 9), "bicubic")):
    first = rows_first(box, target.size)
    assert 0 < first.sum() < len(first)
    result = fused.fused_crops(images, box, flip, target)
    assert torch.equal(result, tensors.gathered_crops(images, box, flip, target))
"""


def test_the_triton_kernel_gives_the_same_levels():
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", FUSED], env=environment, check=True)
