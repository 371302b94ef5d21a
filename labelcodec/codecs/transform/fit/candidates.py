"""Candidates by quantisation step: the rank it justifies, and whether image means pay."""

from __future__ import annotations

from labelcodec.codecs.transform.basis_tables import most_rank
from labelcodec.codecs.transform.fit.candidate import Candidate
from labelcodec.codecs.transform.fit.rd_eval import SAMPLE, cheapest, saturates
from labelcodec.codecs.transform.fit.sample import Samples
from labelcodec.codecs.transform.fit.subspace import Scatter, fit_subspace
from labelcodec.codecs.transform.fit.table_fit import candidate_at, fit_means_along
from labelcodec.errors import DataError

AXIS_WORTH = 0.17  # least variance of an axis that is kept, in squared steps
FIRST_RANK, MORE_RANK = 144, 4  # axes at first, and the growth factor after that
FIRST_STEP, MORE_MEANS = 1.0, 2  # the finest step that image means are fitted for at first
STEPS = (-6.0, 4.0)  # range searched: log2 of the step over the labels' standard deviation
TYPICAL_STEP, TYPICAL_PRICE = 1.4, 2.0**-9.5  # where image means are tested for their gain
FEW = 64  # labels on which a step is tested for being too fine


class Candidates:
    """Builds the candidate for a step; principal axes are computed as they are needed."""

    def __init__(self, samples: Samples) -> None:
        self.samples, self.tried, self.total = samples, samples.tried, samples.total
        self.scatter = Scatter(samples.fitted.centred)
        classes = samples.fitted.centred.shape[1]
        self.most = min(len(samples.fitted), most_rank(classes))
        self.space = fit_subspace(self.scatter, min(FIRST_RANK, self.most), exact=True)
        self._fit_means(self._rank(self.space.deviation * 2.0**FIRST_STEP))
        self.predicts = self._prediction_pays()

    def __call__(self, log_step: float) -> Candidate:
        """The candidate for a step of 2^log_step standard deviations of the labels.

        Raises:
            DataError: the step is too coarse or too fine for the labels.
        """
        step = self.space.deviation * 2.0**log_step
        rank = self._rank(step)
        while rank == len(self.space.variance) < self.most:
            target = min(MORE_RANK * rank, self.most)
            self.space = fit_subspace(self.scatter, target, exact=True)
            if len(self.space.variance) < target:
                self.most = len(self.space.variance)
            rank = self._rank(step)
        if self.predicts and rank > self.fitted:
            self._fit_means(min(MORE_MEANS * rank, len(self.space.variance)))
        for images in (self.images if self.predicts else None, None):
            candidate = candidate_at(self.space, images, rank, step, self.total)
            if not saturates(candidate, self.tried.at_once(FEW)):
                return candidate
        raise DataError("transform: a step too fine for these labels")

    def finest(self) -> Candidate:
        """The candidate of the finest step that the labels allow.

        Raises:
            DataError: no step works.
        """
        step = STEPS[0]
        while True:
            try:
                return self(step)
            except DataError:
                step += 1
                if step > STEPS[1]:
                    raise

    def _fit_means(self, rank: int) -> None:
        """Fit image means along the first `rank` axes."""
        self.fitted = rank
        self.images = fit_means_along(self.space.first(rank), self.samples.fitted)

    def _rank(self, step: float) -> int:
        return max(int((self.space.variance >= AXIS_WORTH * step**2).sum()), 1)

    def _prediction_pays(self) -> bool:
        if self.images is None:
            return False
        step = self.space.deviation * 2.0**TYPICAL_STEP
        try:
            unpredicted, predicted = (
                candidate_at(self.space, images, self._rank(step), step, self.total)
                for images in (None, self.images)
            )
        except DataError:  # too coarse a step for these labels
            return False
        few = self.tried.at_once(SAMPLE)
        return cheapest((unpredicted, predicted), few, TYPICAL_PRICE, self.total) is predicted
