"""The transform codec on labels that its tables were not fitted to, and by the labels of a file.

python benchmarks/transform_unseen.py  # writes results/transform_unseen.json, tables of the notes

Held out: fitted to epochs 0-7 of the real dump, measured on 0-7 and on 8-9, with the rank, step and
price that a search on all epochs finds. By size: files of 10 000, 30 000 and 300 000 labels, of
which the 10 000 real ones are at hand. "In sample" has their streams, and tables as fine as N
labels pay for divided by N (arithmetic: no label is measured twice); "unseen" is what the codec
itself promises then, measured on labels kept from the fit, of 9 labels an image.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click
from common import ROOT, machine, markdown, require_data, save, write_table

from labelcodec import LabelBatch
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.codecs.transform.fit.rd_eval import measure_rd
from labelcodec.codecs.transform.fit.sample import Samples, gather
from labelcodec.codecs.transform.fit.search import Goal, search
from labelcodec.codecs.transform.fit.subspace import Scatter, fit_subspace
from labelcodec.codecs.transform.fit.table_fit import (
    candidate_at,
    fit_coder,
    fit_means_along,
)
from labelcodec.codecs.transform.rd_report import RDReport
from labelcodec.errors import DataError
from labelcodec.formats import open_dump

GOALS: tuple[Mapping[str, float], ...] = (
    {"tv4": 0.10, "kl1": 0.25},
    {"tv4": 0.081, "kl1": 0.18},
    {"tv4": 0.066, "kl1": 0.09},
)
SIZES = (10_000, 30_000, 300_000)
FITTED = 8  # epochs
SHOWN = ("streams", "tv4", "kl1")


def samples(batches: Sequence[LabelBatch], pictured: bool = True) -> Samples:
    """All of these labels, none kept from the fit."""
    pictures = [BatchContext(b.image_index, b.augmentation) for b in batches] if pictured else []
    return gather([b.labels for b in batches], pictures)


def held_out(batches: Sequence[LabelBatch], chosen: TransformCoder, pictured: bool) -> Any:
    """Streams and distances of labels that the fit has seen, and of labels it has not."""
    seen = samples([b for b in batches if b.epoch < FITTED], pictured)
    unseen = samples([b for b in batches if b.epoch >= FITTED], pictured)
    basis = chosen.basis
    step = float(chosen.chosen()["step"])
    space = fit_subspace(Scatter(seen.fitted.centred), basis.rank)
    images = fit_means_along(space, seen.fitted)
    fitted = fit_coder(
        candidate_at(space, images, basis.rank, step, seen.total), seen.all, chosen.price
    )
    own = facts(measure_rd(fitted, replace(seen, tried=seen.all)))
    other = facts(measure_rd(fitted, replace(unseen, tried=with_size(unseen, seen))))
    return {"seen": own, "unseen": other} | {
        "ratio": {name: other[name] / own[name] for name in SHOWN}
    }


def with_size(labels: Samples, other: Samples) -> Any:
    """The labels, their pictures taken to be as large as those of the others."""
    return replace(labels.all, size=other.all.size)


def facts(found: RDReport) -> dict[str, float]:
    return {
        "bytes": found.bytes,
        "streams": found.streams,
        "tables": found.tables,
        **{measure: found.quality[measure] for measure in ("tv1", "tv2", "tv4", "kl1")},
    }


def by_size(batches: Sequence[LabelBatch], goal: Goal, total: int) -> dict[str, Any]:
    """What a file of `total` labels takes, by both ways of counting."""
    known = samples(batches)
    every = {"in sample": replace(known, total=total)}
    if total > known.total:
        pictures = [BatchContext(b.image_index, b.augmentation) for b in batches]
        every["unseen"] = gather([b.labels for b in batches], pictures, total)
    found = {}
    for name, labels in every.items():
        try:
            coder = search(labels, goal)
        except DataError as error:
            found[name] = {"error": str(error)}
            continue
        assert coder.reached is not None
        means = 0 if coder.means is None else len(coder.means.to_bytes())
        found[name] = facts(coder.reached) | {"means": means / total}
    return found


def held_table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = ["wanted", "predicted", "streams, B", "more", "TV τ=4", "more", "KL τ=1", "more"]
    cells = [
        [text(row["goal"]), row["predicted"]]
        + [
            cell
            for name in SHOWN
            for cell in (
                f"{row['seen'][name]:.4g} → {row['unseen'][name]:.4g}",
                f"{100 * row['ratio'][name] - 100:+.1f} %",
            )
        ]
        for row in rows
    ]
    return markdown(columns, cells)


def size_table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = ["wanted", "N", "in sample, B", "of it means", "unseen, B"]
    cells = []
    for row in rows:
        own, unseen = row["in sample"], row.get("unseen", {})
        cells.append(
            [
                text(row["goal"]),
                f"{row['labels']:,}".replace(",", " "),
                own.get("bytes", "-"),
                own.get("means", "-"),
                unseen.get("bytes", "-" if not unseen else "not reached"),
            ]
        )
    return markdown(columns, cells)


def text(goal: Mapping[str, float]) -> str:
    return ",".join(f"{name}={value:g}" for name, value in goal.items())


@click.command()
def main() -> None:
    """Measure everything and write the results."""
    dump = open_dump(require_data("in1k-sre2l"))
    batches = [dump.read(i) for i in range(len(dump))]
    held, sizes = [], []
    for goal in GOALS:
        for pictured in (False, True):
            coder = search(samples(batches, pictured), Goal(None, goal))
            predicted = "from means" if pictured else "no"
            found = held_out(batches, coder, pictured)
            held.append({"goal": dict(goal), "predicted": predicted, **found})
        for total in SIZES:
            found = by_size(batches, Goal(None, goal), total)
            sizes.append({"goal": dict(goal), "labels": total, **found})
    result = {
        "command": "python benchmarks/transform_unseen.py",
        "data": "in1k-sre2l: 10 epochs x 1000 images, batch 128, C = 1000, fp16",
        "machine": machine(),
        "held out": held,
        "by size": sizes,
    }
    save("transform_unseen", result)
    notes = ROOT / "notes" / "transform.md"
    write_table(notes, "held-out", held_table(held))
    write_table(notes, "by-size", size_table(sizes))
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
