"""The `relabel` command: label an image folder with a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import console, options, render

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@click.command()
@click.argument("images", metavar="IMAGES", type=options.PATH)
@click.argument("target", metavar="FILE", type=options.PATH)
@options.recipe("relabel")
@click.option(
    "--teacher",
    multiple=True,
    required=True,
    help="Teacher model: convnet, resnet20, resnet56, torchvision/NAME, timm/NAME, "
    "module:callable, or a TorchScript (.pt, .ts) or exported (.pt2) file. Repeatable: the labels "
    "are the mean of the teachers' logits.",
)
@click.option(
    "--weights",
    type=options.PATH,
    multiple=True,
    help="File of the teacher's weights: .safetensors, or a state dict or checkpoint saved by "
    "torch.save; of several teachers one for each.",
)
@click.option(
    "--share",
    "shares",
    type=float,
    multiple=True,
    help="Weight of a teacher in the mean, one for each in their order; equal by default.",
)
@options.weights_key
@options.teacher_classes
@options.logits_output
@options.class_map
@click.option(
    "--epochs",
    metavar="T",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Number of epochs the student will train for.",
)
@click.option(
    "--keep",
    metavar="SHARE",
    type=float,
    default=1.0,
    show_default=True,
    help="Fraction of the batches to label, above 0 and at most 1.",
)
@click.option(
    "--codec",
    default="dense",
    show_default=True,
    help="Codec of the labels, see `labelcodec codecs`.",
)
@options.batch_size(128)
@click.option(
    "--image-size",
    metavar="PIXELS",
    type=click.IntRange(min=1),
    help="Height and width of the teacher's input; by default those of its own configuration, as "
    "timm's and torchvision's models have, or else 224.",
)
@options.crop_scale
@click.option(
    "--ratio",
    metavar="MIN MAX",
    type=(float, float),
    default=(0.75, 1.3333333333333333),
    help="Smallest and largest aspect ratio (width / height) of a crop; by default 3/4 and 4/3.",
)
@options.no_crop("Do not crop; all images must have the input size.")
@options.flip
@click.option(
    "--mix",
    type=click.Choice(("cutmix", "mixup", "none")),
    default="cutmix",
    show_default=True,
    help="How the samples of a batch are mixed.",
)
@click.option(
    "--alpha",
    type=float,
    default=1.0,
    show_default=True,
    help="Parameter of the distribution of mix ratios, Beta(ALPHA, ALPHA).",
)
@click.option(
    "--cutout",
    metavar="SHARE",
    type=float,
    help="Apply cutout with a box of this fraction of each side of the input.",
)
@click.option(
    "--randaugment",
    metavar="N MAGNITUDE",
    type=(click.IntRange(0, 16), float),
    default=(0, 6.0),
    help="RandAugment operations per sample, and their magnitude, 0..10; none by default.",
)
@click.option(
    "--interpolation",
    type=options.interpolation,
    help="Interpolation of resized crops; by default the teacher's own, or else bilinear.",
)
@options.normalisation("; by default the teacher's own, or else ImageNet's")
@click.option(
    "--precision",
    type=click.Choice(("float16", "bfloat16", "float32")),
    default="float16",
    show_default=True,
    help="Dtype of the stored logits.",
)
@options.autocast
@options.seed("Seed of the image order and the augmentation.")
@options.workers
@options.threads
@options.device
@options.force
@options.skip_bad
@options.resume
@options.as_json
def relabel(
    images: Path,
    target: Path,
    teacher: tuple[str, ...],
    weights: tuple[Path, ...],
    shares: tuple[float, ...],
    classes: int | None,
    mix: str,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    json_: bool,
    **more: Any,
) -> None:
    """Label images with a teacher.

    Labels every image of the folder IMAGES under augmentation, in each epoch, and writes the labels
    to FILE. Augmentations are derived from the seed and not stored. Under torchrun, every process
    writes one shard, FILE-RANK-of-N.slc; a glob of the shards is the same label set.

    Until it is complete, the output is FILE.partial, plus FILE.fitting while the codec's tables are
    fitted; after an interrupt or an error --resume continues from both. A finished run leaves only
    FILE.

    \b
    Example:
      labelcodec relabel images labels.slc --teacher resnet20 --weights resnet20.safetensors \\
        --image-size 32 --epochs 10
      labelcodec relabel images small.slc --teacher my.models:teacher --image-size 32 \\
        --batch-size 4 --epochs 10 --keep 0.5 --codec topk:k=2
      torchrun --nproc-per-node 2 -m labelcodec relabel images shards.slc --teacher model.pt \\
        --image-size 32 --epochs 10
    """
    from dataclasses import replace

    from labelcodec.errors import ShapeError
    from labelcodec.images import list_images
    from labelcodec.pipeline.distributed import rank
    from labelcodec.pipeline.preprocessing import USUAL
    from labelcodec.pipeline.relabelling import relabel as run
    from labelcodec.pipeline.threads import torch_threads

    (operations, magnitude), scale = more.pop("randaugment"), more.pop("scale")
    listing, first = list_images(images), rank() == 0
    try:
        with (
            torch_threads(),
            console.resumable(),
            console.progress("loading the teacher", shown=first) as progress,
        ):
            report = run(
                listing,
                target,
                teacher,
                weights=weights or None,
                shares=shares or None,
                classes=classes,
                normalisation=options.normalised(mean, std),
                usual=replace(USUAL, normalisation=IMAGENET),
                scale=None if more.pop("no_crop") else scale,
                mix=None if mix == "none" else mix,
                operations=operations,
                magnitude=magnitude,
                progress=progress,
                note=console.note,
                **more,
            )
    except ShapeError as error:
        if classes is None:
            count = len(listing.classes)
            error.add_note(
                f"{images} has {count} classes; pass `classes` if the teacher has another number, "
                "and `class_map` if these are not its first ones"
            )
        raise
    if not first:
        return
    if json_:
        facts = {"files": list(map(str, report.files)), "batches": report.batches}
        agreement = render.agreement_map(report.agreement)
        rest = {"chosen": dict(report.chosen), "agreement": agreement}
        console.as_json({**facts, "labels": report.labels, **rest})
        return
    labels, batches = (
        console.counted(report.labels, "label"),
        console.counted(report.batches, "batch"),
    )
    console.say(f"{', '.join(map(str, report.files))}: {labels} in {batches}")
    render.agreement(report.agreement)
    if report.chosen:
        render.chosen(report.chosen)
