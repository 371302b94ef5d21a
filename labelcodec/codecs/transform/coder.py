"""The transform codec with its fitted tables: labels to streams and back (SPEC, section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import LABEL_INDEX, LABEL_VALUES, Stream
from labelcodec.codecs.full_logits import check_stored_logits
from labelcodec.codecs.interface import Coder
from labelcodec.codecs.transform.backend import kernels
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.compact import TransformLabels, fingerprint
from labelcodec.codecs.transform.context_model import ContextModel, gap_integers, zones_of
from labelcodec.codecs.transform.fit.analysis import Analyser
from labelcodec.codecs.transform.format import FINE, GAP_CONTEXTS, MAX_CELLS, VALUE_CONTEXTS
from labelcodec.codecs.transform.image_means import PART, ImageMeans
from labelcodec.codecs.transform.rd_report import RDReport
from labelcodec.entropy import coding, varint
from labelcodec.entropy.coding import Usage
from labelcodec.entropy.format import ALPHABET
from labelcodec.errors import CorruptError


@dataclass(frozen=True, eq=False)
class TransformCoder(Coder):
    """The transform codec with its fitted tables.

    Attributes:
        basis: the basis tables.
        model: context model and frequency tables of the two label streams.
        price: nats of KL that a peak must save per bit; only the encoder uses it.
        reached: rate and distortion that the encoder measured on a sample, if it stored them.
        means: mean coefficients of the images, if labels are predicted from them.
        known: the labels of batches that the tables were fitted to, by `fingerprint`; the encoder
            need not quantise them again.
    """

    basis: BasisTables
    model: ContextModel
    price: float
    reached: RDReport | None = None
    means: ImageMeans | None = None
    known: Mapping[bytes, TransformLabels] = field(default_factory=dict)

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        price = np.array([self.price], "<f8").tobytes()
        reached = {} if self.reached is None else {"reached": self.reached.to_bytes()}
        means = {} if self.means is None else {PART: self.means.to_bytes()}
        return {
            **self.basis.to_parts(),
            **self.model.to_parts(),
            "price": price,
            **reached,
            **means,
        }

    def chosen(self) -> dict[str, Any]:
        """The fitted parameters and the measured rate and distortion, as JSON-safe values."""
        basis, reached = self.basis, {} if self.reached is None else self.reached.chosen()
        step, images = basis.step, {}
        if self.means is not None:
            step, images = step * 2**FINE, {"images": len(self.means.entries)}
        return {"rank": basis.rank, "step": float(f"{step:.4g}"), **images, **reached}

    def compact(self, labels: Labels, context: BatchContext | None = None) -> TransformLabels:
        """Quantise labels to coefficients and peaks.

        Labels that this coder decoded or was fitted to are returned without a second
        quantisation, unless the context now predicts other coefficients.

        Args:
            labels: labels of a batch, dense or compact.
            context: what the labels are predicted from; None predicts zero.
        """
        own, predicted = labels.compact, self._predicted(context, len(labels))
        if (
            isinstance(own, TransformLabels)
            and own.basis.digest == self.basis.digest
            and (context is None or np.array_equal(cast(Any, own.predicted), cast(Any, predicted)))
        ):
            return own
        known = self.known.get(fingerprint(labels)) if self.known and own is None else None
        if known is not None and np.array_equal(cast(Any, known.predicted), cast(Any, predicted)):
            return known
        analysis = self.analyser(labels.dense(), predicted)
        return analysis.compact(analysis.peaks(self.price))

    def _predicted(self, context: BatchContext | None, samples: int) -> NDArray[np.int32] | None:
        if self.means is None:
            return None
        if context is None:
            return np.zeros((samples, self.basis.rank), np.int32)
        return self.means.of(context)

    @cached_property
    def analyser(self) -> Analyser:
        """The encoder's quantiser, rounding as the context classes of the columns suggest."""
        return Analyser(self.basis, zones_of(self.model.column))

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: B labels returned by `Transform.prepare`.
            context: what the labels are predicted from; None predicts zero.

        Returns:
            The LABEL_INDEX and LABEL_VALUES streams.
        """
        return self.streams(self.compact(labels, context))

    def streams(self, compact: TransformLabels) -> dict[Stream, bytes]:
        """Entropy-code compact labels to the LABEL_INDEX and LABEL_VALUES streams."""
        return {
            LABEL_INDEX: varint.encode(len(compact.places))
            + coding.encode_values(*gap_integers(compact), self.model.gaps),
            LABEL_VALUES: coding.encode_values(
                *self.model.value_integers(compact), self.model.values
            ),
        }

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> Labels:
        """Decode the labels of a batch; see `interface.Coder`.

        Args:
            streams: the streams of the batch.
            samples: B.
            blank: labels without values that carry the number of classes and the precision.
            context: what the labels were predicted from; None predicts zero.

        Returns:
            Compact labels.

        Raises:
            CorruptError: a stream is missing or malformed.
        """
        check_stored_logits(blank, streams, (LABEL_INDEX, LABEL_VALUES), "transform")
        basis, model = self.basis, self.model
        data, (gaps, values) = streams[LABEL_INDEX], (model.gaps, model.values)
        peaks, position = varint.decode(data, 0)
        cells = peaks + samples * basis.rank
        if cells > MAX_CELLS:
            raise CorruptError(f"{peaks} peaks are too many for a batch")
        counts, places, status = kernels().gap_decode(
            *coding.split_symbols(data[position:], samples + peaks),
            samples, peaks, basis.classes, gaps.lookup,
        )  # fmt: skip
        if status:
            raise CorruptError("the entropy-coded peaks do not decode")
        coded, residuals, status = kernels().value_decode(
            *coding.split_symbols(streams[LABEL_VALUES], cells), counts, places,
            model.column, model.weights, model.thresholds, values.lookup,
        )  # fmt: skip
        if status:
            raise CorruptError("the entropy-coded label values do not decode")
        predicted = self._predicted(context, samples)
        if predicted is None:
            coefficients = np.ascontiguousarray(coded.T)
        else:
            coefficients, far = kernels().restored(coded, predicted)
            if far:
                raise CorruptError("a coefficient is too far from its prediction")
        compact = TransformLabels(basis, coefficients, counts, places, residuals, predicted)
        value = np.zeros((samples, 0), np.float32)
        return Labels(basis.classes, value, precision=blank.precision, compact=compact)

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Symbol counts and coded bytes of the entropy-coded streams, by component.

        Args:
            labels: the labels that were encoded.
            sizes: bytes of each stream.
        """
        compact, alphabet = self.compact(labels), ALPHABET
        parts = (
            (LABEL_INDEX, gap_integers(compact), GAP_CONTEXTS),
            (LABEL_VALUES, self.model.value_integers(compact), VALUE_CONTEXTS),
        )
        return {
            stream.component: coding.usage(
                coding.tokenise(*integers), contexts, alphabet, sizes[stream]
            )
            for stream, integers, contexts in parts
        }
