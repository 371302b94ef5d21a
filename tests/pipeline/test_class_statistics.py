"""Moments by class: against a direct computation, merged, averaged, stored."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from labelcodec.errors import MismatchError
from labelcodec.pipeline.class_statistics import (
    KEY,
    ClassStatistics,
    LayerStatistics,
    Moments,
    MovingMoments,
    load_statistics,
)

CLASSES, CHANNELS = 4, 3


def batch(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Values far from 0, and the class of each image; one class never occurs."""
    count = int(rng.integers(1, 9))
    values = rng.normal(1000, 3, (count, CHANNELS, *shape)).astype(np.float32)
    return torch.from_numpy(values), torch.from_numpy(rng.integers(0, CLASSES - 1, count))


def direct(batches: list[tuple[torch.Tensor, torch.Tensor]], own: int) -> np.ndarray:
    """(channels, n) all values of a class, in float64."""
    parts = [
        values.double().flatten(2) if values.ndim > 2 else values.double()[..., None]
        for values, _ in batches
    ]
    chosen = [part[classes == own] for part, (_, classes) in zip(parts, batches, strict=True)]
    return torch.cat([part.permute(1, 0, 2).flatten(1) for part in chosen], dim=1).numpy()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([(), (5,), (4, 3)]), st.integers(1, 5))
def test_moments_are_those_of_all_values(seed, shape, count) -> None:
    rng = np.random.default_rng(seed)
    batches = [batch(rng, shape) for _ in range(count)]
    moments, halves = (Moments.empty(CLASSES, CHANNELS) for _ in range(2))
    for values, classes in batches:
        moments.add(values, classes)
        part = Moments.empty(CLASSES, CHANNELS)
        part.add(values, classes)
        halves.merge(part)
    for own in range(CLASSES):
        values = direct(batches, own)
        assert moments.count[own] == values.shape[1]
        if values.shape[1]:
            np.testing.assert_allclose(moments.mean[own], values.mean(1), rtol=1e-12)
            np.testing.assert_allclose(moments.variance()[own], values.var(1), rtol=1e-6, atol=1e-9)
    for one, other in zip(moments.tensors(), halves.tensors(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


def test_moving_averages_are_those_of_batches_with_the_class() -> None:
    rng = np.random.default_rng(0)
    batches = [batch(rng, (2, 2)) for _ in range(5)]
    moving = MovingMoments.empty(0.1, CLASSES, CHANNELS)
    for values, classes in batches:
        moving.add(values, classes)
    for own in range(CLASSES):
        mean = variance = None
        for pair in batches:
            values = direct([pair], own)
            if values.shape[1]:
                new = values.mean(1), values.var(1)
                mean = new[0] if mean is None else 0.9 * mean + 0.1 * new[0]
                variance = new[1] if variance is None else 0.9 * variance + 0.1 * new[1]
        np.testing.assert_allclose(moving.mean[own], 0 if mean is None else mean, rtol=1e-9)
        expected = 0 if variance is None else variance
        np.testing.assert_allclose(moving.variance()[own], expected, rtol=1e-6)


def statistics() -> ClassStatistics:
    layer = LayerStatistics(np.ones((2, 3), np.float32), np.full((2, 3), 2, np.float32))
    return ClassStatistics({"b": layer, "a": layer}, np.array([5, 6]), {"teacher": {"name": "x"}})


def test_a_file_holds_them(tmp_path) -> None:
    statistics().save(tmp_path / "s.safetensors")
    loaded = load_statistics(tmp_path / "s.safetensors")
    assert list(loaded.layers) == ["b", "a"] and loaded.images.tolist() == [5, 6]
    assert loaded.facts == {"teacher": {"name": "x"}} and loaded.classes == 2
    assert (loaded.layers["a"].variance == 2).all()


def spoiled(**changes: object) -> bytes:
    tensors = {"images": np.array([5, 6]), "a.mean": np.ones((2, 3), np.float32),
               "a.variance": np.ones((2, 3), np.float32), **changes}  # fmt: skip
    facts = {"version": 1, "layers": ["a"]} | changes.pop("facts", {})
    return save({k: v for k, v in tensors.items() if k != "facts"}, {KEY: json.dumps(facts)})


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", b"\xff" * 100, save({"images": np.array([1])}),
        spoiled(images=np.array([5])), spoiled(images=np.array([5, -6])),
        spoiled(images=np.ones(2, np.float32)), spoiled(facts={"layers": ["b"]}),
        spoiled(facts={"layers": 3}), spoiled(facts={"version": 2}),
        spoiled(**{"a.mean": np.ones((2, 3))}), spoiled(**{"a.mean": np.ones((2, 4), np.float32)}),
        spoiled(**{"a.variance": np.full((2, 3), -1, np.float32)}),
        spoiled(**{"a.variance": np.full((2, 3), np.nan, np.float32)}),
    ],
)  # fmt: skip
def test_what_is_no_such_file(tmp_path, content) -> None:
    (tmp_path / "s.safetensors").write_bytes(content)
    with pytest.raises(MismatchError, match=r"s\.safetensors: (not a file that|statistics of a)"):
        load_statistics(tmp_path / "s.safetensors")
    with pytest.raises(MismatchError, match="no such file of statistics"):
        load_statistics(tmp_path / "missing")
