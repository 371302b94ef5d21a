"""Bytes against distortion of every way to store the labels, on real ImageNet-1K labels.

python benchmarks/rate_distortion.py --distillkit PATH
python benchmarks/rate_distortion.py --series vq # measures vq anew, in both forms

Writes results/rate_distortion.json, the plot beside it and a table of docs/benchmarks.md. PATH is a
checkout of github.com/arcee-ai/DistillKit, which needs pydantic; without it DistillKit is left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import RESULTS, machine, markdown, require_data, save, where, write_report
from containers import container, ms_container
from distillkit_peer import distillkit, revision, why_not
from distortion import Coded, Data, Point, measure, verdict
from quantisers import fp8, integers
from rate_distortion_plot import draw
from truncated import MR, MS, fkd, lpqld
from vectors import product, residual, rotated_product

from labelcodec.batch import Labels
from labelcodec.formats import open_dump

BUDGETS = (12, 15, 20, 25, 30, 40, 50, 70, 100, 150, 200)
TAUS = ("1", "2", "4")  # temperatures at which transform must be lower than every other
LEAST = 15  # bytes a label from which on it must
SHOWN = (15, 20, 30, 50, 100, 200)  # in docs/benchmarks.md
KS = (3, 5, 10, 20, 30, 50)
COUNTED = {
    "all": "everything a decoder needs except the augmentation F and the image indices, the same "
    "for all; label payload, side information and framing count, mean over all labels",
    "transform, topk, vq": "components 'label values', 'label index', 'side information' and "
    "'framing and index' of the whole file: header, index and crop tables all count as the labels'",
    "LPQLD top-k": "growth of each batch's torch.save file by its value (fp16) and index (int16) "
    "tensors; the file's other bytes are left to F",
    "FKD MS, FKD MR": "the label array alone, classes and probabilities in one dtype; nothing for "
    "its pickle and file",
    "FKD MS in topk": "FKD's fp16 MS labels bit for bit in this library's topk codec",
    "scalar + zstd-19": "a zstd frame a batch, codes as bytes or packed, whichever is smaller, and "
    "the scales",
    "PQ, rotated PQ, RQ": "product quantisation of runs of neighbouring classes, of principal "
    "coefficients, and residual quantisation: empirical entropy of the codes, free tables, no "
    "framing, codebooks (and the basis) in fp16",
    "DistillKit": "bytes of the packed tensors; nothing for the file",
    "between settings": "the lower convex hull of each rival's settings",
}
Job = tuple[Callable[..., Iterator[Coded]], tuple[Any, ...]]


def jobs(checkout: Path | None) -> list[Job]:
    """Everything to measure, what takes longest first."""
    found: list[Job] = [(container, ("transform", f"transform:bytes={b}")) for b in BUDGETS]
    found += [(container, ("vq", f"vq:codes={n}")) for n in (67, 34, 17, 8)]
    found += [
        (container, ("vq autoencoder", f"vq:method=autoencoder,codes={n}")) for n in (52, 26, 13, 7)
    ]
    if checkout is not None:
        found.append((distillkit, (checkout,)))
    found += [(residual, (words, stages)) for words, stages in (
        (4, (8, 16, 32, 64, 128)), (16, (2, 4, 8, 16, 32)), (64, (1, 2, 4, 8)),
    )]  # fmt: skip
    found += [(rotated_product, setting) for setting in (
        (16, 256, 4), (24, 256, 6), (32, 256, 8), (64, 256, 8), (64, 256, 16), (64, 256, 32),
        (128, 256, 32), (128, 256, 64), (256, 256, 64), (256, 256, 128),
    )]  # fmt: skip
    found += [(product, setting) for setting in (
        (4, 50), (4, 200), (4, 500), (16, 10), (16, 25), (16, 50), (16, 100), (16, 200), (64, 10),
        (64, 50), (64, 100), (64, 200), (256, 100),
    )]  # fmt: skip
    found += [(integers, (bits,)) for bits in (8, 4, 3, 2)]
    found.append((fp8, ()))
    found += [(container, ("topk", f"topk:k={k}{step}"))
              for k in (*KS, 100) for step in ("", ",step=0.25", ",step=0.5")]  # fmt: skip
    found += [(container, ("topk", f"topk:k={k},step=0.5,tail=floor")) for k in (3, 5, 10, 30, 100)]
    found += [(ms_container, (k,)) for k in (5, 10, 20, 50, 100)]
    found += [(fkd, (k, tail)) for k in KS for tail in (MR, MS)]
    found += [(lpqld, (k,)) for k in KS]
    return found


@cache
def _data() -> Data:
    source = require_data("in1k-sre2l")
    dump = open_dump(source)
    batches = [dump.read(i) for i in range(len(dump))]
    values = np.concatenate([batch.labels.value for batch in batches])
    return Data(source, batches, Labels(dump.info.classes, values))


def run(job: Job) -> list[Point]:
    """The points of one job."""
    function, arguments = job
    return [measure(_data().truth, coded) for coded in function(_data(), *arguments)]


def measured(todo: Sequence[Job]) -> list[Point]:
    """The points of all jobs; a process a core, a thread each."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    points = []
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for found in pool.map(run, todo):
            points += found
            for point in found:
                size = f"{point.bytes_per_label:.1f} B/label"
                click.echo(f"{point.series}, {point.setting}: {size}", err=True)
    return points


