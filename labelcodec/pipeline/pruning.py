"""Which of a run's batches are ever labelled."""

from __future__ import annotations

from labelcodec.augment.recipe import Recipe
from labelcodec.errors import ConfigError


def kept_batches(recipe: Recipe, epochs: int, keep: float) -> list[int]:
    """Numbers of the batches to label.

    Args:
        recipe: what batches are drawn from.
        epochs: T, epochs the student will train for.
        keep: share of their batches, above 0 and up to 1. Below 1 the incomplete last batch of
            every epoch is left out and the first so many of the others are kept, as LPQLD prunes.

    Raises:
        ConfigError: nothing would be kept.
    """
    if epochs < 1:
        raise ConfigError(f"{epochs} epochs: allowed are 1 and more")
    if not 0 < keep <= 1:
        raise ConfigError(f"keep={keep:g}: allowed is a share above 0, up to 1")
    if keep == 1:
        return list(range(epochs * recipe.batches))
    whole = recipe.images // recipe.batch
    wanted = round(keep * epochs * whole)
    if not wanted:
        raise ConfigError(f"keep={keep:g} of {epochs * whole} whole batches leaves none")
    return [n // whole * recipe.batches + n % whole for n in range(wanted)]
