from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.errors import ConfigError
from labelcodec.planner import Setting
from labelcodec.planner.setting import kept_batches


def test_all_epochs_keep_their_last_batch() -> None:
    kept = kept_batches(Setting(1000, 1000, 10), 1)
    assert (kept.full, kept.partial, kept.rest, kept.labels) == (70, 10, 104, 10_000)


def test_pruned_epochs_drop_it() -> None:
    kept = kept_batches(Setting(1000, 10_000), 0.05)
    assert (kept.full, kept.partial, kept.labels) == (1170, 0, 1170 * 128)


@given(st.integers(1, 5000), st.integers(1, 300), st.integers(1, 400), st.floats(0.01, 0.99))
def test_pruning_keeps_no_more_than_its_fraction(
    images: int, epochs: int, batch_size: int, keep: float
) -> None:
    setting = Setting(10, images, epochs, batch_size)
    assert kept_batches(setting, 1).labels == images * epochs
    try:
        labels = kept_batches(setting, keep).labels
    except ConfigError:
        assert epochs * setting.epoch_batches * keep < 1 + 1e-9
    else:
        assert labels <= images * epochs * keep * (1 + 1e-9)


@pytest.mark.parametrize("keep", [0, -1, 1.5, float("nan")])
def test_fractions_out_of_range(keep: float) -> None:
    with pytest.raises(ConfigError, match="keep"):
        kept_batches(Setting(1000, 10_000), keep)


@pytest.mark.parametrize("key", ["classes", "images", "epochs", "batch_size", "image_bytes"])
def test_nothing_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} is 0"):
        Setting(**{"classes": 10, "images": 10, key: 0})


@pytest.mark.parametrize(("key", "most"), [("classes", 1 << 20), ("batch_size", 1 << 16)])
def test_more_than_a_container_holds_is_refused(key: str, most: int) -> None:
    Setting(**{"classes": 10, "images": 10, key: most})
    with pytest.raises(ConfigError, match=f"{key} is {most + 1}, a container holds up to {most}"):
        Setting(**{"classes": 10, "images": 10, key: most + 1})
