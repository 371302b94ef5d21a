"""Students of a small GPT, taught by its labels at different bytes per token.

python benchmarks/token_students.py  # writes results/token_students.json and a table in docs

The text is Python's manual (pydoc_data), in sequences of 128 tokens of a vocabulary of 4096; every
tenth is held out. The teacher has 4 layers of 192 channels, the students 2 of 96; these learn from
labels alone, those of 400 batches of 16 sequences. Bytes are of the labels and their tables, not of
the token ids and digests beside them. Takes about an hour on one core.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch
from common import ROOT, machine, markdown, save, where, write_report

import labelcodec
from labelcodec.codecs.components import FRAMING, LABEL_INDEX, LABEL_VALUES, SIDE_INFORMATION

sys.path.insert(0, str(ROOT / "examples/tokens"))
import tiny_gpt

SEEDS = (0, 1, 2)
CODECS = ("dense", "topk:k=50", "topk:k=50,step=0.25,tail=mass", "sampled:n=20", "sampled:n=50")
EQUAL = "sampled:n=50"  # the codec whose bytes top-k labels are given, too
COARSE = "topk:k={k},step=0.5"
OF_LABELS = (LABEL_INDEX.component, LABEL_VALUES.component, SIDE_INFORMATION, FRAMING)


def label_bytes(path: Path) -> float:
    """Bytes per token of the labels, their tables and the framing."""
    stats = labelcodec.stats(path)
    return sum(stats.components[name] for name in OF_LABELS) / stats.labels


def of_equal_bytes(source: Path, folder: Path, most: float, tail: str) -> str:
    """The top-k codec of most classes whose labels take no more bytes than that."""
    low, high = 1, 64
    while high - low > 1:
        k = (low + high) // 2
        path = folder / "trial.slc"
        labelcodec.recode(source, path, COARSE.format(k=k) + tail, force=True)
        low, high = (k, high) if label_bytes(path) <= most else (low, k)
    return COARSE.format(k=low) + tail


def student(
    labels: Path | None, text: Any, held_out: Any, steps: int, seed: int
) -> dict[str, float]:
    """Quality of a student; without labels it learns from the text."""
    torch.manual_seed(1 + seed)
    model = tiny_gpt.GPT(96, 2)
    if labels is None:
        tiny_gpt.learn_text(model, text, steps, seed)
    else:
        tiny_gpt.learn_labels(model, labels, steps, seed)
    quality = tiny_gpt.quality(model, held_out)
    return {"loss": quality.loss, "ece": quality.ece}


@click.command()
@click.option("--steps", default=400, show_default=True, help="Batches of each student.")
@click.option("--teacher-steps", default=500, show_default=True)
def main(steps: int, teacher_steps: int) -> None:
    """Measure and write the report."""
    text, held_out = tiny_gpt.manual()
    torch.manual_seed(0)
    begin = time.perf_counter()
    teacher = tiny_gpt.GPT(192, 4)
    tiny_gpt.learn_text(teacher, text, teacher_steps, 0)
    of_teacher = tiny_gpt.quality(teacher, held_out)
    print(f"teacher: {of_teacher}, {time.perf_counter() - begin:.0f} s", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tiny_gpt.store_labels(teacher, text, root / "dense.slc", "dense")
        paths: dict[str, Path | None] = {"no labels, the text": None}
        codecs = list(CODECS)
        for codec in codecs:
            path = root / f"{len(paths)}.slc"
            labelcodec.recode(root / "dense.slc", path, codec)
            paths[codec] = path
            if codec == EQUAL:
                most = label_bytes(path)
                codecs += [
                    of_equal_bytes(path.parent / "dense.slc", root, most, tail)
                    for tail in (",tail=mass", "")
                ]
        for codec, path in paths.items():
            runs = [student(path, text, held_out, steps, seed) for seed in SEEDS]
            losses = [run["loss"] for run in runs]
            rows.append(
                {
                    "codec": codec,
                    "bytes_per_token": None if path is None else label_bytes(path),
                    "loss": statistics.mean(losses),
                    "loss_sd": statistics.stdev(losses),
                    "ece": statistics.mean(run["ece"] for run in runs),
                    "runs": runs,
                }
            )
            print(rows[-1], flush=True)
    result = {
        "machine": machine(),
        "text": {
            "sequences": len(text),
            "held_out": len(held_out),
            "vocabulary": tiny_gpt.VOCABULARY,
        },
        "steps": steps,
        "teacher": {"steps": teacher_steps, "loss": of_teacher.loss, "ece": of_teacher.ece},
        "students": rows,
    }
    save("token_students", result)
    write_report("token_students", report(result))


def report(result: dict[str, Any]) -> str:
    """The table and what it was measured on."""
    full = next(row for row in result["students"] if row["codec"] == "dense")
    columns = ("student of", "bytes per token", "loss", "perplexity", "loss over `dense`", "ECE")
    rows = [
        (
            f"`{row['codec']}`" if row["bytes_per_token"] else row["codec"],
            "" if row["bytes_per_token"] is None else f"{row['bytes_per_token']:.1f}",
            f"{row['loss']:.3f} ± {row['loss_sd']:.3f}",
            f"{math.exp(row['loss']):.1f}",
            f"{100 * (row['loss'] / full['loss'] - 1):+.1f} %",
            f"{100 * row['ece']:.1f} %",
        )
        for row in result["students"]
    ]
    teacher = result["teacher"]
    return (
        f"{markdown(columns, rows)}\n\nThe teacher's loss is {teacher['loss']:.3f} nats "
        f"(perplexity {math.exp(teacher['loss']):.1f}, ECE {100 * teacher['ece']:.1f} %). "
        "Mean and standard deviation of three seeds. Measured by `python "
        f"benchmarks/token_students.py` on {where(result['machine'])}."
    )


if __name__ == "__main__":
    main()
