"""Images that cannot be read."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.readable_images import unreadable, without

FORMATS = ("jpg", "png", "bmp", "webp", "ppm")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for suffix in FORMATS:
            pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"1.{suffix}")
    return tmp_path


def test_whole_images(folder):
    reports = []
    assert unreadable(list_images(folder), lambda *step: reports.append(step)) == {}
    assert reports[-1] == (10, 10)
    jpeg = folder / "a" / "1.jpg"
    jpeg.write_bytes(jpeg.read_bytes() + b"bytes that a camera left behind the image")
    assert unreadable(list_images(folder)) == {}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0, 0.1, 0.7])
def test_images_that_are_cut_off(folder, suffix, share):
    path = folder / "b" / f"1.{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    listing = list_images(folder)
    problems = unreadable(listing)
    assert [listing.paths[i] for i in problems] == [f"b/1.{suffix}"]
    left = without(listing, set(problems))
    assert len(left) == 9 and f"b/1.{suffix}" not in left.paths and left.classes == ("a", "b")
    assert left.class_index.tolist() == [0] * 5 + [1] * 4


def test_what_is_no_image(folder):
    listing = list_images(folder)
    (folder / "a/1.jpg").unlink()
    (folder / "a/1.png").unlink()
    os.mkfifo(folder / "a/1.png")
    (folder / "a/1.bmp").write_text("hello")
    problems = {listing.paths[i]: problem for i, problem in unreadable(listing).items()}
    assert problems["a/1.jpg"] == "No such file or directory"
    assert problems["a/1.png"] == "is a FIFO, expected an image"
    assert "cannot identify image file" in problems["a/1.bmp"]


def test_a_class_without_a_readable_image(folder):
    listing = list_images(folder)
    with pytest.raises(MismatchError, match="b: none of its images can be read"):
        without(listing, {i for i, name in enumerate(listing.paths) if name.startswith("b/")})
