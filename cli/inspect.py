"""The `inspect` command: show header, index and batches of a container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import console, options, render, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile

SAMPLES = 128  # shown on a page


@click.command()
@click.argument("file", type=value_types.LABELS)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=0),
    help="Also show the batch at position N, from 0.",
)
@click.option(
    "--html",
    metavar="PAGE",
    type=value_types.PATH,
    help="Write a page of the batch, by default the first; an existing page is replaced.",
)
@options.as_json
def inspect(file: Path | RemoteFile, batch: int | None, html: Path | None, json_: bool) -> None:
    """Show header, index and batches of FILE, a path or a URL.

    With --html, also writes a self-contained page: the labels of the batch with their most probable
    classes, crops and mixes, the bytes it takes, and what the header says.

    \b
    Example:
      labelcodec inspect labels.slc --batch 0
      labelcodec inspect labels.slc --html page.html
      labelcodec inspect hf://datasets/OWNER/NAME/labels.slc
    """
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{html}: expected a name that ends with .html", None)

    import labelcodec
    from labelcodec.analysis.description import describe_batch, describe_set

    with labelcodec.open(file) as reader:
        if batch is not None and batch >= len(reader):
            raise click.BadParameter(f"there are {len(reader)} batches, counted from 0", None)
        description = describe_set(reader)
        if batch is not None:
            description["batch"] = describe_batch(reader, batch)
        if html is not None:
            from labelcodec.preview.inspect_page import write_inspection

            write_inspection(reader, batch or 0, SAMPLES, html)
    if json_:
        console.as_json(description)
    else:
        render.label_set(description)
