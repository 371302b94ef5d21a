from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.pipeline.preflight import check_training
from labelcodec.pipeline.run_folder import load_run
from labelcodec.pipeline.training import train
from labelcodec.replay.dataset import ReplayDataset
from tests.pipeline import scene
from tests.replay import scene as replay

PHASES = [{"share": 0.5, "loss": "hard"}, {"share": 0.5, "loss": "mse"}]


@pytest.mark.parametrize(
    ("sizes", "per_epoch"),
    [([4, 4, 2] * 3, 4), ([4] * 9, 3), ([4, 4, 4, 1] * 2, 4), ([2], 6)],
    ids=str,
)
def test_an_epoch_holds_as_many_samples_as_there_are_images(tmp_path, sizes, per_epoch) -> None:
    """Twelve images; where batches are drawn from a pool that is so on average."""
    images = replay.folder(tmp_path / "images")
    batches = [replay.batch(i, range(size)) for i, size in enumerate(sizes)]
    said = {"normalisation": scene.NORMALISATION, **replay.belongs(images)}
    path = replay.write(tmp_path / "a.slc", batches, **said)
    reports = []
    recipe = scene.settings(epochs=1, calibrated=False)
    train(
        path,
        images,
        recipe,
        tmp_path / "run",
        device="cpu",
        progress=lambda *step: reports.append(step),
    )
    assert sum(step[2].startswith("epoch") for step in reports) == per_epoch


def test_an_empty_container(tmp_path) -> None:
    images = replay.folder(tmp_path / "images")
    path = replay.write(tmp_path / "a.slc", [])
    with pytest.raises(DataError, match="holds no batches"):
        train(path, images, scene.settings(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_classes_that_the_hard_labels_cannot_tell(tmp_path) -> None:
    """Three folders, labels of five classes: soft labels do, GIFT's hard ones do not."""
    images = replay.folder(tmp_path / "images")
    path = replay.write(tmp_path / "a.slc", [replay.batch(0, [1, 2, 3])])
    given = {"device": "cpu"}
    train(path, images, scene.settings(epochs=1), tmp_path / "run", **given)
    for changes in ({"loss": "cosine"}, {"loss": "hard"}, {"phases": PHASES}):
        loss = changes.get("loss", "hard")
        with pytest.raises(MismatchError, match=f"3 classes, the labels 5; loss='{loss}' needs"):
            train(path, images, scene.settings(**changes), tmp_path / "other", **given)


def test_labels_of_a_dump_do_not_say_how_inputs_were_normalised(tmp_path) -> None:
    images = replay.folder(tmp_path / "images")
    path = replay.write(tmp_path / "a.slc", [replay.batch(0, [1, 2, 3])], normalisation=None)
    given = path, images, scene.settings(epochs=1), tmp_path / "run"
    with pytest.raises(DataError, match="pass their `normalisation`"):
        train(*given, device="cpu")
    assert not (tmp_path / "run").exists()
    train(*given, device="cpu", normalisation=scene.NORMALISATION, interpolation="bicubic")
    facts = load_run(tmp_path / "run")
    assert (facts.normalisation, facts.interpolation) == (scene.NORMALISATION, "bicubic")


def test_logits_of_one_class_have_no_differences(world, tmp_path) -> None:
    """The loss would be 0 whatever the student says."""
    given = world / "images", world / "teacher.safetensors", tmp_path / "a.slc"
    scene.relabel(*given, codec="topk:k=1")
    for changes in ({"loss": "mse"}, {"phases": PHASES}):
        settings = scene.settings(**changes)
        with pytest.raises(ConfigError, match="loss='mse' compares logits within a label"):
            train(tmp_path / "a.slc", world / "images", settings, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_more_processes_than_batches(world) -> None:
    """They would be given the same ones."""
    dataset = ReplayDataset(world / "labels.slc", world / "images")
    check_training(dataset, scene.settings(), len(dataset))
    with pytest.raises(ConfigError, match="more processes"):
        check_training(dataset, scene.settings(), len(dataset) + 1)


def stored(folder: Path, epochs: list[int]) -> tuple[Path, Path]:
    """Labels of batches of four samples of these epochs, and their twelve images."""
    images = replay.folder(folder / "images")
    batches = [
        replace(replay.batch(number, range(4)), epoch=epoch) for number, epoch in enumerate(epochs)
    ]
    said = {"normalisation": scene.NORMALISATION, **replay.belongs(images)}
    return replay.write(folder / "a.slc", batches, **said), images


def test_epochs_that_are_stored_in_part(tmp_path) -> None:
    """They are replayed as they are, and the user is told."""
    labels = stored(tmp_path, [2, 2, 2, 5, 7, 7, 7])
    recipe = scene.settings(order="epoch", epochs=6)
    steps, notes = [], []
    train(
        *labels, recipe, tmp_path / "run", device="cpu", note=notes.append,
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert [step[:2] for step in steps if step[2].startswith("epoch")] == [
        (done, 14) for done in range(1, 15)
    ]
    told = "1 of 3 stored epochs have fewer batches than the longest, which has 3;"
    assert any(told in note for note in notes)


def test_epochs_of_equal_length_need_no_note(tmp_path) -> None:
    labels = stored(tmp_path, [2, 2, 5, 5])
    notes: list[str] = []
    recipe = scene.settings(order="epoch", epochs=1)
    train(*labels, recipe, tmp_path / "run", device="cpu", note=notes.append)
    assert not any("stored epochs" in note for note in notes)


def test_labels_that_are_not_numbered_by_epoch(tmp_path) -> None:
    """All in epoch 0, as FKD's: twice as many samples as there are images."""
    labels = stored(tmp_path, [0] * 6)
    what = "one epoch holds 24 samples of 12 images; use order='pool' or 'recorded'"
    with pytest.raises(MismatchError, match=what):
        train(*labels, scene.settings(order="epoch"), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
