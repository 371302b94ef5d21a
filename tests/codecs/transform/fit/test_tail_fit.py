"""The tail correction of labels without peaks: it is the minimum of the divergence."""

from __future__ import annotations

import numpy as np
import pytest

from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.fit.rd_eval import Reference
from labelcodec.codecs.transform.fit.sample import Sample
from labelcodec.codecs.transform.fit.tail_fit import calibrated, expanded
from labelcodec.codecs.transform.format import TAIL

POINT, CLASSES = 10, 60


def basis(tail=0) -> BasisTables:
    return BasisTables(
        POINT, np.zeros(CLASSES, np.int64), np.ones((CLASSES, 1), np.int16), np.ones(1, np.int64),
        1, np.zeros(TAIL, np.int32) + np.int32(tail), POINT - 1,
    )  # fmt: skip


def scores(rows: int, seed: int = 0):
    draw = np.random.default_rng(seed)
    return np.rint(draw.normal(size=(rows, CLASSES)) * 4 * 2**POINT).astype(np.int32)


def divergence(true, logits, tau) -> float:
    return Reference(Sample(true)).measure(logits, [f"kl{tau}"])[f"kl{tau}"]


@pytest.mark.parametrize("tau", [1, 4])
def test_a_known_correction_is_found(tau) -> None:
    known = (np.arange(TAIL) % 7 * 2 ** (POINT - 2)).astype(np.int32)
    coded = scores(2000)
    true = expanded(basis(known), coded) + np.float32(3)
    got = calibrated(basis(), true, coded, tau)
    before, after = (divergence(true, expanded(one, coded), tau) for one in (basis(), got))
    assert after < before / 50
    near = slice(0, 16)  # logits that occur: a constant does not change the label
    away = (got.tail - known)[near] / 2**POINT
    np.testing.assert_allclose(away - away[0], 0, atol=0.13)


@pytest.mark.parametrize("tau", [1, 2, 4])
def test_each_temperature_has_its_own_minimum(tau) -> None:
    coded = scores(2000)
    noise = np.random.default_rng(1).normal(size=coded.shape) * 2
    true = (coded / 2**POINT + noise).astype(np.float32)
    losses = {
        other: divergence(true, expanded(calibrated(basis(), true, coded, other), coded), tau)
        for other in (1, 2, 4)
    }
    assert min(losses, key=losses.__getitem__) == tau
    assert losses[tau] < divergence(true, expanded(basis(), coded), tau)


def test_an_earlier_correction_is_forgotten() -> None:
    coded = scores(100)
    true = expanded(basis(), scores(100, 2))
    first, second = (calibrated(basis(tail), true, coded, 1) for tail in (0, 512))
    assert (first.tail == second.tail).all()


def test_constants_of_labels_do_not_matter() -> None:
    coded, draw = scores(200), np.random.default_rng(3)
    true = (coded / 2**POINT + draw.normal(size=coded.shape)).astype(np.float32)
    moved = true + draw.integers(-3, 4, (200, 1)).astype(np.float32)
    first, second = (calibrated(basis(), logits, coded, 1) for logits in (true, moved))
    assert np.abs(first.tail - second.tail).max() <= 2 ** (POINT - 4)


def test_equal_labels_need_none() -> None:
    coded = scores(200)
    assert not calibrated(basis(), expanded(basis(), coded), coded, 1).tail.any()
