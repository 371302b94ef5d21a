"""The coder of a given rank, step and number of peaks."""

from __future__ import annotations

from dataclasses import replace

from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.fitting import (
    Scatter,
    designed,
    finish,
    fit_along,
    fit_subspace,
    price_of,
)
from labelcodec.codecs.transform.sample import Sample
from labelcodec.codecs.transform.trial import CHECK, SAMPLE, cheapest, reached


def explicit(sample: Sample, rank: int, step: float, peaks: float, total: int) -> TransformCoder:
    """The coder of this rank, step and mean number of peaks.

    Raises:
        DataError: fewer labels than the rank, labels that do not differ, or too coarse a step.
    """
    space = fit_subspace(Scatter(sample.centred), rank)
    design = designed(space, None, rank, step, total)
    price = price_of(design, sample, peaks)
    images = fit_along(space, sample)
    if images is not None:
        both = design, designed(space, images, rank, step, total)
        design = cheapest(both, sample.at_once(SAMPLE), price, total)
        price = price_of(design, sample, peaks)
    coder = finish(design, sample, price)
    return replace(coder, reached=reached(coder, sample.spread(CHECK), total))
