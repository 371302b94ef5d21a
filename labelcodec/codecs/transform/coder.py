"""The transform codec with its tables: labels to streams and back (SPEC, section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.streams import COMPONENT, Stream
from labelcodec.codecs.transform.analysis import Analyser
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.compact import Compact
from labelcodec.codecs.transform.frame import Frame
from labelcodec.codecs.transform.means import PART, Means
from labelcodec.codecs.transform.plain.images import FINE
from labelcodec.codecs.transform.reached import Reached
from labelcodec.codecs.transform.symbols import (
    GAP_CONTEXTS,
    VALUE_CONTEXTS,
    Model,
    gap_symbols,
    zones_of,
)
from labelcodec.entropy import coding, tokens, varint
from labelcodec.entropy.coding import Usage
from labelcodec.errors import CorruptError

MAX_CELLS = 1 << 23  # coefficients and peaks of a batch


@dataclass(frozen=True, eq=False)
class TransformCoder:
    """The codec with its tables.

    Attributes:
        frame: what labels are expanded with.
        model: contexts and tables of the streams.
        price: nats that a bit of a peak must save; only the encoder uses it.
        reached: what the encoder found on a sample, where it said so.
        means: what coefficients are predicted from, where that pays.
    """

    frame: Frame
    model: Model
    price: float
    reached: Reached | None = None
    means: Means | None = None

    def dump(self) -> dict[str, bytes]:
        """Named parts for the side information."""
        price = np.array([self.price], "<f8").tobytes()
        reached = {} if self.reached is None else {"reached": self.reached.dump()}
        means = {} if self.means is None else {PART: self.means.dump()}
        return {**self.frame.dump(), **self.model.dump(), "price": price, **reached, **means}

    def chosen(self) -> dict[str, Any]:
        """What was chosen, and what it reached."""
        frame, reached = self.frame, {} if self.reached is None else self.reached.chosen()
        step, images = frame.step, {}
        if self.means is not None:
            step, images = step * 2**FINE, {"images": len(self.means.entries)}
        return {"rank": frame.rank, "step": float(f"{step:.4g}"), **images, **reached}

    def compact(self, labels: Labels, pictures: Pictures | None = None) -> Compact:
        """The labels as they will be given back; its own ones are, unless their pictures differ."""
        own, predicted = labels.compact, self._predicted(pictures, len(labels))
        if (
            isinstance(own, Compact)
            and own.frame.digest == self.frame.digest
            and (pictures is None or np.array_equal(cast(Any, own.predicted), cast(Any, predicted)))
        ):
            return own
        analysis = self.analyser(labels.dense(), predicted)
        return analysis.compact(analysis.peaks(self.price))

    def _predicted(self, pictures: Pictures | None, samples: int) -> NDArray[np.int32] | None:
        if self.means is None:
            return None
        if pictures is None:
            return np.zeros((samples, self.frame.rank), np.int32)
        return self.means.of(pictures)

    @cached_property
    def analyser(self) -> Analyser:
        """What chooses coefficients and peaks."""
        return Analyser(self.frame, zones_of(self.model.column))

    def encode(self, labels: Labels, pictures: Pictures | None = None) -> dict[Stream, bytes]:
        """The label streams of a batch, given what its labels may be predicted from."""
        return self.streams(self.compact(labels, pictures))

    def streams(self, compact: Compact) -> dict[Stream, bytes]:
        """The label streams of compact labels."""
        return {
            Stream.LABEL_INDEX: varint.encode(len(compact.places))
            + coding.encode_symbols(gap_symbols(compact), self.model.gaps),
            Stream.LABEL_VALUES: coding.encode_symbols(
                self.model.value_symbols(compact), self.model.values
            ),
        }

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        pictures: Pictures | None = None,
    ) -> Labels:
        """Compact labels of a batch, as `interface.Coder` says."""
        if blank.space != "logits" or blank.tail is not None:
            raise CorruptError(f"transform labels as {blank.space} with tail {blank.tail}")
        for stream in (Stream.LABEL_INDEX, Stream.LABEL_VALUES):
            if stream not in streams:
                raise CorruptError(f"the {COMPONENT[stream]} stream is missing")
        frame, model = self.frame, self.model
        data, (gaps, values) = streams[Stream.LABEL_INDEX], (model.gaps, model.values)
        peaks, position = varint.decode(data, 0)
        cells = peaks + samples * frame.rank
        if cells > MAX_CELLS:
            raise CorruptError(f"{peaks} peaks are too many for a batch")
        counts, places, status = kernels().gap_decode(
            *coding.split_symbols(data[position:], samples + peaks),
            samples, peaks, frame.classes, gaps.lookup, gaps.escape,
        )  # fmt: skip
        if status:
            raise CorruptError("the entropy-coded peaks do not decode")
        coded, residuals, status = kernels().value_decode(
            *coding.split_symbols(streams[Stream.LABEL_VALUES], cells), counts, places,
            model.column, model.weights, model.thresholds, values.lookup, values.escape,
        )  # fmt: skip
        if status:
            raise CorruptError("the entropy-coded label values do not decode")
        predicted = self._predicted(pictures, samples)
        if predicted is None:
            coefficients = np.ascontiguousarray(coded.T)
        else:
            coefficients, far = kernels().restored(coded, predicted)
            if far:
                raise CorruptError("a coefficient is too far from its prediction")
        compact = Compact(frame, coefficients, counts, places, residuals, predicted)
        value = np.zeros((samples, 0), np.float32)
        return Labels(frame.classes, value, precision=blank.precision, compact=compact)

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Accounting of the entropy-coded streams."""
        compact, alphabet = self.compact(labels), tokens.ALPHABET
        parts = (
            (Stream.LABEL_INDEX, gap_symbols(compact), GAP_CONTEXTS),
            (Stream.LABEL_VALUES, self.model.value_symbols(compact), VALUE_CONTEXTS),
        )
        return {
            COMPONENT[stream]: coding.usage(symbols, contexts, alphabet, sizes[stream])
            for stream, symbols, contexts in parts
        }
