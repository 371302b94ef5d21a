from __future__ import annotations

import numpy as np

from labelcodec.codecs.transform.fit.deadzone import dead_zones, quantise


def entropy(values):
    _, counts = np.unique(values, return_counts=True)
    share = counts / counts.sum()
    return -(share * np.log2(share)).sum()


def test_rare_coefficients_have_the_widest_dead_zones():
    at = dead_zones(np.array([0.01, 0.3, 3.0, 1e6]))
    assert (np.diff(at.first) < 0).all() and (np.diff(at.later) < 0).all()
    assert (at.first < 0.9).all() and (at.later < 0.9).all()
    assert 0.5 <= at.later[-1] < 0.51


def test_the_zones_decide_what_becomes_of_a_coefficient():
    at = dead_zones(np.full(1, 0.3))
    first, later = float(at.first[0]), float(at.later[0])
    steps = np.array([first - 0.01, first + 0.01, 1 + later - 0.01, 1 + later + 0.01, 7.4])
    found = quantise(np.float32([steps, -steps]).reshape(-1, 1), at).ravel()
    np.testing.assert_array_equal(found, [0, 1, 1, 2, 7, 0, -1, -1, -2, -7])


def test_zones_give_less_error_at_equal_bits():
    x = np.random.default_rng(0).laplace(scale=0.7, size=(100_000, 1)).astype(np.float32)

    def cost(found, step):
        error = ((x - found * step) ** 2).mean()
        return entropy(found) + np.log2(error) / 2  # 6 dB a bit

    assert cost(quantise(x / np.float32(0.9)), 0.9) < cost(np.rint(x), 1) - 0.02
