"""What `labelcodec plan` predicts from: bytes and fidelity of every codec on real labels.

python benchmarks/planner.py   # writes results/planner.json

`measured` is the planner's table, at C = 1000 and 10 000 labels; what transform does of it twice,
with ten labels an image and with one. `checks` are files that are not in the table: other settings
of the codecs, three and five labels an image, the labels three times over, tables fitted to a part
of the labels, and fewer classes (the same logits of every second, fourth and tenth class).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from common import machine, require_data, save

import labelcodec
from labelcodec import Header, LabelBatch, Writer
from labelcodec.analysis import compare_sets
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.codecs.fitting_sample import label_bytes, sampled_batches
from labelcodec.formats import open_dump

KS = (1, 2, 5, 10, 20, 50, 100, 200, 400, 800)
STEPS = (None, 1 / 32, 1 / 8, 1 / 2, 2)
PLAIN = (
    "dense",
    *(f"topk:k={k}" + (f",step={step:g}" if step else "") for step in STEPS for k in KS),
)
GOALS = (
    *(f"transform:bytes={budget}" for budget in (10, 15, 20, 30, 45, 65, 90, 130, 200)),
    *(f"transform:tv4={tv4}" for tv4 in (0.12, 0.1, 0.085, 0.07, 0.055, 0.042)),
    *(f"transform:kl1={kl1}" for kl1 in (0.4, 0.25, 0.15, 0.09, 0.05, 0.025)),
)
PLAIN_CHECKS = ("dense", "topk:k=10", "topk:k=30", "topk:k=50,step=0.25")
GOAL_CHECKS = (
    *("transform:bytes=25", "transform:tv4=0.08", "transform:kl1=0.12"),
    *("transform:tv4=0.1,kl1=0.25", "transform:tv4=0.066,kl1=0.09"),
)
STRIDES = (2, 4, 10)  # every how many classes are kept for the checks
PARTS = (3000, 5000)  # of the labels, to which tables are fitted for the checks


def measure(
    batches: Sequence[LabelBatch], specs: Sequence[str], target: Path, most: int | None = None
) -> list[dict[str, Any]]:
    """Encode the labels; bytes of every component and the distance to the full labels.

    Args:
        batches: with full labels.
        specs: of codecs.
        target: a file to write, again for every codec.
        most: labels that the tables are fitted to; by default as many as `encode` takes.
    """
    labels = sum(map(len, batches))
    classes, size = batches[0].labels.classes, label_bytes(batches[0].labels)
    images = 1 + max(int(batch.image_index.max()) for batch in batches)
    rows = []
    for spec in specs:
        header = Header(classes, images=images, mix="cutmix")
        with Writer(target, header, spec, force=True, expected=labels) as writer:
            most_of_it = most or writer.codec.fit_labels
            places = sampled_batches(list(map(len, batches)), size, most_of_it)
            coder = writer.fit([batches[i] for i in places]).labels
            for batch in batches:
                writer.add(batch)
        with labelcodec.open(target) as reader:
            found = breakdown(reader)
            distance = compare_sets(batches, reader).fidelity
        tables = coder.to_parts()
        rows.append(
            {
                "codec": spec,
                "classes": classes,
                "images": images,
                "labels": labels,
                "fitted": sum(len(batches[i]) for i in places),
                "components": {name: size for name, size in found.components.items() if size},
                "rank": coder.chosen().get("rank", 0),
                **{part: len(tables.get(part, b"")) for part in ("basis", "means")},
                "tv4": distance.tv[4.0] if distance else 0.0,
                "kl1": distance.kl[1.0] if distance else 0.0,
            }
        )
        click.echo(f"{spec}, C = {classes}, {labels} labels of {images}: done", err=True)
    return rows


def apart(batches: Sequence[LabelBatch]) -> list[LabelBatch]:
    """The same labels, each as if of an image of its own."""
    starts = np.cumsum([0, *map(len, batches)])
    return [
        replace(batch, image_index=start + np.arange(len(batch)))
        for start, batch in zip(starts.tolist(), batches, strict=False)
    ]


def every(batches: Sequence[LabelBatch], stride: int) -> list[LabelBatch]:
    """The same batches with the logits of every `stride`-th class only."""
    return [replace(batch, labels=fewer(batch.labels, stride)) for batch in batches]


def fewer(labels: labelcodec.Labels, stride: int) -> labelcodec.Labels:
    """Every `stride`-th class of full labels."""
    value = labels.value[:, ::stride].copy()
    return replace(labels, classes=value.shape[1], value=value)


def thrice(batches: Sequence[LabelBatch]) -> list[LabelBatch]:
    """The epochs three times over, numbered on."""
    epochs = max(batch.epoch for batch in batches) + 1
    return [
        replace(batch, number=batch.number + i * len(batches), epoch=batch.epoch + i * epochs)
        for i in range(3)
        for batch in batches
    ]


@click.command()
def main() -> None:
    """Measure everything and write the results."""
    torch.set_num_threads(1)
    dump = open_dump(require_data("in1k-sre2l"))
    batches = [dump.read(i) for i in range(len(dump))]
    epochs = [batches[:24], batches[:40], thrice(batches)]
    fewer_classes = [every(batches, stride) for stride in STRIDES]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "labels.slc"
        measured = measure(batches, (*PLAIN, *GOALS), work)
        measured += measure(apart(batches), GOALS, work)
        checks = [
            row
            for some in (batches, *epochs, *fewer_classes)
            for row in measure(some, (*PLAIN_CHECKS, *GOAL_CHECKS), work)
        ]
        checks += measure(apart(batches), GOAL_CHECKS, work)
        for most in PARTS:
            checks += measure(batches, GOAL_CHECKS, work, most)
    save(
        "planner",
        {
            "command": "python benchmarks/planner.py",
            "data": "in1k-sre2l: 10 epochs x 1000 images, batch 128, C = 1000, fp16",
            "machine": machine(),
            "measured": measured,
            "checks": checks,
        },
    )


if __name__ == "__main__":
    main()
