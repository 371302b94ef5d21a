from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec, pack_sizes
from labelcodec.errors import ConfigError, DataError, FormatError, UnsupportedError
from tests.codecs.content import same

PLAIN = AugmentationSpec(42, images=10, batch=4, size=(32, 24), sizes=(60, 80))
FULL = replace(PLAIN, cutout=0.5, operations=2)
SIZES = np.random.default_rng(0).integers(1, 500, (10, 2))
MAP = PLAIN.to_map()


@given(st.data())
@settings(max_examples=20)
def test_a_batch_does_not_depend_on_the_others(data):
    numbers = data.draw(st.permutations(range(9)))
    drawn = {number: draw(FULL, number) for number in numbers[:5]}
    for number in sorted(drawn):
        assert all(map(same, draw(FULL, number), drawn[number]))


def test_an_epoch_has_every_image_once_and_a_small_last_batch():
    assert PLAIN.batches == 3
    for epoch in range(4):
        index = [draw(PLAIN, epoch * 3 + place)[0] for place in range(3)]
        assert [len(one) for one in index] == [4, 4, 2]
        assert [PLAIN.samples(place) for place in range(3)] == [4, 4, 2]
        assert sorted(np.concatenate(index).tolist()) == list(range(10))
    assert PLAIN.place(10) == (3, 1)


def test_seeds_epochs_places_and_parts_differ():
    one, other = draw(FULL, 0)[1], draw(replace(FULL, seed=42 + (1 << 32)), 0)[1]
    assert not same(one.crop, other.crop) and not same(one.cutout, other.cutout)
    assert not same(one.crop, draw(FULL, 3)[1].crop)
    assert not np.array_equal(one.crop.box, draw(FULL, 1)[1].crop.box)


def test_parts_do_not_change_each_other():
    only = draw(replace(PLAIN, scale=None, mix=None), 1)
    assert only[1].crop is None and only[1].mix is None and only[1].randaugment is None
    assert same(only[1].flip, draw(FULL, 1)[1].flip)
    assert same(only[0], draw(FULL, 1)[0])


def test_crops_are_drawn_in_the_images_own_sizes():
    index, augmentation = draw(replace(PLAIN, sizes=pack_sizes(SIZES)), 0)
    assert np.array_equal(augmentation.crop.size, SIZES[index])
    assert (augmentation.crop.box[:, :2] + augmentation.crop.box[:, 2:] <= SIZES[index]).all()


@pytest.mark.parametrize("flip", [0, 0.25, 1])
def test_flips_have_their_probability(flip):
    drawn = draw(replace(PLAIN, images=4000, batch=4000, flip=flip), 0)[1].flip
    assert abs(drawn.mean() - flip) < 0.035 and (drawn.mean() == flip or flip == 0.25)


@pytest.mark.parametrize(
    "recipe", [PLAIN, FULL, replace(PLAIN, sizes=pack_sizes(SIZES), scale=None, mix=None)]
)
def test_round_trip_through_msgpack(recipe):
    assert (
        AugmentationSpec.from_map(msgpack.unpackb(msgpack.packb(recipe.to_map())), "file") == recipe
    )


def test_sizes_of_one_kind_are_stored_once():
    assert pack_sizes(np.tile(SIZES[:1], (9, 1))) == tuple(SIZES[0].tolist())
    assert len(pack_sizes(SIZES)) == 80


@pytest.mark.parametrize("number", [-1, 3 << 32])
def test_numbers_that_no_epoch_has(number):
    with pytest.raises(DataError, match="no epoch of the recipe has it"):
        draw(PLAIN, number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, r"seed is -1, allowed are 0\.\.18446744073709551615"),
        ({"seed": 1.0}, "seed is 1.0"),
        ({"images": 0}, "images is 0"),
        ({"images": (1 << 24) + 1}, "images is"),
        ({"batch": True}, "batch is True"),
        ({"size": (0, 5)}, "size is 0"),
        ({"size": (5,)}, r"size is \(5,\), expected two numbers"),
        ({"scale": (0.5, 0.1)}, "its smallest value last"),
        ({"scale": (0.5, float("nan"))}, "scale is nan"),
        ({"ratio": None}, "ratio is None"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"mix": "fmix"}, "mix is 'fmix'"),
        ({"alpha": 8}, r"alpha is 8, allowed are 0\.1\.\.4"),
        ({"cutout": 0}, "cutout is 0"),
        ({"operations": 17}, "operations is 17"),
        ({"magnitude": 11}, "magnitude is 11"),
        ({"sizes": b"12345678"}, "sizes are not those of 10 images"),
        ({"sizes": bytes(80)}, "sizes are not those of 10 images"),
    ],
)
def test_values_out_of_range(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(PLAIN, **change)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"generator": "mt19937"}, UnsupportedError, "generator 'mt19937'"),
        ({"later": 1}, UnsupportedError, "key 'later'"),
        ({"seed": None}, FormatError, "file: recipe: seed is None"),
        ({"size": "ab"}, FormatError, "size is 'ab'"),
        ({"sizes": b"no frame"}, FormatError, "sizes"),
        ({"sizes": zstandard.compress(bytes(79))}, FormatError, "79 bytes of sizes for 10 images"),
        ({"sizes": zstandard.compress(SIZES.tobytes())[:-4]}, FormatError, "bytes of sizes"),
        ({"images": [3], "sizes": zstandard.compress(b"")}, FormatError, "sizes"),
    ],
)
def test_maps_of_another_version_and_broken_ones(change, error, message):
    with pytest.raises(error, match=message):
        AugmentationSpec.from_map(MAP | change, "file")
