"""`verify`, `repair` and `merge`: commands that look after containers."""

from __future__ import annotations

from pathlib import Path

import click

from . import console, options, show


@click.command()
@click.argument("file", type=options.PATH)
@options.as_json
@click.pass_context
def verify(context: click.Context, /, file: Path, json_: bool) -> None:
    """Check every checksum and decode every batch.

    The index of FILE is held against its batches, too. The exit status is 0 if FILE is sound, 1
    if not.

    \b
    Example:
      labelcodec verify labels.slc
    """
    from labelcodec.verification import verify as run

    with console.progress("verify") as progress:
        report = run(file, progress=progress)
    sound = not report.problems
    if json_:
        facts = {"file": str(file), "batches": report.batches, "samples": report.samples}
        found = {"problems": list(report.problems), "savable_batches": report.savable}
        console.as_json({**facts, "sound": sound, **found})
    elif sound:
        batches, labels = console.count(report.batches), console.count(report.samples)
        console.say(f"{file}: sound, {batches} batches, {labels} labels")
    else:
        for problem in report.problems:
            console.say(problem)
        remedy = "`labelcodec repair` is of no use here"
        if report.savable:
            batches = console.count(report.savable)
            remedy = f"`labelcodec repair {file}` would save {batches} batches"
        console.note(f"error: {file}: {len(report.problems)} problems; {remedy}")
    context.exit(0 if sound else console.FAILED)


@click.command()
@click.argument("file", type=options.PATH)
@click.option(
    "--out", type=options.PATH, help="Write the repaired container here and leave FILE alone."
)
@options.force
@options.as_json
def repair(file: Path, out: Path | None, force: bool, json_: bool) -> None:
    """Save what is intact in a damaged or unfinished FILE.

    FILE is replaced; if anything in it was lost, the original is kept beside it as FILE.damaged.
    NAME.partial, of a run that did not finish, stays as it is, and the batches it has go into NAME:
    if the run can still be resumed (encode --resume), that is better than repair.

    \b
    Example:
      labelcodec repair labels.slc
      labelcodec repair labels.slc --out repaired.slc
    """
    from labelcodec.container import repair as run

    report = run(file, out, force=force)
    if json_:
        original = None if report.original is None else str(report.original)
        console.as_json(
            {
                "file": str(report.target),
                "unfinished": report.unfinished,
                "kept": report.kept,
                "kept_numbers": report.numbers,
                "lost_numbers": report.lost,
                "dropped": report.dropped,
                "skipped_bytes": report.skipped,
                "damage": report.damage,
                "problem": report.problem,
                "original": original,
            }
        )
    else:
        show.repaired(report)


@click.command()
@click.argument("out", type=options.PATH)
@click.argument("files", metavar="FILE...", type=options.PATH, nargs=-1, required=True)
@options.force
@options.as_json
def merge(out: Path, files: tuple[Path, ...], force: bool, json_: bool) -> None:
    """Make one container OUT of several FILEs.

    Nothing is encoded again.

    \b
    Example:
      labelcodec merge all.slc shard-0.slc shard-1.slc
    """
    from labelcodec.merging import merge as run

    run(files, out, force=force)
    size = out.stat().st_size
    if json_:
        console.as_json({"file": str(out), "bytes": size, "merged": len(files)})
    else:
        console.say(f"{out}: {len(files)} containers in {console.size(size)}")
