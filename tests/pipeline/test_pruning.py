from __future__ import annotations

import pytest

from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.errors import ConfigError
from labelcodec.pipeline.pruning import kept_batches

RECIPE = AugmentationSpec(
    0, images=22, batch=4, size=(8, 8), sizes=(8, 8)
)  # five whole batches and a rest


def test_everything_has_the_incomplete_batches_too() -> None:
    assert kept_batches(RECIPE, 2, 1.0) == list(range(12))


def test_a_share_has_the_first_whole_batches() -> None:
    assert kept_batches(RECIPE, 2, 0.7) == [0, 1, 2, 3, 4, 6, 7]
    assert kept_batches(RECIPE, 300, 0.1)[-2:] == [29 * 6 + 3, 29 * 6 + 4]
    assert len(kept_batches(RECIPE, 300, 0.1)) == 150


@pytest.mark.parametrize(
    ("epochs", "keep", "what"),
    [
        (2, 0.0, "keep=0: allowed"),
        (2, 1.5, "keep=1.5: allowed"),
        (2, 0.01, "leaves none"),
        (0, 1.0, "0 epochs: allowed"),
        (10**30, 1.0, "batches: at most"),
        (2, -1, "keep=-1: allowed"),
        (2, float("nan"), "keep=nan: allowed"),
    ],
)
def test_nothing_to_keep(epochs: int, keep: float, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        kept_batches(RECIPE, epochs, keep)


def test_fewer_images_than_a_batch() -> None:
    small = AugmentationSpec(0, images=3, batch=4, size=(8, 8), sizes=(8, 8))
    assert kept_batches(small, 2, 1.0) == [0, 1]
    with pytest.raises(ConfigError, match="none"):
        kept_batches(small, 2, 0.5)
