"""Squeeze: what the layers are given, in one process or several, interrupted or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.images import list_images
from labelcodec.pipeline import squeezing
from labelcodec.pipeline.class_statistics import load_statistics
from labelcodec.pipeline.seeded_batches import SeededBatches
from labelcodec.pipeline.squeezing import squeeze
from labelcodec.replay.normalisation import normalise
from tests.pipeline import scene

MANY = 1 << 20


class Network(nn.Module):
    """Two layers of BatchNorm, of 2 and of 1 dimensions, and one that is not used."""

    def __init__(self, twice: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.norm = nn.Conv2d(3, 5, 3), nn.SyncBatchNorm(5)
        self.linear, self.last = nn.Linear(5, scene.CLASSES), nn.BatchNorm1d(scene.CLASSES)
        self.unused, self.again = nn.BatchNorm2d(7), self.norm
        self.twice = twice

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.conv(images))
        hidden = self.norm(hidden) if self.twice else hidden
        return self.last(self.linear(hidden.relu().mean((2, 3))))


def run(folder: Path, out: Path, model: nn.Module | None = None, **more):
    options = {"image_size": scene.SIDE, "batch_size": scene.BATCH, "seed": 5, "device": "cpu"}
    options |= {"normalisation": scene.NORMALISATION, "classes": scene.CLASSES, **more}
    return squeeze(folder, out, model or Network(), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return scene.images(tmp_path_factory.mktemp("squeeze") / "images")


@torch.inference_mode()
def inputs_of(
    folder: Path, model: Network, epochs: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Layer -> all its inputs of all epochs, and the class of each image."""
    listing = list_images(folder)
    spec = AugmentationSpec(5, len(listing), scene.BATCH, (scene.SIDE, scene.SIDE),
                            (scene.SIDE, scene.SIDE), mix=None)  # fmt: skip
    batches = SeededBatches(listing, spec, "bilinear")
    seen: dict[str, list[torch.Tensor]] = {"norm": [], "last": []}
    classes = []
    model.eval()
    for name, values in seen.items():
        getattr(model, name).register_forward_pre_hook(
            lambda _, args, values=values: values.append(args[0].clone())
        )
    for number in range(epochs * spec.batches):
        _, levels = batches[number]
        model(normalise(levels, scene.NORMALISATION))
        classes.append(listing.class_index[draw(spec, number)[0]])
    of_image = np.concatenate(classes)
    return {name: (torch.cat(values).double().numpy(), of_image) for name, values in seen.items()}


