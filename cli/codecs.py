"""The `codecs` command: list the codecs and their options."""

from __future__ import annotations

from dataclasses import asdict

import click

from . import console, options, render


@click.command()
@options.as_json
def codecs(json_: bool) -> None:
    """List the codecs and their options.

    \b
    Example:
      labelcodec codecs
    """
    from labelcodec.codecs.registry import describe

    entries = describe()
    if json_:
        console.as_json([asdict(entry) for entry in entries])
    else:
        render.codecs(entries)
