"""Options for how a teacher saw its images, and for what else others should know of its labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from .value_types import PATH, SIDE

OF_FACTS = (
    *("class_map", "image_size", "normalisation", "interpolation", "teacher", "license", "note"),
)
interpolation = click.Choice(("bilinear", "bicubic"))
class_map = click.option(
    "--class-map",
    type=PATH,
    help="The teacher's class names in order, one per line, or as JSON, if they are not the sorted "
    "class folders.",
)


def _three(name: str, above: float, help_text: str) -> Callable[..., Any]:
    def check(context: click.Context, option: click.Parameter, values: Any) -> Any:
        if values is not None and not all(above < value < math.inf for value in values):
            text = " ".join(map(str, values))
            expected = "numbers above 0" if above == 0 else "numbers"
            raise click.BadParameter(f"{text}: these have to be {expected}")
        return values

    return click.option(
        name,
        metavar="R G B",
        type=(float, float, float),
        callback=check,
        help=help_text,
    )


def normalisation(default: str = "") -> Callable[..., Any]:
    """Add --mean and --std, the normalisation of network inputs; the text says their default."""
    first = _three("--mean", -math.inf, f"Mean per channel of inputs in 0..1{default}.")
    second = _three("--std", 0, f"Standard deviation per channel of inputs in 0..1{default}.")
    return lambda command: first(second(command))


def image_floats(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --images-mean and --images-std; with them the command's `images` are a listing."""
    beside = (
        "by which the floats of a tensor file of images were normalised, where it does not say."
    )

    @wraps(command)
    def listing_images(
        *args: Any,
        images_mean: tuple[float, ...] | None,
        images_std: tuple[float, ...] | None,
        **more: Any,
    ) -> Any:
        stated = normalised(images_mean, images_std, "--images-mean and --images-std")
        if stated is not None:
            from labelcodec.images import list_images

            if more["images"] is None:
                raise click.UsageError("--images-mean and --images-std go with --images")
            more["images"] = list_images(more["images"], image_normalisation=stated)
        return command(*args, **more)

    first = _three("--images-mean", -math.inf, f"Mean per channel, of inputs in 0..1, {beside}")
    second = _three("--images-std", 0, f"Standard deviation per channel {beside}")
    with_both: Callable[..., Any] = first(second(listing_images))
    return with_both


def facts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for how the teacher saw the images, and for who may use the labels."""
    added = (
        class_map,
        click.option(
            "--image-size",
            metavar="PIXELS",
            type=SIDE,
            help="Height and width of the teacher's input.",
        ),
        normalisation(),
        click.option("--interpolation", type=interpolation, help="Interpolation of resized crops."),
        click.option("--teacher-name", "teacher", help="Name of the teacher."),
        click.option("--license", help="Terms under which the labels may be used."),
        click.option("--note", help="Free text."),
    )
    for option in reversed(added):
        command = option(command)
    return command


def normalised(
    mean: Any, std: Any, named: str = "--mean and --std"
) -> dict[str, list[float]] | None:
    """The values of --mean and --std in the form the library takes."""
    if (mean is None) != (std is None):
        raise click.UsageError(f"{named} go together")
    return None if mean is None else {"mean": list(mean), "std": list(std)}
