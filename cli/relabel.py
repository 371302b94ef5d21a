"""`relabel`: a teacher labels an image folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import console, options

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@click.command()
@click.argument("images", metavar="IMAGES", type=options.PATH)
@click.argument("target", metavar="FILE", type=options.PATH)
@click.option("--teacher", required=True, help="torchvision/NAME, timm/NAME, module:callable, ...")
@click.option("--weights", type=options.PATH, help="Its weights: .safetensors or a state dict.")
@click.option(
    "--classes", type=click.IntRange(min=1), help="Of the teacher; by default of the folder."
)
@click.option("--epochs", metavar="T", type=click.IntRange(min=1), default=300, show_default=True)
@click.option(
    "--keep", metavar="SHARE", type=float, default=1.0, show_default=True, help="Of the batches."
)
@click.option("--codec", default="dense", show_default=True, help="See `labelcodec codecs`.")
@click.option("--batch-size", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--image-size", type=click.IntRange(min=1), default=224, show_default=True)
@click.option("--scale", type=(float, float), default=(0.08, 1.0), show_default=True)
@click.option("--ratio", type=(float, float), default=(0.75, 1.3333333333333333))
@click.option("--no-crop", is_flag=True, help="Feed whole images, which have the input's size.")
@click.option("--flip", type=float, default=0.5, show_default=True, help="Probability.")
@click.option(
    "--mix", type=click.Choice(("cutmix", "mixup", "none")), default="cutmix", show_default=True
)
@click.option(
    "--alpha", type=float, default=1.0, show_default=True, help="Of the mix ratio's Beta."
)
@click.option("--cutout", metavar="SHARE", type=float, help="Cut a box of this share of each side.")
@click.option(
    "--randaugment",
    metavar="N MAGNITUDE",
    type=(click.IntRange(0, 16), float),
    default=(0, 6.0),
    help="Operations a sample, and their magnitude.",
)
@click.option(
    "--interpolation",
    type=options.interpolation,
    default="bilinear",
    show_default=True,
)
@options.normalisation(**IMAGENET)
@click.option(
    "--precision",
    type=click.Choice(("float16", "bfloat16", "float32")),
    default="float16",
    show_default=True,
    help="In which logits are kept.",
)
@click.option("--autocast", type=click.Choice(("float16", "bfloat16")), help="Of the teacher.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@options.workers
@options.device
@options.force
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@options.as_json
def relabel(
    images: Path,
    target: Path,
    teacher: str,
    weights: Path | None,
    classes: int | None,
    device: str | None,
    precision: Any,
    autocast: str | None,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    json_: bool,
    **more: Any,
) -> None:
    """Let a teacher label images.

    Every image of the folder IMAGES is labelled under many augmentations, into FILE. Augmentations
    are drawn from the seed and take no room. Under torchrun every process writes its share,
    FILE-RANK-of-N.slc; a glob of them is the same label set.

    Until all is written there are only FILE.partial and FILE.fitting, from which --resume goes on
    after an interrupt or an error.

    \b
    Example:
      labelcodec relabel images labels.slc --teacher resnet20 --weights resnet20.safetensors \\
        --image-size 32 --epochs 10
      labelcodec relabel images small.slc --teacher my.models:teacher --image-size 32 \\
        --batch-size 4 --epochs 10 --keep 0.5 --codec topk:k=2
      torchrun --nproc-per-node 2 -m labelcodec_cli relabel images shards.slc --teacher model.pt \\
        --image-size 32 --epochs 10
    """
    from labelcodec.errors import ShapeError
    from labelcodec.images import list_images
    from labelcodec.pipeline.distributed import process
    from labelcodec.pipeline.teacher import load_teacher

    listing = list_images(images)
    with console.resumable(), process(device) as here:
        try:
            loaded = load_teacher(
                teacher,
                weights,
                classes or len(listing.classes),
                here.device,
                normalisation=options.normalised(mean, std),
                autocast=autocast,
                precision=precision,
            )
        except ShapeError as error:
            if classes is None:
                count = len(listing.classes)
                error.add_note(
                    f"{images} has {count} classes; say --classes if the teacher has not"
                )
            raise
        with console.stages(shown=here.first) as start:
            report = _run(loaded, listing, target, here, start, more)
    if not here.first:
        return
    if json_:
        facts = {"files": list(map(str, report.files)), "batches": report.batches}
        console.as_json({**facts, "labels": report.labels})
        return
    counted = f"{console.count(report.labels)} labels in {console.count(report.batches)} batches"
    click.echo(f"{', '.join(map(str, report.files))}: {counted}")


def _run(
    teacher: Any, listing: Any, target: Path, here: Any, start: Any, given: dict[str, Any]
) -> Any:
    import numpy as np

    from labelcodec.augment.recipe import Recipe, pack_sizes
    from labelcodec.images import image_sizes
    from labelcodec.pipeline.relabel import relabel as run

    mix, (operations, magnitude) = given.pop("mix"), given.pop("randaugment")
    side = given.pop("image_size")
    scale = given.pop("scale")
    recipe = Recipe(
        seed=given.pop("seed"),
        images=len(listing),
        batch=given.pop("batch_size"),
        size=(side, side),
        sizes=pack_sizes(image_sizes(listing, np.arange(len(listing)), start("image sizes"))),
        scale=None if given.pop("no_crop") else scale,
        ratio=given.pop("ratio"),
        flip=given.pop("flip"),
        mix=None if mix == "none" else mix,
        alpha=given.pop("alpha"),
        cutout=given.pop("cutout"),
        operations=operations,
        magnitude=magnitude,
    )
    given |= {"progress": start("relabel"), "note": console.note}
    return run(teacher, listing, target, recipe, here, **given)
