from __future__ import annotations

import platform
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelcodec import Augmentation, Crop, RandAugment
from labelcodec.augmentation.crop.resampling import INTERPOLATIONS, rows_first
from labelcodec.augmentation.crop.resizing import resized_crop
from labelcodec.augmentation.cutout import cutout_edges
from labelcodec.augmentation.randaugment import operations
from labelcodec.errors import DataError, MismatchError, UnsupportedError
from labelcodec.replay.image_replay import replay_image
from tests.backends import BACKENDS, backend
from tests.replay import pillow_vectors as made

PICTURE = made.picture()
SIZE = made.SIZE
with np.load(made.PATH) as stored:
    VECTORS = dict(stored)


def cropped(*boxes: tuple[int, ...], **parts) -> Augmentation:
    box = np.array(boxes, np.int32)
    return Augmentation(Crop(box, np.full((len(box), 2), (48, 64), np.int32)), **parts)


ALL = cropped(*made.BOXES)


def drawn(*operations: tuple[int, float, float]) -> RandAugment:
    """One sample's operations: number, decision, magnitude."""
    op, decision, magnitude = (np.array([column]) for column in zip(*operations, strict=True))
    kinds = ("float32",) * len(operations)
    return RandAugment(op, decision.astype(np.float32), magnitude.astype(np.float32), kinds)


class TestVectors:
    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    @pytest.mark.parametrize("sample", range(len(made.BOXES)))
    def test_crop(self, sample, interpolation):
        levels = replay_image(PICTURE, ALL, sample, SIZE, interpolation)
        assert np.array_equal(levels, VECTORS[interpolation][sample])

    def test_flip(self):
        flipped = replace(ALL, flip=np.arange(len(made.BOXES)) == 1)
        assert np.array_equal(replay_image(PICTURE, flipped, 1, SIZE), VECTORS["flip"])
        assert np.array_equal(replay_image(PICTURE, flipped, 2, SIZE), VECTORS["bilinear"][2])

    def test_cutout(self):
        centre = [23 / 24, 4 / 20, 12 / 24, 10 / 20]
        cutout = np.array([[*centre, 1, 200, 30]], np.float32)
        painted = cropped(made.BOXES[0], cutout=cutout)
        assert np.array_equal(replay_image(PICTURE, painted, 0, SIZE), VECTORS["cutout"])

    @pytest.mark.parametrize("i", range(len(made.OPERATIONS)), ids=str)
    def test_operations(self, i):
        op, value = made.OPERATIONS[i]
        found = operations.apply(made.part(), drawn((op, 0.3, value)), 0)
        assert np.array_equal(found, VECTORS["operations"][i])

    def test_are_what_pillow_does_today(self):
        today = made.vectors()
        assert today.keys() == VECTORS.keys()
        for name, levels in today.items():
            chosen = made.boxes_resized_as_defined() if name in INTERPOLATIONS else slice(None)
            assert np.array_equal(levels[chosen], VECTORS[name][chosen]), name


