from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

import labelcodec
from labelcodec import losses
from labelcodec.errors import DataError, LabelcodecWarning, MismatchError
from labelcodec.images import list_images
from labelcodec.losses.calibration import student_temperature
from labelcodec.pipeline.ema import MovingAverage
from labelcodec.pipeline.trainer import Trainer
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.replay_batch import ReplayBatch
from labelcodec.replay.soft_labels import SoftLabels
from tests.losses import dense
from tests.pipeline import scene


@pytest.fixture(scope="module")
def batches(world) -> list[ReplayBatch]:
    return list(ReplayDataset(world / "labels.slc", world / "images"))[:6]


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 9), nn.Tanh(), nn.Linear(9, scene.CLASSES))


def student(model: nn.Module | None = None, **changes) -> Trainer:
    return Trainer(model or network(), scene.settings(**changes), scene.ALONE)


def weights_after(batches, **changes) -> torch.Tensor:
    """All weights after an epoch of plain gradient descent."""
    plain = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.05, "temperature": 2.0}
    one = student(**plain, calibrated=False, **changes)
    one.train(batches, 0)
    return torch.cat([p.detach().ravel() for p in one.model.parameters()])


@pytest.mark.parametrize("loss", ["kl", "mse", "cosine", "hard"])
@pytest.mark.parametrize("batch_size", [None, 3, 7, 100])
def test_micro_batches_give_the_same_gradients(batches, loss, batch_size) -> None:
    whole = weights_after(batches, loss=loss, batch_size=batch_size)
    for micro in (1, 2, 3):
        part = weights_after(batches, loss=loss, batch_size=batch_size, micro_batch=micro)
        torch.testing.assert_close(part, whole, rtol=1e-4, atol=1e-6)


