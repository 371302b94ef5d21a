"""vq in both forms and transform: rate and distortion in sample and on unseen epochs.

python benchmarks/vq_rates.py             # all rows of both teachers
python benchmarks/vq_rates.py --codecs vq # the rows with vq in their codec

Writes results/vq_rates.json and a table of docs/benchmarks.md from all rows in the work folder,
where each leaves a file: an interrupted benchmark continues. Tables are fitted to epochs 0-7 for a
file of 3 million labels, and measured on epochs 0-1 and on epochs 8-9. Bytes per label are those of
the label streams, alone and with the side information shared by 10 000, 300 000 and 3 million
labels. The augmentation is left out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import click
import numpy as np
from common import ROOT, machine, markdown, require_data, save, where, write_report

import labelcodec
from labelcodec import LabelBatch, Labels
from labelcodec.analysis.fidelity import Accumulator, Fidelity
from labelcodec.codecs import registry, side_info
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import Stream
from labelcodec.codecs.interface import Coder
from labelcodec.formats import open_dump

AUTOENCODER = "vq:method=autoencoder,codes="
SPECS = (
    *("vq:codes=4", "transform:bytes=4.5"),
    *("vq:codes=8", "vq:codes=9", f"{AUTOENCODER}7", "transform:bytes=8.5"),
    *("vq:codes=9,tau=2", "vq:codes=9,tau=4"),
    *("vq:codes=17", f"{AUTOENCODER}13", "transform:bytes=16"),
    *("vq:codes=34", f"{AUTOENCODER}26", "transform:bytes=32"),
    *("vq:codes=67", f"{AUTOENCODER}52", "transform:bytes=64"),
)
FITTED, SEEN = 8, 2  # epochs
SHARED = (10_000, 300_000, 3_000_000)
TAUS = (1, 2, 4)
TEACHERS = ("SqueezeNet", "EfficientNet-Lite0")
SPEEDS = ("vq:codes=9", f"{AUTOENCODER}7", "transform:bytes=8.5")
ROUNDS = 5
Streams = Mapping[Stream, bytes]


def source(teacher: str) -> list[LabelBatch]:
    """The labels of a teacher, batch by batch."""
    if teacher == "SqueezeNet":
        dump = open_dump(require_data("in1k-sre2l"))
        return [dump.read(i) for i in range(len(dump))]
    with labelcodec.open(require_data("in1k-lite0.slc")) as reader:
        return list(reader)


def context(batch: LabelBatch) -> BatchContext:
    """What the batch's labels are predicted from."""
    return BatchContext(batch.image_index, batch.augmentation)


def encoded(coder: Coder, spec: str, batches: Sequence[LabelBatch]) -> list[Streams]:
    """The label streams of batches."""
    codec = registry.parse(spec)
    return [coder.encode(codec.prepare(batch.labels), context(batch)) for batch in batches]


def decoded(
    coder: Coder, batches: Sequence[LabelBatch], streams: Sequence[Streams]
) -> list[Labels]:
    """The labels of their streams as dense logits."""
    labels = []
    for batch, written in zip(batches, streams, strict=True):
        classes, precision = batch.labels.classes, batch.labels.precision
        blank = Labels(classes, np.zeros((0, 0), np.float16), precision=precision)
        views = {stream: memoryview(data) for stream, data in written.items()}
        labels.append(coder.decode(views, len(batch), blank, context(batch)).expanded())
    return labels


def coded(coder: Coder, spec: str, batches: Sequence[LabelBatch]) -> tuple[Fidelity, float]:
    """Fidelity of encoded labels, and bytes of the label streams per label."""
    streams = encoded(coder, spec, batches)
    fidelity = Accumulator()
    for batch, labels in zip(batches, decoded(coder, batches, streams), strict=True):
        fidelity.add(batch.labels, labels)
    size = sum(len(data) for written in streams for data in written.values())
    return fidelity.result(), size / sum(map(len, batches))


def fitted(spec: str, batches: Sequence[LabelBatch]) -> Coder:
    """A coder that is fitted to the first epochs."""
    codec, seen = registry.parse(spec), [batch for batch in batches if batch.epoch < FITTED]
    labels = [codec.prepare(batch.labels) for batch in seen]
    return codec.fit(labels, seen[0].labels.classes, SHARED[-1], list(map(context, seen)))


def measure(teacher: str, spec: str, batches: Sequence[LabelBatch]) -> dict[str, Any]:
    """Fit, encode and decode."""
    began = time.perf_counter()
    coder = fitted(spec, batches)
    fitting = time.perf_counter() - began
    side = len(side_info.pack({"crop": {}, "labels": coder.to_parts()}))
    seen, _ = coded(coder, spec, [batch for batch in batches if batch.epoch < SEEN])
    result, streams = coded(coder, spec, [batch for batch in batches if batch.epoch >= FITTED])
    return {
        "teacher": teacher,
        "codec": spec,
        "streams": streams,
        "side_information": side,
        "shared": {str(labels): streams + side / labels for labels in SHARED},
        "unseen": _distances(result),
        "seen": _distances(seen),
        "fitting_s": fitting,
    }