@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from(INTERPOLATIONS),
)
@settings(max_examples=60, deadline=None)
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="it may have fused sums")
def test_pillow_gives_the_same_levels(seed, sides, size, interpolation):
    """Those before 13 only where the width is resized first."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 2, (*sides, 3), np.uint8) * 255)
    whole = np.array([[0, 0, *sides]])
    if made.RESIZES_AS_DEFINED or not rows_first(whole, size)[0]:
        filter_ = Image.Resampling[interpolation.upper()]
        expected = made.resized_crop(image, tuple(whole[0].tolist()), filter_, size)
        recorded = Augmentation(Crop(whole, np.array([sides])))
        assert np.array_equal(replay_image(image, recorded, 0, size, interpolation), expected)


class TestOrder:
    def test_operations_come_first_and_one_after_the_other(self):
        whole = cropped((0, 0, 48, 64), randaugment=drawn((2, 0.1, -99), (4, 0.2, 2)))
        twice = made.operation(made.operation(PICTURE, 2, -99), 4, 2)
        expected = made.resized_crop(twice, (0, 0, 48, 64), Image.Resampling.BILINEAR)
        assert np.array_equal(replay_image(PICTURE, whole, 0, SIZE), expected)

    def test_a_flip_does_not_move_the_cutout(self):
        cutout = np.array([[0.5, 0, 0.5, 0.5, 9, 8, 7]], np.float32)
        both = cropped((0, 0, 48, 64), flip=np.array([True]), cutout=cutout)
        assert replay_image(PICTURE, both, 0, SIZE)[12, 0].tolist() == [9, 8, 7]


class TestOperations:
    def test_decisions_count_where_there_is_no_magnitude(self):
        for decision, applied in ((0.49, True), (0.5, False)):
            found = operations.apply(PICTURE, drawn((2, decision, -99)), 0)
            assert (found != PICTURE) is applied

    def test_magnitudes_count_where_there_is_one(self):
        """float16 rounds a decision of 0.49999 to 0.5: it was applied all the same."""
        assert operations.apply(PICTURE, drawn((9, 0.5, 1.5)), 0) != PICTURE
        assert operations.apply(PICTURE, drawn((9, 0.2, -99)), 0) == PICTURE

    def test_every_number_is_one_operation(self):
        numbers = {*operations.WITH_MAGNITUDE, *operations.WITHOUT_MAGNITUDE}
        assert sorted(numbers) == list(range(15))
        with pytest.raises(DataError, match="operation 15"):
            operations.apply(PICTURE, drawn((15, 0.1, 1)), 0)


@given(st.data(), st.sampled_from([64, 224, 384]))
def test_cutout_edges_are_those_that_were_drawn(data, side):
    """As LPQLD computes them when it records, from whole pixels."""
    y, x, height, width = (data.draw(st.integers(0, side - 1)) for _ in range(4))
    cutout = np.array([[y / side, x / side, height / side, width / side, 0, 0, 0]], np.float32)
    low = np.clip([y - height // 2, x - width // 2], 0, side)
    high = np.clip([y + height // 2, x + width // 2], 0, side)
    assert cutout_edges(cutout, (side, side)).tolist() == [[*low, *high]]


class TestErrors:
    def test_another_image(self):
        with pytest.raises(MismatchError, match=r"an image of 30 x 40 .* one of 48 x 64"):
            replay_image(PICTURE.resize((40, 30)), ALL, 0, SIZE)

    @pytest.mark.parametrize("box", [(0, 0, 0, 5), (-1, 0, 5, 5), (40, 0, 9, 5), (0, 60, 5, 5)])
    def test_a_box_outside_its_image(self, box):
        with pytest.raises(DataError, match="empty or leaves it"):
            replay_image(PICTURE, cropped(box), 0, SIZE)

    def test_no_crop(self):
        with pytest.raises(DataError, match="no crop was recorded"):
            replay_image(PICTURE, Augmentation(), 0, SIZE)
        same = replay_image(PICTURE, Augmentation(), 0, (48, 64))
        assert np.array_equal(same, PICTURE)

    def test_a_filter_nobody_used(self):
        with pytest.raises(UnsupportedError, match=r"'lanczos'.*bilinear and bicubic"):
            replay_image(PICTURE, ALL, 0, SIZE, "lanczos")


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_fractions_are_rounded_as_pillow_rounds_them(precision):
    """The peers hand Pillow's crop the fractions times the sides, as floats."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        start = rng.random(2) * 0.9
        extent = 0.02 + rng.random(2) * (0.98 - start)
        box = np.concatenate([start, extent]).astype(precision)
        top, left, height, width = (
            float(share) * side for share, side in zip(box, (48, 64, 48, 64), strict=True)
        )
        image = PICTURE.crop((left, top, left + width, top + height))
        found = replay_image(PICTURE, Augmentation(Crop(box[None], None, precision)), 0, SIZE)
        whole = 0, 0, image.height, image.width
        expected = resized_crop(np.asarray(image), whole, SIZE, "bilinear")
        assert np.array_equal(found, expected)


def test_other_modes_become_rgb():
    grey = PICTURE.convert("L")
    found = replay_image(grey, ALL, 0, SIZE)
    assert np.array_equal(found, replay_image(grey.convert("RGB"), ALL, 0, SIZE))


def test_arrays_are_replayed_as_images_are():
    """And are left as they are."""
    levels = np.array(PICTURE)
    cutout = np.array([[0.5, 0.5, 0.5, 0.5, 9, 8, 7]], np.float32)
    same_size = Augmentation(cutout=cutout)
    for recorded, size in ((ALL, SIZE), (same_size, (48, 64))):
        expected = replay_image(PICTURE, recorded, 0, size)
        assert np.array_equal(replay_image(levels, recorded, 0, size), expected)
        assert np.array_equal(levels, PICTURE)


@pytest.mark.parametrize("name", BACKENDS)
def test_pillow_resizes_nothing(name, monkeypatch):
    """So pixels do not depend on the installed Pillow, compiled or not."""
    monkeypatch.setattr(Image.Image, "resize", None)
    with backend(name):
        levels = replay_image(PICTURE, ALL, 4, SIZE, "bicubic")
    assert np.array_equal(levels, VECTORS["bicubic"][4])
