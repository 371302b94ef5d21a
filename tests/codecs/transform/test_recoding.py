"""Decoded labels that are added to another file."""

from __future__ import annotations

import numpy as np
import pytest

import labelcodec
from labelcodec import Header, Writer
from labelcodec.analysis import compare_sets
from labelcodec.codecs.transform import Transform
from tests.codecs.transform.images import fitted, pictures, recorded

CLASSES = 24
BATCHES = recorded(14, 40, CLASSES)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("recoding") / "source.slc"
    with Writer(path, Header(CLASSES), "transform:rank=10,step=1,peaks=2") as writer:
        for batch in BATCHES:
            writer.add(batch)
    return path


@pytest.mark.parametrize(
    ("codec", "bound"),
    [("transform:rank=20,step=0.2,peaks=4", 0.02), ("transform:bytes=8", 0.1), ("dense", 0)],
)
def test_labels_of_another_file_are_expanded_first(tmp_path, source, codec, bound):
    with labelcodec.open(source) as reader:
        header = Header(CLASSES)
        with Writer(tmp_path / "copy.slc", header, codec) as writer:
            for batch in reader:
                writer.add(batch)
        with labelcodec.open(tmp_path / "copy.slc") as copy:
            found = compare_sets(reader, copy)
            assert bound == 0 or found.fidelity.tv[4.0] < bound
            if bound == 0:
                for one, other in zip(reader, copy, strict=True):
                    expected = one.labels.dense().astype(np.float16)
                    np.testing.assert_array_equal(other.labels.value, expected)


def test_top_k_of_compact_labels(tmp_path, source):
    with labelcodec.open(source) as reader:
        with Writer(tmp_path / "copy.slc", Header(CLASSES), "topk:k=5") as writer:
            for batch in reader:
                writer.add(batch)
        with labelcodec.open(tmp_path / "copy.slc") as copy:
            best = reader[0].labels.dense().astype(np.float16).argmax(axis=1)
            top = copy[0].labels
            kept = np.take_along_axis(reader[0].labels.dense().astype(np.float16), top.index, 1)
            np.testing.assert_array_equal(top.value, kept)
            assert (top.index == best[:, None]).any(axis=1).all()


def test_own_labels_are_kept_as_they_are_unless_their_pictures_changed():
    coder = fitted(Transform(rank=10, step=1, peaks=2), BATCHES)
    assert coder.means is not None
    (seen,) = pictures(BATCHES[:1])
    (other,) = pictures(recorded(1, 40, CLASSES, 77)[:1])
    streams = coder.encode(BATCHES[0].labels, seen)
    coded = {key: memoryview(part) for key, part in streams.items()}
    decoded = coder.decode(coded, len(BATCHES[0]), BATCHES[0].labels, seen)
    assert coder.compact(decoded, seen) is decoded.compact
    moved = coder.encode(decoded, other)
    coded = {key: memoryview(part) for key, part in moved.items()}
    again = coder.decode(coded, len(BATCHES[0]), BATCHES[0].labels, other)
    assert np.abs(again.dense() - decoded.dense()).mean() < 0.5
