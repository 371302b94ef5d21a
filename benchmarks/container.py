"""Bytes and speed of the container on real ImageNet-1K labels, beside its peers in one run.

python benchmarks/container.py            # writes results/container.json and docs/benchmarks.md
python benchmarks/container.py --rounds 3 # fewer timing rounds
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from common import machine, markdown, paired, ratio, require_data, save, where, write_report
from peers import hdf5, npz, parquet, total_bytes

import labelcodec
from labelcodec import LabelBatch
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.formats import open_dump, safe_load, write_dump
from labelcodec.transcode.encode_dump import encode
from labelcodec.writer import prepare

KS = (10, 50, 100)
MUST = {"dense": 1560, 10: 28, 50: 102, 100: 189, "10q": 21, "50q": 67, "100q": 116}
REPEATS = 10  # times the dump is encoded over for the encoding speed


def lpqld_dump(batches: Sequence[LabelBatch], k: int, folder: Path) -> None:
    """The labels' top k as LPQLD's own code would have saved them."""
    codec = registry.parse(f"topk:k={k}")
    write_dump((prepare(batch, codec, False) for batch in batches), folder, "lpqld", {})


def sizes(batches: Sequence[LabelBatch], source: Path, work: Path) -> list[dict[str, Any]]:
    """Every codec's whole file, F and image order stored, beside the dump it holds exactly."""
    rows = []
    jobs: list[tuple[str, Path, str | None, Any]] = [("dense, bit-exact", source, None, "dense")]
    for k in KS:
        lpqld_dump(batches, k, work / f"lpqld{k}")
        jobs.append((f"top-{k}, bit-exact", work / f"lpqld{k}", None, k))
        jobs.append((f"top-{k}, step 0.25", work / f"lpqld{k}", "topk:step=0.25", f"{k}q"))
    for i, (name, dump, codec, key) in enumerate(jobs):
        target = work / f"{i}.slc"
        encode(dump, target, codec=codec, classes=1000)
        with labelcodec.open(target) as reader:
            found = breakdown(reader).to_json()
        rows.append(
            {
                "name": name,
                "bytes_per_label": found["bytes_per_label"],
                "must": MUST[key],
                "dump_bytes_per_label": found["source_bytes"] / found["labels"],
                "smaller_than_dump": found["source_bytes"] / found["bytes_total"],
                "actual_rate": found["actual_rate"],
                "streams": found["streams"],
                "components": found["components"],
            }
        )
        click.echo(f"{name}: {rows[-1]['bytes_per_label']:.2f} B/label", err=True)
    return rows


def reading(batches: Sequence[LabelBatch], work: Path, rounds: int) -> dict[str, Any]:
    """Every batch of the top-50 labels to numpy, one process, warm cache."""
    kept = [prepare(batch, registry.parse("topk:k=50"), False) for batch in batches]
    files = sorted((work / "lpqld50").glob("batch_*.tar"))
    target = work / "reading.slc"
    encode(work / "lpqld50", target, classes=1000)
    reader = labelcodec.open(target)

    def labels() -> None:
        for i in range(len(reader)):
            reader[i]

    def torch_load() -> None:
        for file in files:
            torch.load(file, weights_only=False)

    def torch_load_safe() -> None:
        for file in files:
            torch.load(file, weights_only=True)

    jobs = {
        "labelcodec": labels,
        "torch.load": torch_load,
        "torch.load, weights_only": torch_load_safe,
        "npz": npz(kept, work / "npz"),
        "parquet+zstd": parquet(kept, work / "parquet"),
        "HDF5+gzip": hdf5(kept, work / "hdf5"),
    }
    times = paired(jobs, rounds)
    stored = {"labelcodec": target.stat().st_size, "torch.load": total_bytes(work / "lpqld50")}
    stored["torch.load, weights_only"] = stored["torch.load"]
    for name, folder in (("npz", "npz"), ("parquet+zstd", "parquet"), ("HDF5+gzip", "hdf5")):
        stored[name] = total_bytes(work / folder)
    total = sum(map(len, batches))
    return {
        name: {
            "bytes_per_label": stored[name] / total,
            "batches_per_second": len(batches) / min(times[name]),
            "times_torch_load": ratio(times, name, "torch.load"),
        }
        for name in jobs
    }