def speeds(batches: Sequence[LabelBatch]) -> dict[str, dict[str, float]]:
    """Labels per second of each codec, with tables: the best of rounds that they take in turn."""
    unseen = [batch for batch in batches if batch.epoch >= FITTED]
    halves = unseen[::2], unseen[1::2]
    coders = {spec: fitted(spec, batches) for spec in SPEEDS}
    streams = {spec: encoded(coder, spec, unseen) for spec, coder in coders.items()}
    best: dict[str, dict[str, float]] = {spec: {} for spec in SPEEDS}
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            for spec, coder in coders.items():
                for what, run in (
                    ("encode", partial(encoded, coder, spec, unseen)),
                    ("decode", partial(decoded, coder, unseen, streams[spec])),
                    (
                        "encode, two threads",
                        lambda coder=coder, spec=spec: list(
                            pool.map(partial(encoded, coder, spec), halves)
                        ),
                    ),
                ):
                    began = time.perf_counter()
                    run()
                    speed = sum(map(len, unseen)) / (time.perf_counter() - began)
                    best[spec][what] = max(best[spec].get(what, 0.0), speed)
    return best


def _distances(found: Fidelity) -> dict[str, Any]:
    kl, tv = ({str(tau): means[tau] for tau in TAUS} for means in (found.kl, found.tv))
    return {"kl": kl, "tv": tv, "top1_agreement": found.top1_agreement}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table."""
    columns = [
        "teacher", "codec", "streams, B", "tables, kB", *(f"B at {n:,}" for n in SHARED),
        *(f"KL τ={tau}" for tau in TAUS), "KL τ=1, in sample", *(f"TV τ={tau}" for tau in TAUS),
        "same top class",
    ]  # fmt: skip
    cells = [
        [
            row["teacher"], row["codec"], f"{row['streams']:.2f}",
            f"{row['side_information'] / 1000:.0f}",
            *(f"{value:.2f}" for value in row["shared"].values()),
            *(f"{value:.3f}" for value in row["unseen"]["kl"].values()),
            f"{row['seen']['kl']['1']:.3f}",
            *(f"{value:.3f}" for value in row["unseen"]["tv"].values()),
            f"{100 * row['unseen']['top1_agreement']:.1f} %",
        ]
        for row in rows
    ]  # fmt: skip
    return markdown(columns, cells)


def rows_in(work: Path) -> Iterator[dict[str, Any]]:
    """The rows that are measured."""
    for teacher in TEACHERS:
        for spec in SPECS:
            path = row_path(work, teacher, spec)
            if path.is_file():
                yield json.loads(path.read_text())


def row_path(work: Path, teacher: str, spec: str) -> Path:
    """The file of a row."""
    return work / f"{teacher}-{spec.replace(':', '-').replace('=', '')}.json"


@click.command()
@click.option("--codecs", default="", help="Only codecs with this in their spec.")
@click.option("--work", type=click.Path(path_type=Path), default=ROOT / "build" / "vq_rates")
def main(codecs: str, work: Path) -> None:
    """Measure what is missing and write the results."""
    work.mkdir(parents=True, exist_ok=True)
    for teacher in TEACHERS:
        todo = [spec for spec in SPECS if codecs in spec]
        todo = [spec for spec in todo if not row_path(work, teacher, spec).is_file()]
        batches = source(teacher) if todo else []
        for spec in todo:
            row = measure(teacher, spec, batches)
            row_path(work, teacher, spec).write_text(json.dumps(row))
            kl = row["unseen"]["kl"]["1"]
            click.echo(f"{teacher}, {spec}: {row['streams']:.2f} B, KL {kl:.3f}", err=True)
    result = {
        "command": "python benchmarks/vq_rates.py",
        "data": "in1k-sre2l and in1k-lite0: 10 epochs x 1000 images, C = 1000, fp16; 0-7 fitted",
        "machine": machine(),
        "speeds": speeds(source(TEACHERS[0])),
        "rows": list(rows_in(work)),
    }
    save("vq_rates", result)
    write_report("vq-rates", report(result))


def report(result: dict[str, Any]) -> str:
    """The table, and speeds."""
    speed = result["speeds"]
    columns = ["codec, with given tables", *speed[SPEEDS[0]]]
    cells = [[spec, *(f"{value:.0f}" for value in speed[spec].values())] for spec in SPEEDS]
    return (
        f"{table(result['rows'])}\n\nLabels per second, the best of {ROUNDS} rounds in turn:\n\n"
        f"{markdown(columns, cells)}\n\n"
        f"Measured on {result['data']}, by `{result['command']}` on {where(result['machine'])}."
    )


if __name__ == "__main__":
    main()
