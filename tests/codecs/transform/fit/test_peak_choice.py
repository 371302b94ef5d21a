from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.codecs.transform.fit.analysis import MAX_PEAKS, Analysis
from labelcodec.codecs.transform.fit.peak_choice import PeakChoice


def analysis(seed: int, labels: int, classes: int) -> Analysis:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-1000, 1000, (labels, classes)).astype(np.int32)
    gain = np.maximum(rng.standard_normal((labels, classes)), 0).astype(np.float32)
    blank = np.zeros((labels, 1), np.int32)
    return Analysis(SimpleNamespace(), scores.astype(np.float32), blank, scores, gain)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_prices_in_any_order(seed, labels, classes):
    sample = analysis(seed, labels, classes)
    choice = PeakChoice(sample)
    for price in (1e9, 0.1, 0.01, 0.04, 0.001, 2.0**-17, 0.1):
        for own, direct in zip(choice.at(price), sample.choose(price), strict=True):
            np.testing.assert_array_equal(own, direct)


def test_no_label_has_more_than_the_most():
    counts, _, _ = PeakChoice(analysis(0, 3, 400)).at(2.0**-17)
    assert counts.tolist() == [MAX_PEAKS] * 3
