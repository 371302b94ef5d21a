"""The projector codec: tables to bytes and back, and batches without labels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import labelcodec
from labelcodec.codecs.projector.codec import Projector
from labelcodec.codecs.projector.format import FORMS
from labelcodec.codecs.projector.matrix import Matrix
from labelcodec.codecs.projector.tables import ProjectorTables
from labelcodec.errors import ConfigError, DataError, NeedsImagesError
from labelcodec.verification import verify
from spec.reference_decoder import projector as reference
from spec.vector_cases.content import dense_batch
from spec.vector_cases.projector import CLASSES, FEATURES, RECIPE, tables, write


@pytest.mark.parametrize("precision", FORMS)
@pytest.mark.parametrize("head", [0, 3])
@pytest.mark.parametrize("rank", [0, 1, 4])
def test_tables_come_back(precision, head, rank):
    made = tables(precision, rank=rank, head=head)
    parts = made.to_parts()
    again = ProjectorTables.from_parts(parts, CLASSES)
    assert again.to_parts() == parts
    assert again.digest == made.digest
    assert again.encoder == made.encoder and again.reached == made.reached


@pytest.mark.parametrize("precision", FORMS)
@pytest.mark.parametrize("head", [0, 3])
def test_the_reference_decoder_computes_the_same(precision, head):
    made = tables(precision, head=head)
    read = reference.projector_tables(made.to_parts(), CLASSES)
    features = np.random.default_rng(0).normal(size=(7, FEATURES))
    own = features @ made.head.weight().T.astype(np.float64) + made.head.bias
    np.testing.assert_allclose(reference.logits(features, read), own, rtol=1e-5, atol=1e-5)
    for layer in made.layers:
        weight = np.random.default_rng(1).normal(size=layer.values().shape)
        changed = reference.updated(weight, layer.name, read)
        np.testing.assert_allclose(changed, weight + layer.values(), rtol=1e-5, atol=1e-5)


@given(st.integers(0, 9), st.integers(1, 9), st.floats(1e-30, 1e30), st.integers(0, 99))
def test_int8_is_within_half_a_step(rows, columns, size, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)) * size
    matrix = Matrix.of(values, FORMS["int8"])
    step = np.abs(values).max(axis=1, keepdims=True, initial=0) / 127
    assert (np.abs(matrix.values() - values) <= step * 0.5001 + 1e-37).all()
    again, rest = Matrix.from_bytes(memoryview(matrix.to_bytes()), rows, columns, FORMS["int8"])
    assert again.values().tobytes() == matrix.values().tobytes() and not len(rest)


@pytest.mark.parametrize(("form", "bad"), [(0, 1e6), (0, math.nan), (1, math.inf), (1, math.nan)])
def test_weights_that_cannot_be_stored(form, bad):
    with pytest.raises(DataError, match="finite"):
        Matrix.of(np.array([[1.0, bad]]), form)


def test_the_file_is_read_without_labels(tmp_path):
    path = tmp_path / "p.slc"
    write(path, Projector(2), tables("int8"), RECIPE)
    assert verify(path).sound
    with labelcodec.open(path) as reader:
        assert [batch.number for batch in reader] == [0, 3]
        labels = reader[0].labels
        assert len(labels) == 4 and labels.k is None
        with pytest.raises(NeedsImagesError, match=r"'convnet' .*`encoder`"):
            labels.dense()
        (chosen,) = reader.chosen()
        assert chosen["kl"] == {"1": 0.5, "2": 0.25, "4": 0.125}
        assert chosen["encoder"] == "convnet" and chosen["top1_agreement"] == 0.75
        sizes = reader.component_bytes(0)
        assert set(sizes) == {"framing and index"}


def test_labels_cannot_be_stored(tmp_path):
    header = labelcodec.Header(CLASSES)
    batch = dense_batch(np.zeros((4, CLASSES), np.float16))
    with (
        pytest.raises(DataError, match="labelcodec project"),
        labelcodec.Writer(tmp_path / "r.slc", header, "projector") as writer,
    ):
        writer.add(batch)


def test_what_was_reached_changes_no_label():
    made = tables("int8")
    assert replace(made, reached=None).digest == made.digest
    assert replace(made, probe=made.probe + 1).digest != made.digest


@pytest.mark.parametrize(
    "config", [{"rank": -1}, {"rank": 1025}, {"head": 1025}, {"precision": "int4"}]
)
def test_configurations_out_of_range(config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        Projector(**config)
