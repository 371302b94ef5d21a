"""ImageNet's 1000 classes from a network alone: recover, relabel, students of each kind of labels.

python benchmarks/imagenet_scale.py --work DIR          # a GPU; sized for 12 minutes of an H100
python benchmarks/imagenet_scale.py --work DIR --tiny   # the same steps on two cores, in minutes

EfficientNet-Lite0 is the teacher. Two images per class are recovered without any real image:
`sre2l` (batches across classes) and `classwise` (batches of one class), both with the network's own
statistics. LPLD's class statistics would need real images of each class, and the only ones at hand
are the test set, so `lpld` is not among them. The teacher labels 300 epochs of which a tenth is
kept, and ResNet-18 learns from full fp16 labels, top-50, top-10 and `transform`. The students are
tested on 1000 real images, one per class, which nothing else has seen.

Every step leaves its result in the work folder: an interrupted run continues. Writes
results/imagenet_scale.json and a table of docs/benchmarks.md from what is there; without a GPU only
with --tiny, whose figures are not written.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import torch
from common import ROOT, machine, markdown, require_data, save, where, write_report

import labelcodec
from labelcodec.pipeline import evaluate, load_recipe, recover, relabel, train

sys.path.insert(0, str(ROOT))  # the teacher is named by its module
TEACHER = "benchmarks.efficientnet_lite:lite0"
NORMALISATION = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}
SETS: dict[str, dict[str, Any]] = {
    "sre2l": {"method": "sre2l", "batch_size": 100},
    "classwise": {"method": "classwise", "group": 50},
}
REUSE, ALIGNED = {"calibrated": False}, {"calibrated": True}
ROWS: tuple[tuple[str, str, dict[str, Any]], ...] = (  # name, codec, changes of the recipe
    ("full fp16, DKR", "dense", REUSE),
    ("top-50, DKR", "topk:k=50", REUSE),
    ("top-50, DKR and CA", "topk:k=50", ALIGNED),
    ("top-10, DKR", "topk:k=10", REUSE),
    ("top-10, DKR and CA", "topk:k=10", ALIGNED),
    ("transform, 16 B", "transform:bytes=16", REUSE),
    ("transform, 10 B", "transform:bytes=10", REUSE),
)
FULL = {"ipc": 2, "iterations": 500, "epochs": 300, "keep": 0.1, "train_epochs": 150}
TINY = {"ipc": 2, "iterations": 3, "epochs": 20, "keep": 0.5, "train_epochs": 2}


def quiet(line: str) -> None:
    """Notes are for users."""


class Scale:
    """Sizes of a run, and what it runs on."""

    def __init__(self, work: Path, tiny: bool, workers: int) -> None:
        self.work, self.tiny, self.workers = work, tiny, workers
        self.sizes: dict[str, Any] = TINY if tiny else FULL
        self.device = "cpu" if tiny else "cuda"
        self.autocast = None if tiny else "bfloat16"
        self.model = "convnet" if tiny else "torchvision/resnet18"
        weights = require_data("teachers/efficientnet_lite0-in1k.safetensors")
        side = 64 if tiny else 224
        self.teacher: dict[str, Any] = {
            "weights": weights, "normalisation": NORMALISATION, "image_size": side,
            "device": self.device, "note": quiet, "resume": True, "autocast": self.autocast,
        }  # fmt: skip

    def images(self, name: str) -> Path:
        """The recovered images."""
        folder = self.work / name / "images"
        some = {"class_range": (0, 8)} if self.tiny else {}
        sizes = {key: self.sizes[key] for key in ("ipc", "iterations")}
        wnids = sorted(path.name for path in require_data("in1k-images").iterdir())
        recover(
            None, folder, TEACHER, class_map=wnids, **self.teacher, **sizes, **SETS[name], **some
        )
        return folder

    def labels(self, name: str, folder: Path, codec: str) -> Path:
        """The labels of the images, stored by a codec."""
        full = self.work / name / "dense.slc"
        if not full.exists():
            classes = folder / "classes.txt"
            sizes = {key: self.sizes[key] for key in ("epochs", "keep")}
            relabel(
                folder, full, TEACHER, classes=1000, workers=self.workers,
                class_map=classes if classes.exists() else None,
                batch_size=4 if self.tiny else 128, **self.teacher, **sizes,
            )  # fmt: skip
        target = full.with_name(codec.replace(":", "-") + ".slc")
        if not target.exists():
            labelcodec.recode(full, target, codec=codec)
        return target

    def row(self, name: str, folder: Path, number: int) -> dict[str, Any]:
        """Bytes and accuracy of a student."""
        title, codec, changes = ROWS[number]
        if self.tiny:  # few labels share the side information
            codec = codec.replace("bytes=1", "bytes=10")
        labels, run = self.labels(name, folder, codec), self.work / name / f"run-{number}"
        score = run / "score.json"
        if not score.exists():
            epochs = self.sizes["train_epochs"]
            recipe = load_recipe("lpqld-in1k", {"model": self.model, "epochs": epochs, **changes})
            train(
                labels, folder, recipe, run, workers=self.workers, device=self.device,
                resume=run.exists(), cache=self.work / name / "pixels", note=quiet,
            )  # fmt: skip
            real = require_data("in1k-images")
            scores = evaluate(real, run, workers=self.workers, device=self.device, note=quiet)
            score.write_text(json.dumps({"top1": scores.top1, "top5": scores.top5}))
        storage = labelcodec.stats(labels)
        rates = {"bytes_per_label": storage.bytes_per_label, "actual_rate": storage.actual_rate}
        return {"labels": title, "codec": codec, **rates, **json.loads(score.read_text())}


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Work folder.")
@click.option("--tiny", is_flag=True, help="Try all steps on two cores.")
@click.option("--sets", multiple=True, type=click.Choice(tuple(SETS)), help="Only these images.")
@click.option("--workers", default=0, show_default=True, help="Processes that load images.")
def main(work: Path, tiny: bool, sets: tuple[str, ...], workers: int) -> None:
    """Run what is missing, and write the report."""
    if not tiny and not torch.cuda.is_available():
        raise click.UsageError("this needs a GPU; --tiny tries all steps without one")
    start, scale = time.monotonic(), Scale(work, tiny, workers)
    work.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, Any]]] = {}
    for name in sets or SETS:
        folder = scale.images(name)
        click.echo(f"{name}: images after {time.monotonic() - start:.0f} s")
        results[name] = []
        for number in range(len(ROWS)):
            results[name].append(scale.row(name, folder, number))
            seconds = f"after {time.monotonic() - start:.0f} s"
            click.echo(f"{name}: {results[name][-1]} {seconds}")
    if tiny:
        return
    used = {**machine(), "gpu": torch.cuda.get_device_name()}
    save("imagenet_scale", {"machine": used, "sizes": scale.sizes, "rows": results})
    rows = [
        [name, row["labels"], f"{row['bytes_per_label']:.1f}", f"{row['actual_rate']:.0f}x",
         f"{100 * row['top1']:.1f}"]
        for name, students in results.items() for row in students
    ]  # fmt: skip
    text = markdown(["images", "labels", "B/label", "actual rate", "top-1, %"], rows)
    text += (
        f"\n\nMeasured by `python benchmarks/imagenet_scale.py` on {used['gpu']}, {where(used)}."
    )
    write_report("imagenet scale", text)
    click.echo(text)


if __name__ == "__main__":
    main()
