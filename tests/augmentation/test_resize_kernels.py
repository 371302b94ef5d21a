"""Crop and resize: compiled against the NumPy reference, and both against stored levels."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.augmentation.crop import compiled, reference
from labelcodec.augmentation.crop.resampling import rows_first
from labelcodec.errors import UnsupportedError
from tests.kernels import few, seeds
from tests.replay import pillow_vectors as stored

KERNELS = (compiled, reference)
INTERPOLATIONS = ("bilinear", "bicubic")


def noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Levels of 0 and 255, which make bicubic sums leave 0..255, or any."""
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return (image > 127).astype(np.uint8) * 255 if rng.random() < 0.5 else image


def random_box(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    extent = rng.integers(1, [height + 1, width + 1])
    return np.concatenate([rng.integers(0, [height, width] - extent + 1), extent])


def resized(kernels, image, box, interpolation, flip, size) -> np.ndarray:
    out = np.full((*size, 3), 77, np.uint8)
    kernels.crop_resize(image, box, interpolation, flip, out)
    return out


sides = st.one_of(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(100, 900), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(100, 900)),
)


@few
@given(seeds, sides, sides, st.sampled_from(INTERPOLATIONS), st.booleans())
def test_compiled_and_reference_agree(seed, source, size, interpolation, flip):
    rng = np.random.default_rng(seed)
    image = noise(rng, *source)
    box = random_box(rng, *source) if rng.random() < 0.8 else np.array([0, 0, *source])
    found = [resized(kernels, image, box, interpolation, flip, size) for kernels in KERNELS]
    assert np.array_equal(*found)


def test_both_orders_of_the_passes_occur():
    box = np.array([[0, 0, 100, 90], [0, 0, 90, 100], [0, 0, 20, 1], [0, 0, 29, 20]])
    assert rows_first(box, (20, 20)).tolist() == [False, False, False, True]
    assert rows_first(box, (80, 80)).tolist() == [False, False, False, False]
    assert rows_first(box, (20, 60)).tolist() == [True, False, False, True]


@pytest.mark.parametrize("kernels", KERNELS, ids=("compiled", "reference"))
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_stored_levels(kernels, interpolation):
    """Pillow 13's, one crop of which is resized along its height first."""
    picture = np.array(stored.picture())
    with np.load(stored.PATH) as vectors:
        for box, expected in zip(stored.BOXES, vectors[interpolation], strict=True):
            found = resized(kernels, picture, box, interpolation, False, stored.SIZE)
            assert np.array_equal(found, expected)
            mirrored = resized(kernels, picture, box, interpolation, True, stored.SIZE)
            assert np.array_equal(mirrored, expected[:, ::-1])


@pytest.mark.parametrize("kernels", KERNELS, ids=("compiled", "reference"))
def test_a_crop_of_the_size_is_a_copy(kernels):
    image = noise(np.random.default_rng(0), 9, 8)
    for interpolation in INTERPOLATIONS:
        for flip in (False, True):
            found = resized(kernels, image, (2, 1, 6, 7), interpolation, flip, (6, 7))
            expected = image[2:8, 1:8]
            assert np.array_equal(found, expected[:, ::-1] if flip else expected)


def pool_of(rng: np.random.Generator, samples: int):
    """Arguments of `pool_resize` but for the output, and the images."""
    sizes = rng.integers(1, 40, (samples, 2))
    images = [noise(rng, height, width) for height, width in sizes.tolist()]
    box = np.stack([random_box(rng, *size) for size in sizes.tolist()])
    start = np.cumsum([5, *(image.size for image in images)])[:-1]
    pool = np.concatenate([np.zeros(5, np.uint8), *(image.ravel() for image in images)])
    flip = rng.random(samples) < 0.5
    return [pool, start, sizes, box, "bicubic", flip], images


