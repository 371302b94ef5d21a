"""What a frame reaches on some labels, at any price of a peak's bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.codecs import side as side_information
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.compact import Compact
from labelcodec.codecs.transform.design import Design
from labelcodec.codecs.transform.fitting import NO_PEAKS, fit_tail, with_price
from labelcodec.codecs.transform.means import PART
from labelcodec.codecs.transform.plain.images import MAX_CODED
from labelcodec.codecs.transform.plain.symbols import MAX_COEFFICIENT
from labelcodec.codecs.transform.reached import MEASURES, SIZE, Reached
from labelcodec.codecs.transform.sample import Sample, Samples
from labelcodec.codecs.transform.symbols import (
    GAP_CONTEXTS,
    VALUE_CONTEXTS,
    Model,
    gap_symbols,
    zones_of,
)
from labelcodec.entropy import tables, tokens
from labelcodec.entropy.coding import Symbols

AT_ONCE = 128
SATURATED = 0.01  # of the labels
SAMPLE = 512  # labels on which choices are made
CHECK = 4096  # labels on which a choice is checked
MEASURED = 1 << 24  # logits on which it is measured, at most: 16 777 labels of 1000 classes
HEAD = 4  # bytes of the two streams in a batch's directory


class Trial:
    """Labels analysed in one design."""

    def __init__(self, design: Design, truth: Truth) -> None:
        """Analyse the labels that `truth` holds."""
        self.design, self._truth = design, truth
        self._analysis = design.analyse(truth.sample)
        bare = self._compact(NO_PEAKS)
        model = Model.fit([bare])
        self._streams, tables_ = _cost(model.value_symbols(bare), VALUE_CONTEXTS)
        means = {} if design.means is None else {PART: design.means.dump()}
        self._side = tables_ + _compressed({**design.frame.dump(), **means})
        self._peaks_only = replace(model, column=model.column[:0], thresholds=model.thresholds[:0])

    def _compact(self, price: float) -> Compact:
        analysis = replace(self._analysis, frame=with_price(self._analysis.frame, price))
        return analysis.compact(analysis.peaks(price))

    def bytes(self, price: float, total: int) -> float:
        """Bytes a label, roughly: the tables are fitted to these very labels."""
        compact = self._compact(price)
        peaks = replace(compact, coefficients=compact.coefficients[:, :0], predicted=None)
        gaps, gap_tables = _cost(gap_symbols(peaks), GAP_CONTEXTS)
        rest, rest_tables = _cost(self._peaks_only.value_symbols(peaks), VALUE_CONTEXTS)
        streams, side = self._streams + gaps + rest, self._side + gap_tables + rest_tables
        return streams / len(compact.counts) + side / total

    def quality(self, price: float, measures: Iterable[str]) -> dict[str, float]:
        """Means of the measures, such as 'tv4' and 'kl1'."""
        analysis = replace(self._analysis, frame=with_price(self._analysis.frame, price))
        peaks = analysis.peaks(price)
        analysis = replace(analysis, frame=fit_tail(analysis, peaks))
        return self._truth.measure(analysis.frame.logits(analysis.expand(peaks)), measures)


def cheapest(designs: Iterable[Design], sample: Sample, price: float, total: int) -> Design:
    """The design in which the labels take the fewest bytes."""
    truth = Truth(sample)
    return min(designs, key=lambda design: Trial(design, truth).bytes(price, total))


def _compressed(parts: Mapping[str, bytes]) -> int:
    return sum(len(zstandard.compress(part)) for part in parts.values())


def _cost(symbols: Symbols, contexts: int) -> tuple[float, int]:
    """Bytes that symbols take with tables fitted to them, and bytes of the tables."""
    counts = symbols.counts(contexts, tokens.ALPHABET)
    table = tables.fit(counts)
    lengths = tables.BITS - np.log2(np.maximum(table.freqs[:, :-1], 1))
    bits = (counts * lengths).sum() + symbols.widths.sum(dtype=int)
    return float(bits) / 8, len(zstandard.compress(tables.dump(table)))


class Truth:
    """Labels that others are measured against."""

    def __init__(self, sample: Sample) -> None:
        """Take the labels."""
        self.sample = sample
        self._known: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def measure(self, found: NDArray[np.float32], measures: Iterable[str]) -> dict[str, float]:
        """Mean total variation ('tv4' at temperature 4) or KL ('kl1', nats) of logits to these."""
        found = found - found.max(axis=1, keepdims=True)
        reached = {}
        for measure in measures:
            tau = int(measure[2:])
            p, log_p = self._at(tau)
            scaled = found / np.float32(tau)
            q = np.exp(scaled)
            total = q.sum(axis=1, keepdims=True)
            if measure.startswith("tv"):
                q /= total
                q -= p
                reached[measure] = float(np.abs(q).sum(axis=1).mean()) / 2
            else:
                terms = log_p - scaled
                terms *= p
                reached[measure] = max(float((terms.sum(axis=1) + np.log(total[:, 0])).mean()), 0.0)
        return reached

    def _at(self, tau: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities and their logarithms at a temperature."""
        if tau not in self._known:
            scaled = self.sample.centred / np.float32(tau)
            scaled -= scaled.max(axis=1, keepdims=True)
            scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
            self._known[tau] = np.exp(scaled), scaled
        return self._known[tau]


def saturates(design: Design, sample: Sample) -> bool:
    """Whether too many labels have a coefficient that is too large to store."""
    analysis = design.analyse(sample)
    coded = analysis.compact(analysis.peaks(NO_PEAKS)).coded
    most = MAX_COEFFICIENT if design.means is None else MAX_CODED
    return bool((np.abs(coded).max(axis=1) >= most - 1).mean() > SATURATED)


def _stored(coder: TransformCoder, compact: Compact, batch: int) -> int:
    """Bytes of the streams of labels in batches."""
    parts = (compact[first : first + batch] for first in range(0, len(compact), batch))
    return sum(HEAD + sum(map(len, coder.streams(part).values())) for part in parts)


def reached(coder: TransformCoder, samples: Samples) -> Reached:
    """What labels come to, stored in batches as large as the file's."""
    design = Design(coder.frame, coder.means, zones_of(coder.model.column))
    sample, batch = samples.tried, samples.batch
    sample = sample.spread(max(CHECK, MEASURED // sample.centred.shape[1]))
    at_once = max(batch, AT_ONCE // batch * batch)
    streams = peaks = 0
    quality = dict.fromkeys(MEASURES, 0.0)
    for first in range(0, len(sample), at_once):
        part = sample[first : first + at_once]
        analysis = design.analyse(part)
        chosen = analysis.peaks(coder.price)
        peaks += len(chosen.places)
        streams += _stored(coder, analysis.compact(chosen), batch)
        found = coder.frame.logits(analysis.expand(chosen))
        for measure, mean in Truth(part).measure(found, MEASURES).items():
            quality[measure] += mean * len(part) / len(sample)
    side = side_information.pack({"crop": {}, "labels": coder.dump()})
    return Reached(
        sample=len(sample),
        sharing=samples.total,
        streams=streams / len(sample),
        tables=(len(side) + SIZE) / samples.total,
        peaks=peaks / len(sample),
        quality=quality,
    )
