"""The `verify` command: check the integrity of a container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import console, options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("file", type=value_types.LABELS)
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(min=1),
    help="Check N batches, chosen at random, instead of all.",
)
@options.threads
@options.as_json
@click.pass_context
def verify(
    context: click.Context, /, file: Path | RemoteFile, sample: int | None, json_: bool
) -> None:
    """Check every checksum and decode every batch.

    Also compares the index of FILE, a path or a URL, with its batches. The exit status is 0 if FILE
    is sound; it is 1 if not, or if the codec of its labels is not installed, so that only checksums
    can be verified.

    \b
    Example:
      labelcodec verify labels.slc
      labelcodec verify https://example.org/labels.slc --sample 100
    """
    from labelcodec.verification import verify as run

    with console.progress("verify") as progress:
        report = run(file, progress=progress, sample=sample)
    batches, labels = (
        console.counted(report.batches, "batch"),
        console.counted(report.samples, "label"),
    )
    if json_:
        facts = {"file": str(file), "batches": report.batches, "samples": report.samples}
        facts["checked"] = report.checked
        problems = {"problems": list(report.problems), "savable_batches": report.savable}
        outcome = {"sound": report.sound, **problems, "undecoded": report.undecoded}
        console.as_json({**facts, **outcome, "nonfinite_labels": report.nonfinite})
    elif report.sound:
        console.say(f"{file}: sound, {batches}, {labels}")
        if report.checked < report.batches:
            checked = console.counted(report.checked, "batch")
            console.note(f"checked {checked}, chosen at random")
        if report.nonfinite:
            nonfinite = console.counted(report.nonfinite, "label")
            console.note(f"{nonfinite} with NaN or infinite values, as they were in the source")
    elif not report.problems:
        console.say(f"{file}: all checksums are valid, {batches}, {labels}")
        console.note(f"error: the labels were not decoded: {report.undecoded}")
    else:
        for problem in report.problems:
            console.say(problem)
        remedy = "`labelcodec repair` cannot recover any batch"
        if not isinstance(file, Path):
            remedy = "download it anew, and tell its publisher if the copy is damaged, too"
        if report.savable:
            savable = console.counted(report.savable, "batch")
            remedy = f"`labelcodec repair {file}` would recover {savable}"
        console.note(f"error: {file}: {console.counted(len(report.problems), 'problem')}; {remedy}")
    context.exit(0 if report.sound else console.FAILED)
