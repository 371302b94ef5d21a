"""Does the teacher say again, of the replayed images, what the dump has stored?

python benchmarks/replay.py             # writes results/replay.json
python benchmarks/replay.py --epochs 2  # fewer of the ten
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import torch
from common import machine, require_data, save
from squeezenet import teacher

from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.soft_labels import SoftLabels
from labelcodec.transcode.encode_dump import encode

PER_EPOCH = 8


@torch.inference_mode()
def differences(labels: Path, images: Path, model: torch.nn.Module, count: int) -> list[Any]:
    """Largest and mean |difference| of logits a batch, beside the rounding of their float16."""
    data = ReplayDataset(labels, images, image_size=(224, 224))
    rows = []
    for position in range(count):
        batch = data[position]
        assert isinstance(batch.labels, SoftLabels)
        stored, said = batch.labels.logits(), model(batch.images)
        apart = (said - stored).abs()
        rounding = (said - said.half().float()).abs()
        rows.append(
            {
                "batch": position,
                "max": float(apart.max()),
                "mean": float(apart.mean()),
                "max_rounding": float(rounding.max()),
                "mean_rounding": float(rounding.mean()),
                "same_top1": float((said.argmax(1) == stored.argmax(1)).float().mean()),
            }
        )
        click.echo(f"batch {position}: max {rows[-1]['max']:.4f}, mean {rows[-1]['mean']:.6f}")
    return rows


@click.command()
@click.option("--epochs", default=10, help="Epochs of the dump to check.")
def main(epochs: int) -> None:
    """Measure and write the results."""
    images = require_data("in1k-images")
    model = teacher(require_data("teachers/squeezenet1_0-in1k.safetensors"))
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.slc"
        encode(require_data("in1k-sre2l"), labels, images=images)
        rows = differences(labels, images, model, epochs * PER_EPOCH)
    result = {
        "command": f"python benchmarks/replay.py --epochs {epochs}",
        "data": "in1k-sre2l, decoded and replayed over in1k-images, its teacher rebuilt",
        "machine": machine(),
        "max": max(row["max"] for row in rows),
        "mean": sum(row["mean"] for row in rows) / len(rows),
        "same_top1": sum(row["same_top1"] for row in rows) / len(rows),
        "batches": rows,
    }
    save("replay", result)
    click.echo(json.dumps({key: result[key] for key in ("max", "mean", "same_top1")}, indent=2))


if __name__ == "__main__":
    main()
