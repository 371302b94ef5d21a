"""The `decode` command: decode a container to a dump."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import console, options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("source", metavar="FILE", type=value_types.LABELS)
@click.argument("target", metavar="TARGET", type=value_types.PATH)
@click.option(
    "--layout",
    type=value_types.LayoutName(),
    help="Layout to write: sre2l, lpld, lpqld, hald, fkd, arrays, parquet or one of a plug-in; "
    "default: the source's, or lpqld for full labels that were reduced to top-k.",
)
@options.force
@options.as_json
def decode(
    source: Path | RemoteFile, target: Path, layout: str | None, force: bool, json_: bool
) -> None:
    """Write the labels of FILE, a path or a URL, as a dump into TARGET.

    In the layout of the source dump, every tensor gets its original dtype and shape, and with a
    lossless codec its original values. TARGET is a folder; for labels of tokens it may also
    be an .npz, .safetensors or .parquet file. TARGET appears once it is complete. With --force, an
    existing file is replaced, or a folder that holds nothing but a dump.

    \b
    Example:
      labelcodec decode labels.slc copy
      labelcodec decode tokens.slc tokens.npz
      labelcodec decode hf://datasets/OWNER/NAME/labels.slc other
    """
    from labelcodec.transcode import decode as run

    with console.progress("decode") as progress:
        report = run(source, target, layout=layout, force=force, progress=progress)
    if json_:
        facts = {"directory": str(target), "layout": report.layout, "files": report.files}
        console.as_json({**facts, "lossy": report.lossy})
        return
    files = console.counted(report.files, "file")
    console.say(f"{target}: {files} in layout {report.layout}")
    if report.lossy:
        console.note("lossy: the container holds less than the dump it was made from")