def test_steps_of_any_size(batches) -> None:
    """One step of all batches is gradient descent on the mean over all samples."""
    model = network()
    samples = sum(map(len, batches))
    loss = sum(
        dense.kl(model(b.images), losses.target(b.labels, 2.0), 2.0) * len(b) for b in batches
    )
    (loss / samples).backward()
    expected = torch.cat([(p - 0.05 * p.grad).detach().ravel() for p in model.parameters()])
    found = weights_after(batches, batch_size=samples, weight_decay=0.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_hard_labels_are_weighted_by_the_recorded_area(world, batches) -> None:
    """One step on all batches, with the areas of their recorded CutMix boxes."""
    model = network()
    total = torch.zeros(())
    listing = list_images(world / "images").class_index
    with labelcodec.open(world / "labels.slc") as reader:
        for batch, recorded in zip(batches, reader, strict=False):
            mix = recorded.augmentation.mix
            row0, row1, column0, column1 = mix.box
            share = (row1 - row0) * (column1 - column0) / scene.SIDE**2
            classes = listing[recorded.image_index]
            target = torch.zeros(len(batch), scene.CLASSES)
            for sample, partner in enumerate(mix.partner):
                target[sample, classes[sample]] += 0.8 * (1 - share)
                target[sample, classes[partner]] += 0.8 * share
            target += 0.2 / scene.CLASSES
            total = total - (target * torch.log_softmax(model(batch.images), dim=1)).sum()
    samples = sum(map(len, batches))
    (total / samples).backward()
    expected = torch.cat([(p - 0.05 * p.grad).detach().ravel() for p in model.parameters()])
    changes = {"loss": "hard", "smoothing": 0.2, "batch_size": samples, "weight_decay": 0.0}
    torch.testing.assert_close(weights_after(batches, **changes), expected, rtol=1e-4, atol=1e-6)


SOFT_HARD_SOFT = [
    {"share": 0.25, "loss": "kl"},
    {"share": 0.5, "loss": "hard", "smoothing": 0.8},
    {"share": 0.25, "loss": "kl"},
]


def test_every_epoch_has_the_loss_of_its_phase(batches) -> None:
    """Steps too small to change anything: each loss is that of the first weights."""
    small = {"learning_rate": 1e-12, "calibrated": False, "temperature": 2.0}
    phased = student(phases=SOFT_HARD_SOFT, **small)
    soft = student(**small).train(batches, 0).loss
    hard = student(loss="hard", smoothing=0.8, **small).train(batches, 0).loss
    assert soft != pytest.approx(hard, rel=0.1)
    observed = [phased.train(batches, epoch).loss for epoch in range(4)]
    assert observed == pytest.approx([soft, hard, hard, soft], rel=1e-4)


def test_calibration_precedes_the_epochs_of_kl(batches) -> None:
    """After hard labels too, so that the second soft phase starts from the student as it is."""
    trainer = student(network(), learning_rate=1e-9, phases=SOFT_HARD_SOFT, temperature=2.0)
    with torch.no_grad():
        logits = 0.5 * network()(batches[2].images)
    sharper = replace(batches[2], labels=SoftLabels(scene.CLASSES, 8 * logits))
    calibrated = student_temperature(2 * logits, SoftLabels(scene.CLASSES, 8 * logits), 2.0)
    assert calibrated < 1
    used = []
    for epoch in range(4):
        used.append(trainer.train([*batches[:2], sharper], epoch).student_temperature)
        before = trainer.calibrated
    assert used == [1.0, 1.0, 1.0, calibrated]
    assert before == calibrated


def test_facts(batches) -> None:
    one = student(learning_rate=1e-12, epochs=10)
    # steps too small to change anything: the epoch's facts are those of the first weights
    facts = one.train(batches, 0)
    assert (facts.epoch, facts.samples, facts.temperature) == (0, 22, 20.0)
    assert (facts.learning_rate, facts.student_temperature) == (1e-12, 1.0)
    with torch.no_grad():
        hits = sum(int((network()(b.images).argmax(1) == b.hard).sum()) for b in batches)
        wanted = [losses.target(b.labels, 20.0) for b in batches]
        loss = [
            float(dense.kl(network()(b.images), w, 1.0)) * len(b)
            for b, w in zip(batches, wanted, strict=True)
        ]
    assert 0 < hits < 22
    assert facts.top1 == hits / 22
    assert facts.loss == pytest.approx(sum(loss) / 22, rel=1e-5)


def test_calibration_takes_all_of_the_last_batch(batches) -> None:
    """Also where it passed through the model in parts; the next epoch uses what was found."""
    with torch.no_grad():
        logits = network()(batches[2].images)
    sharper = logits * torch.tensor([3.0, 3.0, 3.0, 6.0])[:, None]
    last = replace(batches[2], labels=SoftLabels(scene.CLASSES, sharper))
    expected = student_temperature(logits, SoftLabels(scene.CLASSES, sharper), 1.5)
    assert 0.25 < expected < 0.5  # of the last sample alone, and of the others
    for micro in (None, 1, 3):
        one = student(network(), learning_rate=1e-9, micro_batch=micro, temperature=1.5)
        one.train([*batches[:2], last], 0)
        assert one.calibrated == expected
        assert one.train(batches, 1).student_temperature == expected


def test_without_calibration_the_temperatures_are_one(batches) -> None:
    one = student(calibrated=False)
    assert one.train(batches, 1).student_temperature == one.recipe.temperature.at(1, 4)
    assert one.calibrated == 1.0


def test_norms_and_biases_are_not_decayed() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    groups = student(model)._optimizer.param_groups
    decayed = [(p.ndim, g["weight_decay"] > 0) for g in groups for p in g["params"]]
    assert sorted(decayed) == [(1, False), (1, False), (1, False), (4, True)]


def test_a_loss_that_is_no_number(batches) -> None:
    model = network()
    model[1].weight.data[:] = torch.nan
    with pytest.raises(DataError, match="epoch 2: the loss is nan"):
        student(model).train(batches, 2)


@pytest.mark.parametrize("loss", ["kl", "mse", "cosine", "hard"])
@pytest.mark.parametrize("classes", [1, 5, 7])
def test_a_student_of_other_classes(batches, loss, classes) -> None:
    """One output would be broadcast and train in silence."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, classes))
    what = rf"the student {scene.SMALL} gave \(4, {classes}\) for 4 images, expected \(4, 6\)"
    with pytest.raises(MismatchError, match=what):
        student(model, loss=loss).train(batches, 0)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(191, 6)), "RuntimeError: mat1 and mat2"),
        (nn.Sequential(nn.Flatten(), nn.LSTM(192, 6)), "gave a tuple"),
        (nn.ModuleList([nn.Linear(2, 2)]), "NotImplementedError"),
    ],
    ids=["shape", "tuple", "no forward"],
)
def test_a_student_that_does_not_take_the_images(batches, model, problem: str) -> None:
    with pytest.raises(MismatchError, match=problem) as caught:
        student(model).train(batches, 0)
    assert "\n" not in str(caught.value)


def test_a_student_that_cannot_learn(batches) -> None:
    with pytest.raises(MismatchError, match="no gradient flows back"):
        student(network().requires_grad_(False)).train(batches, 0)


def test_a_state_is_all_there_is(batches) -> None:
    one, other = student(ema=0.5), student(ema=0.5)
    one.train(batches, 0)
    other.restore(copy.deepcopy(one.state()))
    for both in (one, other):
        both.train(batches, 1)
    for name, value in one.evaluated.state_dict().items():
        assert torch.equal(value, other.evaluated.state_dict()[name])


def test_moving_average() -> None:
    """The statistics of a batch norm belong to its weights, and are averaged with them."""
    model = nn.BatchNorm1d(2)
    average = MovingAverage(model, 0.75)
    model.weight.data[:] = 5
    model.running_mean[:] = 8
    model.num_batches_tracked += 3
    average.update(model)
    assert average.model.weight.tolist() == [2, 2]
    assert average.model.running_mean.tolist() == [2, 2]
    assert int(average.model.num_batches_tracked) == 3
    assert model.weight.tolist() == [5, 5]


def test_the_average_is_what_counts(batches) -> None:
    one = student(ema=0.9)
    assert one.evaluated is one.average.model
    one.train(batches, 0)
    now, average = one.model[1].weight, one.evaluated[1].weight
    assert not torch.equal(now, average)
    plain = student()
    assert plain.evaluated is plain.model


def normalised() -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Linear(192, 9), nn.BatchNorm1d(9), nn.Linear(9, scene.CLASSES)
    return nn.Sequential(nn.Flatten(), *layers)


def test_a_last_step_of_one_sample_is_left_out_before_batch_norm(batches) -> None:
    sizes = [len(batch) for batch in batches]
    leftover = [*batches[:2], batches[2].rows(slice(0, 1))]
    with pytest.warns(LabelcodecWarning, match="one sample is left out"):
        facts = student(normalised(), batch_size=None).train(leftover, 0)
    assert facts.samples == sum(sizes[:2])
    assert student(batch_size=None).train(leftover, 0).samples == sum(sizes[:2]) + 1
    ones = [batch.rows(slice(0, 1)) for batch in batches]
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    conv = nn.Sequential(nn.Conv2d(3, scene.CLASSES, 3), nn.BatchNorm2d(scene.CLASSES), *pooled)
    facts = student(conv, batch_size=None).train(ones, 0)
    assert facts.samples == len(ones)  # nothing is left over


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_nearly_the_same(batches, precision) -> None:
    full, mixed = weights_after(batches), weights_after(batches, precision=precision)
    start = torch.cat([p.detach().ravel() for p in network().parameters()])
    assert not torch.equal(mixed, full)
    assert (mixed - full).norm() < 0.05 * (full - start).norm()


def test_the_loss_of_float16_is_scaled(batches) -> None:
    """So that small gradients are not rounded to 0; the scale is part of a checkpoint."""
    one = student(precision="float16")
    one.train(batches, 0)
    assert one.state()["scaler"]["scale"] == 2.0**16
    other = student(precision="float16")
    state = one.state()
    state["scaler"]["scale"] = 1024.0
    other.restore(state)
    assert other.state()["scaler"]["scale"] == 1024.0
    assert student().state()["scaler"] == {}


def test_gradients_are_clipped(batches) -> None:
    start = torch.cat([p.detach().ravel() for p in network().parameters()])
    plain = {"batch_size": 100, "weight_decay": 0.0}  # one step at rate 0.05
    for precision in ("float32", "float16"):
        clipped = weights_after(batches, clip=1e-3, precision=precision, **plain)
        assert (clipped - start).norm() == pytest.approx(0.05 * 1e-3, rel=1e-2)
    assert torch.equal(weights_after(batches, clip=1e3, **plain), weights_after(batches, **plain))


def test_a_compiled_student_is_the_same(monkeypatch, batches) -> None:
    compiled = []
    compile_for_real = torch.compile

    def compile_quickly(model: nn.Module) -> nn.Module:
        compiled.append(model)
        return compile_for_real(model, backend="eager")

    monkeypatch.setattr(torch, "compile", compile_quickly)
    one = student(compile=True)
    one.train(batches, 0)
    assert compiled == [one.model]
    plain = student()
    plain.train(batches, 0)
    assert one.state()["model"].keys() == plain.state()["model"].keys()
    for name, value in plain.state()["model"].items():
        assert torch.equal(one.state()["model"][name], value)


def test_speed_is_measured(batches) -> None:
    speed = student().train(batches, 0).speed
    assert 0 <= speed.waiting <= 1
    assert speed.images_per_second > 0
