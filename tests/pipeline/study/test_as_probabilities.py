from __future__ import annotations

import numpy as np

import labelcodec
from labelcodec.pipeline.study.as_probabilities import as_probabilities


def test_probabilities_are_the_softmax_and_their_top_has_a_uniform_tail(world, tmp_path) -> None:
    target, top = tmp_path / "p.slc", tmp_path / "top.slc"
    as_probabilities(world / "labels.slc", target)
    labelcodec.recode(target, top, "topk:k=2,tail=uniform")
    with labelcodec.open(world / "labels.slc") as logits, labelcodec.open(target) as found:
        assert found.header.space == "probabilities" and len(found) == len(logits)
        for left, right in zip(logits, found, strict=True):
            odds = np.exp(left.labels.value.astype(np.float64))
            expected = odds / odds.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(right.labels.value, expected, atol=5e-4)
            assert (right.image_index == left.image_index).all()
        dense = found[0].labels.value.astype(np.float32)
    with labelcodec.open(top) as reader:
        full = reader[0].labels.dense()
    two = np.sort(dense, axis=1)[:, -2:].sum(axis=1)
    np.testing.assert_allclose(full.sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(full.min(axis=1), (1 - two) / (dense.shape[1] - 2), atol=1e-4)
