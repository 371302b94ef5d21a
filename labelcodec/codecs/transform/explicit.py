"""The coder of a given rank, step and number of peaks."""

from __future__ import annotations

from dataclasses import replace

from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.fitting import (
    designed,
    finish,
    fit_along,
    price_of,
)
from labelcodec.codecs.transform.sample import Samples
from labelcodec.codecs.transform.subspace import Scatter, fit_subspace
from labelcodec.codecs.transform.trial import SAMPLE, cheapest, reached, saturates
from labelcodec.errors import DataError


def explicit(samples: Samples, rank: int, step: float, peaks: float) -> TransformCoder:
    """The coder of this rank, step and mean number of peaks.

    Raises:
        DataError: fewer labels than the rank, labels that do not differ, or a step that is too
            coarse or too fine for them.
    """
    total, few = samples.total, samples.tried.at_once(SAMPLE)
    space = fit_subspace(Scatter(samples.fitted.centred), rank)
    design = designed(space, None, rank, step, total)
    price = price_of(design, samples.tried, peaks)
    images = fit_along(space, samples.fitted)
    if images is not None:
        design = cheapest((design, designed(space, images, rank, step, total)), few, price, total)
        price = price_of(design, samples.tried, peaks)
    if saturates(design, few):
        raise DataError(
            f"transform: step {step:g} is too fine for these labels, whose coefficients exceed "
            "what can be stored; use a coarser step"
        )
    coder = finish(design, samples.all, price)
    return replace(coder, reached=reached(coder, samples))
