from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.pipeline.evaluate_runs import evaluate_runs
from labelcodec.pipeline.evaluation import EvaluationImages, score_model
from labelcodec.pipeline.run_folder import load_student
from labelcodec.pipeline.training import train
from labelcodec.replay.normalisation import normalise
from tests.pipeline import scene


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("runs") / name for name in ("one", "other")]
    for seed, folder in enumerate(folders):
        recipe = scene.settings(epochs=2)
        train(world / "labels.slc", world / "images", recipe, folder, seed=seed, device="cpu")
    return folders


def centres(world: Path, resize: bool = False) -> EvaluationImages:
    return EvaluationImages(world / "validation", (8, 8), "bilinear", resize, scene.CLASSES)


@pytest.mark.parametrize("batch_size", [5, 128])
def test_scores_are_what_they_say(world, runs, batch_size) -> None:
    _, model = load_student(runs[0])
    _, teacher = load_student(runs[1])
    shown = centres(world)
    levels = torch.stack([shown[i][0] for i in range(len(shown))])
    hard = torch.tensor([shown[i][1] for i in range(len(shown))])
    model.eval(), teacher.eval()
    with torch.no_grad():
        inputs = normalise(levels, scene.NORMALISATION)
        logits, others = model(inputs), teacher(inputs)
    seen = []
    found = score_model(
        model, shown, scene.NORMALISATION, teacher=teacher, batch_size=batch_size,
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    order = logits.argsort(dim=1, descending=True)
    assert found.images == scene.IMAGES
    assert found.top1 == pytest.approx(float((order[:, 0] == hard).float().mean()))
    assert found.top5 == pytest.approx(1 - float((order[:, 5] == hard).float().mean()))
    assert found.loss == pytest.approx(float(F.cross_entropy(logits, hard)), rel=1e-5)
    agreed = (others.argmax(dim=1) == logits.argmax(dim=1)).float().mean()
    assert found.agreement == pytest.approx(float(agreed))
    assert seen[-1] == (22, 22)


def test_several_students(world, runs) -> None:
    seen = []
    found = evaluate_runs(
        world / "validation", runs, teacher=scene.SMALL, resize=False, device="cpu",
        teacher_weights=world / "teacher.safetensors", progress=lambda *step: seen.append(step),
    )  # fmt: skip
    assert [folder for folder, _ in found] == runs
    assert seen[-1] == (44, 44, str(runs[-1]))
    assert all(0 <= scores.agreement <= 1 for _, scores in found)
    for folder, scores in found:
        run, model = load_student(folder)
        alone = score_model(model, centres(world), run.normalisation)
        assert (alone.top1, alone.loss) == (scores.top1, scores.loss)


def test_images_of_the_inputs_size_are_shown_as_they_are(world) -> None:
    """Small images had their borders cut off, which cost networks 13 points on CIFAR-10."""
    resized, whole = (centres(world, resize) for resize in (True, False))
    for i in range(len(whole)):
        assert torch.equal(resized[i][0], whole[i][0])
    resized, whole = (
        EvaluationImages(world / "validation", (6, 6), "bilinear", resize, 6)
        for resize in (True, False)
    )
    assert not torch.equal(resized[0][0], whole[0][0])


def test_the_centre_of_a_resized_image_is_as_torchvisions(tmp_path) -> None:
    """`Resize` to 256/224 of the input size, then `CenterCrop`."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
    (tmp_path / "images/class00").mkdir(parents=True)
    Image.fromarray(noise).save(tmp_path / "images/class00/a.png")
    images = EvaluationImages(tmp_path / "images", (14, 14), "bicubic", True, 1)
    expected = Image.fromarray(noise).resize((16, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(images[0][0].permute(1, 2, 0), expected.crop((1, 5, 15, 19)))


@pytest.mark.parametrize("resize", [False, True])
def test_a_teacher_agrees_with_itself(world, tmp_path, runs, resize) -> None:
    found = evaluate_runs(
        world / "validation", runs[:1], teacher=scene.SMALL, resize=resize, device="cpu",
        teacher_weights=runs[0] / "student.pt",
    )  # fmt: skip
    assert found[0][1].agreement == 1


@pytest.mark.parametrize("suffix", [".pt2"])
def test_an_exported_teacher(world, tmp_path, runs, suffix) -> None:
    _, model = load_student(runs[0])
    example = (torch.zeros(4, 3, 8, 8),)
    shape = ({0: torch.export.Dim("batch")},)
    exported = torch.export.export(model.eval(), example, dynamic_shapes=shape)
    torch.export.save(exported, tmp_path / "teacher.pt2")
    found = evaluate_runs(
        world / "validation", runs[:1], teacher=str(tmp_path / "teacher.pt2"), resize=False,
        device="cpu",
    )  # fmt: skip
    assert found[0][1].agreement == 1


def test_a_teacher_needs_weights(world, runs) -> None:
    with pytest.raises(ConfigError, match="random weights"):
        evaluate_runs(world / "validation", runs, teacher="resnet20", device="cpu")
    with pytest.raises(ConfigError, match="without a `teacher`"):
        evaluate_runs(world / "validation", runs, teacher_weights=Path("x"), device="cpu")


def test_more_classes_than_the_student_knows(world, runs, tmp_path) -> None:
    more = scene.images(tmp_path / "more", count=8, classes=8)
    seen = []
    with pytest.raises(MismatchError, match="has a class 'class06', the student none"):
        evaluate_runs(more, runs, device="cpu", progress=lambda *step: seen.append(step))
    assert seen == []
    with pytest.raises(MismatchError, match="has 8 classes, the student 6"):
        EvaluationImages(more, (8, 8), "bilinear", False, 6)


def test_classes_are_told_by_their_names(world, runs, tmp_path) -> None:
    """A folder of some of the classes is measured right, one with other names is refused."""
    few = tmp_path / "few"
    shutil.copytree(world / "validation", few)
    shutil.rmtree(few / "class01")
    run, model = load_student(runs[0])
    assert run.class_names == [f"class{i:02}" for i in range(6)]
    whole, part = (EvaluationImages(folder, (8, 8), "bilinear", False, 6, run.class_names)
                   for folder in (world / "validation", few))  # fmt: skip
    kept = [i for i, path in enumerate(whole.listing.paths) if "class01" not in path]
    assert [whole[i][1] for i in kept] == [part[i][1] for i in range(len(part))]
    found = evaluate_runs(few, runs[:1], device="cpu")[0][1]
    assert found == score_model(model, part, run.normalisation)
    (few / "class02").rename(few / "class1b")
    with pytest.raises(MismatchError, match="few: has a class 'class1b'"):
        evaluate_runs(few, runs[:1], device="cpu")


@pytest.mark.parametrize(
    ("make", "problem"),
    [("wider", r"gave \(22, 9\) for 22 images, expected \(22, 6\)"), ("larger", "fails on")],
)
def test_a_teacher_that_does_not_fit(world, runs, make, problem: str) -> None:
    with pytest.raises(MismatchError, match=f"the teacher {__name__}:{make} {problem}"):
        evaluate_runs(world / "validation", runs, teacher=f"{__name__}:{make}", device="cpu")


def wider(classes: int) -> nn.Module:
    return scene.small(9)


def larger(classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(300, classes))


def test_a_run_that_is_not_finished(world, runs, tmp_path) -> None:
    """It is told before any other student is measured."""
    out = tmp_path / "run"
    with pytest.raises(ZeroDivisionError):
        train(
            world / "labels.slc", world / "images", scene.settings(), out, device="cpu",
            progress=lambda done, total, doing: 1 // (7 - done),
        )  # fmt: skip
    seen = []
    with pytest.raises(MismatchError, match="not finished; train it on with `resume=True`"):
        evaluate_runs(
            world / "validation", [*runs, out], device="cpu",
            progress=lambda *step: seen.append(step),
        )  # fmt: skip
    assert seen == []


def test_folders_that_are_no_run(world, tmp_path) -> None:
    with pytest.raises(MismatchError, match="not the folder of a training run"):
        evaluate_runs(world / "validation", [tmp_path], device="cpu")


def test_the_centre_of_the_resized_image(tmp_path) -> None:
    """224/256 of the shorter side."""
    (tmp_path / "a").mkdir()
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))
    Image.fromarray(np.stack([ramp] * 3, axis=2)).save(tmp_path / "a/0.png")
    levels, hard = EvaluationImages(tmp_path, (28, 28), "bilinear", True, 1)[0]
    assert (hard, levels.shape, levels.dtype) == (0, (3, 28, 28), torch.uint8)
    assert levels[0, 0].tolist() == [4 * (i + 18) for i in range(28)]
    whole, _ = EvaluationImages(tmp_path, (32, 64), "bilinear", False, 1)[0]
    assert np.array_equal(whole[0].numpy(), ramp)
    squeezed, _ = EvaluationImages(tmp_path, (8, 8), "bicubic", False, 1)[0]
    assert squeezed.shape == (3, 8, 8)
