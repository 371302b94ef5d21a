from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from labelcodec import Labels
from labelcodec.replay.soft_labels import SoftLabels, to_tensors, without_softmax
from tests.codecs.content import labels as drawn_labels
from tests.codecs.content import recipes

INDEX = np.array([[0, 2], [3, 1]])
KEPT = np.array([[0.5, 0.3], [0.6, 0.2]], np.float32)
MASS = np.array([[0.5, 0, 0.3, 0], [0, 0.2, 0, 0.6]], np.float32)
LEFT = np.array([[0.2], [0.2]], np.float32)


def soft(space: str, tail: str, value=KEPT, floor=None) -> SoftLabels:
    return to_tensors(Labels(4, value, INDEX, space, tail, "float32", floor))


def same(found: torch.Tensor, expected) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-6, atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(recipes(style="normal", space="logits", twice=False).filter(lambda r: r.tail != "uniform"))
def test_logits_are_those_of_the_data_model(recipe) -> None:
    labels = drawn_labels(recipe, np.random.default_rng(recipe.seed))
    found = to_tensors(labels)
    assert np.array_equal(found.logits().numpy(), labels.dense())
    part = found.rows(slice(1, 3))
    assert np.array_equal(part.logits().numpy(), labels.dense()[1:3])
    assert len(part) == len(labels.value[1:3])


def test_mr_spreads_over_the_kept_classes_only() -> None:
    """FKD's MR and LPQLD's: the missing classes get nothing."""
    wanted = MASS / MASS.sum(axis=1, keepdims=True)
    same(soft("probabilities", "zero").probabilities(1.0), wanted)
    logits = np.log(KEPT) + 3
    same(soft("logits", "zero", logits).probabilities(1.0), wanted)
    warm = np.where(MASS > 0, MASS**0.25, 0)
    same(soft("logits", "zero", logits).probabilities(4.0), warm / warm.sum(1, keepdims=True))


def test_ms_shares_what_is_missing_to_one() -> None:
    wanted = np.where(MASS > 0, MASS, LEFT / 2)
    same(soft("probabilities", "uniform").probabilities(1.0), wanted)
    warm = wanted**0.5
    same(soft("probabilities", "uniform").probabilities(2.0), warm / warm.sum(1, keepdims=True))


def test_mrs_gives_the_missing_the_smallest_logit() -> None:
    floor = np.array([-1, -2], np.float32)
    full = np.repeat(floor[:, None], 4, axis=1)
    np.put_along_axis(full, INDEX, KEPT, axis=1)
    weights = np.exp(full / 3)
    found = soft("logits", "floor", KEPT, floor)
    same(found.probabilities(3.0), weights / weights.sum(axis=1, keepdims=True))
    same(found.rows(slice(1, 2)).logits(), full[1:])


def test_probabilities_of_all_classes() -> None:
    full = np.array([[0.7, 0.2, 0.1, 0.0]], np.float32)
    found = to_tensors(Labels(4, full, None, "probabilities", precision="float32"))
    same(found.probabilities(1.0), full)
    same(found.probabilities(2.0), np.sqrt(full) / np.sqrt(full).sum())


@pytest.mark.parametrize("tail", ["zero", "uniform"])
def test_all_classes_kept_need_no_tail(tail: str) -> None:
    index = np.array([[2, 0, 1]])
    value = np.array([[0.5, 0.3, 0.2]], np.float32)
    found = to_tensors(Labels(3, value, index, "probabilities", tail, "float32"))
    same(found.probabilities(1.0), [[0.3, 0.2, 0.5]])


def test_moving_keeps_everything() -> None:
    one = soft("logits", "floor", KEPT, np.array([-1, -2], np.float32))
    moved = one.to("cpu")
    assert torch.equal(moved.logits(), one.logits())


@pytest.mark.parametrize(
    ("row", "good"),
    [
        ([0, 1, 2], True),
        ([-np.inf, 1, -np.inf], True),  # classes that the teacher masked
        ([0, np.nan, 2], False),
        ([0, np.inf, 2], False),
        ([-np.inf] * 3, False),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_labels_without_a_softmax(row, good, dtype) -> None:
    labels = Labels(3, np.array([[0, 0, 0], row, row], dtype), precision=dtype)
    assert without_softmax(labels) == (None if good else 1)
    softmax = to_tensors(labels).probabilities(4.0)
    assert bool(softmax.isfinite().all()) == good


@pytest.mark.parametrize("floor", [np.nan, np.inf, -np.inf])
def test_floors_without_a_softmax(floor) -> None:
    """-inf is a floor of classes without probability."""
    value, index = np.float32([[2, 1], [2, 1]]), np.array([[0, 1], [2, 0]])
    labels = Labels(
        4, value, index, tail="floor", precision="float32", floor=np.float32([0, floor])
    )
    assert without_softmax(labels) == (None if floor == -np.inf else 1)
