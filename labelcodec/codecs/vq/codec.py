"""Configuration of the vq codec (SPEC, section 15)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelcodec.batch import Labels
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.full_logits import check_full_logits
from labelcodec.codecs.interface import Codec
from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.fit.sample import Samples, gather
from labelcodec.codecs.transform.image_means import ImageMeans
from labelcodec.codecs.transform.rd_report import BOUNDS, RDReport, bounds_of
from labelcodec.codecs.vq.codebooks import Codebooks
from labelcodec.codecs.vq.coder import VqCoder
from labelcodec.codecs.vq.fit.code_count import least_codes, most_codes
from labelcodec.codecs.vq.fit.design import search_fitting
from labelcodec.codecs.vq.fit.network_fit import Training, network_fitting
from labelcodec.codecs.vq.format import MAX_CODES, MAX_CODEWORDS, MAX_HIDDEN, MAX_WIDTH
from labelcodec.codecs.vq.network import Network
from labelcodec.errors import ConfigError, CorruptError, DataError

DEFAULT_BYTES = 16.0
TAUS = 0.1, 100.0
ONE = np.array([1.0], "<f8").tobytes()
METHODS = ("search", "autoencoder")
NETWORK_CODEWORDS, NETWORK_WIDTH = 1024, 32
Parts = Mapping[str, bytes]  # `bytes` inside the class is its field


@dataclass(frozen=True)
class Vq(Codec):
    """Configuration of the vq codec. Without keys it is `bytes=16`.

    Give the number of codes, or a budget (`bytes`), bounds on the distance to the source (`tv…`,
    `kl…`), or a budget and bounds; the encoder then takes as many codes as the budget holds, or as
    few as the bounds need. Both are measured on labels of the sample that the tables are fitted to.
    Codes are searched, and the decoder is trained, under the KL divergence at a temperature.

    The tables of vq are larger than those of transform: with 256 codewords per codebook, they pay
    from some 200 000 labels on.

    Attributes:
        method: 'search', or 'autoencoder', the VQAE of the literature (arXiv 2603.03808): an
            encoder network chooses the codes; it needs torch to be fitted, and larger tables.
        codes: codes per label, 1..256; a code takes about one byte.
        codewords: of the autoencoder: entries of its codebook, 2..4096; by default 1024.
        width: of the autoencoder: numbers per codeword, 1..1024; by default 32.
        hidden: of the autoencoder: hidden units of encoder and decoder, 1..1024, no more than
            classes; by default 512, or the number of classes.
        tau: temperature of the loss, 0.1..100; by default that of the bound that is hardest to
            meet, and 1 without bounds.
        seed: of the autoencoder's training, 0..2^32-1.
        bytes: most bytes per label, its share of the side information included. The augmentation
            and the image index come on top.
        tv1: largest mean total variation to the source at temperature 1, 1e-6..1.
        tv2: the same at temperature 2.
        tv4: the same at temperature 4.
        kl1: largest mean KL divergence from the source at temperature 1, in nats, 1e-6..1000.
        kl2: the same at temperature 2.
        kl4: the same at temperature 4.

    Raises:
        ConfigError: a value out of range, or a number of codes together with a budget or bound.
    """

    method: str = "search"
    codes: int | None = None
    codewords: int | None = None
    width: int | None = None
    hidden: int | None = None
    tau: float | None = None
    seed: int = 0
    bytes: float | None = None
    tv1: float | None = None
    tv2: float | None = None
    tv4: float | None = None
    kl1: float | None = None
    kl2: float | None = None
    kl4: float | None = None

    name, lossy, fit_labels = "vq", True, 8 * 8192

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"vq: method={self.method}, known are {', '.join(METHODS)}")
        for key in ("codewords", "width", "hidden"):
            if self.method == "search" and getattr(self, key) is not None:
                raise ConfigError(f"vq: {key} is for method=autoencoder")
        if self.method == "search" and self.seed:
            raise ConfigError("vq: seed is for method=autoencoder")
        for key, low, high in (
            ("codes", 1, MAX_CODES), ("bytes", 0.1, 1e6), ("codewords", 2, MAX_CODEWORDS),
            ("width", 1, MAX_WIDTH), ("hidden", 1, MAX_HIDDEN), ("tau", *TAUS),
            ("seed", 0, 2**32 - 1), *BOUNDS,
        ):  # fmt: skip
            value = getattr(self, key)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"vq: {key}={value}, allowed are {low:g}..{high:g}")
        if self.codes is not None and (self.bytes is not None or self.quality):
            raise ConfigError("vq: give a number of codes, or a budget and qualities")

    @property
    def quality(self) -> dict[str, float]:
        """The bounds on total variation and KL divergence that are set."""
        return bounds_of(self)

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = False,
        context: BatchContext | None = None,
    ) -> Labels:
        """The labels unchanged, after validation; the loss arises in the coder.

        Raises:
            DataError: labels that are not full, finite logits of their declared precision, or
                logits above 1e15 in magnitude.
        """
        self.kept(labels.k, labels.tail)
        check_full_logits(labels, self.name)
        return labels

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> VqCoder:
        """Train the decoder on sample labels.

        Args:
            samples: labels returned by `prepare`.
            classes: C.
            expected: number of labels in the whole file, which share the side information; by
                default the number of sample labels.
            contexts: one context per element of `samples`, or none. With contexts, labels are
                predicted from the mean label of their images.

        Raises:
            DataError: too few labels, labels that do not differ, or a budget or bound that cannot
                be met; the message then says what can.
        """
        parts = list(samples)
        if not parts:
            raise DataError("the vq codec needs labels to fit its tables to; there are none")
        labels = gather(parts, contexts, expected)
        coder = self._fitted(labels)
        try:
            self.from_parts(coder.to_parts(), classes)
        except CorruptError as error:
            raise DataError(f"vq: labels beyond what its tables hold: {error}") from None
        return coder

    def _fitted(self, labels: Samples) -> VqCoder:
        if self.method == "search":
            fitting = search_fitting(labels)
        else:
            codewords, width = self.codewords or NETWORK_CODEWORDS, self.width or NETWORK_WIDTH
            fitting = network_fitting(labels, Training(codewords, width, self.hidden, self.seed))
        if self.quality:
            return least_codes(fitting, self.bytes, self.quality, self.tau)
        tau = self.tau or 1.0
        if self.codes is not None:
            return fitting.fit(self.codes, tau)
        return most_codes(fitting, DEFAULT_BYTES if self.bytes is None else self.bytes, tau)

    def from_parts(self, parts: Parts, classes: int) -> VqCoder:
        """Deserialize a coder from the named parts that its `to_parts` wrote.

        Args:
            parts: the named parts of the side information.
            classes: C.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            basis = BasisTables.from_parts(parts, classes)
            codebooks: Codebooks | Network
            if "network" in parts:
                encoder = parts.get("encoder")
                codebooks = Network.from_parts(
                    parts["network"], parts["codes"], encoder, basis.rank, classes
                )
            else:
                codebooks = Codebooks.from_parts(parts["codebooks"], parts["codes"], basis.rank)
        except KeyError as missing:
            raise CorruptError(f"the vq tables lack {missing}") from None
        reached = RDReport.from_bytes(parts["reached"]) if "reached" in parts else None
        means = ImageMeans.from_parts(parts, basis.rank)
        if means is not None and isinstance(codebooks, Network):
            raise CorruptError("vq tables of a network with image means")
        stored = parts.get("tau", ONE)
        tau = np.frombuffer(stored, "<f8")[0] if len(stored) == 8 else np.nan
        if not TAUS[0] <= tau <= TAUS[1]:
            raise CorruptError("vq tables with an impossible temperature")
        return VqCoder(basis, codebooks, means, reached, float(tau))
