"""The `inspect` command: show header, index and batches of a container."""

from __future__ import annotations

from pathlib import Path

import click

from . import console, options, render


@click.command()
@click.argument("file", type=options.PATH)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=0),
    help="Also show the batch at position N, from 0.",
)
@options.as_json
def inspect(file: Path, batch: int | None, json_: bool) -> None:
    """Show header, index and batches of FILE.

    \b
    Example:
      labelcodec inspect labels.slc --batch 0
    """
    import labelcodec
    from labelcodec.analysis.description import describe_batch, describe_set

    with labelcodec.open(file) as reader:
        if batch is not None and batch >= len(reader):
            raise click.BadParameter(f"there are {len(reader)} batches, counted from 0", None)
        description = describe_set(reader)
        if batch is not None:
            description["batch"] = describe_batch(reader, batch)
    if json_:
        console.as_json(description)
    else:
        render.label_set(description)
