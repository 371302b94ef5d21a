from __future__ import annotations

import numpy as np
import pytest

from labelcodec.augmentation.crop import Crop
from labelcodec.batch import Labels
from labelcodec.errors import DataError


def labels(value, index=None, classes=4, **rest):
    value = np.array(value, np.float32)
    index = None if index is None else np.array(index)
    return Labels(classes, value, index, precision="float32", **rest)


class TestDense:
    def test_too_many_to_expand(self):
        few = labels(np.ones((300, 1)), np.zeros((300, 1), int), classes=1 << 20, tail="zero")
        with pytest.raises(DataError, match="too many to expand"):
            few.dense()

    def test_full_labels(self):
        full = labels([[1, 2, 3, 4]])
        assert (full.k, len(full)) == (None, 1)
        assert full.dense().dtype == np.float32 and full.dense().tolist() == [[1, 2, 3, 4]]

    def test_kept_logits(self):
        kept = labels([[5, 1]], [[2, 0]], tail="zero")
        assert kept.k == 2
        assert kept.dense().tolist() == [[1, -np.inf, 5, -np.inf]]

    def test_floor(self):
        kept = labels([[5, 1]], [[2, 0]], tail="floor", floor=np.float32([-9]))
        assert kept.dense().tolist() == [[1, -9, 5, -9]]

    def test_kept_probabilities_are_renormalised(self):
        kept = labels([[0.5, 0.25]], [[2, 0]], space="probabilities", tail="zero")
        assert np.allclose(kept.dense(), [[1 / 3, 0, 2 / 3, 0]])

    def test_uniform(self):
        kept = labels([[0.5, 0.25]], [[2, 0]], space="probabilities", tail="uniform")
        assert kept.dense().tolist() == [[0.25, 0.125, 0.5, 0.125]]

    def test_uniform_with_nothing_left_out(self):
        kept = labels([[0.75, 0.25]], [[1, 0]], 2, space="probabilities", tail="uniform")
        assert kept.dense().tolist() == [[0.25, 0.75]]


def test_fractions_are_rounded_twice():
    box, size = np.array([[1, 2, 3, 4]], np.int32), np.array([[7, 9]], np.int32)
    wide = np.array([[1 / 7, 2 / 9, 3 / 7, 4 / 9]])
    assert (Crop(box, size).fractions() == wide.astype(np.float32)).all()
    half = Crop(box, size, "float16").fractions()
    assert half.dtype == np.float16 and (half == wide.astype(np.float32).astype(np.float16)).all()
