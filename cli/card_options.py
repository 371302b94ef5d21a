"""What the commands `card` and `push` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, value_types

if TYPE_CHECKING:
    from labelcodec.publishing import Card
    from labelcodec.remote import RemoteFile

_OPTIONS = (
    click.option("--title", help="Heading; by default the name of the repository or file."),
    click.option("--license", help="Such as cc-by-4.0; by default what FILE says."),
    click.option(
        "--source",
        "sources",
        metavar="NAME",
        multiple=True,
        help="Data set that the images or texts come from, by its name on the Hub; repeatable.",
    ),
    click.option(
        "--against",
        metavar="SOURCE",
        type=value_types.LABELS,
        help="Dump or container with the reference labels, to measure fidelity.",
    ),
)


def described(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that a card takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def made_card(
    files: tuple[Path | RemoteFile, ...],
    repo: str | None,
    against: Path | RemoteFile | None,
    **said: Any,
) -> Card:
    """The card of a label set, with its distance to a source if one is named."""
    from labelcodec.analysis.open_any import fidelity_of
    from labelcodec.publishing import card

    labels = files[0] if len(files) == 1 else files  # the one may be a pattern
    fidelity = None
    if against is not None:
        with console.progress("compare") as progress:
            fidelity = fidelity_of(against, labels, progress)
    with console.progress("card") as progress:
        return card(labels, repo=repo, fidelity=fidelity, progress=progress, **said)
