"""vq and transform on labels of epochs that their tables were not fitted to, of two teachers.

python benchmarks/vq_unseen.py  # writes results/vq_unseen.json and a table of docs/benchmarks.md

Tables are fitted to epochs 0-7 for a file of 3 million labels, and measured on epochs 8-9. Bytes
per label are those of the label streams, alone and with the side information divided by 300 000 and
by 3 million labels. The augmentation is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click
import numpy as np
from common import machine, markdown, require_data, save, where, write_report

import labelcodec
from labelcodec import LabelBatch, Labels
from labelcodec.analysis.fidelity import Accumulator
from labelcodec.codecs import registry, side_info
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.formats import open_dump

SPECS = (
    *("vq:codes=4", "transform:bytes=4.5", "vq:codes=8", "transform:bytes=7.7"),
    *("vq:codes=9", "vq:codes=9,tau=2", "vq:codes=9,tau=4", "transform:bytes=8.6"),
    *("vq:codes=16", "transform:bytes=16"),
)
FITTED = 8  # epochs
SHARED = (300_000, 3_000_000)
TAUS = (1, 2, 4)
REPEATS = 5  # of decoding; the fastest counts


def sources() -> dict[str, list[LabelBatch]]:
    """The labels of both teachers, batch by batch."""
    dump = open_dump(require_data("in1k-sre2l"))
    with labelcodec.open(require_data("in1k-lite0.slc")) as reader:
        return {
            "SqueezeNet": [dump.read(i) for i in range(len(dump))],
            "EfficientNet-Lite0": list(reader),
        }


def context(batch: LabelBatch) -> BatchContext:
    """What the batch's labels are predicted from."""
    return BatchContext(batch.image_index, batch.augmentation)


def measure(spec: str, teacher: str, batches: Sequence[LabelBatch]) -> dict[str, Any]:
    """Fit, encode and decode."""
    codec = registry.parse(spec)
    seen = [batch for batch in batches if batch.epoch < FITTED]
    unseen = [batch for batch in batches if batch.epoch >= FITTED]
    classes = seen[0].labels.classes
    began = time.perf_counter()
    coder = codec.fit(
        [codec.prepare(batch.labels) for batch in seen],
        classes,
        SHARED[-1],
        list(map(context, seen)),
    )
    fitting = time.perf_counter() - began
    fidelity, streams, encoding, decoding, count = Accumulator(), 0, 0.0, 0.0, 0
    for batch in unseen:
        began = time.perf_counter()
        coded = coder.encode(codec.prepare(batch.labels), context(batch))
        encoding += time.perf_counter() - began
        blank = Labels(classes, np.zeros((0, 0), np.float16), precision=batch.labels.precision)
        views = {stream: memoryview(data) for stream, data in coded.items()}
        times = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            decoded = coder.decode(views, len(batch), blank, context(batch))
            decoded.dense()
            times.append(time.perf_counter() - began)
        decoding += min(times)
        fidelity.add(batch.labels, decoded)
        streams += sum(map(len, coded.values()))
        count += len(batch)
    side = len(side_info.pack({"crop": {}, "labels": coder.to_parts()}))
    result = fidelity.result()
    return {
        "teacher": teacher,
        "codec": spec,
        "streams": streams / count,
        "side_information": side,
        "shared": {str(labels): streams / count + side / labels for labels in SHARED},
        "kl": {str(tau): result.kl[tau] for tau in TAUS},
        "tv": {str(tau): result.tv[tau] for tau in TAUS},
        "top1_agreement": result.top1_agreement,
        "fitting_s": fitting,
        "labels_per_s": count / encoding,
        "decoded_per_s": count / decoding,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table."""
    columns = [
        "teacher", "codec", "streams, B", "tables, kB", "B at 300 000", "B at 3 million",
        *(f"KL τ={tau}" for tau in TAUS), *(f"TV τ={tau}" for tau in TAUS), "same top class",
    ]  # fmt: skip
    cells = [
        [
            row["teacher"], row["codec"], f"{row['streams']:.2f}",
            f"{row['side_information'] / 1000:.0f}",
            *(f"{value:.2f}" for value in row["shared"].values()),
            *(f"{value:.3f}" for value in row["kl"].values()),
            *(f"{value:.3f}" for value in row["tv"].values()),
            f"{100 * row['top1_agreement']:.1f} %",
        ]
        for row in rows
    ]  # fmt: skip
    return markdown(columns, cells)


@click.command()
def main() -> None:
    """Measure everything and write the results."""
    rows = [
        measure(spec, teacher, batches) for teacher, batches in sources().items() for spec in SPECS
    ]
    result = {
        "command": "python benchmarks/vq_unseen.py",
        "data": "in1k-sre2l and in1k-lite0: 10 epochs x 1000 images, C = 1000, fp16; 0-7 fitted",
        "machine": machine(),
        "rows": rows,
    }
    save("vq_unseen", result)
    write_report("vq-unseen", report(result))


def report(result: dict[str, Any]) -> str:
    """The table, and the speeds as ratios within the run."""
    speed = {(row["teacher"], row["codec"]): row for row in result["rows"]}
    teachers = sorted({name for name, _ in speed})

    def ratio(key: str) -> float:
        return min(
            speed[teacher, "vq:codes=9"][key] / speed[teacher, "transform:bytes=8.6"][key]
            for teacher in teachers
        )

    least = min(speed[teacher, "vq:codes=9"]["labels_per_s"] for teacher in teachers)
    return (
        f"{table(result['rows'])}\n\nWith given tables and one thread, `vq:codes=9` encodes "
        f"{least:.0f} labels per second or more, {ratio('labels_per_s'):.2f} times as many as "
        f"`transform:bytes=8.6`, and decodes to dense labels at "
        f"{ratio('decoded_per_s'):.2f} times its speed.\n\n"
        f"Measured on {result['data']}, by `{result['command']}` on {where(result['machine'])}."
    )


if __name__ == "__main__":
    main()
