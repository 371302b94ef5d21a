"""The `repair` command: recover the intact batches of a damaged container."""

from __future__ import annotations

from pathlib import Path

import click

from . import console, options, render, value_types


@click.command()
@click.argument("file", type=value_types.PATH)
@click.option(
    "--out",
    type=value_types.PATH,
    help="Write the repaired container to this file and leave FILE unchanged.",
)
@options.force
@options.as_json
def repair(file: Path, out: Path | None, force: bool, json_: bool) -> None:
    """Recover the intact batches of a damaged or unfinished FILE.

    FILE is replaced; if any data was lost, the original is kept as FILE.damaged. A file
    NAME.partial of an unfinished run is left unchanged, and its batches are written to NAME. If the
    run can still be resumed (encode --resume), do that instead.

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
        render.repaired(report)
