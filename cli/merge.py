"""The `merge` command: merge containers into one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import console, options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("out", type=value_types.PATH)
@click.argument("files", metavar="FILE...", type=value_types.LABELS, nargs=-1, required=True)
@options.force
@options.as_json
def merge(out: Path, files: tuple[Path | RemoteFile, ...], force: bool, json_: bool) -> None:
    """Merge several containers, paths or URLs, into one container OUT.

    Labels are copied, not encoded again. A FILE may be a quoted pattern, here or elsewhere.

    \b
    Example:
      labelcodec merge all.slc shard-0.slc shard-1.slc
      labelcodec merge every.slc "shard-*.slc"
    """
    from labelcodec.merging import merge as run

    merged = run(files, out, force=force)
    size = out.stat().st_size
    if json_:
        console.as_json({"file": str(out), "bytes": size, "merged": len(merged)})
    else:
        count = console.counted(len(merged), "container")
        console.say(f"{out}: {count} in {console.size(size)}")
