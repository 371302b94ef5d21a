"""Golden files of the vq codec; what must come out is what the library reads, as for transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec import Header, LabelBatch, Writer
from labelcodec import open as open_labels
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.format import TAIL
from labelcodec.codecs.vq.codec import Vq
from labelcodec.codecs.vq.coder import VqCoder
from labelcodec.codecs.vq.encoder_network import EncoderNetwork, Layer
from labelcodec.codecs.vq.fit.design import even_codes, frequencies
from labelcodec.codecs.vq.network import Network
from spec.vector_cases.content import Content, dense_batch, store
from spec.vector_cases.transform import teacher


def _coded(
    path: Path, codec: str, batches: Sequence[LabelBatch], fit: Sequence[LabelBatch]
) -> Content:
    content = store(path, Header(fit[0].labels.classes), f"vq:{codec}", batches, fit=fit)
    with open_labels(path) as reader:
        return replace(content, batches=list(reader))


def codes(path: Path) -> Content:
    """Three codes per label and a tail correction, in two batches."""
    value = teacher(61, 256, 20)
    batches = [dense_batch(value[:9]), dense_batch(value[9:14], number=1)]
    return _coded(path, "codes=3", batches, [dense_batch(value)])


def image_means(path: Path) -> Content:
    """Coefficients that are predicted from the means of four images."""
    value = teacher(62, 256, 12)
    value += np.tile(teacher(63, 4, 12), (64, 1))
    fit = replace(dense_batch(value), image_index=np.arange(256) % 4)
    batch = replace(dense_batch(value[:16]), image_index=np.arange(16) % 4)
    return _coded(path, "codes=2", [batch], [fit])


def network(path: Path) -> Content:
    """One codebook for two codes, a hidden layer of four units and the encoder network."""
    rng = np.random.default_rng(64)
    codes, codewords, width, hidden, classes = 2, 8, 3, 4, 6

    def entries(*shape: int) -> NDArray[np.int16]:
        return rng.integers(-20, 21, shape).astype(np.int16)

    def layer(inputs: int, outputs: int) -> Layer:
        scale = rng.uniform(0.1, 0.3, outputs).astype(np.float32)
        return Layer(entries(inputs, outputs), scale, rng.normal(size=outputs).astype(np.float32))

    basis = BasisTables(
        12, rng.integers(-9, 10, classes), entries(classes, hidden), rng.integers(16, 40, hidden),
        1, np.zeros(TAIL, np.int32), 11,
    )  # fmt: skip
    tables = Network(
        entries(codewords, width),
        entries(codes * width, hidden),
        rng.integers(500, 1000, hidden),
        rng.integers(-(1 << 16), 1 << 16, hidden),
        14,
        frequencies(even_codes(codes, codewords)),
        EncoderNetwork(layer(classes, 5), layer(5, codes * width)),
    )
    codec = Vq("autoencoder", codes, codewords, width, hidden)
    batches = [dense_batch(teacher(65, 12, classes))]
    with Writer(path, Header(classes), codec) as writer:
        fitted = BatchCoder.trained(writer.header, VqCoder(basis, tables))
        writer.adopt(fitted.side_information())
        for batch in batches:
            writer.add(batch)
        header = writer.header.to_map()
    with open_labels(path) as reader:
        return Content(header, None, list(reader))


def temperature(path: Path) -> Content:
    """Codes that are searched under the loss at temperature 4."""
    value = teacher(64, 256, 20)
    return _coded(path, "codes=3,tau=4", [dense_batch(value[:9])], [dense_batch(value)])


CASES = (codes, image_means, network, temperature)
