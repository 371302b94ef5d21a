"""Labels that the tables were fitted to are not quantised again, and no byte depends on it."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from labelcodec.batch import Labels
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform import Transform
from labelcodec.codecs.transform.fit.analysis import Analyser
from tests.codecs.transform.images import fitted, recorded
from tests.codecs.transform.labels import batches, logits, same

CLASSES = 24
PREDICTED = recorded(12, 40, CLASSES)


def forgetful(coder):
    return replace(coder, known={})


@pytest.mark.parametrize("codec", [Transform(rank=8, step=1.0, peaks=2), Transform(bytes=25)])
@pytest.mark.parametrize("size", [1, 50, 128, 300])
def test_known_labels_are_coded_as_unknown_ones(codec, size, monkeypatch):
    parts = batches(700, CLASSES, size=size)
    coder = codec.fit(parts, CLASSES)
    anew = [forgetful(coder).encode(part) for part in parts]
    monkeypatch.setattr(Analyser, "__call__", None)  # would fail if it were used
    assert [coder.encode(part) for part in parts] == anew
    assert [pickle.loads(pickle.dumps(coder)).encode(part) for part in parts] == anew


def test_known_labels_are_coded_anew_where_they_are_predicted_otherwise():
    coder = fitted(Transform(rank=8, step=1.0, peaks=2), PREDICTED)
    assert coder.means is not None and len(coder.known) == len(PREDICTED)
    batch, other = PREDICTED[0], PREDICTED[1]
    for seen in (None, BatchContext(other.image_index, other.augmentation)):
        assert coder.encode(batch.labels, seen) == forgetful(coder).encode(batch.labels, seen)
    own = BatchContext(batch.image_index, batch.augmentation)
    assert coder.compact(batch.labels, own) in coder.known.values()
    assert same(coder.compact(batch.labels, own), forgetful(coder).compact(batch.labels, own))


def test_other_labels_are_not_taken_for_known_ones():
    coder = Transform(rank=8, step=1.0, peaks=2).fit(batches(256, CLASSES), CLASSES)
    other = Labels(CLASSES, logits(32, CLASSES, seed=9))
    assert coder.compact(other) not in coder.known.values()
    twin = Labels(CLASSES, np.copy(batches(256, CLASSES)[0].value))
    assert coder.compact(twin) in coder.known.values()


def test_a_fit_that_keeps_labels_from_the_tables_knows_none():
    coder = Transform(bytes=14).fit(batches(1024, CLASSES), CLASSES, expected=5000)
    assert not coder.known
