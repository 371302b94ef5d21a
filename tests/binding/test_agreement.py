from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec import Augmentation, LabelBatch, Labels, Mix
from labelcodec.binding.agreement import (
    Agreement,
    main_images,
    measure,
    sampled,
    top_classes,
    warnings_of,
)


def batch(top, index=None, mix=None, classes=10) -> LabelBatch:
    """A batch whose labels have these top classes."""
    value = np.zeros((len(top), classes), np.float32)
    value[np.arange(len(top)), top] = 3
    images = np.arange(len(top)) if index is None else np.array(index)
    return LabelBatch(0, 0, images, Augmentation(mix=mix), Labels(classes, value))


def seen(folder, top, classes=10):
    """What is measured of images of these classes with labels of these top classes."""
    return measure([batch(top, classes=classes)], np.array(folder), classes)


def test_top_classes_of_every_kind_of_labels() -> None:
    value = np.array([[1.0, 5.0], [3.0, -1.0]], np.float32)
    assert top_classes(Labels(2, value)).tolist() == [1, 0]
    kept = Labels(9, value, index=np.array([[4, 7], [8, 0]]), tail="zero")
    assert top_classes(kept).tolist() == [7, 8]


@pytest.mark.parametrize(
    ("ratio", "box", "expected"),
    [
        (0.7, None, [0, 1, 2]),
        (0.3, None, [1, 2, 0]),
        (0.3, (0, 4, 0, 4), [0, 1, 2]),  # the box was clipped at the edge: it takes a quarter
        (0.9, (0, 8, 0, 7), [1, 2, 0]),
    ],
)
def test_the_image_that_takes_the_larger_part(ratio, box, expected) -> None:
    kind = "mixup" if box is None else "cutmix"
    mixed = batch([0, 0, 0], mix=Mix(kind, np.array([1, 2, 0]), ratio, box))
    assert main_images(mixed, (8, 8)).tolist() == expected


def test_counts() -> None:
    measured = seen([0, 1, 2, 3, 4], [0, 1, 2, 0, 0])
    assert measured.agreement == Agreement(5, 3)
    assert measured.chance == pytest.approx((3 / 5 + 1 / 5 + 1 / 5) / 5)


def test_images_without_a_class_or_outside_are_not_counted() -> None:
    found = measure([batch([0, 1, 2], index=[0, 1, 9])], np.array([0, -1]), 10)
    assert found.agreement == Agreement(1, 1)
    assert measure([], np.array([0]), 10).agreement == Agreement(0, 0)


@given(st.integers(0, 99), st.integers(2, 30), st.integers(50, 400))
def test_what_has_nothing_to_do_with_each_other_is_told_and_what_has_is_not(seed, classes, labels):
    rng = np.random.default_rng(seed)
    folder = np.arange(labels) % classes
    half = np.where(rng.random(labels) < 0.6, folder, rng.integers(0, classes, labels))
    assert warnings_of(seen(folder, half, classes), None, "images") == ()
    none = rng.permutation(folder)
    (line,) = warnings_of(
        seen(folder, (none + (none == folder)) % classes, classes), None, "images"
    )
    assert "near chance" in line


def test_another_order_of_the_classes_is_told_from_a_teacher_that_sees_nothing() -> None:
    folder = np.arange(200) % 10
    (order,) = warnings_of(seen(folder, (folder + 3) % 10), None, "images")
    assert "labels of one class agree with each other" in order
    assert "`class_map`" in order
    blind = np.random.default_rng(0).integers(0, 10, 200)
    (line,) = warnings_of(seen(folder, blind), None, "images")
    assert "`image_size`" in line
    assert "agree with each other" not in line


def test_few_labels_tell_nothing() -> None:
    assert warnings_of(seen(np.arange(9), np.zeros(9, int)), None, "images") == ()


def test_a_share_far_below_the_recorded_one() -> None:
    folder = np.arange(200) % 10
    third = np.where(np.arange(200) % 3 == 0, folder, (folder + 1) % 10)
    measured = seen(folder, third)
    assert warnings_of(measured, None, "images") == ()
    assert warnings_of(measured, Agreement(100, 40), "images") == ()
    assert len(warnings_of(seen(folder, folder * 0), Agreement(200, 20), "images")) == 1
    (line,) = warnings_of(measured, Agreement(100, 90), "images")
    assert "33.5 % of 200 labels, and was for 90.0 % of 100 labels when they were made" in line


@given(st.integers(0, 3000), st.integers(1, 500))
def test_a_sample_is_spread_and_bounded(batches, size) -> None:
    positions = sampled([size] * batches)
    assert positions == sorted(set(positions))
    assert len(positions) * size <= max(4096, size)
    if batches:
        assert positions[0] == 0
        assert max(positions) < batches
        assert np.ptp(np.diff([*positions, batches])) <= 1
