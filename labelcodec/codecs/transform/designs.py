"""Designs by step: which axes are worth it, and whether labels are predicted from images."""

from __future__ import annotations

from labelcodec.codecs.transform.design import Design
from labelcodec.codecs.transform.fitting import designed, fit_along
from labelcodec.codecs.transform.frame import most_rank
from labelcodec.codecs.transform.sample import Samples
from labelcodec.codecs.transform.subspace import Scatter, Subspace, fit_subspace
from labelcodec.codecs.transform.trial import SAMPLE, cheapest, saturates
from labelcodec.errors import DataError

AXIS_WORTH = 0.17  # variance of the last axis kept, in squared steps
FIRST_RANK, MORE_RANK = 96, 4  # axes fitted at first, and how many times more when they run out
STEPS = (-6.0, 4.0)  # log2 of the range searched, against the labels' deviation
TYPICAL_STEP, TYPICAL_PRICE = 1.0, 2.0**-9.5  # at which predictions must pay
FEW = 64  # labels that show whether a step is too fine


class Designs:
    """Designs by step; axes are fitted as they are needed."""

    def __init__(self, samples: Samples) -> None:
        self.samples, self.tried, self.total = samples, samples.tried, samples.total
        self.scatter = Scatter(samples.fitted.centred)
        self.most = min(len(samples.fitted), most_rank(samples.fitted.centred.shape[1]))
        self._fit(min(FIRST_RANK, self.most))
        self.predicts = self._prediction_pays()

    def __call__(self, log_step: float) -> Design:
        """The design of a step of 2^log_step deviations of the labels.

        Raises:
            DataError: the step is too coarse or too fine for the labels.
        """
        step = self.space.deviation * 2.0**log_step
        rank = self._rank(step)
        while rank == len(self.space.variance) < self.most:
            wanted = min(MORE_RANK * rank, self.most)
            self._fit(wanted)
            if len(self.space.variance) < wanted:
                self.most = len(self.space.variance)
            rank = self._rank(step)
        for images in (self.images if self.predicts else None, None):
            design = designed(self.space, images, rank, step, self.total)
            if not saturates(design, self.tried.at_once(FEW)):
                return design
        raise DataError("transform: a step too fine for these labels")

    def finest(self) -> Design:
        """The design of the finest step that there can be.

        Raises:
            DataError: no step will do.
        """
        step = STEPS[0]
        while True:
            try:
                return self(step)
            except DataError:
                step += 1
                if step > STEPS[1]:
                    raise

    def _fit(self, rank: int) -> None:
        self.space: Subspace = fit_subspace(self.scatter, rank)
        self.images = fit_along(self.space, self.samples.fitted)

    def _rank(self, step: float) -> int:
        return max(int((self.space.variance >= AXIS_WORTH * step**2).sum()), 1)

    def _prediction_pays(self) -> bool:
        if self.images is None:
            return False
        step = self.space.deviation * 2.0**TYPICAL_STEP
        try:
            plain, predicted = (
                designed(self.space, images, self._rank(step), step, self.total)
                for images in (None, self.images)
            )
        except DataError:  # too coarse a step for these labels
            return False
        few = self.tried.at_once(SAMPLE)
        return cheapest((plain, predicted), few, TYPICAL_PRICE, self.total) is predicted
