"""A candidate of the parameter search: a basis and, optionally, image means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from labelcodec.codecs.transform.basis_tables import BasisTables
from labelcodec.codecs.transform.fit.analysis import Analyser, Analysis
from labelcodec.codecs.transform.fit.deadzone import DeadZones
from labelcodec.codecs.transform.fit.sample import Sample
from labelcodec.codecs.transform.image_means import ImageMeans


@dataclass(frozen=True, eq=False)
class Candidate:
    """Quantised basis and image means at one choice of rank and step.

    Attributes:
        basis: the basis tables.
        means: image means that coefficients are predicted from; None without prediction.
        zones: dead zones of the coefficients; None derives them from the labels being quantised.
    """

    basis: BasisTables
    means: ImageMeans | None = None
    zones: DeadZones | None = None

    @cached_property
    def _analyser(self) -> Analyser:
        return Analyser(self.basis, self.zones)

    def analyse(self, sample: Sample) -> Analysis:
        """Quantise a sample's labels; they are predicted if there are means and mixtures."""
        shown, means = sample.shown, self.means
        predicted = None if means is None or shown is None else means.predict(shown)
        return self._analyser.of_centred(sample.centred, predicted)
