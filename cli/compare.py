"""The `compare` command: compare two label sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, dump_options, options, render, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("first", metavar="A", type=value_types.LABELS)
@click.argument("second", metavar="B", type=value_types.LABELS)
@dump_options.dump
@options.threads
@options.as_json
@click.pass_context
def compare(
    context: click.Context,
    /,
    first: Path | RemoteFile,
    second: Path | RemoteFile,
    json_: bool,
    **dump: Any,
) -> None:
    """Compare two label sets and measure how far apart they are.

    A and B are dumps or containers, also by URL, shards by a quoted pattern; the options on
    dumps apply to those that are dumps. The exit status is 0 if the sets are identical, 1 if
    not. If not, their softmax distributions are compared at several temperatures: KL is KL(A ||
    B) in nats, infinite where B omits a class that has nonzero probability in A; TV, the total
    variation, is between 0 and 1.

    \b
    Example:
      labelcodec compare dump labels.slc
      labelcodec compare dump "shard-*.slc"
    """
    from labelcodec.analysis.open_any import compare as compare_paths

    with console.progress("compare") as progress:
        comparison = compare_paths(first, second, progress=progress, **dump)
    if json_:
        console.as_json(comparison.to_json())
    else:
        render.comparison(comparison)
    context.exit(0 if comparison.identical else console.FAILED)
