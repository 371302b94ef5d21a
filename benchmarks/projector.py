"""Labels as a function of the images: bytes, fidelity and students of the codec `projector`.

OMP_NUM_THREADS=1 python benchmarks/projector.py               # both data sets, three seeds
OMP_NUM_THREADS=1 python benchmarks/projector.py --sets cifar10 --seeds 0

Writes results/projector.json and a table of docs/benchmarks.md. Each file and each student is kept
in the work folder: an interrupted benchmark continues.

omniglot121: the encoder, a convnet, learns 121 of the 242 characters; labels, teacher and students
are of the other 121. cifar10: the encoder is SqueezeNet of ImageNet-1K at 96 pixels, the teacher
ResNet-56 of CIFAR-10, the students are convnets.
"""

from __future__ import annotations

import json
import statistics
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from common import ROOT, machine, markdown, require_data, save, write_report
from PIL import Image
from squeezenet import teacher as squeezenet
from torch import nn

import labelcodec
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.demo.teacher import train_teacher
from labelcodec.images import list_images
from labelcodec.pipeline import AdaptSettings, materialise, project
from labelcodec.pipeline import training_recipe as recipes
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.evaluation import EvaluationImages, score_model
from labelcodec.pipeline.models import build
from labelcodec.pipeline.relabelling_run import relabel_listing
from labelcodec.pipeline.teacher import load_teacher
from labelcodec.pipeline.trainer import Trainer
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.transcode.recode_container import recode

CPU = Process(0, 1, torch.device("cpu"))
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
STROKES = {"mean": [0.15] * 3, "std": [0.3] * 3}
EPOCHS, KEEP = 300, 0.2  # of a label set, and the share of it that is labelled here
Draw = Callable[[Path], None]


@dataclass(frozen=True)
class Setting:
    """A data set with its teacher, its encoder and its students.

    Attributes:
        draw: makes the folders distilled/ and test/, and what the networks need.
        teacher: makes the teacher, (name, weights).
        encoder: makes the encoder, a trained module.
        encoder_classes: number of classes that it was trained for.
        encoder_size: height and width of its input.
        encoder_normalisation: of its inputs.
        side: height and width of teacher's and student's input.
        normalisation: of their inputs.
        batch: images per batch.
        scale: area of the crops.
        flip: probability of a flip.
        recipe: the students' recipe.
        changes: what is changed in it.
        codecs: the projectors.
        adapt: their training.
    """

    draw: Draw
    teacher: Callable[[Path], tuple[str, Path]]
    encoder: Callable[[Path], nn.Module]
    encoder_classes: int
    encoder_size: int
    encoder_normalisation: dict[str, Any]
    side: int
    normalisation: dict[str, Any]
    batch: int
    scale: tuple[float, float]
    flip: float | None
    recipe: str
    changes: dict[str, Any]
    codecs: tuple[str, ...]
    adapt: AdaptSettings


def save_images(folder: Path, images: Any, drawers: range) -> None:
    for character, drawn in enumerate(images):
        inside = folder / f"{character:03}"
        inside.mkdir(parents=True, exist_ok=True)
        for drawer in drawers:
            Image.fromarray(drawn[drawer]).save(inside / f"{drawer:02}.png")


def draw_omniglot(work: Path) -> None:
    """Characters 0, 2, 4, ... to label; 1, 3, 5, ... for the encoder."""
    images = np.load(require_data("omniglot242.npz"))["images"]
    save_images(work / "distilled", images[::2], range(2))
    save_images(work / "train", images[::2], range(15))
    save_images(work / "test", images[::2], range(15, 20))
    save_images(work / "others", images[1::2], range(20))


def learned(work: Path, folder: str, seed: int) -> Path:
    """Weights of a convnet that learned the characters of a folder."""
    path = work / f"{folder}.pt"
    if not path.is_file():
        listing = list_images(work / folder)
        recipe = AugmentationSpec(
            seed, len(listing), 121, (35, 35), (35, 35), scale=(0.5, 1.0), flip=None, mix=None
        )
        torch.manual_seed(seed)
        model = build("convnet", len(listing.classes))
        train_teacher(model, listing, recipe, STROKES, epochs=60, rate=3e-3)
        torch.save(model.state_dict(), path)
    return path


def draw_cifar(work: Path) -> None:
    """The first 50 images a class to label, and the test images."""
    with zipfile.ZipFile(require_data("cifar10.zip")) as archive:
        for name in archive.namelist():
            part, _, rest = name.partition("/")
            if not rest.endswith((".jpg", ".png")) or (
                part == "train" and int(Path(rest).stem) >= 50
            ):
                continue
            path = work / {"train": "distilled", "test": "test"}[part] / rest
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))


