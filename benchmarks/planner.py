"""What `labelcodec plan` predicts from: bytes and fidelity of every codec on real labels.

python benchmarks/planner.py   # writes results/planner.json

`measured` is the planner's table, at C = 1000. `checks` are files that are not in the table: other
k and steps, fewer labels, the labels three times over, and fewer classes (the same logits of every
second, fourth and tenth class).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
from common import machine, require_data, save

import labelcodec
from labelcodec import LabelBatch
from labelcodec.dumps import open_dump, write_dump
from labelcodec.dumps.convert import encode
from labelcodec.storage import breakdown, compare_sets

KS = (5, 10, 20, 50, 100, 200, 400, 800)
STEPS = (None, 1 / 32, 1 / 8, 1 / 2, 2)
BUDGETS = (15, 20, 30, 40, 60, 90, 130, 200)
TABLE = (
    "dense",
    *(f"topk:k={k}" + (f",step={step:g}" if step else "") for step in STEPS for k in KS),
    *(f"transform:bytes={budget}" for budget in BUDGETS),
)
CHECKS = ("dense", "topk:k=10", "topk:k=30", "topk:k=50,step=0.25", "transform:bytes=25")
STRIDES = (2, 4, 10)  # every how many classes are kept for the checks


def measure(
    batches: Sequence[LabelBatch], specs: Sequence[str], work: Path
) -> list[dict[str, Any]]:
    """Encode the labels; bytes of every component and the distance to the full labels."""
    dump, target = work / "dump", work / "labels.slc"
    write_dump(batches, dump, "sre2l", {})
    rows = []
    for spec in specs:
        encode(dump, target, codec=spec, force=True)
        with labelcodec.open(target) as reader:
            found = breakdown(reader)
            distance = compare_sets(batches, reader).fidelity
        parts = {name: size for name, size in found.components.items() if size}
        rows.append(
            {
                "codec": spec,
                "classes": found.classes,
                "labels": found.labels,
                "batches": found.batches,
                "components": parts,
                "tv4": distance.tv[4.0] if distance else 0.0,
            }
        )
        click.echo(f"{spec}, C = {found.classes}, {found.labels} labels: done", err=True)
    return rows


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
    sets = [batches, batches[:24], thrice(batches), *(every(batches, s) for s in STRIDES)]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        measured = measure(batches, TABLE, work / "table")
        checks = [
            row for i, some in enumerate(sets) for row in measure(some, CHECKS, work / str(i))
        ]
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
