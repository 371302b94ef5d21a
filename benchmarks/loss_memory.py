"""Memory of the KL divergence of top-50 labels: dense targets against `losses.kl`.

python benchmarks/loss_memory.py # writes results/loss_memory.json and a table of docs/benchmarks.md

Each row is a process of its own: the growth of its largest resident memory by loss and gradient,
less the gradient of the student's logits, which either needs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

import click
import torch
import torch.nn.functional as F
from common import machine, markdown, save, where, write_report

from labelcodec import losses
from labelcodec.replay.soft_labels import SoftLabels

SETTINGS = ((16_384, 1000), (256, 151_936))  # samples, classes
K, TEMPERATURE = 50, 2.0
WAYS = ("dense", "compact")


def loss(way: str, student: torch.Tensor, labels: SoftLabels) -> torch.Tensor:
    """The divergence, one way or the other."""
    if way == "compact":
        return losses.kl(student, labels, TEMPERATURE)
    targets = losses.target(labels, TEMPERATURE)
    return F.kl_div(F.log_softmax(student / TEMPERATURE, dim=1), targets, reduction="batchmean")


def grown(way: str, samples: int, classes: int) -> dict[str, float]:
    """Bytes that loss and backward pass add to the process, and the loss."""
    draws = torch.Generator().manual_seed(0)
    student = torch.randn(samples, classes, generator=draws).requires_grad_()
    index = torch.randint(classes // K, (samples, K), generator=draws)
    index += torch.arange(K) * (classes // K)  # no class twice
    value = torch.randn(samples, K, generator=draws) * 3
    small = SoftLabels(classes, value[:1], index[:1], tail="zero")
    loss(way, student.detach()[:1].clone().requires_grad_(), small).backward()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    divergence = loss(way, student, SoftLabels(classes, value, index, tail="zero"))
    divergence.backward()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    growth = (after - before) * 1024 - 4 * student.numel()
    return {"bytes": growth, "loss": float(divergence.detach())}


@click.command()
@click.argument("only", nargs=-1)
def main(only: tuple[str, ...]) -> None:
    """Measure all rows, or the one of the arguments in this process."""
    if only:
        print(json.dumps(grown(only[0], int(only[1]), int(only[2]))))
        return
    rows: list[dict[str, Any]] = []
    for samples, classes in SETTINGS:
        for way in WAYS:
            command = [sys.executable, __file__, way, str(samples), str(classes)]
            measured = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            rows.append({"samples": samples, "classes": classes, "way": way, **measured})
    save("loss_memory", {"machine": machine(), "rows": rows})
    cells = [
        [f"{row['samples']:,}", f"{row['classes']:,}", row["way"], f"{row['bytes'] / 1e6:.1f}"]
        for row in rows
    ]
    table = markdown(["samples", "classes", "targets", "MB beside logits and gradient"], cells)
    measured_on = f"Measured by `python benchmarks/loss_memory.py` on {where(machine())}."
    write_report("loss-memory", f"{table}\n\n{measured_on}")


if __name__ == "__main__":
    main()
