"""The KL divergence of top-k labels, against that of the same labels as dense targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelcodec import Labels, losses
from labelcodec.losses import rows as by_rows
from labelcodec.losses.targets import top_k_targets
from labelcodec.replay.soft_labels import SoftLabels, to_tensors
from tests.losses import dense

CLASSES = 9


def labels(k: int, tail: str, space: str = "logits", seed: int = 0, rows: int = 5) -> SoftLabels:
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(rows, CLASSES)) * 3).astype(np.float32)
    index = np.argsort(-logits, axis=1)[:, :k]
    value = np.take_along_axis(logits, index, axis=1)
    if space == "probabilities":
        power = np.exp(logits - logits.max(axis=1, keepdims=True))
        value = np.take_along_axis(power / power.sum(axis=1, keepdims=True), index, axis=1)
    floor = logits.min(axis=1) if tail == "floor" else None
    return to_tensors(Labels(CLASSES, value, index, space, tail, "float32", floor))


def student(seed: int = 1, rows: int = 5, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    values = torch.randn(rows, CLASSES, generator=torch.Generator().manual_seed(seed)) * 4
    return values.to(dtype).requires_grad_()


KINDS = [("zero", "logits"), ("floor", "logits"), ("zero", "probabilities")]
KINDS += [("uniform", "probabilities")]


@given(
    st.sampled_from(KINDS),
    st.integers(1, CLASSES),
    st.sampled_from([0.5, 1.0, 4.0, 20.0]),
    st.sampled_from([None, 0.7, 3.0]),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.integers(0, 100),
)
def test_it_is_the_divergence_of_dense_targets(kind, k, temperature, own, smoothing, seed) -> None:
    made = labels(k, *kind, seed)
    one, two = student(seed + 1), student(seed + 1)
    compact = losses.kl(one, made, temperature, own, smoothing)
    dense_loss = dense.kl(two, losses.target(made, temperature, smoothing), own or temperature)
    torch.testing.assert_close(compact, dense_loss, rtol=1e-4, atol=1e-5)
    (3 * compact).backward()
    (3 * dense_loss).backward()
    torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-5)


@given(st.sampled_from(KINDS), st.integers(1, CLASSES), st.sampled_from([0.0, 0.3]))
def test_targets_are_those_of_each_class(kind, k, smoothing) -> None:
    made = labels(k, *kind)
    found = top_k_targets(made, 2.0, smoothing)
    full = found.omitted.expand(len(made), CLASSES).clone().scatter_(1, found.index, found.kept)
    torch.testing.assert_close(full, losses.target(made, 2.0, smoothing), rtol=1e-5, atol=1e-7)


def test_a_few_samples_at_a_time_give_the_same(monkeypatch) -> None:
    made = labels(3, "floor", rows=40)
    whole, parts = student(rows=40), student(rows=40)
    expected = losses.kl(whole, made, 2.0)
    expected.backward()
    monkeypatch.setattr(by_rows, "AT_ONCE", 3 * CLASSES)
    found = losses.kl(parts, made, 2.0)
    found.backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(parts.grad, whole.grad)


def test_its_gradient_is_that_of_differences() -> None:
    made = labels(4, "zero")
    made = SoftLabels(CLASSES, made.value.double(), made.index, tail="zero")
    logits = student(dtype=torch.float64)
    base = losses.kl(logits, made, 1.5)
    base.backward()
    step = 1e-2
    moved = logits.detach().clone()
    moved[2, 3] += step
    back = logits.detach().clone()
    back[2, 3] -= step
    slope = (losses.kl(moved, made, 1.5) - losses.kl(back, made, 1.5)) / (2 * step)
    assert float(slope) == pytest.approx(float(logits.grad[2, 3]), rel=0.01, abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_students_of_half_precision(dtype) -> None:
    made, half = labels(3, "zero"), student(dtype=dtype)
    full = half.detach().float().requires_grad_()
    losses.kl(half, made, 1.0).backward()
    losses.kl(full, made, 1.0).backward()
    assert half.grad.dtype == dtype
    torch.testing.assert_close(half.grad.float(), full.grad, rtol=1e-2, atol=1e-3)


def test_dense_labels_take_the_usual_way() -> None:
    value = torch.randn(5, CLASSES)
    made, logits = SoftLabels(CLASSES, value), student()
    expected = dense.kl(logits, losses.target(made, 4.0), 4.0)
    assert torch.equal(losses.kl(logits, made, 4.0), expected)