def encoding(source: Path, work: Path, rounds: int) -> dict[str, Any]:
    """Labels a second from dump to encoded batches, against loading the dump alone.

    The rate of one process leaves out what a run does once: fitting tables. The whole run
    includes it and the start of two workers, on a dump of ten times the epochs. torch.load is timed
    as SRe2L's code called it, which may run code out of the file, and restricted to tensors.
    """
    dump = open_dump(source)
    files = sorted(source.glob("epoch_*/batch_*.tar"))
    labels = dump.info.samples or 0
    steady: dict[str, Any] = {}

    def torch_load() -> None:
        for file in files:
            torch.load(file, weights_only=False)

    def torch_load_safe() -> None:
        for file in files:
            safe_load.load(file)

    for spec in ("dense", "topk:k=50"):
        codec = registry.parse(spec)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            target = Path(folder) / "o.slc"
            header = encode(source, target, codec=spec).header
            with labelcodec.open(target) as reader:
                coder = BatchCoder.fit(header, [reader[i] for i in range(0, len(reader), 4)])

        def run(codec: Any = codec, coder: Any = coder) -> None:
            for i in range(len(dump)):
                coder.encode(prepare(dump.read(i), codec, False))

        jobs = {
            "labelcodec": run,
            "torch.load": torch_load,
            "torch.load, weights_only": torch_load_safe,
        }
        times = paired(jobs, rounds)
        steady[spec] = {
            "labels_per_second": {name: labels / min(times[name]) for name in jobs},
            "times_torch_load": ratio(times, "labelcodec", "torch.load"),
            "times_torch_load_weights_only": ratio(times, "labelcodec", "torch.load, weights_only"),
        }
    return steady | {"whole run": whole_run(source, work)}


def whole_run(source: Path, work: Path) -> dict[str, Any]:
    """`encode` with two workers from start to finish, against loading the same files once."""
    big = work / "repeated"
    order = json.loads((source / "image_order.json").read_text())
    epochs = sorted(source.glob("epoch_*"), key=lambda path: int(path.name.split("_")[1]))
    big.mkdir()
    for repeat in range(REPEATS):
        for i, epoch in enumerate(epochs):
            (big / f"epoch_{repeat * len(epochs) + i}").symlink_to(epoch)
    (big / "image_order.json").write_text(json.dumps(order * REPEATS))
    files = [file for _ in range(REPEATS) for file in source.glob("epoch_*/batch_*.tar")]
    start = time.perf_counter()
    for file in files:
        torch.load(file, weights_only=False)
    load = time.perf_counter() - start
    result: dict[str, Any] = {"batches": len(files)}
    for spec in ("dense", "topk:k=50"):
        stamps: list[float] = []
        start = time.perf_counter()
        encode(
            big,
            work / "big.slc",
            codec=spec,
            workers=2,
            force=True,
            progress=lambda done, total, stamps=stamps: stamps.append(time.perf_counter()),
        )
        took = time.perf_counter() - start
        quarter = len(stamps) // 4  # once both workers are at it
        steady = (stamps[-1] - stamps[quarter]) / (len(stamps) - 1 - quarter) * len(files)
        result[spec] = {
            "seconds": took,
            "times_torch_load": load / took,
            "times_torch_load_once_started": load / steady,
        }
    return result


def help_time(rounds: int) -> dict[str, Any]:
    """`labelcodec --help` as a process, and whether it imports torch."""
    script = (
        "import sys, labelcodec_cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    )
    script += "print('torch' in sys.modules, file=sys.stderr)"
    times, imports_torch = [], True
    for _ in range(rounds):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        times.append(time.perf_counter() - start)
        imports_torch = done.stderr.strip().endswith("True")
    return {"seconds": min(times), "must": 0.35, "imports_torch": imports_torch}


def readme_text(result: dict[str, Any]) -> str:
    """The tables in docs/benchmarks.md."""
    size_rows = [
        [
            row["name"],
            row["bytes_per_label"],
            row["dump_bytes_per_label"],
            f"{row['smaller_than_dump']:.1f}x",
            f"{row['actual_rate']:.1f}x",
        ]
        for row in result["sizes"]
    ]
    read_rows = [
        [
            name,
            row["bytes_per_label"],
            f"{row['batches_per_second']:.0f}",
            f"{row['times_torch_load']:.2f}x",
        ]
        for name, row in result["reading"].items()
    ]
    return "\n\n".join(
        [
            markdown(["labels", "labelcodec", "the dump", "smaller", "actual rate"], size_rows),
            "The dump is SRe2L's own for the full labels and LPQLD's for the top-k ones; the\n"
            "actual rate is against full fp16 logits in SRe2L's layout.",
            "Reading every batch of the top-50 labels into numpy arrays, one process, warm cache:",
            markdown(["format", "B/label", "batches/s", "against torch.load"], read_rows),
            f"Measured by `python benchmarks/container.py` on {where(result['machine'])}.",
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
        "command": "python benchmarks/container.py",
        "data": "in1k-sre2l: 10 epochs x 1000 images, batch 128, C = 1000, fp16",
        "machine": machine(),
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        result["sizes"] = sizes(batches, source, work)
        result["reading"] = reading(batches, work, rounds)
        result["encoding"] = encoding(source, work, max(rounds // 2, 1))
    result["help"] = help_time(rounds)
    save("container", result)
    write_report("container", readme_text(result))
    click.echo(json.dumps({key: result[key] for key in ("reading", "encoding", "help")}, indent=2))


if __name__ == "__main__":
    main()
