"""The `card` command: print the data card of a label set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import card_options, console, options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("files", metavar="FILE...", type=value_types.LABELS, nargs=-1, required=True)
@click.option("--repo", metavar="OWNER/NAME", help="Where it will be on the Hugging Face Hub.")
@card_options.described
@options.as_json
def card(files: tuple[Path | RemoteFile, ...], repo: str | None, json_: bool, **said: Any) -> None:
    """Print a card for FILE: Markdown with the metadata that the Hugging Face Hub shows.

    It says how to load the labels, what every byte is spent on, how the labels were made and which
    images they are of, with the SHA-256 of each file. With --against SOURCE also how far they are
    from their source. A header that names a path, user or host of this machine is refused.

    \b
    Example:
      labelcodec card labels.slc --repo owner/name --license cc-by-4.0
    """
    made = card_options.made_card(files, repo, **said)
    if json_:
        console.as_json({"card": str(made), "files": [file.to_json() for file in made.files]})
    else:
        click.echo(str(made), nl=False)
