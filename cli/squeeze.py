"""The `squeeze` command: statistics of a teacher's BatchNorm layers, by class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import console, image_options, options, value_types
from .labelling import IMAGENET


@click.command()
@click.argument("images", metavar="IMAGES", type=value_types.PATH)
@click.argument("target", metavar="STATS", type=value_types.PATH)
@options.recipe("squeeze")
@options.teacher_with_norms
@options.weights
@options.weights_key
@options.logits_output
@options.teacher_classes
@image_options.class_map
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Passes over the images, each with other augmentations.",
)
@click.option(
    "--momentum",
    type=float,
    help="Weight of a batch in moving averages; exact moments by default.",
)
@options.batch_size(256)
@options.image_size("its own, or 224")
@options.crop_scale
@options.no_crop("Resize whole images instead of random crops.")
@click.option(
    "--interpolation", type=image_options.interpolation, help="Interpolation of resized crops."
)
@image_options.normalisation("; by default the teacher's own, or ImageNet's")
@options.seed("Seed of the image order and the augmentation.")
@options.workers
@options.threads
@options.device
@options.skip_bad
@image_options.image_floats
@options.force
@options.resume
@options.as_json
def squeeze(
    images: Path,
    target: Path,
    teacher: str,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    json_: bool,
    **more: Any,
) -> None:
    """Collect statistics of a teacher's layers, by class.

    Passes the images of the folder IMAGES through the teacher, and writes the mean and variance of
    what each BatchNorm layer is given, by class and channel, to STATS, a .safetensors file. Under
    torchrun the processes share the batches; the result is the same.

    \b
    Example:
      labelcodec squeeze images stats.safetensors --teacher resnet20 \\
        --weights resnet20.safetensors --image-size 32
    """
    from dataclasses import replace

    from labelcodec.parts import rank
    from labelcodec.pipeline.preprocessing import USUAL
    from labelcodec.pipeline.squeezing import squeeze as run
    from labelcodec.pipeline.threads import torch_threads

    first, scale = rank() == 0, more.pop("scale")
    with (
        torch_threads(),
        console.resumable(),
        console.progress("squeeze", shown=first) as progress,
    ):
        report = run(
            images,
            target,
            teacher,
            normalisation=image_options.normalised(mean, std),
            usual=replace(USUAL, normalisation=IMAGENET),
            scale=None if more.pop("no_crop") else scale,
            progress=progress,
            note=console.note,
            **more,
        )
    if not first:
        return
    if json_:
        sizes = {"bytes": report.bytes, "model_bytes": report.model_bytes}
        counts = {"layers": report.layers, "classes": report.classes, "images": report.images}
        console.as_json({"file": str(report.file), **counts, **sizes})
        return
    layers, passed = (
        console.counted(report.layers, "layer"),
        console.counted(report.images, "image"),
    )
    size, model = console.size(report.bytes), console.size(report.model_bytes)
    console.say(f"{report.file}: {layers}, {report.classes} classes, {passed}")
    console.say(f"{size} beside a model of {model}")
