"""The vq codec with its fitted tables: labels to a stream and back (SPEC, section 15)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import LABEL_VALUES, Stream
from labelcodec.codecs.full_logits import check_stored_logits
from labelcodec.codecs.interface import Coder
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.fit.analysis import centre
from labelcodec.codecs.transform.format import MAX_CELLS, MEAN_SHIFT
from labelcodec.codecs.transform.image_means import PART, ImageMeans
from labelcodec.codecs.transform.rd_report import RDReport
from labelcodec.codecs.vq.codebooks import Codebooks
from labelcodec.codecs.vq.compact import VqLabels
from labelcodec.codecs.vq.fit.code_search import EFFECTS, Array, CodeSearch, Decoder
from labelcodec.codecs.vq.network import Network
from labelcodec.entropy import coding
from labelcodec.entropy.coding import Usage
from labelcodec.entropy.format import ALPHABET
from labelcodec.errors import CorruptError, DataError
from labelcodec.wording import counted

PRICE = 0.2  # nats that a bit must save, times the squares of the number of codes and tau


def price_of_bit(codes: int, tau: float) -> float:
    """Nats that a bit must save in labels of n codes at a temperature.

    The slope of the KL divergence over the rate falls as 1 / n^2, the divergence as 1 / tau^2.
    """
    return PRICE / (codes * tau) ** 2


@dataclass(frozen=True, eq=False)
class VqCoder(Coder):
    """The vq codec with its fitted tables.

    Attributes:
        basis: the basis tables.
        codebooks: the codewords and how often they are used; a codebook per code, or a network.
        means: mean coefficients of the images, if labels are predicted from them.
        reached: rate and distortion that the encoder measured on a sample, if it stored them.
        tau: temperature of the KL divergence under which codes are searched, 0.1..100; only the
            encoder uses it.
    """

    basis: BasisTables
    codebooks: Codebooks | Network
    means: ImageMeans | None = None
    reached: RDReport | None = None
    tau: float = 1.0

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields only: the search holds the codewords as logits."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        means = {} if self.means is None else {PART: self.means.to_bytes()}
        reached = {} if self.reached is None else {"reached": self.reached.to_bytes()}
        tau = {} if self.tau == 1 else {"tau": np.array([self.tau], "<f8").tobytes()}
        return {**self.basis.to_parts(), **self.codebooks.to_parts(), **means, **reached, **tau}

    def chosen(self) -> dict[str, Any]:
        """The fitted parameters and the measured rate and distortion, as JSON-safe values."""
        reached = {} if self.reached is None else self.reached.chosen()
        reached.pop("peaks", None)
        images = {} if self.means is None else {"images": len(self.means.entries)}
        books = self.codebooks
        size: dict[str, float] = {"codes": books.codes, "codewords": books.codewords}
        if isinstance(books, Network):
            size["width"] = books.width
        else:
            size["tau"] = self.tau
        return {"rank": self.basis.rank, **size, **images, **reached}

    def notes(self) -> tuple[str, ...]:
        """Say that the labels are too few for the tables, where these are most of the bytes."""
        reached = self.reached
        if reached is None or reached.tables <= reached.streams:
            return ()
        enough = math.ceil(reached.tables * reached.sharing / reached.streams)
        return (
            f"vq: {reached.tables:.3g} of {reached.bytes:.3g} bytes per label are tables, which "
            f"{counted(reached.sharing, 'label')} share; with fewer than {enough} labels, tables "
            "are most of the bytes: use transform",
        )

    def predicted(self, context: BatchContext | None, samples: int) -> NDArray[np.int32] | None:
        """(B, r) int32 coefficients predicted from the images; None without image means."""
        if self.means is None:
            return None
        if context is None:
            return np.zeros((samples, self.basis.rank), np.int32)
        return self.means.of(context)

    @cached_property
    def _vectors(self) -> Array:
        """(r, C) float32 logits per unit of a coefficient."""
        vectors: Array = np.ldexp(self.basis.vectors, -self.basis.point).astype(np.float32)
        return vectors

    @cached_property
    def search(self) -> CodeSearch:
        """The search for codes in this decoder.

        Raises:
            DataError: too many codewords for the search.
        """
        books = self.codebooks
        assert isinstance(books, Codebooks)
        if books.codes * books.codewords * self.basis.classes > EFFECTS:
            raise DataError(
                f"vq: {counted(books.codes, 'codebook')} of "
                f"{counted(books.codewords, 'codeword')} are too many to search for labels of "
                f"{counted(self.basis.classes, 'class')}; they can only be read"
            )
        rates = books.rates * np.float32(price_of_bit(books.codes, self.tau))
        codewords = books.entries.astype(np.float32)
        return CodeSearch(Decoder(self._vectors, codewords, rates, self.tau))

    def codes_of(self, centred: Array, predicted: NDArray[np.int32] | None) -> NDArray[np.int64]:
        """(B, n) int64 codes of (B, C) float32 logits less their mean.

        Raises:
            DataError: the tables are an autoencoder's, whose encoder the file does not have.
        """
        if isinstance(self.codebooks, Network):
            if self.codebooks.encoder is None:
                raise DataError("vq: tables without an encoder network can only be read")
            return self.codebooks.encoder.codes(centred, self.codebooks.entries)
        base = np.ldexp(self.basis.mean.astype(np.float64), MEAN_SHIFT - self.basis.point)
        offset = np.broadcast_to(base.astype(np.float32), centred.shape)
        if predicted is not None:
            offset = offset + predicted.astype(np.float32) @ self._vectors
        return self.search(centred, offset)

    def compact(self, labels: Labels, context: BatchContext | None = None) -> VqLabels:
        """Search the codes of labels.

        Labels that this coder decoded keep their codes, unless the context now predicts other
        coefficients.

        Args:
            labels: labels of a batch, dense or compact.
            context: what the labels are predicted from; None predicts zero.
        """
        own, predicted = labels.compact, self.predicted(context, len(labels))
        if isinstance(own, VqLabels) and own.basis.digest == self.basis.digest:
            expected = own.predicted if context is None else predicted
            if _give(self.codebooks, own, expected):
                return own
        codes = self.codes_of(centre(labels.dense()), predicted)
        return self.labels(codes, predicted)

    def labels(self, codes: NDArray[np.int64], predicted: NDArray[np.int32] | None) -> VqLabels:
        """Compact labels of (B, n) codes and (B, r) predictions."""
        sums = self.codebooks.coefficients(codes, predicted)
        return VqLabels.of(self.basis, sums, predicted, codes)

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: labels returned by `Vq.prepare`.
            context: what the labels are predicted from; None predicts zero.

        Returns:
            The LABEL_VALUES stream.
        """
        codes = self.compact(labels, context).codes
        assert codes is not None
        return {LABEL_VALUES: self.stream(codes)}

    def stream(self, codes: NDArray[np.int64]) -> bytes:
        """Entropy-code (B, n) codes, code by code."""
        books = self.codebooks
        return coding.encode_values(codes.T.ravel(), books.contexts(len(codes)), books.table)

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
            CorruptError: the stream is missing or malformed.
        """
        check_stored_logits(blank, streams, (LABEL_VALUES,), "vq")
        books = self.codebooks
        if samples * max(books.codes, self.basis.rank) > MAX_CELLS:
            raise CorruptError(f"{samples} labels are too many for a batch")
        values = coding.decode_values(
            streams[LABEL_VALUES], books.contexts(samples), books.table, "codes"
        )
        if (values >= books.codewords).any():
            raise CorruptError(f"a code is not below {books.codewords}")
        codes = np.ascontiguousarray(values.reshape(books.codes, samples).T)
        labels = self.labels(codes, self.predicted(context, samples))
        value = np.zeros((samples, 0), np.float32)
        return Labels(self.basis.classes, value, precision=blank.precision, compact=labels)

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Symbol counts and coded bytes of the stream.

        Args:
            labels: the labels that were encoded.
            sizes: bytes of each stream.
        """
        codes = self.compact(labels).codes
        assert codes is not None
        symbols = coding.tokenise(codes.T.ravel(), self.codebooks.contexts(len(codes)))
        used = coding.usage(symbols, self.codebooks.codes, ALPHABET, sizes[LABEL_VALUES])
        return {LABEL_VALUES.component: used}


def _give(
    books: Codebooks | Network, labels: VqLabels, predicted: NDArray[np.int32] | None
) -> bool:
    """Whether the codes of labels give their coefficients with these codebooks, too."""
    codes = labels.codes
    return (
        codes is not None
        and codes.shape[1] == books.codes
        and int(codes.max(initial=0)) < books.codewords
        and np.array_equal(books.coefficients(codes, predicted), labels.coefficients)
    )
