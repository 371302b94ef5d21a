"""CPU time of encoding by codec, which `labelcodec plan` predicts core-hours from.

python benchmarks/encode_cost.py            # writes results/encode_cost.json, docs/benchmarks.md
python benchmarks/encode_cost.py --rounds 1

Every batch of a dump in SRe2L's layout is read and encoded by one process, with tables that were
fitted before: what a part of a large dump does nearly all the time. CPU seconds count, not those
on the wall, so that other work on the machine matters little. Labels of 1000 classes are real ones
of ImageNet-1K; those of 10 450 are the synthetic ones of transform_large.py.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import click
import numpy as np
import torch
from common import machine, markdown, require_data, save, where, write_report
from transform_large import labels

from labelcodec import Header
from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.formats import open_dump
from labelcodec.formats.interface import Dump
from labelcodec.transcode.encoded_batches import encoded
from labelcodec.writer import prepare, with_codec

CODECS = (
    *("dense", "dense2", "topk:k=100", "topk:k=50", "topk:k=10"),
    *("transform:bytes=60", "transform:bytes=30", "transform:bytes=20"),
)
BATCH, BATCHES = 32, 60  # of the synthetic dump
EPOCHS = 300  # of the label sets whose tables are fitted: IPC 10 of 1000 classes, 20 of 10 450
ORDER = "image_order.json"


def synthetic(root: Path) -> Path:
    """A dump of ImageNet-21K's kind: no mixing, cutout left out."""
    rng = np.random.default_rng(0)
    (root / "epoch_0").mkdir(parents=True)
    for number in range(BATCHES):
        logits = torch.from_numpy(labels(number, BATCH).labels.value.astype(np.float16))
        crops = torch.from_numpy(rng.uniform(0, 0.5, (BATCH, 4)).astype(np.float32))
        flips = torch.from_numpy(rng.random(BATCH) < 0.5)
        content = [crops, flips, None, None, None, logits]
        torch.save(content, root / "epoch_0" / f"batch_{number}.tar")
    (root / ORDER).write_text(json.dumps([list(range(BATCH * BATCHES))]))
    return root


def measure(dump: Dump, spec: str, expected: int, rounds: int) -> dict[str, float]:
    """CPU seconds of a codec on a dump.

    Args:
        dump: the dump.
        spec: the codec.
        expected: labels of the whole set, which share the cost of the tables.
        rounds: timing rounds.

    Returns:
        `seconds_per_gigabyte` (10^9 bytes of the dump's files) to read and encode, and
        `seconds_of_fit`, once for all batches.
    """
    codec = registry.parse(spec)
    header = with_codec(Header(dump.info.classes), codec)
    sample = [prepare(dump.read(i), codec, False) for i in range(len(dump))]
    start = time.process_time()
    coder = BatchCoder.fit(header, sample, expected)
    fit = time.process_time() - start
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in encoded(dump, coder, codec, False, range(len(dump)), 1):
            pass
        times.append(time.process_time() - start)
    per_byte = statistics.median(times) / dump.info.bytes
    return {"seconds_per_gigabyte": per_byte * 1e9, "seconds_of_fit": fit}


def report(result: dict[str, Any]) -> str:
    """The table in docs/benchmarks.md."""
    sets = result["sets"]
    rows = [
        [
            spec,
            *(f"{rows[spec]['seconds_per_gigabyte']:.1f}" for rows in sets.values()),
            *(f"{rows[spec]['seconds_of_fit']:.1f}" for rows in sets.values()),
        ]
        for spec in CODECS
    ]
    columns = ["codec", *(f"s/GB, {name}" for name in sets), *(f"fit, {name}" for name in sets)]
    return "\n\n".join(
        [
            markdown(columns, rows),
            "CPU seconds of one process to read and encode a gigabyte of SRe2L's files, and those\n"
            "that fitting the tables takes once. `labelcodec plan` takes its core-hours from the\n"
            "slower of the two kinds of labels.",
            f"Measured by `python benchmarks/encode_cost.py` on {where(result['machine'])}.",
        ]
    )


@click.command()
@click.option("--rounds", default=3, help="Timing rounds.")
def main(rounds: int) -> None:
    """Measure all codecs and write the results."""
    torch.set_num_threads(1)
    real = require_data("in1k-sre2l")
    sets: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        large = synthetic(Path(folder) / "dump")
        for root, expected in ((real, 10_000 * EPOCHS), (large, 209_000 * EPOCHS)):
            dump = open_dump(root, image_order=root / ORDER)
            rows = sets[f"{dump.info.classes} classes"] = {}
            for spec in CODECS:
                rows[spec] = measure(dump, spec, expected, rounds)
                click.echo(f"{dump.info.classes} {spec}: {rows[spec]}")
    command = "python benchmarks/encode_cost.py"
    result = {"command": command, "machine": machine(), "sets": sets}
    save("encode_cost", result)
    write_report("encode_cost", report(result))


if __name__ == "__main__":
    main()
