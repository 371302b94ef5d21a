"""The `project` command: labels as a function of the images, by an adapted encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from . import console, labelling, options, render, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("images", metavar="IMAGES", type=value_types.PATH)
@click.argument("target", metavar="FILE", type=value_types.PATH)
@click.option(
    "--labels",
    metavar="SLC",
    type=value_types.LABELS,
    help="Container whose labels to replace; or a quoted glob of shards.",
)
@click.option(
    "--encoder",
    metavar="MODEL",
    required=True,
    help="Network that gives the features: convnet, resnet20, resnet56, torchvision/NAME, "
    "timm/NAME, open_clip/NAME or module:callable. Reading the labels needs it again.",
)
@options.encoder_weights
@click.option(
    "--encoder-classes",
    metavar="N",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Number of classes that the encoder is built with.",
)
@click.option(
    "--encoder-size",
    metavar="PIXELS",
    type=value_types.SIDE,
    help="Height and width of the encoder's input; by default those of its own configuration, or "
    "else of the labels' images.",
)
@click.option(
    "--features",
    metavar="LAYER",
    help="Layer whose input is the features, '' for the encoder's output; by default its "
    "classifier.",
)
@click.option(
    "--codec",
    default="projector",
    show_default=True,
    help="Ranks of the updates and of the head, and their precision: projector:rank=8,head=64.",
)
@click.option(
    "--head-init",
    metavar="INIT",
    default="probe",
    show_default=True,
    help="Initial head: probe (least squares), class-means, text (embeddings of the class names, "
    "by an open_clip encoder), zero, or a .safetensors file with one tensor of classes x features.",
)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Optimisation steps, a batch each; early stopping takes fewer.",
)
@click.option(
    "--learning-rate", type=float, default=1e-3, show_default=True, help="AdamW's, at the start."
)
@click.option(
    "--hard-weight",
    metavar="LAMBDA",
    type=float,
    default=0.0,
    show_default=True,
    help="Weight of the cross-entropy to the images' classes.",
)
@options.encoder_autocast
@labelling.by_teacher(required=False)
@options.seed("Seed of the training and, with --teacher, of image order and augmentation.")
@options.workers
@options.threads
@options.device
@options.force
@options.as_json
@click.pass_context
def project(
    context: click.Context,
    /,
    images: Path,
    target: Path,
    labels: Path | RemoteFile | None,
    teacher: tuple[str, ...],
    json_: bool,
    **more: Any,
) -> None:
    """Replace labels by a function of their images.

    Trains low-rank updates of an encoder's layers and a linear head to the labels of the images in
    the folder IMAGES, and writes these to FILE, which holds no labels: a few hundred kilobytes for
    any number of epochs. The labels come from a container, --labels, with a seeded augmentation, or
    from --teacher, whose labels are then never written; the options from --weights to --skip-bad,
    those of relabel, are for --teacher only.

    To train from FILE, or to store its labels with another codec, name the encoder again; its
    weights are compared by their SHA-256.

    \b
    Example:
      labelcodec project images tiny.slc --labels labels.slc --encoder resnet20 \\
        --encoder-weights resnet20.safetensors --encoder-classes 4 --steps 20
      labelcodec project images taught.slc --teacher my.models:teacher --image-size 32 \\
        --batch-size 4 --epochs 10 --encoder resnet20 --encoder-weights resnet20.safetensors \\
        --encoder-classes 4 --codec projector:rank=2,head=2 --steps 20
    """
    if (labels is None) == (not teacher):
        raise click.UsageError("pass either --labels or --teacher", context)
    if labels is not None:
        _refuse_options_of_teacher(context)

    from labelcodec.images import list_images
    from labelcodec.pipeline.projection.adapting import AdaptSettings
    from labelcodec.pipeline.projection.from_teacher import project_teacher
    from labelcodec.pipeline.projection.projecting import project as run
    from labelcodec.pipeline.threads import torch_threads

    names = ("steps", "learning_rate", "hard_weight", "head_init", "seed")
    settings = AdaptSettings(
        autocast=more.pop("encoder_autocast"),
        **{name: more.pop(name) for name in names},
    )
    taught = {**labelling.settings(more), "seed": settings.seed}
    common = {**more, "settings": settings, "note": console.note}
    with torch_threads(), console.progress("loading the encoder") as progress:
        common["progress"] = progress
        if labels is not None:
            report = run(labels, target, images, **common)
        else:
            listing = list_images(images)
            with labelling.counting_classes(listing, taught["classes"]):
                report = project_teacher(listing, target, teacher, **taught, **common)
    fidelity = report.fidelity
    if json_:
        facts = {"file": str(report.file), "batches": report.batches, "labels": report.labels}
        rest = {"bytes": report.bytes, "fidelity": fidelity.to_json()}
        agreement = render.agreement_map(report.agreement)
        rest["target_agreement"] = render.agreement_map(report.target_agreement)
        console.as_json({**facts, **rest, "chosen": dict(report.chosen), "agreement": agreement})
        return
    count, size = console.counted(report.labels, "label"), console.size(report.bytes)
    console.say(f"{report.file}: {count} in {size}, {report.bytes / report.labels:.3g} bytes each")
    console.say(
        f"their top class is that of the folder for {report.agreement}, that of the labels they "
        f"were trained to for {report.target_agreement}"
    )
    render.chosen(report.chosen)


def _refuse_options_of_teacher(context: click.Context) -> None:
    for name in labelling.NAMES:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            flag = console.flags(context.command)[name]
            raise click.UsageError(f"{flag} is for --teacher; --labels has its own", context)
