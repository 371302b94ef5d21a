"""simplejpeg decodes JPEG files only where it gives Pillow's levels."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.images import fast_jpeg
from labelcodec.images.decoding import decode, decode_levels
from labelcodec.images.fast_jpeg import fast_levels

simplejpeg = pytest.importorskip("simplejpeg")


@pytest.fixture
def again() -> Iterator[None]:
    """Have the decoder tried again, before and after a test."""
    fast_jpeg._decoder.cache_clear()
    yield
    fast_jpeg._decoder.cache_clear()


def noise(seed: int, height: int, width: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def by_pillow(content: bytes) -> np.ndarray:
    return np.asarray(decode(io.BytesIO(content), "image"))


@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.integers(1, 100),
    st.sampled_from([0, 1, 2, "4:1:1"]),
    st.booleans(),
    st.sampled_from(["RGB", "L"]),
)
@settings(max_examples=80, deadline=None)
def test_levels_are_pillows(seed, sides, quality, subsampling, progressive, mode):
    image = noise(seed, *sides).convert(mode)
    chosen = {"subsampling": subsampling} if mode == "RGB" else {}
    content = jpeg(image, quality=quality, progressive=progressive, **chosen)
    levels = fast_levels(content)
    assert levels is not None
    assert levels.dtype == np.uint8 and np.array_equal(levels, by_pillow(content))


def test_rotated_and_rgb_files():
    """The EXIF orientation is ignored, as in torchvision's loader."""
    image = noise(0, 20, 30)
    exif = image.getexif()
    exif[0x112] = 6
    for content in (jpeg(image, exif=exif), jpeg(image, keep_rgb=True)):
        assert np.array_equal(fast_levels(content), by_pillow(content))


def test_what_pillow_decodes():
    """CMYK, which simplejpeg converts by another rounding, and what is no JPEG file."""
    file = io.BytesIO()
    noise(0, 9, 9).save(file, "PNG")
    for content in (jpeg(noise(0, 9, 9).convert("CMYK")), file.getvalue()):
        assert fast_levels(content) is None
        assert np.array_equal(decode_levels(content, "image"), by_pillow(content))
    assert fast_levels(b"") is None


@given(st.integers(0, 10**6), st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_as_with_pillow(seed, changes):
    """The same levels or the same error."""
    rng = np.random.default_rng(seed)
    content = bytearray(jpeg(noise(seed, 24, 17), quality=int(rng.integers(30, 95))))
    for position in rng.integers(0, len(content), changes):
        content[position] = rng.integers(256)
    if not changes:
        del content[rng.integers(len(content)) :]
    try:
        expected = by_pillow(bytes(content))
    except MismatchError as error:
        with pytest.raises(MismatchError) as raised:
            decode_levels(bytes(content), "image")
        assert str(raised.value) == str(error)
    else:
        assert np.array_equal(decode_levels(bytes(content), "image"), expected)


def test_large_images_are_left_to_pillow(monkeypatch):
    monkeypatch.setattr(fast_jpeg, "MOST_PIXELS", 80)
    assert fast_levels(jpeg(noise(0, 9, 9))) is None
    assert fast_levels(jpeg(noise(0, 8, 10))) is not None


def test_a_decoder_that_does_not_agree_is_not_used(monkeypatch, again):
    other = SimpleNamespace(
        decode_jpeg_header=simplejpeg.decode_jpeg_header,
        decode_jpeg=lambda content: simplejpeg.decode_jpeg(content, fastupsample=True),
    )
    monkeypatch.setitem(sys.modules, "simplejpeg", other)
    assert fast_levels(jpeg(noise(0, 9, 9))) is None


def test_without_simplejpeg(monkeypatch, again):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    content = jpeg(noise(0, 9, 9))
    assert fast_levels(content) is None
    assert np.array_equal(decode_levels(content, "image"), by_pillow(content))
