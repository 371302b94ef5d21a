"""Fitting a vq coder: its basis, image means and codebooks, and the choice of how many codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs import side_info
from labelcodec.codecs.transform.basis_tables import BasisTables, most_rank
from labelcodec.codecs.transform.fit.image_means_fit import ImageMeansFit
from labelcodec.codecs.transform.fit.rd_eval import CHECK, HEAD, MEASURED, Reference
from labelcodec.codecs.transform.fit.sample import HELD, Sample, Samples
from labelcodec.codecs.transform.fit.subspace import Scatter, Subspace, fit_subspace
from labelcodec.codecs.transform.fit.table_fit import fit_basis_tables, fit_means_along
from labelcodec.codecs.transform.fit.tail_fit import calibrated, expanded
from labelcodec.codecs.transform.format import FINE
from labelcodec.codecs.transform.image_means import ImageMeans
from labelcodec.codecs.transform.rd_report import MEASURES, SIZE, RDReport
from labelcodec.codecs.vq.codebooks import Codebooks
from labelcodec.codecs.vq.coder import VqCoder, price_of_bit
from labelcodec.codecs.vq.fit.code_count import Fitting
from labelcodec.codecs.vq.fit.code_search import EFFECTS, Array, Decoder
from labelcodec.codecs.vq.fit.training import Labelled, train
from labelcodec.codecs.vq.format import MAX_CODES, MAX_COEFFICIENT, MAX_ENTRIES
from labelcodec.entropy import coding
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import DataError
from labelcodec.wording import counted

RANK = 64
CODEWORDS = 256
LABELS_PER_CODEWORD = 8  # fewer labels get fewer codewords
LEAST_LABELS = 4 * LABELS_PER_CODEWORD
TRAINED = 16384  # labels that the decoder is trained on
LEAST_ENTRY = 0.2  # bytes of a basis entry, at least
RESOLUTION = 4.0  # units of a codeword per standard deviation
COARSER = 64  # of many labels, the basis is only as fine as this part of them would justify
LEAST_SHARING = 1 << 15  # labels that are not yet many
FIRST_STEP = 2.0  # of the image means' prediction before training, in logits


Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Start:
    """What does not depend on the number of codes.

    Attributes:
        space: principal axes.
        images: image means along them, if there are enough labels per image.
        trained: labels in random order.
        codewords: K.
    """

    space: Subspace
    images: ImageMeansFit | None
    trained: Labelled
    codewords: int


def _start(samples: Samples) -> _Start:
    labels, classes = samples.fitted.centred.shape
    if labels < LEAST_LABELS:
        raise DataError(
            f"vq: {counted(labels, 'label')} are too few to train codebooks on, {LEAST_LABELS} are "
            "the least; use transform"
        )
    if not float(np.ptp(samples.fitted.centred, axis=0).max()) > 0:
        raise DataError("vq: the labels do not differ; use dense")
    rank = min(RANK, most_rank(classes), labels // 4)
    space = fit_subspace(Scatter(samples.fitted.centred), rank)
    images = fit_means_along(space, samples.fitted)
    order = np.random.default_rng(0).permutation(labels)[:TRAINED]
    sample = samples.fitted[order]
    predicted = np.zeros((len(order), space.axes.shape[1]), np.float32)
    if images is not None and sample.shown is not None:
        basis = fit_basis_tables(space, rank, FIRST_STEP, samples.total, FINE)
        unit = np.float32(FIRST_STEP / 2**FINE)
        predicted[:, : basis.rank] = images.table(basis, samples.total).predict(sample.shown) * unit
    codewords = 1 << int(np.log2(labels / LABELS_PER_CODEWORD))
    return _Start(space, images, Labelled(sample.centred, predicted), min(codewords, CODEWORDS))


def search_fitting(samples: Samples) -> Fitting:
    """How coders whose codes are searched are fitted.

    Args:
        samples: the labels to fit to.

    Raises:
        DataError: too few labels, or labels that do not differ.
    """
    start = _start(samples)
    classes, rank = start.space.axes.shape
    most = min(EFFECTS // (start.codewords * classes), MAX_ENTRIES // (start.codewords * rank))
    return Fitting(
        partial(_fit, samples, start, most),
        float(np.log2(start.codewords) / 8),
        max(min(most, MAX_CODES), 1),
        LEAST_ENTRY * rank * classes,
        samples.total,
    )


def _fit(samples: Samples, start: _Start, most: int, codes: int, tau: float) -> VqCoder:
    space, codewords = start.space, start.codewords
    if codes > most:
        raise DataError(
            f"vq: {counted(codes, 'codebook')} of {counted(codewords, 'codeword')} are too many "
            f"for {counted(len(space.mean), 'class')}, which allow {most}"
        )
    trained = train(
        start.trained, space.mean.astype(np.float32), space.axes.T.astype(np.float32), codes,
        codewords, price_of_bit(codes, tau), tau,
    )  # fmt: skip
    coder = replace(_quantised(samples, start, trained), tau=tau)
    coder = _settled(coder, samples.fitted)
    return replace(coder, reached=measured(coder, samples))


def _quantised(samples: Samples, start: _Start, trained: Decoder) -> VqCoder:
    """The tables of a trained decoder, in whole numbers."""
    space = replace(start.space, axes=trained.basis.T.astype(np.float64))
    unit = max(float(trained.codewords.std()), 1e-6 * space.deviation) / RESOLUTION
    rank = trained.basis.shape[0]
    # codes err by many units, which a finer basis would not mend
    sharing = max(samples.total // COARSER, min(samples.total, LEAST_SHARING))
    basis = fit_basis_tables(space, rank, unit * 2**FINE, sharing, FINE)
    entries = np.rint(trained.codewords[:, :, : basis.rank] / unit)
    entries = np.clip(entries, 1 - MAX_COEFFICIENT, MAX_COEFFICIENT - 1).astype(np.int16)
    means: ImageMeans | None = None
    if start.images is not None:
        length = np.linalg.norm(trained.basis, axis=1)
        scaled = replace(
            start.images,
            mean=(start.images.mean * length).astype(np.float32),
            deviation=start.images.deviation * length,
        )
        means = scaled.table(basis, samples.total)
    return VqCoder(basis, Codebooks(entries, frequencies(even_codes(*entries.shape[:2]))), means)


def even_codes(codes: int, codewords: int) -> Codes:
    """(K, n) codes of labels that use every codeword once for each code."""
    return np.tile(np.arange(codewords)[:, None], (1, codes))


def frequencies(codes: Codes) -> TableSet:
    """Frequency tables of (N, n) codes, one per code of a label."""
    count = codes.shape[1]
    contexts = np.repeat(np.arange(count), len(codes))
    return coding.fit_tables([coding.tokenise(codes.T.ravel(), contexts)], count)


def _codes(coder: VqCoder, sample: Sample) -> tuple[Codes, NDArray[np.int32] | None]:
    means, shown = coder.means, sample.shown
    predicted = None if means is None or shown is None else means.predict(shown)
    return coder.codes_of(sample.centred, predicted), predicted


def _settled(coder: VqCoder, sample: Sample) -> VqCoder:
    """The coder with its frequency tables and tail correction."""
    sample, books = sample.at_once(CHECK), coder.codebooks
    assert isinstance(books, Codebooks)
    codes, predicted = _codes(coder, sample)
    scores = coder.basis.scores(books.coefficients(codes, predicted))
    basis = corrected(coder.basis, sample.centred, scores, coder.tau)
    return replace(coder, basis=basis, codebooks=_sorted(books, codes))


def corrected(
    basis: BasisTables, true: Array, scores: NDArray[np.int32], tau: float
) -> BasisTables:
    """The basis with a tail correction, unless that is farther from labels it was not fitted to."""
    held = np.arange(len(true)) % HELD == HELD - 1
    fitted = calibrated(basis, true[~held], scores[~held], tau)
    reference, kl = Reference(Sample(true[held])), f"kl{tau:g}"

    def loss(basis: BasisTables) -> float:
        return reference.measure(expanded(basis, scores[held]), [kl])[kl]

    return min((basis, fitted), key=loss)


def _sorted(books: Codebooks, codes: Codes) -> Codebooks:
    """The codewords in order of use, the most frequent first, and their tables."""
    entries = books.entries.copy()
    for position, column in enumerate(codes.T):
        order = np.argsort(-np.bincount(column, minlength=books.codewords), kind="stable")
        entries[position] = books.entries[position, order]
        column[:] = np.argsort(order)[column]
    evened = np.concatenate([codes, even_codes(*entries.shape[:2])])
    return Codebooks(entries, frequencies(evened))


def measured(coder: VqCoder, samples: Samples) -> RDReport:
    """Measure rate and distortion on the mix of fitted and other labels, in real batches."""
    sample, batch = samples.tried, samples.batch
    sample = sample.spread(min(CHECK, MEASURED // sample.centred.shape[1]))
    streams, quality = 0, dict.fromkeys(MEASURES, 0.0)
    for first in range(0, len(sample), batch):
        part = sample[first : first + batch]
        codes, predicted = _codes(coder, part)
        streams += len(coder.stream(codes)) + HEAD // 2
        logits: Array = coder.labels(codes, predicted).dense()
        for measure, mean in Reference(part).measure(logits, MEASURES).items():
            quality[measure] += mean * len(part) / len(sample)
    side = side_info.pack({"crop": {}, "labels": coder.to_parts()})
    return RDReport(
        sample=len(sample),
        sharing=samples.total,
        streams=streams / len(sample),
        tables=(len(side) + SIZE) / samples.total,
        peaks=0.0,
        quality=quality,
    )
