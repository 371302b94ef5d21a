"""Rate-distortion evaluation of candidates and coders on a sample of labels."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.codecs import side_info as side_information
from labelcodec.codecs.transform.compact import TransformLabels
from labelcodec.codecs.transform.context_model import ContextModel, gap_integers, zones_of
from labelcodec.codecs.transform.fit.candidate import Candidate
from labelcodec.codecs.transform.fit.peak_choice import PeakChoice
from labelcodec.codecs.transform.fit.sample import Sample, Samples
from labelcodec.codecs.transform.fit.table_fit import NO_PEAKS, Fitted, quantised, with_price
from labelcodec.codecs.transform.fit.tail_fit import fit_tail
from labelcodec.codecs.transform.format import (
    GAP_CONTEXTS,
    MAX_CODED,
    MAX_COEFFICIENT,
    VALUE_CONTEXTS,
)
from labelcodec.codecs.transform.image_means import PART
from labelcodec.codecs.transform.rd_report import MEASURES, SIZE, RDReport
from labelcodec.entropy import coding, tables
from labelcodec.entropy.format import ALPHABET, SLOT_BITS

COMPARED = 64  # labels compared at once, so that all their arrays stay in the caches
SATURATED = 0.01  # share of labels at the limit that makes a step too fine
SAMPLE = 512  # labels on which choices are made
CHECK = 4096  # labels on which a choice is checked
MEASURED = 1 << 24  # most logits measured on: 16 777 labels of 1000 classes
HEAD = 4  # bytes of the two streams' entries in a batch's directory
REPORT = SIZE + 10  # bytes of the report, its name and length in the side information


class Trial:
    """A sample's labels quantised with one candidate, to be evaluated at any price.

    Attributes:
        candidate: the candidate.
        analysis: the quantised labels.
    """

    def __init__(self, candidate: Candidate, truth: Reference) -> None:
        """Quantise the labels of `truth`."""
        self.candidate, self._truth = candidate, truth
        self.analysis = candidate.analyse(truth.sample)
        self._choice = PeakChoice(self.analysis)
        bare = self._compact(NO_PEAKS)
        model = ContextModel.fit([bare])
        self._streams, tables_ = _cost(model.value_integers(bare), VALUE_CONTEXTS)
        means = {} if candidate.means is None else {PART: candidate.means.to_bytes()}
        self._side = tables_ + _compressed({**candidate.basis.to_parts(), **means})
        self._peaks_only = replace(model, column=model.column[:0], thresholds=model.thresholds[:0])

    def _compact(self, price: float) -> TransformLabels:
        analysis = replace(self.analysis, basis=with_price(self.analysis.basis, price))
        return analysis.compact(analysis.peaks_at(*self._choice.at(price)))

    def bytes(self, price: float, total: int) -> float:
        """Estimated bytes per label; the frequency tables are fitted to these very labels.

        Args:
            price: nats that a peak must save per bit.
            total: labels that share the side information.
        """
        compact = self._compact(price)
        peaks = replace(compact, coefficients=compact.coefficients[:, :0], predicted=None)
        gaps, gap_tables = _cost(gap_integers(peaks), GAP_CONTEXTS)
        rest, rest_tables = _cost(self._peaks_only.value_integers(peaks), VALUE_CONTEXTS)
        streams, side = self._streams + gaps + rest, self._side + gap_tables + rest_tables
        return streams / len(compact.counts) + side / total

    def quality(self, price: float, measures: Collection[str]) -> dict[str, float]:
        """Mean distances to the source, such as 'tv4' and 'kl1'.

        Args:
            price: nats that a peak must save per bit.
            measures: names of the distances.
        """
        analysis = replace(self.analysis, basis=with_price(self.analysis.basis, price))
        peaks = analysis.peaks_at(*self._choice.at(price))
        analysis = replace(analysis, basis=fit_tail(analysis, peaks))
        return self._truth.measure(analysis.basis.logits(analysis.expand(peaks)), measures)


def cheapest(
    candidates: Iterable[Candidate], sample: Sample, price: float, total: int
) -> Candidate:
    """The candidate with which labels take the fewest bytes.

    Args:
        candidates: the candidates to compare.
        sample: the labels.
        price: nats that a peak must save per bit.
        total: labels that share the side information.
    """
    truth = Reference(sample)
    return min(candidates, key=lambda candidate: Trial(candidate, truth).bytes(price, total))


def _compressed(parts: Mapping[str, bytes]) -> int:
    return sum(len(zstandard.compress(part)) for part in parts.values())


def _cost(integers: tuple[NDArray[Any], NDArray[Any]], contexts: int) -> tuple[float, int]:
    """Bytes of integers under tables fitted to them, and compressed bytes of these tables."""
    symbols = coding.tokenise(*integers)
    counts = symbols.counts(contexts, ALPHABET)
    table = tables.fit(counts)
    lengths = SLOT_BITS - np.log2(np.maximum(table.freqs[:, :-1], 1))
    bits = (counts * lengths).sum() + symbols.widths.sum(dtype=int)
    return float(bits) / 8, len(zstandard.compress(tables.to_bytes(table)))


class Reference:
    """Source labels to which reconstructions are compared."""

    def __init__(self, sample: Sample) -> None:
        """Hold the labels; their probabilities are computed on demand."""
        self.sample = sample
        self._cache: dict[tuple[float, ...], list[_Probabilities]] = {}

    def measure(self, logits: NDArray[np.float32], measures: Collection[str]) -> dict[str, float]:
        """Mean distances of reconstructed labels to the source.

        Args:
            logits: (N, C) reconstructed logits.
            measures: names such as 'tv4' (total variation at temperature 4) and 'kl1' (KL
                divergence at temperature 1, in nats).
        """
        taus = tuple(sorted({float(measure[2:]) for measure in measures}, reverse=True))
        logits = logits - logits.max(axis=1, keepdims=True)
        away, room, reached = self._true - logits, np.empty_like(logits), {}
        exponentials = _exponentials(logits, taus)
        for tau, source, q in zip(taus, self._at(taus), exponentials, strict=True):
            total = q.sum(axis=1, keepdims=True)
            if (kl := f"kl{tau:g}") in measures:
                moved = np.einsum("ij,ij->i", source.p, away) / np.float32(tau)
                mean = float((moved + np.log(total / source.total)[:, 0]).mean())
                reached[kl] = max(mean, 0.0)
            if (tv := f"tv{tau:g}") in measures:
                np.divide(q, total, out=room)
                room -= source.p
                reached[tv] = float(np.abs(room, out=room).sum(axis=1).mean()) / 2
        return reached

    @cached_property
    def _true(self) -> NDArray[np.float32]:
        """(N, C) source logits less the label's largest."""
        high: NDArray[np.float32] = self.sample.centred.max(axis=1, keepdims=True)
        return self.sample.centred - high

    def _at(self, taus: tuple[float, ...]) -> list[_Probabilities]:
        """The source at temperatures in descending order."""
        if taus not in self._cache:
            self._cache[taus] = []
            for mass in _exponentials(self._true, taus):
                total = mass.sum(axis=1, keepdims=True)
                self._cache[taus].append(_Probabilities(mass / total, total))
        return self._cache[taus]


