from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import labelcodec
from labelcodec.errors import ConfigError, LabelcodecWarning
from labelcodec.pipeline.ensemble import MeanOfLogits, load_teachers
from labelcodec.pipeline.relabelling import relabel
from tests.pipeline import scene

PLAIN = {"normalisation": None, "autocast": None, "precision": "float32"}
CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (5, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()


class Constant(torch.nn.Module):
    """The same logits for every image."""

    def __init__(self, logits) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images):
        return {"logits": self.logits.expand(len(images), -1), "aux": images}


def test_logits_are_the_mean_by_shares() -> None:
    models = [Constant([4.0, 0.0]), Constant([0.0, 8.0])]
    for shares, expected in ((None, [2.0, 4.0]), ((3, 1), [3.0, 2.0])):
        teacher = load_teachers(models, None, shares, 2, CPU, **PLAIN)
        assert teacher.label(IMAGES, None).value.tolist() == [expected] * 5
    assert teacher.facts["shares"] == [0.75, 0.25]
    assert [part["name"] for part in teacher.facts["teachers"]] == [
        "tests.pipeline.test_ensemble.Constant"
    ] * 2


def test_one_teacher_is_itself() -> None:
    model = Constant([1.0, 2.0])
    assert load_teachers([model], None, None, 2, CPU, **PLAIN).model is model


@pytest.mark.parametrize(
    ("weights", "shares", "message"),
    [
        (None, (1,), "`shares` has 1 entry for 2 teachers"),
        (None, (1, 0), r"`shares` are \[1\.0, 0\.0\], expected numbers above 0"),
        (None, (1, float("nan")), "expected numbers above 0"),
        (["a"], None, "`weights` has 1 entry for 2 teachers"),
    ],
)
def test_what_does_not_fit_the_number_of_teachers(weights, shares, message) -> None:
    with pytest.raises(ConfigError, match=message):
        load_teachers([Constant([1.0]), Constant([1.0])], weights, shares, 1, CPU, **PLAIN)


def test_no_teacher() -> None:
    with pytest.raises(ConfigError, match="names no model"):
        load_teachers([], None, None, 1, CPU, **PLAIN)


def test_relabel_with_two_teachers(world, tmp_path) -> None:
    file = world / "teacher.safetensors"
    given = {
        "image_size": 8, "normalisation": scene.NORMALISATION, "epochs": 1, "device": "cpu",
        "batch_size": 4, "precision": "float32",
    }  # fmt: skip
    images = world / "images"
    relabel(images, tmp_path / "one.slc", scene.SMALL, weights=file, **given)
    twice = {"weights": [file, file], "shares": [1, 3]}
    relabel(images, tmp_path / "two.slc", [scene.SMALL] * 2, **twice, **given)
    with labelcodec.open(tmp_path / "one.slc") as one, labelcodec.open(tmp_path / "two.slc") as two:
        assert two.header.teacher["name"] == f"{scene.SMALL} + {scene.SMALL}"
        assert two.header.teacher["shares"] == [0.25, 0.75]
        for left, right in zip(one, two, strict=True):
            assert np.allclose(left.labels.dense(), right.labels.dense(), atol=1e-4)


def test_one_teacher_of_several_that_returns_probabilities_is_told() -> None:
    softened = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Softmax(dim=1))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    model = MeanOfLogits([plain, softened], (0.5, 0.5), 3)
    with torch.no_grad(), pytest.warns(LabelcodecWarning, match="teacher 2 returns probabilities"):
        model(torch.zeros(4, 3, 2, 2))
