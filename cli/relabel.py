"""The `relabel` command: label an image folder with a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import console, image_options, labelling, options, render, value_types


@click.command()
@click.argument("images", metavar="IMAGES", type=value_types.PATH)
@click.argument("target", metavar="FILE", type=value_types.PATH)
@options.recipe("relabel")
@labelling.by_teacher(required=True)
@click.option(
    "--codec",
    default="dense",
    show_default=True,
    help="Codec of the labels, see `labelcodec codecs`.",
)
@click.option(
    "--precision",
    type=click.Choice(("float16", "bfloat16", "float32")),
    default="float16",
    show_default=True,
    help="Dtype of the stored logits.",
)
@options.seed("Seed of the image order and the augmentation.")
@options.workers
@options.threads
@options.device
@image_options.image_floats
@options.force
@options.resume
@options.as_json
def relabel(
    images: Path,
    target: Path,
    teacher: tuple[str, ...],
    json_: bool,
    **more: Any,
) -> None:
    """Label images with a teacher.

    Labels every image of IMAGES under augmentation, in each epoch, and writes the labels to FILE.
    Augmentations are derived from the seed and not stored. Under torchrun, every process writes one
    shard, FILE-RANK-of-N.slc; a glob of the shards is the same label set.

    IMAGES is a folder with one sub-folder per class, a tensor file (.pt, .npy, .npz, .safetensors),
    a folder of Hugging Face's datasets, parquet files or webdataset tars: a file, a folder of them
    or a quoted pattern such as "images-{0000..0010}.tar".

    Until it is complete, the output is FILE.partial, plus FILE.fitting while the codec's tables are
    fitted; after an interrupt or an error --resume continues from both. A finished run leaves only
    FILE.

    \b
    Example:
      labelcodec relabel images labels.slc --teacher resnet20 --weights resnet20.safetensors \\
        --image-size 32 --epochs 10
      labelcodec relabel images.npz tensor.slc --teacher resnet20 --weights resnet20.safetensors \\
        --image-size 32 --epochs 10
      labelcodec relabel images small.slc --teacher my.models:teacher --image-size 32 \\
        --batch-size 4 --epochs 10 --keep 0.5 --codec topk:k=2
      torchrun --nproc-per-node 2 -m labelcodec relabel images shards.slc --teacher model.pt \\
        --image-size 32 --epochs 10
    """
    from labelcodec.images import list_images
    from labelcodec.parts import rank
    from labelcodec.pipeline.relabelling import relabel as run
    from labelcodec.pipeline.threads import torch_threads

    own, listing, first = labelling.settings(more), list_images(images), rank() == 0
    with (
        labelling.counting_classes(listing, own["classes"]),
        torch_threads(),
        console.resumable(),
        console.progress("loading the teacher", shown=first) as progress,
    ):
        report = run(listing, target, teacher, progress=progress, note=console.note, **own, **more)
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