def resnet56(work: Path) -> tuple[str, Path]:
    return "resnet56", require_data("teachers") / "resnet56-cifar10.safetensors"


SETTINGS = {
    "omniglot121": Setting(
        draw_omniglot,
        lambda work: ("convnet", learned(work, "train", 0)),
        lambda work: build("convnet", 121, learned(work, "others", 1)),
        121,
        35,
        STROKES,
        35,
        STROKES,
        121,
        (0.5, 1.0),
        None,
        "omniglot242",
        {},
        (
            "projector:rank=8,head=32",
            "projector:rank=8,head=32,precision=float16",
            "projector:rank=4,head=16",
            "projector:rank=4,head=16,precision=float16",
            "projector:rank=0",
        ),
        AdaptSettings(steps=1500, learning_rate=2e-3),
    ),
    "cifar10": Setting(
        draw_cifar,
        resnet56,
        lambda work: squeezenet(require_data("teachers") / "squeezenet1_0-in1k.safetensors"),
        1000,
        96,
        {"mean": [0.0] * 3, "std": [1.0] * 3},
        32,
        IMAGENET,
        100,
        (0.5, 1.0),
        0.5,
        "cifar10",
        {"model": "convnet", "epochs": 200},
        ("projector:rank=4", "projector:rank=2"),
        AdaptSettings(steps=300, learning_rate=4e-3),
    ),
}


def make_labels(work: Path, setting: Setting) -> None:
    """The teacher's labels in full."""
    listing, side = list_images(work / "distilled"), (setting.side, setting.side)
    recipe = AugmentationSpec(
        2, len(listing), setting.batch, side, side, scale=setting.scale, flip=setting.flip
    )
    name, weights = setting.teacher(work)
    teacher = load_teacher(
        name,
        weights,
        len(listing.classes),
        CPU.device,
        normalisation=setting.normalisation,
        autocast=None,
        precision="float16",
    )
    relabel_listing(
        teacher, listing, work / "dense.slc", recipe, CPU, epochs=EPOCHS, keep=KEEP, force=True
    )


def file_name(codec: str) -> str:
    return codec.replace(":", "-").replace("=", "").replace(",", "-")


def made(work: Path, setting: Setting, codec: str) -> dict[str, Any]:
    """The container of a codec, one to train from, and what it takes."""
    path, facts = work / f"{file_name(codec)}.slc", work / f"{file_name(codec)}.json"
    if facts.is_file():
        return dict(json.loads(facts.read_text()))
    found: dict[str, Any] = {"name": codec}
    if codec.startswith("projector"):
        encoder = setting.encoder(work).eval()
        inputs = {
            "encoder_classes": setting.encoder_classes,
            "encoder_size": setting.encoder_size,
            "encoder_normalisation": setting.encoder_normalisation,
        }
        started = time.perf_counter()
        done = project(
            work / "dense.slc", path, work / "distilled", encoder,
            codec=codec, settings=setting.adapt, force=True, note=print, **inputs,
        )  # fmt: skip
        found["training_seconds"] = round(time.perf_counter() - started, 1)
        fidelity = done.fidelity
        found |= {"kl": fidelity.kl, "tv": fidelity.tv, "top1_agreement": fidelity.top1_agreement}
        found |= {"held_out": fidelity.labels}
        usable = work / f"{file_name(codec)}-dense.slc"
        materialise(path, usable, "dense", work / "distilled", encoder, force=True)
    elif codec != "dense":
        recode(work / "dense.slc", path, codec, force=True)
    found |= sizes(path)
    facts.write_text(json.dumps(found))
    return found


def sizes(path: Path) -> dict[str, Any]:
    """Bytes of a file, and those of the labels of all epochs: batches grow, tables do not."""
    with labelcodec.open(path) as reader:
        report = breakdown(reader)
        batches, labels = len(reader), report.labels
        stream = report.components.get("label values", 0) + report.components.get("label index", 0)
        tables = report.components["side information"]
    whole = stream / KEEP + tables
    return {
        "labels": labels,
        "batches": batches,
        "file_bytes": path.stat().st_size,
        "label_bytes_all_epochs": round(whole),
        "label_bytes_per_label": whole / (labels / KEEP),
    }


