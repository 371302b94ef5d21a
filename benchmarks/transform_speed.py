"""Speed of the transform codec on real ImageNet-1K labels, beside loading LPQLD's files.

python benchmarks/transform_speed.py            # writes results/transform_speed.json, docs table
python benchmarks/transform_speed.py --rounds 3 # fewer timing rounds
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import click
import torch
from common import machine, markdown, paired, ratio, require_data, save, where, write_report
from peers import lpqld_dump

import labelcodec
from labelcodec import LabelBatch
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform.tensors import expand, expand_on
from labelcodec.formats import open_dump
from labelcodec.header import Header
from labelcodec.transcode.encode_dump import encode
from labelcodec.writer import prepare, with_codec

EXPLICIT = "transform:rank=48,step=8,peaks=7"
SEARCHES = (
    "transform:tv4=0.10,kl1=0.25",
    "transform:tv4=0.081,kl1=0.18",
    "transform:tv4=0.066,kl1=0.09",
    "transform:bytes=60",
    "transform:bytes=30",
)
DECODED = (SEARCHES[0], EXPLICIT)
SHOWN = ("coefficients", "dense logits")
CORES = 2


def decoding(source: Path, batches: Sequence[LabelBatch], work: Path, rounds: int) -> Any:
    """Every batch through the reader, warm cache, one process, one thread; F is decoded, too."""
    lpqld_dump(batches, 50, work / "lpqld50")
    files = sorted((work / "lpqld50").glob("batch_*.tar"))

    def torch_load() -> None:
        for file in files:
            torch.load(file, weights_only=False)

    jobs: dict[str, Callable[[], None]] = {"torch.load": torch_load}
    for i, spec in enumerate(DECODED):
        encode(source, work / f"{i}.slc", codec=spec)
        reader = labelcodec.open(work / f"{i}.slc")
        held = [batch.labels.compact for batch in reader]
        jobs |= {
            f"coefficients, {spec}": each(reader, lambda batch: batch.labels.compact),
            f"dense logits, {spec}": each(reader, lambda batch: batch.labels.dense()),
            f"expand, {spec}": each(held, expand),
            f"torch's operations, {spec}": each(held, partial(expand_on, torch.device("cpu"))),
        }
    times = paired(jobs, rounds)
    return {
        name: {
            "batches_per_second": len(batches) / min(times[name]),
            "times_torch_load": ratio(times, name, "torch.load"),
        }
        for name in jobs
    }


def each(items: Iterable[Any], use: Callable[[Any], object]) -> Callable[[], None]:
    """A job that uses every item, and keeps nothing of it."""

    def run() -> None:
        for item in items:
            use(item)

    return run


def encoding(batches: Sequence[LabelBatch], rounds: int) -> dict[str, Any]:
    """Fit on all labels, then encode all batches (F included), all of it in memory.

    The fit runs on one core; batches are encoded by as many threads as there are cores.
    """
    codec = registry.parse(EXPLICIT)
    header = with_codec(Header(classes=1000), codec)
    prepared = [prepare(batch, codec, False) for batch in batches]
    coder = BatchCoder.fit(header, prepared)
    labels = sum(map(len, batches))

    def fit() -> None:
        BatchCoder.fit(header, prepared)

    def one() -> None:
        for batch in prepared:
            coder.encode(batch)

    def both() -> None:
        fitted = BatchCoder.fit(header, prepared)
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(fitted.encode, prepared))

    times = paired({"fit": fit, "encode, one thread": one, "fit + encode": both}, rounds)
    return {name: {"labels_per_second": labels / min(took)} for name, took in times.items()}


def searching(batches: Sequence[LabelBatch], rounds: int) -> dict[str, Any]:
    """Seconds to find rank, step and price and fit the tables, against an explicit fit."""
    labels = [batch.labels for batch in batches]
    pictures = [BatchContext(batch.image_index, batch.augmentation) for batch in batches]
    jobs = {
        spec: partial(registry.parse(spec).fit, labels, 1000, None, pictures)
        for spec in (EXPLICIT, *SEARCHES)
    }
    times = paired(jobs, rounds)
    return {
        spec: {"seconds": min(times[spec]), "times_explicit": 1 / ratio(times, spec, EXPLICIT)}
        for spec in jobs
    }


def readme_text(result: dict[str, Any]) -> str:
    """The table in docs/benchmarks.md."""
    decoded, encoded = result["decoding"], result["encoding"]
    rows: list[list[Any]] = [
        [
            f"read to {name}",
            f"{decoded[name]['batches_per_second']:.0f} batches/s",
            f"{decoded[name]['times_torch_load']:.2f}x torch.load of LPQLD's top-50 files",
        ]
        for name in (f"{what}, {spec}" for spec in DECODED for what in SHOWN)
    ]
    rate = encoded["fit + encode"]["labels_per_second"]
    rows.append(
        [
            f"fit + encode, {EXPLICIT}",
            f"{rate:.0f} labels/s",
            f"all labels, {CORES} threads, in memory",
        ]
    )
    slowest = max(result["searching"][spec]["seconds"] for spec in SEARCHES)
    rows.append(
        [
            "search for a budget or a quality",
            f"{slowest:.1f} s",
            "the slowest of five, to 13 ... 60 B/label; one thread",
        ]
    )
    return "\n\n".join(
        [
            markdown(["transform, 10 000 labels", "speed", ""], rows),
            f"Measured by `python benchmarks/transform_speed.py` on {where(result['machine'])}.",
        ]
    )


@click.command()
@click.option("--rounds", default=7, help="Timing rounds.")
def main(rounds: int) -> None:
    """Measure everything and write the results."""
    torch.set_num_threads(1)
    source = require_data("in1k-sre2l")
    dump = open_dump(source)
    batches = [dump.read(i) for i in range(len(dump))]
    result: dict[str, Any] = {
        "command": "python benchmarks/transform_speed.py",
        "data": "in1k-sre2l: 10 epochs x 1000 images, batch 128, C = 1000, fp16",
        "machine": machine(),
        "must": {"coefficients": 2, "dense logits": 0.3, "fit + encode, labels/s": 5000},
    }
    with tempfile.TemporaryDirectory() as folder:
        result["decoding"] = decoding(source, batches, Path(folder), rounds)
    result["encoding"] = encoding(batches, max(rounds // 2, 1))
    result["searching"] = searching(batches, max(rounds // 3, 1))
    save("transform_speed", result)
    write_report("transform-speed", readme_text(result))
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
