"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)
LAYOUTS = ("sre2l", "lpld", "lpqld", "fkd")
OF_DUMPS = ("layout", "images", "image_order", "loader_seed", "label_type", "classes")

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
force = click.option("--force", is_flag=True, help="Replace what exists.")
workers = click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Processes that load images.",
)
device = click.option("--device", help="cpu, cuda, ...; a GPU by default where there is one.")
no_resize = click.option(
    "--no-resize", is_flag=True, help="Squeeze other sizes to the input's; cut nothing off."
)
layout = click.option(
    "--layout", type=click.Choice(LAYOUTS), help="Layout of the dump; found by itself if left out."
)

_DUMP = (
    click.option("--images", type=PATH, help="Image folder the labels were made from."),
    click.option(
        "--image-order",
        type=PATH,
        help="JSON file with the image indices: a list for every epoch, or a map by batch; goes "
        "before what lies in the dump.",
    ),
    click.option(
        "--loader-seed",
        type=int,
        help="Seed of the loader that drew an image order which no file records (SRe2L: 42).",
    ),
    click.option(
        "--label-type",
        type=click.Choice(("hard", "smoothing", "MS", "MR")),
        help="What FKD's labels are; its files do not tell MS from MR.",
    ),
    click.option(
        "--classes", type=click.IntRange(min=1), help="Number of classes, where no label says it."
    ),
)


def dump(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a user can say about a dump that its files do not."""
    for option in reversed((layout, *_DUMP)):
        command = option(command)
    return command
