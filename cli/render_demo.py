"""The text of the demo: numbered steps, one table of results, and what to type next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import count, decimal, paragraph, say, size, table

if TYPE_CHECKING:
    from labelcodec.demo.roundtrip import Demo
    from labelcodec.demo.whole_path import Students

# Sentences of the steps on drawn images, by stage; students follow.
STEPS = {
    "draw": "4. Characters are drawn: many images to teach, two of each to distil, others to test.",
    "teacher": "5. A teacher learns to tell the characters apart.",
    "relabel": "6. The teacher labels the two images of each, differently augmented in each epoch.",
}
FIRST_STUDENT = 7


def introduction() -> None:
    """Print what the demo shows."""
    paragraph(
        "A soft label is what a teacher network says of one image: a number for every class. "
        "Students learn from them, and they take far more space than the images. This demo stores "
        "real ones in labelcodec's files, and then trains students from such files: about two "
        "minutes."
    )
    click.echo()


def round_trip(demo: Demo) -> None:
    """Print what was done with the real labels."""
    full, top = demo.stages
    labels = full.storage.labels
    paragraph(
        f"1. {count(labels)} labels of {count(full.storage.classes)} ImageNet classes, as SRe2L's "
        f"code wrote them: pickled files of {size(full.source_bytes)}."
    )
    paragraph(
        f"2. Encoded without loss: one file of {size(full.storage.bytes_total)}, "
        f"{full.source_bytes / full.storage.bytes_total:.2f}x smaller. Decoded again, "
        f"{_same(full.identical)}."
    )
    paragraph(
        f"3. Of each label the 50 largest numbers: LPQLD's code writes "
        f"{size(top.source_bytes)}, one file of labelcodec takes {size(top.storage.bytes_total)}. "
        f"Decoded again, {_same(top.identical)}."
    )


def _same(identical: bool) -> str:
    return "every bit is the same" if identical else "THE LABELS DIFFER"


def step(what: str) -> None:
    """Print what a stage of the whole path does, before it begins."""
    if what in STEPS:
        paragraph(STEPS[what])
        return
    from labelcodec.demo.whole_path import CODECS

    codec = what.removeprefix("student of ")
    number = FIRST_STUDENT + list(CODECS).index(codec)
    paragraph(f"{number}. A student learns from the labels as {codec} stores them.")


def result(demo: Demo, students: Students) -> None:
    """Print size, fidelity and accuracy of all label sets in one table."""
    full, top = demo.stages
    labels, top1_kept = full.storage.labels, 100 * demo.top_k.top1_agreement
    sizes = [
        ("SRe2L's files", full.source_bytes, 100.0),
        (full.codec, full.storage.bytes_total, 100.0),
        ("LPQLD's files, top 50", top.source_bytes, top1_kept),
        ("topk:k=50", top.storage.bytes_total, top1_kept),
    ]
    rows = [
        [
            f"ImageNet: {name}",
            decimal(stored / labels),
            f"{full.source_bytes / stored:.1f}x",
            decimal(kept),
            "-",
        ]
        for name, stored, kept in sizes
    ]
    first = students.outcomes[0].storage
    raw = first.raw_bytes / first.labels
    rows.append(["drawn: SRe2L's files", decimal(raw), "1.0x", "100.0", "-"])
    rows += [
        [
            f"drawn: {outcome.codec}",
            decimal(outcome.storage.bytes_per_label),
            f"{decimal(outcome.storage.actual_rate)}x",
            decimal(100 * outcome.fidelity.top1_agreement),
            decimal(100 * outcome.top1),
        ]
        for outcome in students.outcomes
    ]
    click.echo()
    columns = ["labels", "bytes per label", "times smaller", "top class kept %", "student top-1 %"]
    table("Result", columns, rows)
    paragraph(
        "Bytes per label are those of the whole file. Times smaller: against the same labels in "
        "SRe2L's files. Top class kept: how often the stored label names the class that the "
        f"teacher's does. The teacher itself reaches {decimal(100 * students.teacher)} % top-1."
    )


def next_commands(out: Path | None) -> None:
    """Print three commands to go on with."""
    click.echo()
    if out is None:
        commands = (
            "labelcodec demo --out demo          # the same, and keep the files",
            "labelcodec encode path/to/dump labels.slc --images path/to/images",
            "labelcodec plan --classes 1000 --ipc 10",
        )
    else:
        small = out / "drawn/small.slc"
        commands = (
            f"labelcodec inspect {out / 'real/full.slc'}",
            f"labelcodec stats {out / 'drawn/full.slc'} {small}",
            f"labelcodec stats {small} --against {out / 'drawn/full.slc'}",
        )
    click.echo("Next:")
    for command in commands:
        say(f"  {command}")