@few
@given(seeds, st.integers(0, 5))
def test_a_pool_is_as_its_images(seed, samples):
    arguments, images = pool_of(np.random.default_rng(seed), samples) if samples else empty()
    expected = [
        resized(reference, image, box, "bicubic", bool(flip), (12, 9))
        for image, box, flip in zip(images, arguments[3], arguments[5], strict=True)
    ]
    for kernels in KERNELS:
        out = np.zeros((samples, 12, 9, 3), np.uint8)
        kernels.pool_resize(*arguments, out)
        assert np.array_equal(out, np.array(expected, np.uint8).reshape(out.shape))


def empty():
    shapes = (0, 2), (0, 4)
    size, box = (np.zeros(shape, np.int64) for shape in shapes)
    pool, start = np.zeros(1, np.uint8), np.zeros(0, np.int64)
    return [pool, start, size, box, "bilinear", np.zeros(0, bool)], []


def test_threads_do_not_disturb_each_other():
    arguments, _ = pool_of(np.random.default_rng(1), 30)
    expected, out = (np.zeros((30, 20, 20, 3), np.uint8) for _ in range(2))
    reference.pool_resize(*arguments, expected)

    def run(rows: slice) -> None:
        pool, start, size, box, interpolation, flip = arguments
        part = start[rows], size[rows], box[rows], interpolation, flip[rows], out[rows]
        for _ in range(20):
            compiled.pool_resize(pool, *part)

    threads = [Thread(target=run, args=(slice(10 * i, 10 * i + 10),)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("kernels", KERNELS, ids=("compiled", "reference"))
class TestErrors:
    @pytest.mark.parametrize(
        "box",
        [(-1, 0, 2, 2), (0, -1, 2, 2), (0, 0, 0, 2), (0, 0, 2, 0), (5, 0, 5, 2), (0, 5, 2, 5)],
    )
    def test_a_box_outside_its_image(self, kernels, box):
        with pytest.raises(ValueError, match="outside its image"):
            resized(kernels, np.zeros((9, 9, 3), np.uint8), box, "bilinear", False, (3, 3))
        arguments, _ = pool_of(np.random.default_rng(0), 3)
        arguments[2][1], arguments[3][1] = 1, box
        with pytest.raises(ValueError, match="outside its image"):
            kernels.pool_resize(*arguments, np.zeros((3, 2, 2, 3), np.uint8))

    def test_arrays_of_other_shapes(self, kernels):
        image, out = np.zeros((9, 9, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)
        for bad in (image[:, :, :2].copy(), image[:0], np.zeros((9, 9, 4), np.uint8)):
            with pytest.raises(ValueError, match="impossible shape"):
                kernels.crop_resize(bad, (0, 0, 1, 1), "bilinear", False, out)
        for bad in (out[:, :0].copy(), np.zeros((3, 3, 4), np.uint8)):
            with pytest.raises(ValueError, match="impossible shape"):
                kernels.crop_resize(image, (0, 0, 1, 1), "bilinear", False, bad)

    def test_an_unknown_interpolation(self, kernels):
        with pytest.raises(UnsupportedError, match="nearest"):
            resized(kernels, np.zeros((9, 9, 3), np.uint8), (0, 0, 9, 9), "nearest", False, (3, 3))

    @pytest.mark.parametrize(
        ("argument", "row", "value"),
        [(1, 0, -1), (1, 2, 10**9), (2, 0, 0), (2, 2, 10**6), (2, 2, 2**62)],
    )
    def test_an_image_outside_its_pool(self, kernels, argument, row, value):
        arguments, _ = pool_of(np.random.default_rng(0), 3)
        arguments[argument][row] = value
        with pytest.raises(ValueError, match="outside its pool"):
            kernels.pool_resize(*arguments, np.zeros((3, 2, 2, 3), np.uint8))

    @pytest.mark.parametrize("argument", [1, 2, 3, 5])
    def test_arrays_of_different_lengths(self, kernels, argument):
        arguments, _ = pool_of(np.random.default_rng(0), 3)
        arguments[argument] = arguments[argument][:2]
        with pytest.raises(ValueError, match="different lengths"):
            kernels.pool_resize(*arguments, np.zeros((3, 2, 2, 3), np.uint8))
