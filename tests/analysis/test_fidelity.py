from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.analysis import fidelity
from labelcodec.analysis.fidelity import TEMPERATURES, Accumulator, Fidelity
from labelcodec.batch import Labels


def distance(a: Labels, b: Labels) -> Fidelity:
    accumulator = Accumulator()
    accumulator.add(a, b)
    return accumulator.result()


def dense(rows, dtype=np.float32, **more) -> Labels:
    value = np.array(rows, dtype)
    return Labels(value.shape[1], value, precision=np.dtype(dtype).name, **more)


def test_two_coins_by_hand() -> None:
    # P = (1/2, 1/2), Q = (4/5, 1/5).
    found = distance(dense([[0.0, 0.0]]), dense([[math.log(4.0), 0.0]]))
    assert found.kl[1.0] == pytest.approx(math.log(1.25), rel=1e-6)
    assert found.tv[1.0] == pytest.approx(0.3, rel=1e-6)
    # At tau = 2 Q is (2/3, 1/3).
    assert found.tv[2.0] == pytest.approx(1 / 6, rel=1e-6)
    assert found.max_dz == pytest.approx(math.log(4.0))


def test_equal_labels_are_at_distance_zero_and_a_shift_does_not_matter() -> None:
    rows = np.random.default_rng(0).normal(0, 5, (7, 20))
    found = distance(dense(rows), dense(rows + 3))
    assert max(found.kl.values()) == pytest.approx(0, abs=1e-6)
    assert max(found.tv.values()) == pytest.approx(0, abs=1e-6)
    assert found.top1_agreement == 1
    assert found.max_dz == pytest.approx(3, abs=1e-5)


def test_the_worst_label_is_named_beside_the_mean() -> None:
    found = distance(dense([[0.0, 0.0]] * 2), dense([[math.log(4.0), 0.0], [0.0, 0.0]]))
    assert found.tv_max[1.0] == pytest.approx(0.3, rel=1e-6) == 2 * found.tv[1.0]
    assert found.kl_max[1.0] == pytest.approx(math.log(1.25), rel=1e-6) == 2 * found.kl[1.0]


def test_a_class_left_out_counts_however_improbable() -> None:
    full = dense([[0.0, -2000.0]])
    top = Labels(2, np.float32([[0.0]]), np.array([[0]]), tail="zero", precision="float32")
    assert distance(full, top).infinite == 1


def test_top1_agreement_is_a_share() -> None:
    found = distance(dense([[1, 0], [1, 0], [0, 1]]), dense([[2, 0], [0, 2], [0, 2]]))
    assert found.top1_agreement == pytest.approx(2 / 3)


def test_a_cut_tail_costs_nothing_as_p_and_infinity_as_q() -> None:
    full = dense([[2.0, 1.0, 0.0]])
    top = Labels(3, np.float32([[2.0, 1.0]]), np.array([[0, 1]]), tail="zero", precision="float32")
    found = distance(top, full)
    assert all(math.isfinite(value) for value in found.kl.values())
    lost = 1 / (math.exp(2) + math.exp(1) + 1)
    assert found.tv[1.0] == pytest.approx(lost, rel=1e-6)
    assert found.kl[1.0] == pytest.approx(-math.log(1 - lost), rel=1e-6)
    assert (found.max_dz, found.unmeasured) == (0, 0)
    assert found.infinite == 0
    back = distance(full, top)
    assert back.infinite == 1 and back.kl_max == back.kl
    assert set(back.kl.values()) == {math.inf}
    assert back.to_json()["kl"]["1"] is None


def test_probabilities_are_compared_as_distributions() -> None:
    p = dense([[0.5, 0.5, 0.0]], space="probabilities")
    found = distance(p, dense([[0.25, 0.5, 0.25]], space="probabilities"))
    assert found.tv[1.0] == pytest.approx(0.25)
    assert found.kl[1.0] == pytest.approx(0.5 * math.log(2))
    assert found.max_dz is None
    logits = dense([[1.0, 1.0, -100.0]])
    assert distance(p, logits).kl[1.0] == pytest.approx(0, abs=1e-12)


def test_nan_is_reported_not_hidden() -> None:
    found = distance(dense([[math.nan, 0.0]]), dense([[0.0, 0.0]]))
    assert math.isnan(found.kl[1.0])
    assert found.to_json()["tv"]["4"] is None
    assert (found.max_dz, found.unmeasured) == (0, 1)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["unmeasured"] == 1


def test_values_without_a_distance_are_counted() -> None:
    rows = [[math.nan, 1.0, 2.0], [3.0, math.inf, -math.inf]]
    other = [[math.nan, 1.5, math.nan], [3.0, 0.0, 0.0]]
    found = distance(dense(rows), dense(other))
    assert (found.max_dz, found.unmeasured) == (0.5, 3)


@given(seed=st.integers(0, 1000), batches=st.integers(1, 4), chunk=st.sampled_from([1, 16, 4096]))
def test_batches_and_chunks_do_not_change_the_means(seed: int, batches: int, chunk: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.normal(0, 4, (2, 4 * batches, 8)).astype(np.float32)
    whole = distance(dense(p), dense(q))
    parts = Accumulator()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "_CHUNK", chunk)
        for i in range(batches):
            part = slice(4 * i, 4 * i + 4)
            parts.add(dense(p[part]), dense(q[part]))
    found = parts.result()
    assert found.labels == whole.labels
    assert found.max_dz == whole.max_dz
    for tau in TEMPERATURES:
        assert found.kl[tau] == pytest.approx(whole.kl[tau])
        assert found.tv[tau] == pytest.approx(whole.tv[tau])
        assert found.kl_max[tau] == whole.kl_max[tau] >= whole.kl[tau]
        assert 0 <= found.tv[tau] <= 1
        # Pinsker's inequality holds for every label, and so for means by Jensen's.
        assert found.tv[tau] ** 2 <= found.kl[tau] / 2 + 1e-12
