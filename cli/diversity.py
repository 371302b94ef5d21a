"""The `evaluate --diversity` form: measure image folders in a model's features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from . import console, image_options, render, value_types
from .labelling import IMAGENET

# Parameters of either form of `evaluate`; the others belong to both.
OF_DIVERSITY = (
    *("features", "weights", "classes", "image_size", "interpolation", "mean", "std"),
    *("bandwidth", "plot"),
)
OF_STUDENTS = ("teacher", "teacher_weights", "class_map")

_OPTIONS = (
    click.option(
        "--diversity",
        is_flag=True,
        help="Measure the diversity of the image folder IMAGES, and with a second folder, such as "
        "the real images, the distance between both.",
    ),
    click.option(
        "--features",
        metavar="MODEL",
        help="With --diversity: the model whose features are compared, named as --teacher is.",
    ),
    click.option(
        "--weights", type=value_types.PATH, help="With --diversity: file of that model's weights."
    ),
    click.option(
        "--classes",
        type=click.IntRange(min=1),
        help="With --diversity: number of classes of that model; by default that of the folder.",
    ),
    click.option(
        "--image-size",
        metavar="PIXELS",
        type=value_types.SIDE,
        help="With --diversity: height and width of that model's input; by default its own, or "
        "224.",
    ),
    click.option(
        "--interpolation",
        type=image_options.interpolation,
        help="With --diversity: interpolation of images that are resized.",
    ),
    image_options.normalisation(", with --diversity; by default the model's own, or ImageNet's"),
    click.option(
        "--bandwidth",
        type=float,
        help="With --diversity: bandwidth of the Gaussian kernel; by default the median distance "
        "of the images, so pass the same to compare several folders.",
    ),
    click.option(
        "--plot",
        metavar="PNG",
        type=value_types.PATH,
        help="With --diversity: also plot the result to this file.",
    ),
)


def diversity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `evaluate --diversity`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_form(diversity: bool, folders: int, passed: Mapping[str, Any]) -> None:
    """Refuse a mixture of the two forms of `evaluate`.

    Args:
        diversity: whether --diversity was passed.
        folders: number of arguments after IMAGES.
        passed: the values of all other options by name.

    Raises:
        click.UsageError: an option of the other form, or too few or too many arguments.
    """
    for name in OF_STUDENTS if diversity else OF_DIVERSITY:
        if passed[name] is not None:
            flag = f"--{name.replace('_', '-')}"
            hint = "; the teacher's weights are --teacher-weights" * (name == "weights")
            raise click.UsageError(
                f"{flag} is for students, not for --diversity"
                if diversity
                else f"{flag} is for --diversity{hint}"
            )
    if not diversity and not folders:
        raise click.UsageError("Missing argument 'RUN...'.")
    if diversity and passed["features"] is None:
        raise click.UsageError("--diversity needs --features, a model")
    if diversity and folders > 1:
        raise click.UsageError(f"--diversity takes one or two image folders, not {1 + folders}")
    if diversity and passed["bandwidth"] is not None and not folders:
        raise click.UsageError("--bandwidth is for two image folders, and there is one")


def measure(
    images: Path,
    reference: Path | None,
    *,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    no_resize: bool,
    plot: Path | None,
    json_: bool,
    **more: Any,
) -> None:
    """Measure one or two image folders, and print or plot the result."""
    from dataclasses import replace

    from labelcodec.analysis.plot import check_target
    from labelcodec.parts import rank
    from labelcodec.pipeline.image_diversity.measurement import diversity
    from labelcodec.pipeline.image_diversity.plot import plot_diversity
    from labelcodec.pipeline.preprocessing import USUAL
    from labelcodec.pipeline.threads import torch_threads

    first = rank() == 0
    normalisation = image_options.normalised(mean, std)
    if plot is not None:
        check_target(plot)
    with torch_threads(), console.progress("evaluate", shown=first) as progress:
        report = diversity(
            images,
            reference,
            normalisation=normalisation,
            usual=replace(USUAL, normalisation=IMAGENET),
            resize=not no_resize,
            progress=progress,
            note=console.note,
            **more,
        )
    if not first:
        return
    if json_:
        console.as_json(report.to_json())
    else:
        render.diversity(report)
    if plot is not None:
        plot_diversity(report, plot)
        console.note(f"plot written to {plot}")
