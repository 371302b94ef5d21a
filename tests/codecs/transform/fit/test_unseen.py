"""Budgets hold on labels that the tables were not fitted to, and in batches of any size."""

from __future__ import annotations

import numpy as np
import pytest

from labelcodec.codecs.transform import Transform
from labelcodec.codecs.transform.fit.sample import gather
from tests.codecs.transform.images import pictures, recorded

CLASSES, IMAGES = 24, 300
SEEN, UNSEEN = recorded(4, IMAGES, CLASSES), recorded(12, IMAGES, CLASSES, 3)
TOTAL = sum(map(len, SEEN + UNSEEN))


def fitted(codec, expected=None):
    return codec.fit([b.labels for b in SEEN], CLASSES, expected, pictures(SEEN))


def measured(coder, batches):
    """Bytes a label of the streams."""
    both = zip(batches, pictures(batches), strict=True)
    size = sum(sum(map(len, coder.encode(b.labels, seen).values())) for b, seen in both)
    return size / sum(map(len, batches))


def test_a_budget_holds_on_labels_to_come():
    coder = fitted(Transform(bytes=12), TOTAL)
    assert coder.means is not None
    found = measured(coder, SEEN + UNSEEN) + coder.reached.tables
    assert 0.9 * 12 < found <= 12.1


@pytest.mark.parametrize("size", [4, 32])
def test_a_budget_holds_in_small_batches(size):
    labels = np.concatenate([b.labels.value for b in SEEN])
    parts = [labels[i : i + size] for i in range(0, len(labels) // size * size, size)]
    parts = [type(SEEN[0].labels)(CLASSES, part) for part in parts]
    coder = Transform(bytes=14).fit(parts, CLASSES)
    streams = sum(2 * 2 + sum(map(len, coder.encode(part).values())) for part in parts)
    found = streams / (size * len(parts)) + coder.reached.tables
    assert 0.9 * 14 < found <= 14.01


@pytest.mark.parametrize("expected", [TOTAL, 10 * TOTAL, sum(map(len, SEEN)) + 1])
def test_as_many_are_unseen_as_of_the_file(expected):
    labels = [b.labels for b in SEEN]
    samples = gather(labels, pictures(SEEN), expected)
    assert samples.total == expected and samples.batch == max(map(len, SEEN))
    assert len(samples.all) == sum(map(len, SEEN))
    rows = {row.tobytes() for row in samples.fitted.centred}
    unseen = np.mean([row.tobytes() not in rows for row in samples.tried.centred])
    assert unseen == pytest.approx(1 - len(samples.fitted) / expected, abs=0.01)
    assert not samples.fitted.centred.flags.owndata, "no copy of most labels"


def test_pictures_stay_with_their_labels():
    samples = gather([b.labels for b in SEEN], pictures(SEEN), TOTAL)
    plain = gather([b.labels for b in SEEN], pictures(SEEN))
    both = zip(plain.all.centred, plain.all.shown.image, strict=True)
    known = {row.tobytes(): image.tolist() for row, image in both}
    for part in (samples.fitted, samples.tried):
        for row, image in zip(part.centred, part.shown.image, strict=True):
            assert known[row.tobytes()] == image.tolist()
