"""A small world to relabel and to train in: images, a teacher, a student."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.codecs.dense.codec import Dense
from labelcodec.codecs.topk.codec import TopK
from labelcodec.codecs.transform.codec import Transform
from labelcodec.images import list_images
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.relabelling_run import RelabelReport
from labelcodec.pipeline.relabelling_run import relabel_listing as run
from labelcodec.pipeline.teacher import Teacher, load_teacher
from labelcodec.pipeline.training_recipe import TrainingRecipe, from_map

SIDE, CLASSES, IMAGES, BATCH = 8, 6, 22, 4
SMALL = "tests.pipeline.scene:small"
ALONE = Process(0, 1, torch.device("cpu"))
NORMALISATION = {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.3, 0.3]}


def small(classes: int) -> nn.Module:
    """A network without batch norm, whose samples do not see each other."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(72, classes)
    )


def still(classes: int) -> nn.Module:
    """As `small`, and nothing in it is left to chance."""
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, classes))


def colours_of(classes: int) -> NDArray[np.int64]:
    """(classes, 3) the colour of each class, 0..255."""
    return np.random.default_rng(1).integers(0, 256, (classes, 3))


def images(
    path: Path, count: int = IMAGES, classes: int = CLASSES, seed: int = 0, side: int = SIDE
) -> Path:
    """PNG files of noise around a colour that the class has."""
    rng = np.random.default_rng(seed)
    colours = colours_of(classes)
    for i in range(count):
        place = path / f"class{i % classes:02}"
        place.mkdir(parents=True, exist_ok=True)
        noisy = rng.normal(colours[i % classes], 40, (side, side, 3)).clip(0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(place / f"{i:03}.png")
    return path


def weights(path: Path, classes: int = CLASSES) -> Path:
    from safetensors.torch import save_file

    torch.manual_seed(7)
    model = small(classes)
    recognise_colours(model[0], model[4], classes)
    save_file(model.state_dict(), path)
    return path


@torch.no_grad()
def recognise_colours(conv: nn.Module, linear: nn.Module, classes: int) -> None:
    """Have a network of random weights prefer the class whose colour is nearest to the image's."""
    mean, std = (torch.tensor(NORMALISATION[key]) for key in ("mean", "std"))
    colours = (torch.from_numpy(colours_of(classes)).float() / 255 - mean) / std
    conv.weight[:3], conv.bias[:3] = 0, 4  # means of red, green and blue, all above 0
    for channel in range(3):
        conv.weight[channel, channel] = 1 / 9
    linear.weight[:, :27] += 4 * (colours / 9).repeat_interleave(9, dim=1)
    linear.bias[:] -= 4 * (4 * colours.sum(dim=1) + (colours**2).sum(dim=1) / 2)


def teacher(path: Path, name: str = SMALL, **more: Any) -> Teacher:
    given = {"autocast": None, "precision": "float16", "normalisation": NORMALISATION, **more}
    classes = given.pop("classes", CLASSES)
    return load_teacher(name, path, classes, torch.device("cpu"), **given)


def drawn(folder: Path, **changes: Any) -> AugmentationSpec:
    count = len(list_images(folder))
    given = {"seed": 3, "images": count, "batch": BATCH, "size": (SIDE, SIDE), **changes}
    return AugmentationSpec(**{"sizes": (SIDE, SIDE), **given})


def relabel(
    folder: Path, weights: Path | None, target: Path, here: Process = ALONE, **more: Any
) -> RelabelReport:
    """Two epochs of six batches, the last of which has two images; any option of `relabel`."""
    given = {"epochs": 2, **more}
    asked = given.pop("teacher", None) or teacher(weights)
    changes = given.pop("changes", {})
    return run(asked, list_images(folder), target, drawn(folder, **changes), here, **given)


def settings(**changes: Any) -> TrainingRecipe:
    plain = {"model": SMALL, "epochs": 4, "learning_rate": 0.01}
    return from_map({**plain, **changes}, "test")


def study_text(epochs: int) -> str:
    """A study file that compares two codecs; its last table, the grid, is open for more."""
    return f"""
about = "Two codecs"
[teacher]
image_size = {SIDE}
mean = {NORMALISATION["mean"]}
std = {NORMALISATION["std"]}
[recover]
ipc = 2
iterations = 0
init = "images"
[relabel]
batch_size = 4
[train]
model = "{SMALL}"
epochs = {epochs}
[grid]
codec = ["dense", "topk:k=2"]
"""


def prepares(doing: str) -> bool:
    """Whether a progress report is of what precedes the first batch."""
    return any(word in doing for word in ("fitting", "loading", "image sizes", "decoding"))


def logged(out: Path) -> list[dict[str, Any]]:
    """What a training run logged of its epochs, without their speed."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    for line in lines:
        assert line.pop("speed").keys() == {"images_per_second", "waiting"}
    return lines


def after(calls: int, what: Callable[[], None]) -> Callable[..., None]:
    """A progress that does something at its n-th call; those of preparations do not count."""
    left = [calls]

    def moved(*step: Any) -> None:
        if step[2:] and prepares(step[2]):
            return
        left[0] -= 1
        if left[0] == 0:
            what()

    return moved


def fit_to(labels: int) -> Iterator[tuple[type, str, int]]:
    """What makes every codec fit its tables to that many labels: arguments of setattr."""
    return ((codec, "fit_labels", labels) for codec in (Dense, TopK, Transform))
