"""What a coder is measured on, and the axes that it is fitted along."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelcodec.codecs.transform.compact import joined
from labelcodec.codecs.transform.fit.rd_eval import Reference, measure_rd
from labelcodec.codecs.transform.fit.sample import gather
from labelcodec.codecs.transform.fit.subspace import MANY, Scatter, fit_subspace
from labelcodec.codecs.transform.fit.table_fit import candidate_at, fit_coder
from tests.codecs.transform.labels import batches, same

CLASSES = 64
SAMPLES = gather(batches(1500, CLASSES, size=128), ())


def fitted(rank: int = 20):
    space = fit_subspace(Scatter(SAMPLES.fitted.centred), rank)
    return fit_coder(candidate_at(space, None, rank, 0.5, 1500), SAMPLES.all, 2.0**-9)


def test_labels_that_were_fitted_to_are_not_coded_again_and_measure_the_same() -> None:
    fitted_coder = fitted()
    own = measure_rd(fitted_coder, SAMPLES)
    coded = measure_rd(fitted_coder, replace(SAMPLES, tried=SAMPLES.all[:]))
    assert own.sample == coded.sample == 1500
    assert own.bytes == pytest.approx(coded.bytes, rel=1e-3)
    assert own.quality == pytest.approx(coded.quality, rel=1e-3)
    few = measure_rd(fitted_coder, replace(SAMPLES, tried=SAMPLES.all[:300]))
    assert few.sample == 300 and few.quality != own.quality


def test_joined_parts_are_the_whole() -> None:
    whole = fitted().labels
    assert same(joined([whole[:100], whole[100:101], whole[101:]]), whole)


def test_all_axes_at_once_are_those_of_the_iteration() -> None:
    scatter = Scatter(SAMPLES.fitted.centred)
    few = int(MANY * CLASSES)
    iterated, exact = fit_subspace(scatter, few), fit_subspace(scatter, CLASSES).first(few)
    np.testing.assert_allclose(iterated.variance, exact.variance, rtol=1e-3)
    leading = np.abs((iterated.axes * exact.axes).sum(axis=0))[: few // 2]
    assert leading.min() > 0.99


def test_distances_of_a_temperature_do_not_depend_on_what_else_is_measured() -> None:
    truth = Reference(SAMPLES.all[:200])
    logits = fitted().labels[:200].dense()
    whole = truth.measure(logits, ("kl1", "tv4", "tv1", "kl4"))
    for name, value in whole.items():
        assert truth.measure(logits, [name]) == pytest.approx({name: value}, rel=1e-5)