@pytest.mark.parametrize("workers", [0, 1])
def test_statistics_are_those_of_all_inputs(folder, tmp_path, workers) -> None:
    report = run(folder, tmp_path / "s.safetensors", epochs=2, workers=workers)
    assert (report.layers, report.classes, report.images) == (2, scene.CLASSES, 2 * scene.IMAGES)
    assert report.bytes == (tmp_path / "s.safetensors").stat().st_size
    statistics = load_statistics(tmp_path / "s.safetensors")
    counts = np.bincount(list_images(folder).class_index)
    assert statistics.images.tolist() == (2 * counts).tolist()
    assert statistics.facts["teacher"]["sha256"] and statistics.facts["momentum"] is None
    for name, (values, classes) in inputs_of(folder, Network(), 2).items():
        for own in range(scene.CLASSES):
            chosen = values[classes == own]
            axes = (0, *range(2, values.ndim))
            layer = statistics.layers[name]
            np.testing.assert_allclose(layer.mean[own], chosen.mean(axes), rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(layer.variance[own], chosen.var(axes), rtol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["s.safetensors"]


@pytest.mark.parametrize("momentum", [None, 0.1])
def test_an_interrupted_run_goes_on(folder, tmp_path, monkeypatch, momentum) -> None:
    monkeypatch.setattr(squeezing, "SAVE_EVERY", 0)
    options = {"epochs": 3, "momentum": momentum}
    run(folder, tmp_path / "whole", **options)
    calls = 12  # of both kinds of progress: images checked, batches

    def stop(done: int, total: int, /, doing: str | None = None) -> None:
        if doing == "batches" and done == calls:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(folder, tmp_path / "s", progress=stop, **options)
    assert not (tmp_path / "s").exists()
    with pytest.raises(MismatchError, match="resume=True"):
        run(folder, tmp_path / "s", **options)
    with pytest.raises(MismatchError, match="is of another run: 'seed'"):
        run(folder, tmp_path / "s", resume=True, **options | {"seed": 6})
    done: list[int] = []

    def note_step(step: int, total: int, /, doing: str | None = None) -> None:
        if doing == "batches":
            done.append(step)

    run(folder, tmp_path / "s", resume=True, progress=note_step, **options)
    assert done[0] == calls + 1
    assert (tmp_path / "s").read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s", "whole"]


def test_a_run_killed_before_it_removed_what_is_left(folder, tmp_path) -> None:
    def stop(done: int, total: int, /, doing: str | None = None) -> None:
        if doing == "batches" and done == total:
            raise ZeroDivisionError

    run(folder, tmp_path / "s")
    whole = (tmp_path / "s").read_bytes()
    (tmp_path / "s").unlink()
    with pytest.raises(ZeroDivisionError):
        run(folder, tmp_path / "s", progress=stop)
    (tmp_path / "s").write_bytes(whole)
    with pytest.raises(MismatchError, match="exists already"):
        run(folder, tmp_path / "s")
    run(folder, tmp_path / "s", resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s").read_bytes() == whole


def test_models_that_do_not_do(folder, tmp_path) -> None:
    out = tmp_path / "s"
    with pytest.raises(MismatchError, match="has no BatchNorm layers"):
        run(folder, out, nn.Sequential(nn.Flatten(), nn.Linear(192, scene.CLASSES)))
    with pytest.raises(MismatchError, match="uses the layer norm twice in a forward pass"):
        run(folder, out, Network(twice=True))
    for momentum in (0, 1.5):
        with pytest.raises(ConfigError, match="`momentum` is"):
            run(folder, out, momentum=momentum)
    for epochs in (0, 10**30):
        with pytest.raises(ConfigError, match="epochs"):
            run(folder, out, epochs=epochs)
    out.write_text("precious")
    with pytest.raises(MismatchError, match="exists already"):
        run(folder, out)
    assert out.read_text() == "precious" and len(list(tmp_path.iterdir())) == 1


class Other(Network):
    """Two more outputs than there are classes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(super().forward(images), (0, 2))


def test_teachers_of_other_images_or_classes_are_refused(folder, tmp_path) -> None:
    with pytest.raises(MismatchError, match=rf"8\)|{scene.CLASSES}"):
        run(folder, tmp_path / "s", Other())
    broken = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(7, scene.CLASSES))
    with pytest.raises(MismatchError, match=r"fails on \(4, 3, 8, 8\) images: RuntimeError"):
        run(folder, tmp_path / "s", broken)
    with pytest.raises(MismatchError, match="no such folder to write s in"):
        run(folder, tmp_path / "missing/s")


def test_classes_of_few_images_are_told(tmp_path) -> None:
    folder = scene.images(tmp_path / "images", count=4, classes=3)
    notes: list[str] = []
    run(folder, tmp_path / "s", note=notes.append)
    assert "3 class folders are taken as the first of the teacher's 6 classes" in notes[0]
    assert "'class00' as class 0; if they are others, pass `class_map`" in notes[0]
    assert "no images of 3 of the teacher's 6 classes" in notes[1]
    assert "has one image of 2 classes" in notes[2]
    statistics = load_statistics(tmp_path / "s")
    assert statistics.images.tolist() == [2, 1, 1, 0, 0, 0]
    assert (statistics.layers["last"].variance[1:] == 0).all()
