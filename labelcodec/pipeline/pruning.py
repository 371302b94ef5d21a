"""Pruning: the subset of a run's batches that is labelled."""

from __future__ import annotations

from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.errors import ConfigError

MOST_BATCHES = 1 << 26


def kept_batches(recipe: AugmentationSpec, epochs: int, keep: float) -> list[int]:
    """Numbers of the batches to label, in ascending order.

    Args:
        recipe: the augmentation spec that batches are drawn from.
        epochs: T, number of epochs the student will train for, 1 or more.
        keep: share of the batches to keep, above 0 and up to 1. Below 1 the partial last batch of
            every epoch is dropped, and the first `keep` of the full batches are kept, as in LPQLD.

    Raises:
        ConfigError: an argument is out of range, or no batch would be kept.
    """
    check_epochs(epochs, recipe)
    if not 0 < keep <= 1:
        raise ConfigError(f"keep={keep:g}: allowed is a share above 0, up to 1")
    if keep == 1:
        return list(range(epochs * recipe.batches))
    full = recipe.images // recipe.batch
    count = round(keep * epochs * full)
    if not count:
        raise ConfigError(f"keep={keep:g} of {epochs * full} full batches leaves none")
    return [n // full * recipe.batches + n % full for n in range(count)]


def check_epochs(epochs: int, recipe: AugmentationSpec) -> None:
    """Check that a run over so many epochs can be numbered.

    Raises:
        ConfigError: there are no epochs, or more than 2^26 batches.
    """
    if epochs < 1:
        raise ConfigError(f"{epochs} epochs: allowed are 1 and more")
    if epochs * recipe.batches > MOST_BATCHES:
        raise ConfigError(f"{epochs} epochs of {recipe.batches} batches: at most {MOST_BATCHES}")
