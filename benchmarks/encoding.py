"""Speed of encoding a dump of real ImageNet-1K labels, beside loading it with torch.load.

python benchmarks/encoding.py            # writes results/encoding.json and docs/benchmarks.md
python benchmarks/encoding.py --rounds 3 # fewer timing rounds
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import click
import torch
from common import machine, markdown, paired, ratio, require_data, save, where, write_report
from peers import Job, lpqld_dump, torch_load
from processes import Spent, python

import labelcodec
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.formats import open_dump, safe_load
from labelcodec.transcode import encode
from labelcodec.transcode.encoded_batches import encoded

CODECS = ("dense", "dense2", "topk:k=50")
COMMANDS = (*CODECS, "transform:bytes=30")
RUNS = (30, 120)  # times that the ten epochs are read where threads are compared
LOADERS = ("labelcodec", "torch.load", "torch.load, weights_only")
MUST = {
    "dense, against torch.load": 0.5,
    "topk:k=50, against torch.load": 0.5,
    "two threads, against one": 1.7,
    "transform:bytes=30, CPU time of the command over that of dense": 1.8,
}


def our_reader(files: list[Path]) -> Job:
    """The reader of dump files that `encode` uses, alone."""

    def read() -> None:
        for file in files:
            safe_load.load(file)

    return read


def fitted(source: Path, spec: str) -> BatchCoder:
    """The codec with the tables that `encode` fits to a dump."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "fitted.slc"
        header = encode(source, target, codec=spec).header
        with labelcodec.open(target) as reader:
            return BatchCoder.fit(header, [reader[i] for i in range(0, len(reader), 4)])


def batches_alone(source: Path, rounds: int) -> dict[str, Any]:
    """From dump to encoded batches without what a run does once: fitting tables, the file."""
    dump = open_dump(source)
    files = sorted(source.glob("epoch_*/batch_*.tar"))
    jobs: dict[str, Job] = {
        "torch.load": torch_load(files),
        "torch.load, weights_only": torch_load(files, weights_only=True),
        "our reader": our_reader(files),
    }

    def run(spec: str, coder: BatchCoder, threads: int, times: int = 1) -> None:
        todo = [*range(len(dump))] * times
        for _ in encoded(dump, coder, registry.parse(spec), False, todo, threads):
            pass

    coders = {spec: fitted(source, spec) for spec in CODECS}
    jobs |= {spec: partial(run, spec, coder, 1) for spec, coder in coders.items()}
    times = paired(jobs, rounds)
    labels = dump.info.samples or 0
    rows = {}
    for spec, coder in coders.items():
        rows[spec] = {
            "labels_per_second": labels / min(times[spec]),
            "times_torch_load": ratio(times, spec, "torch.load"),
            "times_torch_load_weights_only": ratio(times, spec, "torch.load, weights_only"),
            "times_our_reader": ratio(times, spec, "our reader"),
            "two_threads_times_one": {
                f"{10 * repeats} epochs": ratio(
                    paired({str(n): partial(run, spec, coder, n, repeats) for n in (1, 2)}, 5),
                    "2",
                    "1",
                )
                for repeats in RUNS
            },
        }
    return rows


def whole_command(source: Path, rounds: int) -> dict[str, Any]:
    """`labelcodec encode SOURCE FILE --codec … --threads 1`: CPU seconds, start-up included."""
    spent: dict[str, list[Spent]] = {spec: [] for spec in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "encoded.slc")
        for _ in range(rounds):
            for spec in COMMANDS:
                arguments = ["-m", "labelcodec", "encode", str(source), target, "--codec", spec]
                spent[spec].append(python([*arguments, "--threads", "1", "--force"]))
    return {
        spec: {
            "cpu_seconds": statistics.median(run.cpu for run in spent[spec]),
            "wall_seconds": statistics.median(run.wall for run in spent[spec]),
            "cpu_over_dense": statistics.median(
                run.cpu / dense.cpu for run, dense in zip(spent[spec], spent["dense"], strict=True)
            ),
        }
        for spec in COMMANDS
    }


def dump_reader(source: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds to read a file of a dump, and the speed relative to torch.load."""
    with tempfile.TemporaryDirectory() as folder:
        dump = open_dump(source)
        lpqld_dump([dump.read(i) for i in range(len(dump))], 50, Path(folder) / "lpqld")
        dumps = {
            "SRe2L, full labels": sorted(source.glob("epoch_*/batch_*.tar")),
            "LPQLD, top-50": sorted(Path(folder).glob("lpqld/batch_*.tar")),
        }
        result: dict[str, Any] = {}
        for name, files in dumps.items():
            jobs = {
                "labelcodec": our_reader(files),
                "torch.load": torch_load(files),
                "torch.load, weights_only": torch_load(files, weights_only=True),
            }
            times = paired(jobs, rounds)
            result[name] = {
                loader: {
                    "milliseconds_per_file": 1000 * min(times[loader]) / len(files),
                    "times_torch_load": ratio(times, loader, "torch.load"),
                }
                for loader in LOADERS
            }
    return result


def report(result: dict[str, Any]) -> str:
    """The tables in docs/benchmarks.md."""
    alone = [
        [
            spec,
            f"{row['labels_per_second']:.0f}",
            f"{row['times_torch_load']:.2f}x",
            f"{row['times_our_reader']:.2f}x",
            *(f"{gain:.2f}x" for gain in row["two_threads_times_one"].values()),
        ]
        for spec, row in result["batches alone"].items()
    ]
    commands = [
        [
            spec,
            f"{row['cpu_seconds']:.2f}",
            f"{row['wall_seconds']:.2f}",
            f"{row['cpu_over_dense']:.2f}x",
        ]
        for spec, row in result["whole command"].items()
    ]
    files = [
        [
            name if i == 0 else "",
            loader,
            f"{row['milliseconds_per_file']:.2f}",
            f"{row['times_torch_load']:.2f}x",
        ]
        for name, loaders in result["dump reader"].items()
        for i, (loader, row) in enumerate(loaders.items())
    ]
    runs = [f"2 threads against 1, {10 * repeats} epochs" for repeats in RUNS]
    columns = ["codec", "labels/s", "`torch.load`", "our reader", *runs]
    return "\n\n".join(
        [
            markdown(columns, alone),
            "Reading and encoding every batch of SRe2L's files on one thread, with tables that\n"
            "were fitted before. The middle columns are speeds relative to reading the files\n"
            "alone: by unrestricted `torch.load`, and by the reader that `encode` uses. Two\n"
            "threads are compared over the dump's ten epochs 30 and 120 times, start of the\n"
            "second process included.",
            markdown(["`encode` on one thread", "CPU s", "wall s", "CPU over dense"], commands),
            "The whole command for 10 000 labels: start, reading, fitting or searching, encoding.",
            markdown(["files of a dump", "read by", "ms per file", "speed"], files),
            f"Measured by `python benchmarks/encoding.py` on {where(result['machine'])}.",
        ]
    )


@click.command()
@click.option("--rounds", default=7, help="Timing rounds.")
def main(rounds: int) -> None:
    """Measure everything and write the results."""
    torch.set_num_threads(1)
    source = require_data("in1k-sre2l")
    result: dict[str, Any] = {
        "command": "python benchmarks/encoding.py",
        "data": "in1k-sre2l: 10 epochs x 1000 images, batch 128, C = 1000, fp16",
        "machine": machine(),
        "must": MUST,
        "batches alone": batches_alone(source, rounds),
        "whole command": whole_command(source, max(rounds // 2, 1)),
        "dump reader": dump_reader(source, rounds),
    }
    save("encoding", result)
    write_report("encoding", report(result))
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
