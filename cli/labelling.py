"""Options of the commands in which teachers label an image folder: `relabel` and `project`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import image_options, options, value_types

if TYPE_CHECKING:
    from labelcodec.images import ImageListing

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

_OPTIONS = (
    click.option(
        "--weights",
        type=value_types.PATH,
        multiple=True,
        help="File of the teacher's weights: .safetensors, or a state dict or checkpoint saved by "
        "torch.save; of several teachers one for each.",
    ),
    click.option(
        "--share",
        "shares",
        type=float,
        multiple=True,
        help="Weight of a teacher in the mean, one for each in their order; equal by default.",
    ),
    options.weights_key,
    options.teacher_classes,
    options.logits_output,
    image_options.class_map,
    click.option(
        "--epochs",
        metavar="T",
        type=click.IntRange(min=1),
        default=300,
        show_default=True,
        help="Number of epochs the student will train for.",
    ),
    click.option(
        "--keep",
        metavar="SHARE",
        type=float,
        default=1.0,
        show_default=True,
        help="Fraction of the batches to label, above 0 and at most 1.",
    ),
    options.batch_size(128),
    click.option(
        "--image-size",
        metavar="PIXELS",
        type=value_types.SIDE,
        help="Height and width of the teacher's input; by default those of its own configuration, "
        "as timm's and torchvision's models have, or else 224.",
    ),
    options.crop_scale,
    click.option(
        "--ratio",
        metavar="MIN MAX",
        type=(float, float),
        default=(0.75, 1.3333333333333333),
        help="Smallest and largest aspect ratio (width / height) of a crop; by default 3/4 and "
        "4/3.",
    ),
    options.no_crop("Do not crop; all images must have the input size."),
    options.flip,
    click.option(
        "--mix",
        type=click.Choice(("cutmix", "mixup", "none")),
        default="cutmix",
        show_default=True,
        help="How the samples of a batch are mixed.",
    ),
    click.option(
        "--alpha",
        type=float,
        default=1.0,
        show_default=True,
        help="Parameter of the distribution of mix ratios, Beta(ALPHA, ALPHA).",
    ),
    click.option(
        "--cutout",
        metavar="SHARE",
        type=float,
        help="Apply cutout with a box of this fraction of each side of the input.",
    ),
    click.option(
        "--randaugment",
        metavar="N MAGNITUDE",
        type=(click.IntRange(0, 16), float),
        default=(0, 6.0),
        help="RandAugment operations per sample, and their magnitude, 0..10; none by default.",
    ),
    click.option(
        "--interpolation",
        type=image_options.interpolation,
        help="Interpolation of resized crops; by default the teacher's own, or else bilinear.",
    ),
    image_options.normalisation("; by default the teacher's own, or else ImageNet's"),
    options.autocast,
    options.skip_bad,
)
NAMES = (
    *("weights", "shares", "weights_key", "classes", "output", "class_map", "epochs", "keep"),
    *("batch_size", "image_size", "scale", "ratio", "no_crop", "flip", "mix", "alpha", "cutout"),
    *("randaugment", "interpolation", "mean", "std", "autocast", "skip_bad"),
)


def by_teacher(*, required: bool) -> Callable[..., Any]:
    """Add --teacher and the options of how it labels the images, see `NAMES`."""
    teacher = click.option(
        "--teacher",
        multiple=True,
        required=required,
        help="Teacher model: convnet, resnet20, resnet56, torchvision/NAME, timm/NAME, "
        "module:callable, or a TorchScript (.pt, .ts) or exported (.pt2) file. Repeatable: the "
        "labels are the mean of the teachers' logits.",
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((teacher, *_OPTIONS)):
            command = option(command)
        return command

    return add


def settings(values: dict[str, Any]) -> dict[str, Any]:
    """Take the values of the options in `NAMES` out, in the form that the library takes.

    Args:
        values: values of a command's options, by parameter; it loses these.
    """
    from dataclasses import replace

    from labelcodec.pipeline.preprocessing import USUAL

    own = {name: values.pop(name) for name in NAMES}
    operations, magnitude = own.pop("randaugment")
    no_crop, mix = own.pop("no_crop"), own.pop("mix")
    normalisation = image_options.normalised(own.pop("mean"), own.pop("std"))
    return {
        **own,
        "weights": own["weights"] or None,
        "shares": own["shares"] or None,
        "scale": None if no_crop else own["scale"],
        "mix": None if mix == "none" else mix,
        "operations": operations,
        "magnitude": magnitude,
        "normalisation": normalisation,
        "usual": replace(USUAL, normalisation=IMAGENET),
    }


@contextmanager
def counting_classes(listing: ImageListing, classes: int | None) -> Iterator[None]:
    """Add to a teacher's wrong number of classes where the expected one comes from."""
    from labelcodec.binding.class_map import folder_notes
    from labelcodec.errors import ShapeError

    try:
        yield
    except ShapeError as error:
        if classes is None and not getattr(error, "__notes__", ()):  # an encoder's error has one
            error.add_note(
                f"{listing.root} has {len(listing.classes)} classes; pass `classes` if the teacher "
                "has another number, and `class_map` if these are not its first ones"
            )
            for note in folder_notes(listing.classes, str(listing.root)):
                error.add_note(note)
        raise