def readme_text(result: dict[str, Any]) -> str:
    """The table in docs/benchmarks.md."""
    settings = {f"transform:bytes={budget}" for budget in SHOWN}
    rows: dict[str, list[Any]] = {}
    for row in result["verdict"]["rows"]:
        if row["setting"] in settings:
            cells = rows.setdefault(row["setting"], [row["bytes_per_label"]])
            cells += [f"{row['tv']:.3f}", f"{row['rival_tv']:.3f} {row['best_rival']}"]
    columns = ["B/label"]
    for tau in TAUS:
        columns += [f"transform, τ={tau}", "best other"]
    least = result["verdict"]["least_margin"]
    return "\n\n".join(
        [
            markdown(columns, list(rows.values())),
            f"The least margin of all budgets is {100 * least['margin']:.0f} %, at "
            f"{least['bytes_per_label']:.0f} B/label and τ={least['tau']}\nagainst "
            f"{least['best_rival']}. {_beyond(result['beyond']['rows'])}",
            f"Measured on {result['data']},\nby `{result['command']}` on "
            f"{where(result['machine'])}.",
        ]
    )


def _beyond(rows: Sequence[dict[str, Any]]) -> str:
    """What the verdict does not promise, said where a rival is lower."""
    lost = [row for row in rows if row["margin"] <= 0]
    if not lost:
        return "At τ=20 it is lowest, too."
    sizes = ", ".join(f"{row['bytes_per_label']:.0f}" for row in lost)
    worst = min(lost, key=lambda row: row["margin"])
    return (
        f"At τ=20 {worst['best_rival']} is lower at {sizes} B/label, by at most "
        f"{-100 * worst['margin']:.0f} %."
    )


@click.command()
@click.option("--distillkit", "checkout", type=click.Path(path_type=Path))
@click.option("--series", default="", help="Measure series with this in their name; keep the rest.")
def main(checkout: Path | None, series: str) -> None:
    """Measure everything and write the results."""
    _data()
    if series:
        todo = [job for job in jobs(None) if job[0] is container and series in job[1][0]]
        earlier = json.loads((RESULTS / "rate_distortion.json").read_text())
        names = {job[1][0] for job in todo}
        kept = [Point(**point) for point in earlier["points"] if point["series"] not in names]
        write({**earlier, "points": kept + measured(todo), f"machine of {series}": machine()})
        return
    if missing := why_not(checkout):
        click.echo(f"DistillKit is left out: {missing}", err=True)
        checkout = None
    used = machine()
    points = measured(jobs(checkout))
    found = {
        "command": "python benchmarks/rate_distortion.py --distillkit PATH",
        "data": "in1k-sre2l: 10 000 labels of 1000 images, C = 1000, fp16",
        "machine": used,
        "distillkit": revision(checkout) if checkout else None,
        "points": points,
    }
    write(found)


def write(found: dict[str, Any]) -> None:
    """Write the results, the plot and the table; `points` holds `Point`s."""
    points = found["points"]
    result = {
        **found,
        "counted": COUNTED,
        "verdict": verdict(points, "transform", TAUS, LEAST),
        "beyond": verdict(points, "transform", ("20",), LEAST),
        "points": [point.to_json() for point in points],
    }
    save("rate_distortion", result)
    draw(points, RESULTS / "rate_distortion.png")
    write_report("rate-distortion", readme_text(result))
    click.echo(readme_text(result))


if __name__ == "__main__":
    main()
