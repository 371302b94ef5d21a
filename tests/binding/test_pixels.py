from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelcodec.binding.pixels import PixelSample, cell_means, pixel_sample
from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from tests.pipeline import scene


def test_the_digest_is_that_of_the_specification(tmp_path) -> None:
    listing = list_images(scene.images(tmp_path / "images", count=130))
    digest, colours = hashlib.sha256(), b""
    for i in range(64):
        pixels = np.asarray(Image.open(listing.root / listing.paths[i * 130 // 64]))
        digest.update(np.array(pixels.shape[:2], "<u4").tobytes() + pixels.tobytes())
    for i in range(16):
        pixels = np.asarray(Image.open(listing.root / listing.paths[i * 130 // 16]))
        cells = pixels.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
        colours += np.floor(cells + 0.5).astype(np.uint8).tobytes()
    assert pixel_sample(listing) == PixelSample(digest.hexdigest(), colours)


@given(st.integers(1, 13), st.integers(1, 13), st.integers(0, 99))
def test_cells_cover_images_of_any_size(height, width, seed) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    means = cell_means(pixels)
    for i, j in ((0, 0), (3, 3), (1, 2)):
        rows, columns = (
            slice(k * n // 4, max((k + 1) * n // 4, k * n // 4 + 1))
            for k, n in ((i, height), (j, width))
        )
        mean = pixels[rows, columns].reshape(-1, 3).astype(float).mean(axis=0)
        assert means[i, j].tolist() == np.floor(mean + 0.5).tolist()


def test_the_difference_is_that_of_the_image_that_differs_most() -> None:
    black, grey = bytes(48), bytes([9] * 48)
    assert PixelSample("a", black + black).difference(PixelSample("b", black + grey)) == 9
    assert PixelSample("a", b"").difference(PixelSample("b", b"")) == 0
    assert PixelSample("a", black).difference(PixelSample("b", b"")) == math.inf


def test_a_file_that_is_no_image(tmp_path) -> None:
    folder = scene.images(tmp_path / "images", count=6)
    (folder / "class01/001.png").write_bytes(b"nothing")
    with pytest.raises(MismatchError, match=r"class01/001\.png: cannot read this image"):
        pixel_sample(list_images(folder))
