"""The whole pipeline on CIFAR-10: squeeze, recover, relabel, train, evaluate; IPC 10.

python benchmarks/distillation.py --work DIR               # everything, about an hour of a core
python benchmarks/distillation.py --work DIR --sets lpld   # a part; parts can run side by side

The teacher is ResNet-20 (81 % on the test images). Image sets: random real images, RDED's patches,
and images recovered by SRe2L, CDA and LPLD; the full training set is the upper bracket. Each set is
labelled for 300 epochs in batches of 20; a small convolutional network learns from all batches, and
from a thirtieth of them, three seeds each. Similarity and MMD to the training set are measured in
the features of another network, ResNet-56.

An interrupted run continues. Writes results/distillation.json, a table of docs/benchmarks.md and
results/distillation.png, the contact sheet of LPLD's images.
"""

from __future__ import annotations

import json
import statistics
import zipfile
from pathlib import Path
from typing import Any

import click
import torch
from common import RESULTS, machine, markdown, require_data, save, where, write_report

import labelcodec
from labelcodec.pipeline import evaluate, recover, relabel, squeeze, train
from labelcodec.pipeline.image_diversity.measurement import diversity
from labelcodec.pipeline.recovery.contact_sheet import contact_sheet

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
IPC, EPOCHS, BATCH, SEEDS = 10, 300, 20, (0, 1, 2)
KEEPS = (1.0, 1 / 30)
FULL, FULL_EPOCHS, FULL_BATCH = "full training set", 6, 100
SETS: dict[str, dict[str, Any]] = {
    "real images": {"init": "images", "iterations": 0},
    "patches (RDED)": {"init": "patches", "iterations": 0},
    "sre2l": {"method": "sre2l"},
    "cda": {"method": "cda"},
    "lpld": {"method": "lpld"},
}
STUDENT = {"model": "convnet", "calibrated": False}


def data(work: Path) -> Path:
    """The unpacked images."""
    folder = work / "cifar10"
    if not (folder / "complete").exists():
        with zipfile.ZipFile(require_data("cifar10.zip")) as archive:
            archive.extractall(folder)
        (folder / "complete").touch()
    return folder


def teacher(name: str) -> dict[str, Any]:
    weights = require_data(f"teachers/{name}-cifar10.safetensors")
    return {"weights": weights, "image_size": 32, "normalisation": IMAGENET, "device": "cpu"}


def quiet(line: str) -> None:
    """Notes are for users."""


def distilled(name: str, work: Path, iterations: int) -> Path:
    """The folder of an image set."""
    if name == FULL:
        return data(work) / "train"
    stats = work / "stats.safetensors"
    if not stats.exists():
        squeeze(data(work) / "train", stats, "resnet20", **teacher("resnet20"))
    options = {"iterations": iterations, **SETS[name]}
    if "init" in options:
        options["images"] = data(work) / "train"
    folder = work / "images" / name
    recover(stats, folder, "resnet20", ipc=IPC, resume=True, note=quiet, **teacher("resnet20"),
            **options)  # fmt: skip
    return folder


def student(name: str, folder: Path, work: Path, keep: float, seed: int) -> float:
    """Top-1 accuracy of a student, 0..1."""
    epochs, batch = (FULL_EPOCHS, FULL_BATCH) if name == FULL else (EPOCHS, BATCH)
    labels = work / "labels" / name / f"{keep:.3f}.slc"
    if not labels.exists():
        relabel(
            folder, labels, "resnet20", epochs=epochs, keep=keep, batch_size=batch, resume=True,
            note=quiet, **teacher("resnet20"),
        )  # fmt: skip
    run = work / "runs" / name / f"{keep:.3f}-{seed}"
    score = run / "top1.json"
    if not score.exists():
        recipe = labelcodec.pipeline.load_recipe("cifar10", {**STUDENT, "epochs": epochs})
        train(
            labels, folder, recipe, run, seed=seed, device="cpu", resume=run.exists(), note=quiet,
            cache=work / "pixels" / name,
        )  # fmt: skip
        scores = evaluate(data(work) / "test", run, device="cpu", note=quiet)
        score.write_text(json.dumps(scores.top1))
    return float(json.loads(score.read_text()))


def measured(name: str, work: Path, iterations: int) -> dict[str, Any]:
    """Everything about an image set."""
    folder = distilled(name, work, iterations)
    keeps = (1.0,) if name == FULL else KEEPS
    top1 = {f"{keep:.3f}": [student(name, folder, work, keep, seed) for seed in SEEDS]
            for keep in keeps}  # fmt: skip
    near = work / "diversity" / f"{name}.json"
    if not near.exists():
        near.parent.mkdir(exist_ok=True)
        report = diversity(
            folder, data(work) / "train", features="resnet56", bandwidth=7.9, note=quiet,
            **teacher("resnet56"),
        )  # fmt: skip
        near.write_text(json.dumps(report.to_json()))
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.suffix in (".jpg", ".jpeg")]
    measures = json.loads(near.read_text())
    return {
        "top1": top1,
        "similarity": measures["folders"][0]["similarity"],
        "mmd": measures["mmd"]["squared"],
        "image_bytes": sum(sizes),
    }


def of_seeds(values: list[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{100 * statistics.mean(values):.1f} ± {100 * error:.1f}"


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Work folder.")
@click.option("--iterations", default=1000, show_default=True, help="Iterations of recover.")
@click.option("--sets", multiple=True, help="Only these image sets; the report is not written.")
def main(work: Path, iterations: int, sets: tuple[str, ...]) -> None:
    """Run what is missing, and write the report."""
    torch.set_num_threads(1)
    used = machine()
    work.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in sets or (*SETS, FULL):
        results[name] = measured(name, work, iterations)
        click.echo(f"{name}: {results[name]['top1']}")
    if sets:
        return
    settings = {"ipc": IPC, "iterations": iterations, "epochs": EPOCHS, "batch": BATCH}
    save("distillation", {"machine": used, "settings": settings, "sets": results})
    contact_sheet(work / "images" / "lpld", RESULTS / "distillation.png")
    rows = []
    for name, each in results.items():
        rows.append(
            [
                name,
                *(of_seeds(each["top1"][key]) if key in each["top1"] else "" for key in
                  (f"{keep:.3f}" for keep in KEEPS)),
                f"{each['similarity']:.3f}",
                f"{each['mmd']:.4f}",
            ]
        )  # fmt: skip
    columns = ["images", "all batches", "a thirtieth", "similarity", "MMD²"]
    text = (
        "Top-1 of a small convolutional network on CIFAR-10's test images, %, mean and standard\n"
        f"error of three seeds; {IPC} images per class, {iterations} iterations of recover;\n"
        f"labels of ResNet-20 for {EPOCHS} epochs. The full training set of 15 000 images is seen\n"
        f"for {FULL_EPOCHS} epochs. Similarity within a class and MMD² to the training set are of\n"
        "ResNet-56's features.\n\n"
        + markdown(columns, rows)
        + f"\n\nMeasured by `python benchmarks/distillation.py --work DIR` on {where(used)}."
    )
    write_report("distillation", text)
    click.echo(text)


if __name__ == "__main__":
    main()
