"""The `verify` command: check the integrity of a container."""

from __future__ import annotations

from pathlib import Path

import click

from . import console, options


@click.command()
@click.argument("file", type=options.PATH)
@options.threads
@options.as_json
@click.pass_context
def verify(context: click.Context, /, file: Path, json_: bool) -> None:
    """Check every checksum and decode every batch.

    Also compares the index of FILE with its batches. The exit status is 0 if FILE is sound; it is 1
    if not, or if the codec of its labels is not installed, so that only checksums can be verified.

    \b
    Example:
      labelcodec verify labels.slc
    """
    from labelcodec.verification import verify as run

    with console.progress("verify") as progress:
        report = run(file, progress=progress)
    batches, labels = (
        console.counted(report.batches, "batch"),
        console.counted(report.samples, "label"),
    )
    if json_:
        facts = {"file": str(file), "batches": report.batches, "samples": report.samples}
        problems = {"problems": list(report.problems), "savable_batches": report.savable}
        outcome = {"sound": report.sound, **problems, "undecoded": report.undecoded}
        console.as_json({**facts, **outcome, "nonfinite_labels": report.nonfinite})
    elif report.sound:
        console.say(f"{file}: sound, {batches}, {labels}")
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
        if report.savable:
            savable = console.counted(report.savable, "batch")
            remedy = f"`labelcodec repair {file}` would recover {savable}"
        console.note(f"error: {file}: {console.counted(len(report.problems), 'problem')}; {remedy}")
    context.exit(0 if report.sound else console.FAILED)
