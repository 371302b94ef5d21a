"""Fitting an autoencoder: training with torch, and its tables in whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform.basis_tables import BasisTables, most_rank
from labelcodec.codecs.transform.fit.sample import Samples
from labelcodec.codecs.transform.format import MAX_SCORE, MAX_SHIFT, MEAN_SHIFT, MIN_POINT, TAIL
from labelcodec.codecs.vq.coder import VqCoder
from labelcodec.codecs.vq.encoder_network import EncoderNetwork, Layer
from labelcodec.codecs.vq.fit.code_count import Fitting
from labelcodec.codecs.vq.fit.design import corrected, even_codes, frequencies, measured
from labelcodec.codecs.vq.fit.parameters import NetworkShape, Parameters
from labelcodec.codecs.vq.format import MAX_CODES, MAX_COEFFICIENT, MAX_ENTRIES
from labelcodec.codecs.vq.network import Network
from labelcodec.errors import DataError
from labelcodec.extras import needing_extra
from labelcodec.wording import counted

CODEWORD_STEPS = 32.0  # units of a codeword's entry per standard deviation
HIDDEN_STEPS = 64.0  # units of a hidden value per root mean square
LEVELS = 127  # largest magnitude of a weight
PRECISION = 12  # bits of the largest factors of sums
LEAST_SCALE = 16  # smallest factor of a basis vector
LEAST_ENTRY = 0.5  # bytes of a weight or codeword's entry, at least
COUNTED = 4096  # labels whose codes are counted


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes:
        codewords: K.
        width: entries of a codeword.
        hidden: width of the hidden layers; None for 512, or fewer for fewer classes.
        seed: of weights, codewords and the order of the labels.
    """

    codewords: int
    width: int
    hidden: int | None
    seed: int


def network_fitting(samples: Samples, training: Training) -> Fitting:
    """How autoencoders are fitted.

    Args:
        samples: the labels to fit to.
        training: sizes and settings.

    Raises:
        DataError: too few labels, labels that do not differ, or too large a network.
    """
    shape = _shape(samples, training, 1)
    latent = MAX_ENTRIES // (training.width * shape.hidden)
    entries = 2 * shape.classes * shape.hidden + shape.codewords * shape.width
    return Fitting(
        partial(fit_network, samples, training),
        float(np.log2(training.codewords) / 8),
        min(latent, MAX_CODES),
        LEAST_ENTRY * entries,
        samples.total,
    )


def fit_network(samples: Samples, training: Training, codes: int, tau: float) -> VqCoder:
    """Train a network and measure its coder.

    Args:
        samples: the labels to fit to.
        training: sizes and settings.
        codes: n, codes per label.
        tau: temperature of the loss.

    Raises:
        DataError: too few labels, labels that do not differ, or too large a network.
        MissingExtraError: torch is not installed.
    """
    with needing_extra("the codec vq:method=autoencoder"):
        from labelcodec.codecs.vq.fit.network_training import train

    labels = samples.fitted.centred
    shape = _shape(samples, training, codes)
    parameters = train(labels, shape, tau, training.seed)
    network = _network(parameters)
    coder = VqCoder(_basis(parameters), network)
    coder = _settled(coder, network, samples, tau)
    return replace(coder, reached=measured(coder, samples))


def _shape(samples: Samples, training: Training, codes: int) -> NetworkShape:
    labels, classes = samples.fitted.centred.shape
    most = most_rank(classes)
    hidden = min(512, most) if training.hidden is None else training.hidden
    if hidden > most:
        raise DataError(
            f"vq: hidden={hidden}, but {counted(classes, 'class')} allow {most} at most"
        )
    if labels < training.codewords:
        raise DataError(
            f"vq: {counted(labels, 'label')} are too few to train "
            f"{counted(training.codewords, 'codeword')}; give fewer, or use transform"
        )
    if not float(np.ptp(samples.fitted.centred, axis=0).max()) > 0:
        raise DataError("vq: the labels do not differ; use dense")
    latent = codes * training.width
    if max(training.codewords * training.width, hidden * max(latent, classes)) > MAX_ENTRIES:
        raise DataError(
            f"vq: a network of {counted(codes, 'code')} of {counted(training.width, 'entry')} and "
            f"{hidden} hidden units is too large for {counted(classes, 'class')}"
        )
    return NetworkShape(classes, codes, training.codewords, training.width, hidden)


