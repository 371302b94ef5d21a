"""Arguments and options that several commands share."""

from __future__ import annotations

import math
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
interpolation = click.Choice(("bilinear", "bicubic"))
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


def _three(name: str, above: float, default: Any) -> Callable[..., Any]:
    def check(context: click.Context, option: click.Parameter, given: Any) -> Any:
        if given is not None and not all(above < one < math.inf for one in given):
            written = " ".join(map(str, given))
            wanted = "numbers above 0" if above == 0 else "numbers"
            raise click.BadParameter(f"{written}: these have to be {wanted}")
        return given

    return click.option(
        name,
        metavar="R G B",
        type=(float, float, float),
        default=default,
        show_default=default is not None,
        callback=check,
        help="Of inputs in 0..1.",
    )


def normalisation(mean: Any = None, std: Any = None) -> Callable[..., Any]:
    """Mean and standard deviation of the network's inputs, and their defaults."""
    first, second = _three("--mean", -math.inf, mean), _three("--std", 0, std)
    return lambda command: first(second(command))


def normalised(mean: Any, std: Any) -> dict[str, list[float]] | None:
    """The two as the library takes them."""
    if (mean is None) != (std is None):
        raise click.UsageError("--mean and --std go together")
    return None if mean is None else {"mean": list(mean), "std": list(std)}
