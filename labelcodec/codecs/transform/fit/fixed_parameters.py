"""Fitting the transform codec at a given rank, step and number of peaks."""

from __future__ import annotations

from dataclasses import replace

from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.fit.rd_eval import SAMPLE, cheapest, measure_rd, saturates
from labelcodec.codecs.transform.fit.sample import Samples
from labelcodec.codecs.transform.fit.subspace import Scatter, fit_subspace
from labelcodec.codecs.transform.fit.table_fit import (
    candidate_at,
    fit_coder,
    fit_means_along,
    price_of,
)
from labelcodec.errors import DataError


def fixed_parameters(samples: Samples, rank: int, step: float, peaks: float) -> TransformCoder:
    """Fit a coder at fixed parameters.

    Args:
        samples: the labels to fit to.
        rank: coefficients per label.
        step: quantisation step in logits.
        peaks: mean number of corrected classes per label.

    Raises:
        DataError: fewer labels than the rank, labels that do not differ, or a step that is too
            coarse or too fine for them.
    """
    total, few = samples.total, samples.tried.at_once(SAMPLE)
    space = fit_subspace(Scatter(samples.fitted.centred), rank)
    candidate = candidate_at(space, None, rank, step, total)
    price = price_of(candidate, samples.tried, peaks)
    images = fit_means_along(space, samples.fitted)
    if images is not None:
        candidate = cheapest(
            (candidate, candidate_at(space, images, rank, step, total)), few, price, total
        )
        price = price_of(candidate, samples.tried, peaks)
    if saturates(candidate, few):
        raise DataError(
            f"transform: step {step:g} is too fine for these labels, whose coefficients exceed "
            "what can be stored; use a coarser step"
        )
    fitted = fit_coder(candidate, samples.all, price)
    return replace(fitted.coder, reached=measure_rd(fitted, samples))
