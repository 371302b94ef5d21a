from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.batch import Labels
from labelcodec.codecs.transform import Transform
from labelcodec.errors import DataError
from tests.codecs.transform.labels import batches, code, logits, same


@given(
    classes=st.integers(2, 40),
    count=st.integers(1, 50),
    rank=st.integers(1, 8),
    step=st.sampled_from([0.01, 0.5, 3.0]),
    peaks=st.sampled_from([0.0, 1.5, 20.0]),
    scale=st.sampled_from([1e-3, 1.0, 100.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_decoding_gives_what_the_encoder_chose(classes, count, rank, step, peaks, scale, seed):
    z = logits(64, classes, seed, scale)
    codec = Transform(rank=min(rank, classes), step=step * scale, peaks=peaks)
    coder = codec.fit([Labels(classes, z)], classes)
    labels = Labels(classes, logits(count, classes, seed + 1, scale))
    decoded = code(coder, labels)
    chosen = coder.compact(labels)
    assert same(decoded.compact, chosen)
    np.testing.assert_array_equal(decoded.dense(), chosen.dense())
    assert decoded.coefficients is decoded.compact.coefficients
    loaded = codec.from_parts(coder.to_parts(), classes)
    np.testing.assert_array_equal(code(loaded, labels).dense(), decoded.dense())


def test_decoded_labels_encode_to_the_same_bytes():
    parts = batches(200, 30)
    coder = Transform(rank=6, step=1.0, peaks=3).fit(parts, 30)
    assert coder.encode(code(coder, parts[2])) == coder.encode(parts[2])


def test_fitting_twice_gives_the_same_tables():
    fits = [Transform(rank=6, step=1.0, peaks=3).fit(batches(200, 30), 30).to_parts() for _ in "ab"]
    assert fits[0] == fits[1]


def test_fine_steps_and_full_rank_come_close_to_the_labels():
    z = logits(256, 20)
    coder = Transform(rank=20, step=0.02, peaks=0).fit([Labels(20, z)], 20, expected=1 << 20)
    wide = z.astype(np.float32)
    error = code(coder, Labels(20, z)).dense() - (wide - wide.mean(axis=1, keepdims=True))
    assert np.abs(error - error.mean(axis=1, keepdims=True)).max() < 0.1


def test_peaks_correct_the_largest_errors():
    z = logits(512, 50)
    truth = z.astype(np.float64)
    p = np.exp(truth - truth.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)

    def kl(peaks):
        coder = Transform(rank=5, step=2.0, peaks=peaks).fit([Labels(50, z)], 50)
        found = coder.compact(Labels(50, z))
        q = found.dense().astype(np.float64)
        q -= np.log(np.exp(q).sum(axis=1, keepdims=True))
        return (p * (np.log(p) - q)).sum(axis=1).mean(), found.counts.mean()

    (without, none), (few, some) = kl(0), kl(4)
    assert none == 0 and some == pytest.approx(4, abs=0.3)
    assert few < without / 3


def test_expanded_labels_have_the_precision_of_the_source():
    parts = batches(100, 16)
    coder = Transform(rank=3, step=1.0, peaks=1).fit(parts, 16)
    decoded = code(coder, parts[0])
    assert decoded.value.shape == (32, 0) and len(decoded) == 32
    full = decoded.expanded()
    assert full.value.dtype == np.float16 and full.compact is None
    np.testing.assert_array_equal(full.value, decoded.dense().astype(np.float16))
    assert full.expanded() is full


def test_only_compact_labels_have_coefficients():
    with pytest.raises(DataError, match="no coefficients"):
        _ = batches(10, 4)[0].coefficients


def test_a_vocabulary_is_refused():
    """By the first batch, before anything is fitted."""
    labels = Labels((1 << 16) + 1, np.zeros((1, (1 << 16) + 1), np.float16))
    with pytest.raises(DataError, match="65537 classes, for more than 65536 "):
        Transform(rank=8, step=1.0, peaks=2).prepare(labels)
