from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.errors import ConfigError
from labelcodec.losses.phases import Objective, Phase, first_epochs
from labelcodec.pipeline.training_recipe import TrainingRecipe, load_recipe


def phases(*shares: float) -> list[Phase]:
    return [Phase(share, "kl") for share in shares]


@pytest.mark.parametrize(
    ("shares", "epochs", "starts"),
    [
        ((0.25, 0.5, 0.25), 300, [0, 75, 225]),
        ((0.25, 0.5, 0.25), 6, [0, 2, 5]),  # 1.5 and 4.5
        ((0.1, 0.2, 0.7), 10, [0, 1, 3]),  # 0.1 + 0.2 is above 0.3
        ((0.1,) * 10, 10, list(range(10))),
        ((1.0,), 1, [0]),
    ],
)
def test_phases_start_at_their_shares(shares, epochs: int, starts: list[int]) -> None:
    assert first_epochs(phases(*shares), epochs) == starts


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_shares_of_whole_epochs_are_exact(lengths: list[int]) -> None:
    epochs = sum(lengths)
    starts = first_epochs(phases(*(length / epochs for length in lengths)), epochs)
    assert starts == [sum(lengths[:number]) for number in range(len(lengths))]


@pytest.mark.parametrize(
    ("shares", "epochs", "what"),
    [
        ((0.5, 0.4), 10, "phases sum to 0.9, expected 1"),
        ((0.7, 0.7), 10, "phases sum to 1.4, expected 1"),
        ((0.25, 0.5, 0.25), 1, r"phase 1 of 3, 0\.25 of 1 epoch, has no epoch"),
        ((0.9, 0.01, 0.09), 20, r"phase 2 of 3, 0\.01 of 20 epochs, has no epoch"),
        ((0.9, 0.1), 4, r"phase 2 of 2, 0\.1 of 4 epochs, has no epoch"),
    ],
)
def test_phases_that_cannot_be_trained(shares, epochs: int, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        first_epochs(phases(*shares), epochs)
    with pytest.raises(ConfigError, match=what):
        TrainingRecipe(epochs=epochs, phases=tuple(phases(*shares)))


def test_an_epoch_has_the_objective_of_its_phase() -> None:
    parts = (Phase(0.25, "kl"), Phase(0.5, "hard", 0.8), Phase(0.25, "mse", 0.0))
    recipe = TrainingRecipe(epochs=8, smoothing=0.1, loss="cosine", phases=parts)
    assert [recipe.objective_at(epoch) for epoch in range(8)] == [
        *[Objective("kl", 0.1)] * 2,
        *[Objective("hard", 0.8)] * 4,
        *[Objective("mse", 0.0)] * 2,
    ]
    assert recipe.losses == ("kl", "hard", "mse")


def test_without_phases_the_recipe_has_one_loss() -> None:
    recipe = TrainingRecipe(epochs=2, loss="mse", smoothing=0.3)
    assert [recipe.objective_at(epoch) for epoch in (0, 1)] == [Objective("mse", 0.3)] * 2
    assert recipe.losses == ("mse",)


def test_hald_is_soft_then_hard_then_soft() -> None:
    """75, 150 and 75 of 300 epochs, as its code with 150 soft epochs."""
    recipe = load_recipe("hald-in1k")
    objectives = [recipe.objective_at(epoch) for epoch in (0, 74, 75, 224, 225, 299)]
    soft, hard = Objective("kl", 0.0), Objective("hard", 0.8)
    assert objectives == [soft, soft, hard, hard, soft, soft]
    assert not recipe.calibrated
    assert recipe.temperature.at(150, 300) == 20


def test_hard_labels_alone() -> None:
    recipe = load_recipe("pca-in1k")
    assert (recipe.losses, recipe.smoothing, recipe.batch_size) == (("hard",), 0.0, 128)
