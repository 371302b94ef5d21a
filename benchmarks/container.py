"""Size of the container on real ImageNet-1K labels and speed of reading it, beside its peers.

python benchmarks/container.py            # writes results/container.json and docs/benchmarks.md
python benchmarks/container.py --rounds 3 # fewer timing rounds

pcodec is one of the peers if it is installed (pip install pcodec).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import click
import peers
import torch
from common import machine, markdown, paired, ratio, require_data, save, where, write_report
from peers import Job, lpqld_dump, total_bytes

import labelcodec
from labelcodec import LabelBatch
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.codecs import registry
from labelcodec.formats import open_dump
from labelcodec.transcode import encode, recode
from labelcodec.writer import prepare

KS = (10, 50, 100)
TRANSFORM = "transform:rank=48,step=8,peaks=7"
TOPK = "top-50 labels, bit-exact"
FULL = "full labels"


@dataclass(frozen=True)
class SizeRow:
    """A row of the table of sizes.

    Attributes:
        name: what is stored.
        k: number of classes in the dump; None for SRe2L's full labels.
        codec: codec spec.
        must: bytes per label that may not be exceeded.
    """

    name: str
    k: int | None
    codec: str
    must: float


SIZES = (
    SizeRow("dense, bit-exact", None, "dense", 1438),
    SizeRow("dense2, bit-exact", None, "dense2", 1400),
    SizeRow("top-10, bit-exact", 10, "topk:k=10", 25.4),
    SizeRow("top-10, step 0.25", 10, "topk:k=10,step=0.25", 21),
    SizeRow("top-50, bit-exact", 50, "topk:k=50", 92.9),
    SizeRow("top-50, step 0.25", 50, "topk:k=50,step=0.25", 67),
    SizeRow("top-100, bit-exact", 100, "topk:k=100", 172.9),
    SizeRow("top-100, step 0.25", 100, "topk:k=100,step=0.25", 116),
)


def sizes(source: Path, second: Path, work: Path) -> list[dict[str, Any]]:
    """Every codec's whole file, F and image order stored, beside the dump that it holds.

    The second teacher's labels are recoded; their augmentation and image order are drawn from a
    seed, and take no bytes.
    """
    rows = []
    for i, row in enumerate(SIZES):
        target = work / f"size-{i}.slc"
        dump = source if row.k is None else work / f"lpqld{row.k}"
        encode(dump, target, codec=row.codec, classes=1000)
        with labelcodec.open(target) as reader:
            account = breakdown(reader).to_json()
        recode(second, target, row.codec, force=True)
        with labelcodec.open(target) as reader:
            second_bytes = target.stat().st_size / int(reader.index.samples.sum())
        rows.append(
            {
                "name": row.name,
                "bytes_per_label": account["bytes_per_label"],
                "must": row.must,
                "second_teacher_bytes_per_label": second_bytes,
                "dump_bytes_per_label": account["source_bytes"] / account["labels"],
                "smaller_than_dump": account["source_bytes"] / account["bytes_total"],
                "actual_rate": account["actual_rate"],
                "streams": account["streams"],
                "components": account["components"],
            }
        )
        text = f"{row.name}: {account['bytes_per_label']:.2f} B/label, must be {row.must}"
        click.echo(f"{text}; second teacher {second_bytes:.2f}", err=True)
    return rows


def container(
    source: Path, target: Path, codec: str, use: Callable[[LabelBatch], object] = lambda batch: None
) -> Job:
    """Encode a dump; the job reads every batch of the container and passes it to `use`."""
    encode(source, target, codec=codec, classes=1000)
    reader = labelcodec.open(target)

    def read() -> None:
        for i in range(len(reader)):
            use(reader[i])

    return read


def reading(
    batches: Sequence[LabelBatch], source: Path, work: Path, rounds: int
) -> dict[str, dict[str, Any]]:
    """Every batch to numpy arrays, one thread, warm cache, in turns with torch.load of the dump."""
    topk = [prepare(batch, registry.parse("topk:k=50"), False) for batch in batches]
    stored: dict[str, dict[str, float]] = {TOPK: {}, FULL: {}}
    jobs: dict[str, dict[str, Job]] = {TOPK: {}, FULL: {}}

    def add(group: str, name: str, job: Job | None, path: Path) -> None:
        if job is None:
            click.echo(f"{name} is left out: it is not installed (pip install {name})", err=True)
            return
        jobs[group][name] = job
        stored[group][name] = total_bytes(path) if path.is_dir() else path.stat().st_size

    dumps = {
        TOPK: (work / "lpqld50", sorted((work / "lpqld50").glob("batch_*.tar"))),
        FULL: (source, sorted(source.glob("epoch_*/batch_*.tar"))),
    }
    for group, (folder, files) in dumps.items():
        add(group, "torch.load", peers.torch_load(files), folder)
        add(group, "torch.load, weights_only", peers.torch_load(files, weights_only=True), folder)
        add(group, "the same files, plain numpy", peers.plain_numpy(files), folder)
    own = [
        (TOPK, "topk", "topk", work / "lpqld50", lambda batch: None),
        (FULL, "dense", "dense", source, lambda batch: None),
        (FULL, "dense2", "dense2", source, lambda batch: None),
        (FULL, "transform, to dense logits", TRANSFORM, source, lambda batch: batch.labels.dense()),
    ]
    for group, name, codec, dump, use in own:
        target = work / f"read-{name.partition(',')[0]}.slc"
        add(group, f"labelcodec {name}", container(dump, target, codec, use), target)
    general = {"safetensors": peers.safetensors, "np.memmap": peers.memmap, "pcodec": peers.pcodec}
    smaller = {"npz": peers.npz, "parquet+zstd": peers.parquet, "HDF5+gzip": peers.hdf5}
    for group, kept, formats in ((TOPK, topk, general | smaller), (FULL, batches, general)):
        for name, write in formats.items():
            folder = work / f"{name}-{kept[0].labels.value.shape[1]}"
            add(group, name, write(kept, folder), folder)
    flat = {f"{group}/{name}": job for group in jobs for name, job in jobs[group].items()}
    times = paired(flat, rounds)
    labels = sum(map(len, batches))
    return {
        group: {
            name: {
                "bytes_per_label": stored[group][name] / labels,
                "batches_per_second": len(batches) / min(times[f"{group}/{name}"]),
                "times_torch_load": ratio(times, f"{group}/{name}", f"{group}/torch.load"),
                "times_torch_load_of_top_50": ratio(times, f"{group}/{name}", f"{TOPK}/torch.load"),
            }
            for name in jobs[group]
        }
        for group in jobs
    }


def report(result: dict[str, Any]) -> str:
    """The tables in docs/benchmarks.md."""
    size_rows = [
        [
            row["name"],
            row["bytes_per_label"],
            row["dump_bytes_per_label"],
            f"{row['smaller_than_dump']:.1f}x",
            f"{row['actual_rate']:.1f}x",
            row["second_teacher_bytes_per_label"],
        ]
        for row in result["sizes"]
    ]
    read_rows = [
        [
            group if i == 0 else "",
            name,
            row["bytes_per_label"],
            f"{row['batches_per_second']:.0f}",
            f"{row['times_torch_load']:.2f}x",
        ]
        for group, rows in result["reading"].items()
        for i, (name, row) in enumerate(rows.items())
    ]
    sizes_header = ["labels", "labelcodec", "the dump", "smaller", "actual rate", "second teacher"]
    row = result["reading"][FULL]["labelcodec transform, to dense logits"]
    transform = row["times_torch_load_of_top_50"]
    return "\n\n".join(
        [
            markdown(sizes_header, size_rows),
            "The dump is SRe2L's own for the full labels and LPQLD's for the top-k ones; the\n"
            "actual rate is against full fp16 logits in SRe2L's layout. The second teacher is\n"
            "EfficientNet-Lite0 on the same images, with an augmentation that is drawn from a\n"
            "seed and takes no bytes.",
            "Reading every batch into numpy arrays, one thread, warm cache. The last column\n"
            "is the median of the rounds' ratios: how many times as fast as `torch.load` of\n"
            "the dump's files. Compared with top-50 files, `transform` is read at\n"
            f"{transform:.2f}x. Plain numpy reads the arrays of the dump's files at offsets that\n"
            "it knows, without their pickles; np.memmap and pcodec have all arrays in one file,\n"
            "whose directory is not counted.",
            markdown(["labels", "format", "B/label", "batches/s", "speed"], read_rows),
            f"Measured by `python benchmarks/container.py` on {where(result['machine'])}.",
        ]
    )


@click.command()
@click.option("--rounds", default=7, help="Timing rounds.")
def main(rounds: int) -> None:
    """Measure everything and write the results."""
    torch.set_num_threads(1)
    source, second = require_data("in1k-sre2l"), require_data("in1k-lite0.slc")
    dump = open_dump(source)
    batches = [dump.read(i) for i in range(len(dump))]
    result: dict[str, Any] = {
        "command": "python benchmarks/container.py",
        "data": "in1k-sre2l: 10 epochs x 1000 images, batch 128, C = 1000, fp16; in1k-lite0.slc",
        "machine": machine(),
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for k in KS:
            lpqld_dump(batches, k, work / f"lpqld{k}")
        result["sizes"] = sizes(source, second, work)
        result["reading"] = reading(batches, source, work, rounds)
    save("container", result)
    write_report("container", report(result))
    click.echo(json.dumps(result["reading"], indent=2))


if __name__ == "__main__":
    main()