class _Probabilities(NamedTuple):
    """Probabilities at a temperature: (N, C), and the (N, 1) sums that they were divided by."""

    p: NDArray[np.float32]
    total: NDArray[np.float32]


def _exponentials(
    logits: NDArray[np.float32], taus: Sequence[float]
) -> Iterator[NDArray[np.float32]]:
    """Exponentials of logits at temperatures in descending order, each in the same array.

    They are squared to get to half a temperature, which is faster than to take them anew.
    """
    tau, result = math.inf, np.empty_like(logits)
    for wanted in taus:
        while wanted <= tau / 2 < math.inf:
            tau /= 2
            result *= result
        if tau != wanted:
            tau = wanted
            np.exp(np.divide(logits, np.float32(tau), out=result), out=result)
        yield result


def saturates(candidate: Candidate, sample: Sample) -> bool:
    """Whether too many labels have a coefficient at the limit of what can be stored."""
    analysis = candidate.analyse(sample)
    coded = analysis.compact(analysis.peaks(NO_PEAKS)).coded
    most = MAX_COEFFICIENT if candidate.means is None else MAX_CODED
    return bool((np.abs(coded).max(axis=1) >= most - 1).mean() > SATURATED)


class Measurement:
    """Rate and distortion of a coder on the held-out mix of labels, in real batches."""

    def __init__(self, fitted: Fitted, samples: Samples) -> None:
        """Take the coder's own labels if it was fitted to all that are tried, else code them."""
        self.coder, self._samples = fitted.coder, samples
        most = max(CHECK, MEASURED // samples.tried.centred.shape[1])
        self._sample = samples.tried.spread(most)
        is_whole = samples.tried is samples.all and len(self._sample) == len(samples.tried)
        self._labels = fitted.labels if is_whole else self._coded()
        batch = samples.batch
        parts = (self._labels[i : i + batch] for i in range(0, len(self._labels), batch))
        streams = sum(HEAD + sum(map(len, self.coder.streams(part).values())) for part in parts)
        side = side_information.pack({"crop": {}, "labels": self.coder.to_parts()})
        self._streams, self._tables = streams / len(self._labels), len(side) + REPORT

    @property
    def bytes(self) -> float:
        """Bytes per label, its share of the side information included."""
        return self._streams + self._tables / self._samples.total

    def report(self) -> RDReport:
        """The rate, and distances to the source, for which all labels are expanded."""
        sample, labels = self._sample, self._labels
        quality = dict.fromkeys(MEASURES, 0.0)
        for first in range(0, len(sample), COMPARED):
            truth = Reference(sample[first : first + COMPARED])
            logits = labels[first : first + COMPARED].dense()
            for measure, mean in truth.measure(logits, MEASURES).items():
                quality[measure] += mean * len(logits) / len(sample)
        return RDReport(
            sample=len(sample),
            sharing=self._samples.total,
            streams=self._streams,
            tables=self._tables / self._samples.total,
            peaks=len(labels.places) / len(sample),
            quality=quality,
        )

    def _coded(self) -> TransformLabels:
        zones = zones_of(self.coder.model.column)
        candidate = Candidate(self.coder.basis, self.coder.means, zones)
        return quantised(candidate, self._sample, self.coder.price)


def measure_rd(fitted: Fitted, samples: Samples) -> RDReport:
    """Measure rate and distortion of a coder on the held-out mix of labels, in real batches."""
    return Measurement(fitted, samples).report()
