"""Labels of ImageNet-21K's size through the transform codec, in bounded memory.

python benchmarks/transform_large.py                        # writes results/transform_large.json
python benchmarks/transform_large.py --codec transform:tv4=0.1

The labels are synthetic, made batch by batch from a seed: 512 axes whose variance falls as the
real ImageNet-1K labels' does (j^-1.2, standard deviation 1.8 a logit), noise, and two classes
that stand out, as CutMix leaves them. Nothing but labels is stored.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import machine, save
from numpy.typing import NDArray

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer
from labelcodec.analysis.fidelity import Accumulator

CLASSES, BATCH = 10_450, 128
AXES, FALL, DEVIATION, NOISE = 512, 1.2, 1.8, 0.25
MEASURED = 25  # every so many batches are held against the labels they came from
MUST_BYTES = 2e9


@cache
def axes() -> NDArray[np.float32]:
    """(512, C) directions with their spread."""
    spread = np.arange(1, AXES + 1) ** (-FALL / 2)
    spread *= DEVIATION / np.sqrt((spread**2).sum())
    drawn = np.random.default_rng(0).standard_normal((AXES, CLASSES), np.float32)
    return drawn * spread.astype(np.float32)[:, None]


def labels(number: int, size: int) -> LabelBatch:
    """Batch `number`, the same one every time."""
    rng = np.random.default_rng([1, number])
    value = rng.standard_normal((size, AXES), np.float32) @ axes()
    value += np.float32(NOISE) * rng.standard_normal(value.shape, np.float32)
    for height in (6, 3):
        value[np.arange(size), rng.integers(CLASSES, size=size)] += height + rng.exponential(
            3, size
        )
    index = number * BATCH + np.arange(size)
    return LabelBatch(number, 0, index, Augmentation(), Labels(CLASSES, value.astype(np.float16)))


def peak_bytes() -> int:
    """Most memory the process has had resident so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def encode(target: Path, codec: str, count: int) -> dict[str, Any]:
    """Write the labels; seconds, those of making them included, and the peak of memory."""
    making, start, cpu = 0.0, time.perf_counter(), time.process_time()
    with Writer(target, Header(CLASSES), codec, expected=count) as writer:
        for number, first in enumerate(range(0, count, BATCH)):
            before = time.perf_counter()
            batch = labels(number, min(BATCH, count - first))
            making += time.perf_counter() - before
            writer.add(batch)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "seconds_making_labels": making,
        "cpu_seconds": time.process_time() - cpu,
        "labels_per_second": count / (seconds - making),
        "peak_bytes": peak_bytes(),
    }


def fidelity(path: Path) -> dict[str, Any]:
    """KL and TV to the labels, on batches spread over the file."""
    distance = Accumulator()
    with labelcodec.open(path) as reader:
        for i in range(MEASURED - 1, len(reader), MEASURED):
            batch = reader[i]
            distance.add(labels(batch.number, len(batch)).labels, batch.labels)
    return distance.result().to_json()


@click.command()
@click.option("--codec", default="transform:tv4=0.1,kl1=0.25", show_default=True)
@click.option("--labels", "count", default=100_000, show_default=True)
def main(codec: str, count: int) -> None:
    """Encode, measure, compare."""
    result: dict[str, Any] = {
        "command": "python benchmarks/transform_large.py",
        "data": f"synthetic: {count} labels, C = {CLASSES}, fp16, batch {BATCH}; {AXES} axes of "
        f"variance j^-{FALL}, noise {NOISE}, two classes that stand out",
        "machine": machine(),
        "codec": codec,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.slc"
        result |= encode(path, codec, count)
        with labelcodec.open(path) as reader:
            result["chosen"] = reader.chosen()[0]
            result["side_bytes"] = reader.overhead_bytes()["side information"]
        result["bytes_per_label"] = path.stat().st_size / count
        result["fidelity"] = fidelity(path)
    result["must_peak_bytes"] = MUST_BYTES
    result["passed"] = result["peak_bytes"] < MUST_BYTES
    save("transform_large", result)
    chosen, tv = result["chosen"], result["fidelity"]["tv"]
    print(
        f"rank {chosen['rank']}, step {chosen['step']}, {chosen['peaks']} peaks; "
        f"{result['bytes_per_label']:.1f} B/label, {result['side_bytes']} of side information; "
        f"TV {tv}; {result['seconds']:.0f} s, {result['cpu_seconds']:.0f} of the processor; "
        f"{result['peak_bytes'] / 1e6:.0f} MB"
    )
    sys.exit(not result["passed"])


if __name__ == "__main__":
    main()
