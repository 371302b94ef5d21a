"""Distances over the classes that two sets keep are those over all classes."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec import Labels
from labelcodec.analysis import fidelity, union
from labelcodec.kept_counts import pad

TAILS = ["zero", "floor", "uniform"]


def labels(rng, space, tail, k, classes=90, rows=7) -> Labels:
    index = np.array([rng.permutation(classes)[:k] for _ in range(rows)])
    value = np.maximum(rng.normal(size=(rows, k)) * 2, -3)  # above what is left out
    floor = None
    if space == "probabilities":
        value = np.exp(value) / (np.exp(value).sum(axis=1, keepdims=True) + 1)
        tail = "zero" if tail == "floor" else tail
    elif tail == "uniform":
        tail = "zero"
    if tail == "floor":
        floor = (value.min(axis=1) - 1).astype(np.float32)
    return Labels(classes, value.astype(np.float32), index, space, tail, "float32", floor)


def distances(a, b, dense: bool):
    measured = fidelity.Accumulator()
    with mock.patch.object(fidelity, "is_worthwhile", (lambda *_: not dense)):
        measured.add(a, b)
    return measured.result()


@settings(deadline=None)
@given(
    st.integers(0, 999),
    st.tuples(*[st.tuples(st.sampled_from(["logits", "probabilities"]), st.sampled_from(TAILS),
                          st.integers(1, 9))] * 2),
    st.booleans(),
)  # fmt: skip
def test_as_over_all_classes(seed, kinds, counted) -> None:
    rng = np.random.default_rng(seed)
    a, b = (labels(rng, *kind) for kind in kinds)
    if counted:
        a = pad(a, rng.integers(1, a.index.shape[1] + 1, len(a)))
    assert union.is_worthwhile(a, b)
    fast, slow = distances(a, b, False), distances(a, b, True)
    for name in ("kl", "tv", "kl_max", "tv_max"):
        for tau, value in getattr(slow, name).items():
            assert getattr(fast, name)[tau] == pytest.approx(value, rel=1e-4, abs=1e-6)
    assert fast.infinite == slow.infinite
    assert fast.max_dz == (None if slow.max_dz is None else pytest.approx(slow.max_dz))
    assert fast.top1_agreement == slow.top1_agreement


def test_classes_twice_and_few_classes_are_compared_in_full() -> None:
    rng = np.random.default_rng(0)
    a = labels(rng, "logits", "zero", 5)
    assert not union.is_worthwhile(a, labels(rng, "logits", "zero", 30))
    twice = labels(rng, "logits", "zero", 5)
    twice.index[0, 0] = twice.index[0, 1]
    assert not union.is_worthwhile(a, twice)
    full = Labels(90, np.zeros((7, 90), np.float16))
    assert not union.is_worthwhile(a, full)
