"""Losses against formulas written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelcodec import Labels, losses
from labelcodec.errors import MismatchError
from labelcodec.replay.soft_labels import SoftLabels, to_tensors

RNG = np.random.default_rng(0)
STUDENT = RNG.normal(size=(3, 5)).astype(np.float32)
TEACHER = RNG.normal(size=(3, 5)).astype(np.float32) * 3
HARD = torch.tensor([4, 0, 2])


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64) / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def soft(value=TEACHER, index=None, space="logits", tail=None, floor=None) -> SoftLabels:
    value = value.astype(np.float32)
    return to_tensors(Labels(5, value, index, space, tail, "float32", floor))


def top(k: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.argsort(-TEACHER, axis=1)[:, :k]
    return index, np.take_along_axis(TEACHER, index, axis=1)


def kl(labels: SoftLabels, temperature: float, own: float, smoothing: float = 0.0) -> float:
    return float(losses.kl(torch.from_numpy(STUDENT), labels, temperature, own, smoothing))


def expected_kl(wanted: np.ndarray, own: float) -> float:
    log_q = np.log(softmax(STUDENT, own))
    terms = np.where(wanted > 0, wanted * (np.log(np.maximum(wanted, 1e-300)) - log_q), 0)
    return terms.sum(axis=1).mean()


@pytest.mark.parametrize(("temperature", "own"), [(1, 1), (20, 20), (4, 0.3)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_kl_of_logits(temperature, own, smoothing) -> None:
    wanted = (1 - smoothing) * softmax(TEACHER, temperature) + smoothing / 5
    found = kl(soft(), temperature, own, smoothing)
    assert found == pytest.approx(expected_kl(wanted, own), rel=1e-5)


def test_kl_of_probabilities_is_that_of_logits() -> None:
    """At other temperatures too: p^(1/t), rescaled."""
    given = soft(softmax(TEACHER), space="probabilities")
    for temperature in (1, 3):
        assert kl(given, temperature, 2) == pytest.approx(kl(soft(), temperature, 2), rel=1e-5)


def test_kl_with_each_tail() -> None:
    index, value = top(2)
    kept = np.zeros((3, 5), bool)
    np.put_along_axis(kept, index, True, axis=1)
    # MR: only the kept classes
    masked = np.where(kept, TEACHER, -np.inf)
    assert kl(soft(value, index, tail="zero"), 4, 2) == pytest.approx(
        expected_kl(softmax(masked, 4), 2), rel=1e-5
    )
    # MS: what is missing to 1, in equal parts
    p = softmax(TEACHER)
    held = np.take_along_axis(p, index, axis=1)
    shared = np.where(kept, p, (1 - held.sum(axis=1, keepdims=True)) / 3)
    given = soft(held, index, "probabilities", "uniform")
    assert kl(given, 1, 2) == pytest.approx(expected_kl(shared, 2), rel=1e-5)
    # MRS: the smallest logit
    floor = TEACHER.min(axis=1)
    filled = np.where(kept, TEACHER, floor[:, None])
    given = soft(value, index, tail="floor", floor=floor)
    assert kl(given, 4, 2) == pytest.approx(expected_kl(softmax(filled, 4), 2), rel=1e-5)


def test_kl_is_nothing_where_both_agree() -> None:
    assert kl(soft(STUDENT), 3, 3) == pytest.approx(0, abs=1e-6)
    assert kl(soft(), 3, 3) > 0.01


def test_mse_compares_centred_logits() -> None:
    def centred(logits: np.ndarray) -> np.ndarray:
        return logits - logits.mean(axis=1, keepdims=True)

    expected = np.square(centred(STUDENT) - centred(TEACHER)).mean()
    found = float(losses.mse(torch.from_numpy(STUDENT), soft()))
    assert found == pytest.approx(expected, rel=1e-5)
    shifted = float(losses.mse(torch.from_numpy(STUDENT), soft(TEACHER + 7)))
    assert shifted == pytest.approx(expected, rel=1e-4)


def test_mse_of_the_classes_that_labels_hold() -> None:
    index, value = top(3)
    student = np.take_along_axis(STUDENT, index, axis=1)
    difference = student - value
    difference -= difference.mean(axis=1, keepdims=True)
    given = torch.from_numpy(STUDENT).requires_grad_()
    loss = losses.mse(given, soft(value, index, tail="zero"))
    assert float(loss.detach()) == pytest.approx(np.square(difference).mean(), rel=1e-5)
    loss.backward()
    outside = np.ones((3, 5), bool)
    np.put_along_axis(outside, index, False, axis=1)
    assert (given.grad.numpy()[outside] == 0).all()
    assert given.grad.isfinite().all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_hard_labels_of_mixed_images(share: float, smoothing: float) -> None:
    """Each image has its class, the last one a partner of the same class."""
    partner = np.array([1, 3, 2])
    targets = np.full((3, 5), smoothing / 5)
    for sample in range(3):
        targets[sample, HARD[sample]] += (1 - smoothing) * (1 - share)
        targets[sample, partner[sample]] += (1 - smoothing) * share
    student = torch.from_numpy(STUDENT).requires_grad_()
    loss = losses.hard(student, HARD, torch.from_numpy(partner), share, smoothing)
    direct = -(targets * np.log(softmax(STUDENT))).sum(axis=1).mean()
    assert float(loss.detach()) == pytest.approx(direct, rel=1e-5)
    loss.backward()
    expected = torch.from_numpy((softmax(STUDENT) - targets) / 3).float()
    torch.testing.assert_close(student.grad, expected, rtol=1e-4, atol=1e-6)


def test_hard_labels_of_images_that_are_not_mixed() -> None:
    direct = -np.log(softmax(STUDENT))[np.arange(3), HARD.numpy()].mean()
    loss = losses.hard(torch.from_numpy(STUDENT), HARD, None, 0.0)
    assert float(loss) == pytest.approx(direct, rel=1e-5)


def gift(teacher: np.ndarray) -> float:
    hard = np.full((3, 5), 0.1 / 4)
    hard[np.arange(3), HARD.numpy()] = 0.9
    refined = teacher / np.linalg.norm(teacher, axis=1, keepdims=True)
    refined = refined + 0.1 * hard / np.linalg.norm(hard, axis=1, keepdims=True)
    cosine = (STUDENT * refined).sum(axis=1)
    cosine /= np.linalg.norm(STUDENT, axis=1) * np.linalg.norm(refined, axis=1)
    return float(1 - cosine.mean())


def test_cosine_is_gifts() -> None:
    found = losses.cosine(torch.from_numpy(STUDENT), soft(), HARD, 4)
    assert float(found) == pytest.approx(gift(TEACHER), rel=1e-5)


def test_cosine_of_labels_that_leave_classes_out() -> None:
    index, value = top(2)
    masked = np.full((3, 5), -np.inf)
    np.put_along_axis(masked, index, value, axis=1)
    found = losses.cosine(torch.from_numpy(STUDENT), soft(value, index, tail="zero"), HARD, 4)
    assert float(found) == pytest.approx(gift(softmax(masked, 4)), rel=1e-5)


@pytest.mark.parametrize("index", [None, torch.zeros(3, 1, dtype=torch.long)])
@pytest.mark.parametrize("student", [torch.zeros(3, 6), torch.zeros(2, 5), torch.zeros(0, 5)])
def test_logits_of_another_shape(index, student) -> None:
    """Such as those of a padded vocabulary, which would be wrong without a word."""
    value = torch.zeros(3, 5 if index is None else 1)
    labels = SoftLabels(5, value, index, tail=None if index is None else "zero")
    hard = torch.zeros(3, dtype=torch.long)
    for loss in (
        lambda: losses.kl(student, labels, 1.0),
        lambda: losses.mse(student, labels),
        lambda: losses.cosine(student, labels, hard, 1.0),
        lambda: losses.student_temperature(student, labels, 1.0),
    ):
        with pytest.raises(MismatchError, match="for 3 labels of 5 classes"):
            loss()
    with pytest.raises(MismatchError, match="0 labels"):
        losses.kl(torch.zeros(0, 5), labels.rows(slice(0, 0)), 1.0)
