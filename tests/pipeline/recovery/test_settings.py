"""Ranges and defaults of the settings."""

from __future__ import annotations

import math

import pytest

from labelcodec.errors import ConfigError
from labelcodec.pipeline.recovery.settings import RecoverySettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "sre3l"), ("init", "blur"), ("ipc", 0), ("iterations", -1), ("batch_size", 0),
        ("learning_rate", 0.0), ("learning_rate", math.nan), ("alpha", -1.0), ("alpha", math.inf),
        ("first_multiplier", math.nan), ("micro_batch", 0), ("group", 0), ("flip", 1.1),
        ("roll", -0.1),
        ("scale", (0.0, 1.0)), ("scale", (0.5, 0.4)), ("scale", (0.5, 1.5)), ("seed", 1 << 64),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"`{name}`"):
        RecoverySettings(**{name: value})


def test_learning_rate_falls_along_half_a_cosine() -> None:
    settings = RecoverySettings(iterations=100, learning_rate=0.2)
    rates = [settings.learning_rate_at(i) for i in (0, 25, 50, 99)]
    assert rates == pytest.approx([0.2, 0.1707107, 0.1, 0.2 * (1 + math.cos(0.99 * math.pi)) / 2])


def test_groups_are_of_classes_and_exclude_micro_batches() -> None:
    with pytest.raises(ConfigError, match="not of `method` cda"):
        RecoverySettings(method="cda", group=2)
    with pytest.raises(ConfigError, match="pass one of them"):
        RecoverySettings(group=2, micro_batch=1)
