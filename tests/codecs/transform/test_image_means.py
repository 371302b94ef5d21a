"""Labels are predicted from the means of the images in their pictures, where that pays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec import Header, Writer
from labelcodec.augmentation.parts import Augmentation
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform import Transform, compiled, reference
from labelcodec.codecs.transform.image_means import ImageMeans
from labelcodec.codecs.transform.tensors import expand
from labelcodec.entropy import packing, varint
from labelcodec.errors import CorruptError
from spec import reference_decoder
from tests.codecs.transform.images import fitted, pictures, recorded

CLASSES, IMAGES = 24, 40
BATCHES = recorded(12, IMAGES, CLASSES)
CODEC = Transform(rank=8, step=1.0, peaks=2)
CODER = fitted(CODEC, BATCHES)


def streams(coder, batch, seen=None):
    return coder.encode(batch.labels, seen or BatchContext(batch.image_index, batch.augmentation))


def size(coder, batches):
    stored = sum(len(part) for batch in batches for part in streams(coder, batch).values())
    return stored + sum(map(len, coder.to_parts().values()))


def test_means_are_found_and_save_bytes():
    without = CODEC.fit([batch.labels for batch in BATCHES], CLASSES)
    assert without.means is None
    assert CODER.means.size == (32, 32) and len(CODER.means.entries) == IMAGES
    assert (np.diff(CODER.means.kept[1:]) > -8).all(), "larger crops keep more of a mean"
    assert size(CODER, BATCHES) < 0.85 * size(without, BATCHES)
    assert CODER.chosen()["images"] == IMAGES
    assert CODER.chosen()["step"] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("mix", ["cutmix", "mixup", None])
def test_decoding_gives_what_the_encoder_chose(mix):
    coder = CODEC.from_parts(CODER.to_parts(), CLASSES)
    for batch, seen in (
        (b, p) for b in recorded(1, IMAGES, CLASSES, 7, mix) for p in pictures([b])
    ):
        chosen = CODER.compact(batch.labels, seen)
        coded = {key: memoryview(part) for key, part in streams(CODER, batch).items()}
        found = coder.decode(coded, len(batch), batch.labels, seen).compact
        np.testing.assert_array_equal(found.coefficients, chosen.coefficients)
        np.testing.assert_array_equal(found.dense(), chosen.dense())
        np.testing.assert_array_equal(expand(found).numpy(), chosen.dense())
        assert np.abs(found.predicted).max() > 0
        again = coder.encode(replace(batch.labels, compact=found), None)
        assert again == streams(CODER, batch)


def test_searches_predict_too():
    wanted = Transform(tv4=0.06)
    without = wanted.fit([batch.labels for batch in BATCHES], CLASSES)
    coder = fitted(wanted, BATCHES)
    assert coder.means is not None
    assert coder.reached.bytes < 0.9 * without.reached.bytes
    assert coder.reached.quality["tv4"] <= 0.06


def test_images_that_the_table_lacks_are_predicted_from_the_mean_label():
    batch = BATCHES[0]
    seen = BatchContext(batch.image_index + IMAGES, batch.augmentation)
    found = CODER.compact(batch.labels, seen)
    np.testing.assert_array_equal(found.predicted, 0)
    error = np.abs(found.dense() - CODER.compact(batch.labels, pictures([batch])[0]).dense())
    assert error.mean() < 0.5
    huge = BatchContext(np.full(len(batch), 1 << 62), batch.augmentation)
    np.testing.assert_array_equal(CODER.compact(batch.labels, huge).predicted, 0)
    np.testing.assert_array_equal(CODER.compact(batch.labels).predicted, 0)


def test_images_shown_only_once_are_not_worth_a_mean():
    assert fitted(CODEC, recorded(1, IMAGES, CLASSES)).means is None


def test_means_that_cost_more_than_they_save_are_left_out():
    shuffled = [
        replace(batch, image_index=np.random.default_rng(i).permutation(IMAGES)[: len(batch)])
        for i, batch in enumerate(BATCHES)
    ]
    assert fitted(CODEC, shuffled).means is None


def test_more_labels_pay_for_finer_means():
    many = fitted(CODEC, BATCHES, 1000 * len(BATCHES))
    assert np.abs(many.means.entries).max() > 4 * np.abs(CODER.means.entries).max()


@pytest.mark.parametrize("mix", ["cutmix", "mixup", None])
def test_the_reference_decoder_reads_whole_files(tmp_path, mix):
    path = tmp_path / "labels.slc"
    with Writer(path, Header(CLASSES), CODEC) as writer:
        writer.fit(BATCHES)
        for batch in recorded(1, IMAGES + 8, CLASSES, 8, mix):
            no_crop = replace(batch.augmentation, crop=None)
            writer.add(batch if batch.number else replace(batch, augmentation=no_crop))
    with labelcodec.open(path) as reader:
        for mine, theirs in zip(reader, reference_decoder.decode(path), strict=True):
            np.testing.assert_array_equal(mine.labels.dense(), theirs["label_value"])


@given(seed=st.integers(0, 1000), large=st.booleans())
@settings(max_examples=30, deadline=None)
def test_twins_mix_alike(seed, large):
    rng = np.random.default_rng(seed)
    bound, most = (32767, 1 << 20) if large else (40, 40)
    entries = rng.integers(-bound, bound + 1, (5, 3)).astype(np.int16)
    unit = rng.integers(1, most + 1, 3)
    kept, part = rng.integers(0, 256, 8), rng.integers(0, 257, (7, 2))
    image, crop = rng.integers(0, 8, (7, 2)), rng.integers(0, 8, (7, 2))
    found = [twin.mixed(entries, unit, kept, image, part, crop) for twin in (reference, compiled)]
    np.testing.assert_array_equal(*found)
    assert found[0].dtype == np.int32 and np.abs(found[0]).max() <= 1 << 14


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_twins_class_crops_alike(seed):
    rng = np.random.default_rng(seed)
    side = rng.integers(1, 1 << rng.integers(1, 24), (9, 2)).astype(np.int32)
    box = rng.integers(-4, side[:, [0, 1, 0, 1]] + 4).astype(np.int32)
    found, mine = (twin.eighths(box, side) for twin in (reference, compiled))
    np.testing.assert_array_equal(found, mine)
    assert found.dtype == mine.dtype == np.int64 and 0 <= found.min() <= found.max() <= 7


@pytest.mark.parametrize("largest", [2047, 2048, -2048])
def test_twins_restore_alike(largest):
    coded = np.random.default_rng(0).integers(-9, 10, (3, 7)).astype(np.int32)
    coded[1, 4] = largest
    predicted = np.random.default_rng(1).integers(-(1 << 14), 1 << 14, (7, 3)).astype(np.int32)
    found, mine = (twin.restored(coded, predicted) for twin in (reference, compiled))
    np.testing.assert_array_equal(found[0], mine[0])
    np.testing.assert_array_equal(mine[0], predicted + 8 * coded.T)
    assert found[0].dtype == mine[0].dtype == np.int32
    assert found[1] == mine[1] == (abs(largest) > 2047)


def test_the_table_loads_as_it_was():
    loaded = ImageMeans.from_parts(CODER.to_parts(), 8)
    for name in ("size", "kept", "unit", "entries"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(CODER.means, name))


def packed(images=2, height=4, width=4, kept=(128,) * 8, unit=(1,) * 8):
    numbers = b"".join(varint.encode(number) for number in (images, height, width))
    rest = CODER.means.to_bytes()[len(numbers) :]
    return numbers + packing.pack_ints(np.array(kept)) + packing.pack_ints(np.array(unit)) + rest


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "runs past the end"),
        (packed(images=0), "means of 0 images"),
        (packed(images=1 << 40), "means of 1099511627776 images"),
        (packed(height=0), "pictures of 0 x 4 pixels"),
        (packed(width=1 << 30), "pictures of 4 x 1073741824 pixels"),
        (packed(kept=(-1,) * 8), "impossible scales"),
        (packed(kept=(256,) * 8), "impossible scales"),
        (packed(unit=(0,) * 8), "impossible scales"),
        (packed(unit=(1 << 21,) * 8), "impossible scales"),
        (packed(), "names a symbol past its alphabet"),  # scales that are possible: others' means
        (CODER.means.to_bytes()[:-9], "means of images end too early"),
        (CODER.means.to_bytes() + b"\0", "too many behind the means of images"),
    ],
    ids=range(12),
)
def test_broken_tables_are_refused(data, what):
    with pytest.raises(CorruptError, match=what):
        CODEC.from_parts({**CODER.to_parts(), "means": data}, CLASSES)


def test_a_difference_too_large_to_be_added_is_refused():
    coder = replace(CODER, means=None)
    batch = replace(BATCHES[0], augmentation=Augmentation())
    far = replace(batch.labels, value=(batch.labels.value.astype(np.float32) * 3e4))
    coded = {key: memoryview(part) for key, part in coder.encode(far).items()}
    with pytest.raises(CorruptError, match="too far"):
        CODER.decode(coded, len(batch), batch.labels)
