"""Options for facts about a dump that its files do not record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .value_types import PATH, LayoutName, Span

OF_DUMPS = (
    *("layout", "images", "image_order", "loader_seed", "label_type", "classes", "epochs_range"),
    *("shift", "columns"),
)


def _named_columns(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str] | None:
    """Column by name; None if there are none."""
    columns = {}
    for text in texts:
        name, equals, column = text.partition("=")
        if not equals or not column or name in columns:
            raise click.BadParameter(f"{text}: expected NAME=COLUMN, each name once")
        columns[name] = column
    return columns or None


layout = click.option(
    "--layout",
    type=LayoutName(),
    help="Layout of the dump: sre2l, lpld, lpqld, hald, fkd, tinyvit, arrays, parquet, vllm, "
    "megatron, distillkit, verl or one of a plug-in; detected by default.",
)
_DUMP = (
    click.option(
        "--images", type=PATH, help="Images the labels were made from: a folder or another source."
    ),
    click.option(
        "--image-order",
        type=PATH,
        help="File with the image indices, JSON or .pt, as one list per epoch or per batch; "
        "overrides the order recorded in the dump.",
    ),
    click.option(
        "--loader-seed",
        type=int,
        help="Seed of the data loader, to derive an image order that is not recorded (SRe2L: 42); "
        "overrides a list in the dump.",
    ),
    click.option(
        "--label-type",
        type=click.Choice(("hard", "smoothing", "MS", "MR", "logits", "probabilities")),
        help="What the labels are. FKD: required to distinguish MS from MR. Others: logits or "
        "probabilities, detected by default, or MS or MR for the largest probabilities.",
    ),
    click.option(
        "--classes",
        type=click.IntRange(min=1),
        help="Number of classes, if the labels do not determine it.",
    ),
    click.option(
        "--epochs-range",
        type=Span(),
        help="Read only the epochs from A to B - 1, as the dump numbers them.",
    ),
    click.option(
        "--shift",
        type=click.IntRange(0, 1),
        help="For labels of tokens: 1 if the label of a position is of the token behind it, 0 if "
        "of its own; by default as the layout has it.",
    ),
    click.option(
        "--columns",
        metavar="NAME=COLUMN",
        multiple=True,
        callback=_named_columns,
        help="For tables of labels of tokens: the column that holds index, value, tokens, mask or "
        "tail, if it has no usual name; repeatable.",
    ),
)


def dump(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for facts about a dump that its files do not record."""
    for option in reversed((layout, *_DUMP)):
        command = option(command)
    return command
