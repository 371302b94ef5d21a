"""The `verify` command: check the integrity of containers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile
    from labelcodec.verification import VerifyReport


@click.command()
@click.argument("files", metavar="FILE...", type=value_types.LABELS, nargs=-1, required=True)
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(min=1),
    help="Check N batches of each FILE, chosen at random, instead of all.",
)
@options.threads
@options.as_json
@click.pass_context
def verify(
    context: click.Context,
    /,
    files: tuple[Path | RemoteFile, ...],
    sample: int | None,
    json_: bool,
) -> None:
    """Check every checksum and decode every batch.

    Also compares the index of each FILE, a path, a URL or a quoted pattern, with its batches. The
    exit status is 0 if all are sound; it is 1 if not, or if the codec of the labels is not
    installed, so that only checksums can be verified.

    \b
    Example:
      labelcodec verify labels.slc
      labelcodec verify "shard-*.slc"
      labelcodec verify https://example.org/labels.slc --sample 100
    """
    from labelcodec.label_files import files_of
    from labelcodec.verification import verify as run

    containers = [file for named in files for file in files_of(named)]
    facts = []
    for file in containers:
        with console.progress(f"verify {file}" if len(containers) > 1 else "verify") as progress:
            report = run(file, progress=progress, sample=sample)
        facts.append(_facts(file, report))
        if not json_:
            _show(file, report)
    unsound = sum(not own["sound"] for own in facts)
    if json_:
        console.as_json(facts[0] if len(facts) == 1 else {"sound": not unsound, "files": facts})
    elif len(facts) > 1:
        total = console.counted(len(facts), "file")
        console.note(f"error: {unsound} of {total} not sound" if unsound else f"{total}, all sound")
    context.exit(console.FAILED if unsound else 0)


def _facts(file: Path | RemoteFile, report: VerifyReport) -> dict[str, Any]:
    """What is printed as JSON of a file."""
    return {
        "file": str(file),
        "batches": report.batches,
        "samples": report.samples,
        "checked": report.checked,
        "sound": report.sound,
        "problems": list(report.problems),
        "savable_batches": report.savable,
        "undecoded": report.undecoded,
        "nonfinite_labels": report.nonfinite,
    }


def _show(file: Path | RemoteFile, report: VerifyReport) -> None:
    """Print what was found in a file."""
    batches = console.counted(report.batches, "batch")
    labels = console.counted(report.samples, "label")
    if report.sound:
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
        console.note(
            f"error: {file}: {console.counted(len(report.problems), 'problem')}; "
            f"{_remedy(file, report)}"
        )


def _remedy(file: Path | RemoteFile, report: VerifyReport) -> str:
    """What to do about a damaged file."""
    if report.savable:
        savable = console.counted(report.savable, "batch")
        return f"`labelcodec repair {file}` would recover {savable}"
    if not isinstance(file, Path):
        return "download it anew, and tell its publisher if the copy is damaged, too"
    return "`labelcodec repair` cannot recover any batch"
