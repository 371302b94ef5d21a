"""The distilled set in examples/ is complete and fits its labels."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import labelcodec
from labelcodec.images import list_images
from labelcodec.pipeline import TrainingCallback, TrainingRecipe, train
from labelcodec.replay import ReplayDataset

SET = Path(__file__).parents[1] / "examples" / "cifar10-ipc10"


def test_labels_and_images_of_the_distilled_set_belong_together() -> None:
    listing = list_images(SET / "images")
    run = json.loads((SET / "images/recipe.json").read_text())["run"]
    assert list(listing.classes) == run["class_names"]
    assert len(listing) == 10 * run["settings"]["ipc"] == 100
    dataset = ReplayDataset(SET / "labels.slc", SET / "images")
    assert (dataset.classes, dataset.size) == (10, (32, 32))
    batch = dataset[0]
    assert batch.images.shape == (20, 3, 32, 32)
    with labelcodec.open(SET / "labels.slc") as reader:
        assert int(reader.index.samples.sum()) == 3000
        assert reader.header.teacher["sha256"] == run["teacher"]["sha256"]
        assert reader.header.normalisation == run["normalisation"]
        assert reader.header.agreement.share > 0.3  # mixed images; by chance it is 0.1


def test_the_distilled_set_takes_what_its_page_says() -> None:
    text = (SET / "README.md").read_text()
    images = sum(path.stat().st_size for path in (SET / "images").rglob("*.jpg"))
    labels = (SET / "labels.slc").stat().st_size
    assert f"Images take {images / 1000:.0f} kB, labels {labels / 1000:.0f} kB" in text
    assert images + labels < 2_000_000


def load(path: Path) -> dict[str, Any]:
    """The names that an example defines, when it is imported."""
    return runpy.run_path(str(path), run_name="example")


class Recorder:
    """Stands in for a tracker's library: keeps the calls of every method."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., Recorder]:
        def called(*arguments: Any, **_: Any) -> Recorder:
            self.calls.append((name, arguments))
            return self

        return called


def trained(tmp_path: Path, callback: TrainingCallback) -> None:
    recipe = TrainingRecipe(model="resnet20", epochs=1, batches_per_epoch=2)
    settings = {"validate": SET / "images", "resize": False, "note": lambda line: None}
    train(
        SET / "labels.slc", SET / "images", recipe, tmp_path / "run", callbacks=[callback],
        **settings,
    )  # fmt: skip


def test_the_tensorboard_callback(tmp_path, monkeypatch) -> None:
    recorder = Recorder()
    stub = ModuleType("torch.utils.tensorboard")
    stub.SummaryWriter = lambda folder: recorder
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stub)
    example = load(SET.parent / "callbacks/tensorboard_callback.py")
    trained(tmp_path, example["TensorBoard"](str(tmp_path)))
    scalars = [arguments[0] for name, arguments in recorder.calls if name == "add_scalar"]
    assert {"train/loss", "speed/images_per_second", "validation/top1"} <= set(scalars)
    assert recorder.calls[-1][0] == "close"


def test_the_wandb_callback(tmp_path, monkeypatch) -> None:
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, "wandb", recorder)
    example = load(SET.parent / "callbacks/wandb_callback.py")
    trained(tmp_path, example["WeightsAndBiases"]("project"))
    logged = [set(*arguments) for name, arguments in recorder.calls if name == "log"]
    assert logged == [{"train"}, {"validation"}]
    assert (recorder.calls[0][0], recorder.calls[-1][0]) == ("init", "finish")
