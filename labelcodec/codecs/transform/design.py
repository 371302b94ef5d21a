"""What labels are turned into coefficients with, before the tables of their streams are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from labelcodec.codecs.transform.analysis import Analyser, Analysis
from labelcodec.codecs.transform.frame import Frame
from labelcodec.codecs.transform.means import Means
from labelcodec.codecs.transform.rounding import Zones
from labelcodec.codecs.transform.sample import Sample


@dataclass(frozen=True, eq=False)
class Design:
    """A subspace, and perhaps means of images in it.

    Attributes:
        frame: the subspace.
        means: what coefficients are predicted from.
        zones: how coefficients are rounded, None for what suits the labels at hand.
    """

    frame: Frame
    means: Means | None = None
    zones: Zones | None = None

    @cached_property
    def _analyser(self) -> Analyser:
        return Analyser(self.frame, self.zones)

    def analyse(self, sample: Sample) -> Analysis:
        """The coefficients of labels whose pictures are known where there are means."""
        shown, means = sample.shown, self.means
        predicted = None if means is None or shown is None else means.predict(shown)
        return self._analyser(sample.centred, predicted)