def student(work: Path, setting: Setting, codec: str, seed: int) -> float:
    """Top-1 accuracy of a student; labels of a projector are those that it gives."""
    result = work / "runs" / f"{file_name(codec)}-{seed}.json"
    if result.is_file():
        return float(json.loads(result.read_text())["top1"])
    stem = file_name(codec) + ("-dense" if codec.startswith("projector") else "")
    dataset = ReplayDataset(work / f"{stem}.slc", work / "distilled")
    images = dataset.reader.header.images or 0
    recipe = recipes.load_recipe(setting.recipe, setting.changes)
    order = BatchOrder(len(dataset), per_epoch=images // setting.batch, seed=seed)
    torch.manual_seed(seed)
    trainer = Trainer(build(recipe.model, dataset.classes), recipe, CPU)
    kept: dict[int, Any] = {}
    for epoch in range(recipe.epochs):
        order.set_epoch(epoch)
        for i in order:
            if i not in kept:
                kept[i] = dataset[i]
        trainer.train((kept[i] for i in order), epoch)
    side = (setting.side, setting.side)
    test = EvaluationImages(work / "test", side, "bilinear", False, dataset.classes)
    scores = score_model(trainer.evaluated, test, dataset.normalisation)
    result.write_text(json.dumps(asdict(scores)))
    return scores.top1


def measure(work: Path, setting: Setting, seeds: Sequence[int]) -> list[dict[str, Any]]:
    (work / "runs").mkdir(parents=True, exist_ok=True)
    if not (work / "test").is_dir():
        setting.draw(work)
    if not (work / "dense.slc").is_file():
        make_labels(work, setting)
    rows = []
    for codec in ("dense", "topk:k=10", *setting.codecs):
        facts = made(work, setting, codec)
        top1 = {seed: student(work, setting, codec, seed) for seed in seeds}
        error = statistics.stdev(top1.values()) / len(top1) ** 0.5 if len(top1) > 1 else 0.0
        row = facts | {"top1": top1, "mean": statistics.mean(top1.values()), "error": error}
        click.echo(f"{work.name} {codec}: {100 * row['mean']:.1f} %", err=True)
        rows.append(row)
    top10 = next(row for row in rows if row["name"] == "topk:k=10")
    for row in rows:
        row["of_top10"] = row["label_bytes_all_epochs"] / top10["label_bytes_all_epochs"]
    return rows


def table(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            row["name"],
            f"{row['label_bytes_all_epochs'] / 1000:.1f}",
            f"{100 * row['of_top10']:.2f} %",
            *(
                [f"{row['kl'][tau]:.3f}" for tau in ("1.0", "4.0")]
                + [f"{row['tv']['1.0']:.3f}", f"{100 * row['top1_agreement']:.1f}"]
                if "kl" in row
                else [""] * 4
            ),
            f"{100 * row['mean']:.1f} ± {100 * row['error']:.1f}",
        ]
        for name, data in found["sets"].items()
        for row in data
    ]
    columns = ["data", "labels", "kB of labels and tables", "of top-10's", "KL τ=1", "KL τ=4"]
    columns += ["TV τ=1", "same top class %", "student top-1 %"]
    where = found["machine"]
    return (
        f"{markdown(columns, rows)}\n\n"
        f"Measured by `{found['command']}` on {where['cpu']}, torch {where['torch']}, one thread, "
        f"{found['seeds']} seeds. {found['notes']}"
    )


NOTES = (
    "KL, TV and top class are against the teacher's labels on augmentations that training did not "
    "see; 12 batches of them chose the state that is kept. Bytes are those of labels and tables, "
    "without framing and image names, for all 300 epochs: a fifth of them is labelled and trained "
    "on, the rest is counted at the same bytes per label."
)
NOTES_OF = {
    "omniglot121": "The encoder of omniglot121 learned the 121 characters that are neither "
    "labelled nor tested.",
    "cifar10": "The encoder of cifar10 is SqueezeNet of ImageNet-1K at 96 pixels; top-10 is all of "
    "its classes. Input size and learning rate were chosen by the KL divergence of short runs.",
}


@click.command()
@click.option("--sets", multiple=True, default=tuple(SETTINGS), show_default=True)
@click.option("--seeds", multiple=True, type=int, default=(0, 1, 2), show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=ROOT / "build" / "projector")
def main(sets: Sequence[str], seeds: Sequence[int], work: Path) -> None:
    """Do what is missing in the work folder and write the results."""
    torch.set_num_threads(1)
    found = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/projector.py"
        + "".join(f" --sets {name}" for name in sets if len(sets) < len(SETTINGS)),
        "notes": " ".join([NOTES, *(NOTES_OF[name] for name in sets)]),
        "machine": machine(),
        "seeds": len(seeds),
        "sets": {name: measure(work / name, SETTINGS[name], seeds) for name in sets},
    }
    found = json.loads(json.dumps(found))
    save("projector", found)
    write_report("projector", table(found))


if __name__ == "__main__":
    main()
