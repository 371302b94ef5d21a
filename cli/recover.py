"""The `recover` command: synthesise images that a teacher takes for its training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import console, image_options, options, value_types
from .labelling import IMAGENET

AT_LEAST_1 = click.IntRange(min=1)


@click.command()
@click.argument("paths", metavar="[STATS] OUT", type=value_types.PATH, nargs=-1, required=True)
@options.recipe("recover")
@options.teacher_with_norms
@options.weights
@options.weights_key
@options.logits_output
@click.option(
    "--method",
    type=click.Choice(("sre2l", "cda", "classwise", "lpld")),
    default="lpld",
    show_default=True,
    help="sre2l: batches across classes, the network's own statistics; cda: and crops from easy "
    "to hard; classwise: batches of one class; lpld: and the statistics of this class.",
)
@click.option("--ipc", type=AT_LEAST_1, default=10, show_default=True, help="Images per class.")
@click.option(
    "--iterations",
    type=click.IntRange(min=0),
    default=4000,
    show_default=True,
    help="Optimiser steps per batch; 0 keeps the initial images.",
)
@click.option(
    "--learning-rate",
    type=float,
    default=0.25,
    show_default=True,
    help="Learning rate of Adam at the start; it falls along a cosine.",
)
@click.option(
    "--alpha", type=float, default=0.01, show_default=True, help="Weight of the BatchNorm loss."
)
@click.option(
    "--first-multiplier",
    type=float,
    default=10.0,
    show_default=True,
    help="Further weight of its first layer.",
)
@options.batch_size(
    100, "Images per batch of sre2l and cda; the others take the images of a class."
)
@click.option(
    "--group",
    type=AT_LEAST_1,
    default=1,
    show_default=True,
    help="Classes of classwise and lpld that share a forward pass, to fill a GPU; the result is "
    "the same up to rounding.",
)
@click.option(
    "--micro-batch",
    type=AT_LEAST_1,
    help="Largest number of images per forward pass, to save memory; the result is the same up to "
    "rounding.",
)
@options.crop_scale
@options.no_crop("Take whole images instead of random crops.")
@options.flip
@click.option(
    "--roll",
    type=float,
    default=1 / 7,
    help="Largest shift of the rolled images, as a fraction of their sides; 1/7 by default.",
)
@click.option(
    "--init",
    type=click.Choice(("noise", "patches", "images")),
    default="noise",
    show_default=True,
    help="Initial images: noise, patches of real images as RDED chooses them, or real images.",
)
@click.option("--images", type=value_types.PATH, help="Folder of real images, for --init.")
@click.option(
    "--classes",
    type=AT_LEAST_1,
    help="Number of classes of the teacher, if neither STATS nor a class map says it.",
)
@image_options.class_map
@click.option(
    "--class-range",
    type=value_types.Span(),
    help="Recover only the classes from A to B - 1, counted from 0.",
)
@options.image_size("that of STATS, or else its own, or 224")
@click.option(
    "--interpolation",
    type=image_options.interpolation,
    help="Interpolation of real images of --images.",
)
@image_options.normalisation(
    "; by default those of STATS, or else the teacher's own, or ImageNet's"
)
@options.autocast
@click.option("--png", is_flag=True, help="Write PNG files, without loss, in place of JPEG.")
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=90,
    show_default=True,
    help="Quality of JPEG files.",
)
@click.option(
    "--preview",
    metavar="PNG",
    type=value_types.PATH,
    help="Also write a contact sheet to this file.",
)
@options.seed("Seed of the initial images, crops, flips and shifts.")
@options.threads
@options.device
@options.skip_bad
@options.resume
@options.as_json
def recover(
    paths: tuple[Path, ...],
    teacher: str,
    scale: tuple[float, float],
    no_crop: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    preview: Path | None,
    json_: bool,
    **more: Any,
) -> None:
    """Recover images from a teacher.

    Synthesises images that the teacher takes for its training data, and writes them to OUT, an
    image folder with the settings in recipe.json. STATS is the file that `labelcodec squeeze`
    wrote; --method lpld needs it. It also says how images are preprocessed and what the classes
    are called.

    Each image begins as noise and is changed by gradient descent until the teacher names its class
    and the inputs of the BatchNorm layers have the right means and variances. Under torchrun the
    processes share the batches. After an interrupt --resume continues with the batch in hand.

    \b
    Example:
      labelcodec recover stats.safetensors distilled --teacher resnet20 \\
        --weights resnet20.safetensors --ipc 2 --iterations 20 --preview sheet.png
      labelcodec recover other --teacher resnet20 --weights resnet20.safetensors --classes 4 \\
        --image-size 32 --method sre2l --ipc 2 --iterations 20
      labelcodec recover patches --teacher resnet20 --weights resnet20.safetensors \\
        --image-size 32 --init patches --images images --ipc 1 --iterations 0
    """
    from dataclasses import asdict, replace

    from labelcodec.parts import rank
    from labelcodec.pipeline.preprocessing import USUAL
    from labelcodec.pipeline.recovery.recovering import recover as run
    from labelcodec.pipeline.threads import torch_threads

    if len(paths) > 2:
        raise click.UsageError(f"expected [STATS] OUT, got {len(paths)} paths")
    first = rank() == 0
    with (
        torch_threads(),
        console.resumable(),
        console.progress("loading the teacher", shown=first) as progress,
    ):
        report = run(
            paths[0] if len(paths) == 2 else None,
            paths[-1],
            teacher,
            scale=None if no_crop else scale,
            normalisation=image_options.normalised(mean, std),
            usual=replace(USUAL, normalisation=IMAGENET),
            preview=preview,
            progress=progress,
            note=console.note,
            **more,
        )
    if not first:
        return
    if json_:
        loss = None if report.loss is None else asdict(report.loss)
        counts = {"classes": report.classes, "images": report.images, "bytes": report.bytes}
        console.as_json({"folder": str(report.folder), **counts, "loss": loss})
        return
    of = console.counted(report.classes, "class")
    size = console.size(report.bytes)
    console.say(f"{report.folder}: {console.counted(report.images, 'image')} of {of}, {size}")
    if report.loss is not None:
        console.say(
            f"cross-entropy {report.loss.cross_entropy:.3g}, BatchNorm loss {report.loss.norm:.3g}"
            ", means of the last iteration of each batch"
        )
    if preview is not None:
        console.note(f"contact sheet written to {preview}")
