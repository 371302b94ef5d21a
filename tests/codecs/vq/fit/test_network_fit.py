"""The autoencoder: what training reaches, and its tables in whole numbers."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from labelcodec.batch import Labels
from labelcodec.codecs.components import LABEL_VALUES
from labelcodec.codecs.fit_progress import listening
from labelcodec.codecs.vq.codec import Vq
from labelcodec.codecs.vq.network import Network
from labelcodec.errors import DataError, MissingExtraError
from spec.reference_decoder.vq import read_vq, vq_tables
from spec.vector_cases.transform import teacher
from tests.codecs.vq.test_vq import BLANK, CLASSES, HEADER, divergence, labels, streams

torch = pytest.importorskip("torch")
from labelcodec.codecs.vq.fit import network_training  # noqa: E402

CODEC = Vq("autoencoder", codes=3, codewords=16, width=4, hidden=10)


@pytest.fixture(scope="module", autouse=True)
def _short():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two threads are slower for networks of this size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_training, "STEPS", 600)
        patch.setattr(network_training, "LEARNING_RATE", 5e-3)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def coder():
    return CODEC.fit([labels(1024)], CLASSES)


def test_labels_are_those_of_the_reference_decoder(coder) -> None:
    coded = streams(coder, labels(33, 2))
    decoded = coder.decode(coded, 33, BLANK)
    parts = {int(stream): bytes(data) for stream, data in coded.items()}
    expected = read_vq(parts, 33, HEADER, vq_tables(coder.to_parts(), CLASSES), {})
    assert decoded.dense().tobytes() == expected["label_value"].tobytes()


def test_training_comes_closer_than_the_mean_label_and_than_fewer_codes(coder) -> None:
    source = labels(1024)
    mean = np.broadcast_to(source.dense().mean(axis=0), (1024, CLASSES))
    few = replace(CODEC, codes=1).fit([source], CLASSES)
    coded, worse = (
        divergence(source, each.decode(streams(each, source), 1024, BLANK)) for each in (coder, few)
    )
    assert coded < worse < divergence(source, Labels(CLASSES, mean.astype(np.float32)))
    assert coded < 0.5


def test_tables_of_whole_numbers_are_close_to_the_trained_network() -> None:
    from labelcodec.codecs.transform.fit.sample import gather
    from labelcodec.codecs.vq.fit.network_fit import _basis, _network
    from labelcodec.codecs.vq.fit.parameters import NetworkShape

    samples = gather([labels(1024)], ())
    shape = NetworkShape(CLASSES, 3, 16, 4, 10)
    trained = network_training.train(samples.fitted.centred, shape, 1.0, 0)
    tables, basis = _network(trained), _basis(trained)
    codes = np.random.default_rng(3).integers(0, 16, (50, 3))
    hidden_weights, hidden_bias, weights, bias = trained.decode
    hidden = trained.codebook[codes].reshape(50, -1) @ hidden_weights + hidden_bias
    expected = np.maximum(hidden, 0) @ weights + bias
    logits = basis.logits(basis.scores(tables.coefficients(codes)))
    assert np.abs(logits - expected).max() < 0.03 * np.abs(expected).max()


def test_the_stored_encoder_gives_the_same_codes(coder) -> None:
    again = CODEC.from_parts(coder.to_parts(), CLASSES)
    assert again.to_parts() == coder.to_parts()
    assert again.encode(labels(20, 3)) == coder.encode(labels(20, 3))


def test_without_the_stored_encoder_labels_can_only_be_read(coder) -> None:
    parts = {name: part for name, part in coder.to_parts().items() if name != "encoder"}
    reader = CODEC.from_parts(parts, CLASSES)
    coded = streams(coder, labels(20, 3))
    assert np.array_equal(
        reader.decode(coded, 20, BLANK).dense(), coder.decode(coded, 20, BLANK).dense()
    )
    with pytest.raises(DataError, match="can only be read"):
        reader.encode(labels(20, 3))


def test_a_seed_gives_one_set_of_tables(coder) -> None:
    assert CODEC.fit([labels(1024)], CLASSES).to_parts() == coder.to_parts()
    other = replace(CODEC, seed=1).fit([labels(1024)], CLASSES)
    assert other.to_parts()["network"] != coder.to_parts()["network"]


def test_every_codeword_is_in_use(coder) -> None:
    codes = coder.compact(labels(1024)).codes
    assert len(np.unique(codes)) == 16


def test_a_budget_counts_the_tables() -> None:
    coder = replace(CODEC, codes=None, bytes=3.0).fit([labels(1024)], CLASSES, 100_000)
    assert coder.reached.bytes <= 3
    assert coder.codebooks.codes >= 4
    with pytest.raises(DataError, match=r"from (at least )?[0-9]+ labels on"):
        replace(CODEC, codes=None, bytes=1.5).fit([labels(1024)], CLASSES, 1024)


def test_a_bound_takes_as_few_codes_as_reach_it() -> None:
    coder = replace(CODEC, codes=None, kl1=0.55).fit([labels(1024)], CLASSES)
    assert coder.reached.quality["kl1"] <= 0.55
    fewer = replace(CODEC, codes=coder.codebooks.codes - 1).fit([labels(1024)], CLASSES)
    assert fewer.reached.quality["kl1"] > 0.55


def test_the_hidden_layer_is_no_wider_than_the_classes_by_default() -> None:
    coder = Vq("autoencoder", codes=2, codewords=8, width=2).fit([labels(256)], CLASSES)
    assert coder.basis.rank == CLASSES
    with pytest.raises(DataError, match="hidden=13, but 12 classes allow 12"):
        replace(CODEC, hidden=13).fit([labels(256)], CLASSES)


def test_labels_that_nothing_can_be_trained_on() -> None:
    with pytest.raises(DataError, match="8 labels are too few to train 16 codewords"):
        CODEC.fit([labels(8)], CLASSES)
    with pytest.raises(DataError, match="do not differ"):
        CODEC.fit([Labels(CLASSES, np.tile(teacher(1, 1, CLASSES), (64, 1)))], CLASSES)
    with pytest.raises(DataError, match="too large"):
        Vq("autoencoder", codes=256, codewords=16, width=1024, hidden=1000).fit(
            [Labels(1000, np.random.default_rng(0).normal(size=(32, 1000)).astype(np.float32))],
            1000,
        )


def test_progress_of_the_training_is_told() -> None:
    told = []
    with listening(lambda done, total: told.append((done, total))):
        CODEC.fit([labels(256)], CLASSES)
    assert told[0] == (100, 600)
    count = len(told)
    CODEC.fit([labels(256)], CLASSES)
    assert len(told) == count


def test_torch_is_named_where_it_is_missing(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "labelcodec.codecs.vq.fit.network_training")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"method=autoencoder needs torch.*\[torch\]"):
        CODEC.fit([labels(256)], CLASSES)


def test_tables_are_read_without_torch(coder, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    again = CODEC.from_parts(coder.to_parts(), CLASSES)
    assert isinstance(again.codebooks, Network)
    assert again.encode(labels(5))[LABEL_VALUES]