def _units(trained: Parameters) -> NDArray[np.float64]:
    """(h,) size of a unit of each hidden value."""
    activity = np.maximum(trained.activity.astype(np.float64), 1e-3 * trained.activity.max())
    units: NDArray[np.float64] = np.maximum(activity, 1e-12) / HIDDEN_STEPS
    return units


def _basis(trained: Parameters) -> BasisTables:
    """The decoder's second layer, as basis vectors per unit of the hidden values."""
    _, _, weights, mean = (array.astype(np.float64) for array in trained.decode)
    vectors = weights.T * _units(trained)
    level = np.abs(vectors).max(axis=0)
    level = np.maximum(level, 1e-4 * level.max()) / LEVELS
    highest = int(np.log2(MAX_SCORE / max(1.0, float(np.abs(mean).max()))))
    point = int(np.ceil(np.log2(LEAST_SCALE / level.min())))
    point = max(min(point, highest), MIN_POINT)
    return BasisTables(
        point,
        np.rint(np.ldexp(mean, point - MEAN_SHIFT)).astype(np.int64),
        np.rint(vectors / level).astype(np.int16),
        np.maximum(np.rint(np.ldexp(level, point)), 1).astype(np.int64),
        1,
        np.zeros(TAIL, np.int32),
        min(point - 1, MAX_SHIFT),
    )


def _network(trained: Parameters) -> Network:
    """Codebook, hidden layer and encoder; the frequency tables are still even."""
    weights, bias, _, _ = (array.astype(np.float64) for array in trained.decode)
    unit = max(float(trained.codebook.std()), 1e-12) / CODEWORD_STEPS
    entries = np.rint(np.clip(trained.codebook / unit, -MAX_COEFFICIENT + 1, MAX_COEFFICIENT - 1))
    units = _units(trained)
    level = np.abs(weights).max(axis=0)
    level = np.maximum(level, 1e-4 * level.max()) / LEVELS
    factor = unit * level / units
    shift = int(np.clip(PRECISION - np.floor(np.log2(factor.max())), 1, 40))
    first, first_bias, second, second_bias = trained.encode
    encoder = EncoderNetwork(
        Layer.rounded(first, first_bias),
        Layer.rounded(second / np.float32(unit), second_bias / np.float32(unit)),
    )
    codes, codewords = len(weights) // trained.codebook.shape[1], len(entries)
    return Network(
        entries.astype(np.int16),
        np.rint(weights / level).astype(np.int16),
        np.maximum(np.rint(np.ldexp(factor, shift)), 1).astype(np.int64),
        np.rint(np.ldexp(bias / units, shift)).astype(np.int64),
        shift,
        frequencies(even_codes(codes, codewords)),
        encoder,
    )


def _settled(coder: VqCoder, network: Network, samples: Samples, tau: float) -> VqCoder:
    """The coder with its codewords in order of use, frequency tables and tail correction."""
    true = samples.fitted.at_once(COUNTED).centred
    codes = coder.codes_of(true, None)
    scores = coder.basis.scores(network.coefficients(codes))
    basis = corrected(coder.basis, true, scores, tau)
    order = np.argsort(-np.bincount(codes.ravel(), minlength=network.codewords), kind="stable")
    place = np.argsort(order)
    every = even_codes(network.codes, network.codewords)
    table = frequencies(np.concatenate([place[codes], every]))
    return VqCoder(basis, replace(network, entries=network.entries[order], table=table))
