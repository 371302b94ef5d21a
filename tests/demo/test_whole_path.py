from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from labelcodec.augmentation.mix import Mix
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.demo import whole_path
from labelcodec.demo.teacher import mixed_loss, train_teacher
from labelcodec.images import list_images
from labelcodec.pipeline.models import build

TINY = whole_path.Size(characters=10, writers=2, teacher_epochs=1, epochs=20, keep=0.5, batch=10)


@pytest.mark.filterwarnings("ignore:.*near chance")
def test_every_codec_has_its_student(tmp_path):
    started, told = [], {}

    def stages(what):
        started.append(what)
        return lambda done, total, doing=None: told.__setitem__(what, (done, total))

    found = whole_path.run(TINY, stages, tmp_path)
    assert [one.codec for one in found.outcomes] == list(whole_path.CODECS)
    assert started[:3] == ["draw", "teacher", "relabel"]
    assert len(started) == 3 + len(whole_path.CODECS)
    assert all(done == total for done, total in told.values())
    assert told["relabel"] == (20, 20)
    full, transform, top, hard = found.outcomes
    assert full.fidelity.kl[4.0] == 0 < transform.fidelity.kl[4.0] < np.inf
    assert hard.fidelity.tv[4.0] > 0
    assert full.storage.labels == hard.storage.labels == 200
    assert hard.storage.bytes_per_label < top.storage.bytes_per_label
    assert full.storage.theoretical_rate == 2
    assert hard.actual_rate == pytest.approx(2 * hard.storage.actual_rate)
    assert json.loads(json.dumps(found.to_json()))["codecs"][0]["top1"] == full.top1


@pytest.mark.filterwarnings("ignore:.*near chance")
def test_the_same_again(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = (
        whole_path.run(TINY, lambda what: None, tmp_path / name).to_json()
        for name in ("one", "other")
    )
    assert one == other


@pytest.fixture
def listing(tmp_path):
    for name, level in (("black", 0), ("white", 255)):
        for i in range(8):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("RGB", (16, 16), (level,) * 3).save(tmp_path / name / f"{i}.png")
    return list_images(tmp_path)


def test_a_teacher_learns(listing):
    torch.manual_seed(0)
    model = build("convnet", 2)
    recipe = AugmentationSpec(0, 16, 8, (16, 16), (16, 16))
    told = []
    train_teacher(
        model, listing, recipe, None, epochs=8, rate=3e-3, progress=lambda *a: told.append(a)
    )
    assert told == [(i + 1, 16) for i in range(16)]
    assert not model.training
    shown = torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])
    assert model(shown).argmax(dim=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("mixed", "share"),
    [
        (None, 1.0),
        (Mix("mixup", np.array([1, 0]), 0.25, None), 0.25),
        (Mix("cutmix", np.array([1, 0]), 0.9, (0, 4, 2, 4)), 1 - 8 / 32),
    ],
)
def test_a_mixture_counts_by_what_is_seen_of_each_image(mixed, share):
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    right, wrong = -torch.log_softmax(logits[0], dim=0)
    hard = torch.tensor([0, 1])  # right and wrong, and the other way round for the partners
    found = mixed_loss(logits, hard, mixed, (4, 8))
    assert float(found) == pytest.approx(float(right + wrong) / 2)
    lone = mixed_loss(logits[:1].repeat(2, 1), torch.tensor([0, 0]), mixed, (4, 8))
    assert float(lone) == pytest.approx(float(right))
    uneven = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    own = torch.nn.functional.cross_entropy(uneven, hard)
    other = torch.nn.functional.cross_entropy(uneven, hard.flip(0))
    expected = share * own + (1 - share) * other
    assert float(mixed_loss(uneven, hard, mixed, (4, 8))) == pytest.approx(float(expected))
