"""How often, and on how much, a training is measured."""

from __future__ import annotations

import pytest
import torch

from labelcodec.codecs.projector.codec import Projector
from labelcodec.codecs.projector.encoder_facts import EncoderFacts
from labelcodec.errors import ConfigError
from labelcodec.pipeline.projection.adapting import (
    CHECKED,
    CHECKS,
    MAX_STEPS,
    AdaptSettings,
    adapt,
)
from labelcodec.pipeline.projection.encoder import load_encoder
from labelcodec.pipeline.projection.targets import RecordedTargets
from labelcodec.replay.dataset import ReplayDataset
from tests.pipeline import scene

CPU = torch.device("cpu")


class Counting(RecordedTargets):
    """Targets that note which batches they are asked for."""

    def __init__(self, dataset: ReplayDataset) -> None:
        super().__init__(dataset, 0)
        self.positions: list[list[int]] = []

    def batches(self, positions, device):
        self.positions.append(list(positions))
        return super().batches(positions, device)


def test_the_checks_of_a_training_take_no_more_than_some_held_out_batches(world) -> None:
    weights = world / "teacher.safetensors"
    encoder = load_encoder(scene.SMALL, weights, scene.CLASSES, None, CPU)
    facts = EncoderFacts(
        scene.SMALL, encoder.sha256, scene.CLASSES, encoder.features, scene.SIDE, scene.SIDE
    )
    targets = Counting(ReplayDataset(world / "labels.slc", world / "images", uint8=True))
    held_out = [0] * (CHECKED + 30)
    settings = AdaptSettings(steps=CHECKS, learning_rate=1e-6)
    adapt(encoder, facts, Projector(), targets, [1, 2], held_out, settings, CPU)
    checks = [positions for positions in targets.positions if set(positions) == {0}]
    assert 2 <= len(checks) <= CHECKS + 1
    assert all(CHECKED // 2 <= len(positions) <= CHECKED for positions in checks)


@pytest.mark.parametrize("steps", [-1, MAX_STEPS + 1])
def test_steps_are_bounded(steps):
    """Their order is a list: a billion of them said nothing for minutes."""
    with pytest.raises(ConfigError, match="`steps` is"):
        AdaptSettings(steps=steps)
