from __future__ import annotations

import math

import pytest

from labelcodec.errors import ConfigError
from labelcodec.pipeline.schedules import TemperatureSchedule, learning_rate


@pytest.mark.parametrize("epochs", [10, 60, 300])
def test_dynamic_knowledge_reuse(epochs: int) -> None:
    """LPQLD: from 20, times 0.7 every tenth of the run, not below 2."""
    at = [TemperatureSchedule().at(epoch, epochs) for epoch in range(epochs)]
    levels = [20, 14, 9.8, 6.86, 4.802, 3.3614, 2.35298, 2, 2, 2]
    expected = [level for level in levels for _ in range(epochs // 10)]
    assert at == pytest.approx(expected)


def test_a_run_of_few_epochs_falls_once_an_epoch() -> None:
    at = [TemperatureSchedule().at(epoch, 4) for epoch in range(4)]
    assert at == pytest.approx([20, 14, 9.8, 6.86])


def test_a_tenth_that_is_no_whole_number_of_epochs() -> None:
    at = [TemperatureSchedule().at(epoch, 25) for epoch in range(25)]
    assert [at.count(level) for level in sorted(set(at), reverse=True)[:4]] == [3, 2, 3, 2]
    assert at[-1] == 2


def test_cosine_and_constant() -> None:
    cosine = TemperatureSchedule("cosine", 10, 2)
    at = [cosine.at(epoch, 100) for epoch in range(101)]
    assert (at[0], at[50], at[100]) == pytest.approx((10, 6, 2))
    assert at == sorted(at, reverse=True)
    assert {TemperatureSchedule("constant", 4).at(epoch, 9) for epoch in range(9)} == {4}


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"kind": "constant", "first": 0}, "first must be above 0"),
        ({"first": 1, "last": 2}, r"last=2 must lie in 0\.\.first=1"),
        ({"factor": 0}, r"factor and every in 0\.\.1"),
        ({"factor": 1.1}, r"factor and every in 0\.\.1"),
        ({"every": 0}, r"factor and every in 0\.\.1"),
        ({"last": -1}, "last=-1 must lie"),
        ({"first": math.nan}, "first=nan"),
    ],
)
def test_impossible_schedules(given, what) -> None:
    with pytest.raises(ConfigError, match=what):
        TemperatureSchedule(**given)


def test_learning_rate_falls_on_half_a_cosine() -> None:
    at = [learning_rate(epoch, 100) for epoch in range(101)]
    assert (at[0], at[50]) == pytest.approx((1, 0.5))
    assert at[100] == pytest.approx(0, abs=1e-12)
    assert at == sorted(at, reverse=True)


def test_stretched_it_ends_halfway() -> None:
    assert learning_rate(100, 100, stretch=2) == pytest.approx(0.5)


def test_warm_up_is_linear() -> None:
    at = [learning_rate(epoch, 20, warmup=4) for epoch in range(5)]
    assert at == pytest.approx([0.01, 0.2575, 0.505, 0.7525, 1])
    assert learning_rate(20, 20, warmup=4) == pytest.approx(0, abs=1e-12)
