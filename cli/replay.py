"""The `replay` command: draw what the student sees of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, image_options, options, replay_options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile

PICTURE, PAGES = ".png", (".html", ".htm")
UNSEEN = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}  # normalisation changes no picture


@click.command()
@click.argument("labels", metavar="FILE", type=value_types.LABELS)
@click.argument("images", metavar="IMAGES", type=value_types.PATH)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Position of the batch, from 0.",
)
@click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Largest number of samples to draw.",
)
@click.option(
    "--out",
    metavar="PNG|HTML",
    type=value_types.PATH,
    required=True,
    help="Picture or page to write, by its name: .png or .html.",
)
@replay_options.image_size
@replay_options.interpolation
@image_options.class_map
@options.allow_changed_images
@image_options.image_floats
@options.encoder
@options.encoder_weights
@options.encoder_autocast
@options.force
@options.as_json
def replay(
    labels: Path | RemoteFile,
    images: Path,
    batch: int,
    samples: int,
    out: Path,
    image_size: int | None,
    encoder: str | None,
    encoder_weights: Path | None,
    encoder_autocast: str | None,
    force: bool,
    json_: bool,
    **more: Any,
) -> None:
    """Draw what the student sees of a batch.

    Replays batch N of FILE on IMAGES, and writes a picture or a self-contained page: of each sample
    the image with its crop, the augmented and mixed image with the pasted box, and the five most
    probable classes of its label. Look at it before you train.

    \b
    Example:
      labelcodec replay labels.slc images --batch 1 --out batch.png
      labelcodec replay labels.slc images --samples 8 --out batch.html
    """
    if out.suffix.lower() not in (PICTURE, *PAGES):
        raise click.BadParameter(f"{out}: expected a name that ends with .png or .html", None)

    import torch

    from labelcodec.files.atomic import refuse_existing
    from labelcodec.preview.replayed import view_replayed
    from labelcodec.reader import open as open_labels
    from labelcodec.replay.dataset import ReplayDataset
    from labelcodec.replay.labelling import labeller_for

    refuse_existing(out, force)
    with open_labels(labels) as reader:
        if batch >= len(reader):
            raise click.BadParameter(f"there are {len(reader)} batches, counted from 0", None)
        labeller = labeller_for(
            reader, encoder, encoder_weights, torch.device("cpu"), autocast=encoder_autocast
        )
        unseen = None if reader.header.normalisation else UNSEEN
    dataset = ReplayDataset(
        labels,
        images,
        uint8=True,
        image_size=None if image_size is None else (image_size, image_size),
        normalisation=unseen,
        labeller=labeller,
        note=console.note,
        **more,
    )
    view = view_replayed(dataset, batch, samples)
    if out.suffix.lower() == PICTURE:
        from labelcodec.preview.sheet import draw_sheet

        draw_sheet(view, out)
    else:
        from labelcodec.preview.page import batch_section, write_page

        write_page(out, Path(view.file).name, [batch_section(view)])
    if json_:
        facts = {"file": str(out), "batch": view.number, "epoch": view.epoch}
        console.as_json({**facts, "samples": len(view.samples)})
        return
    console.say(
        f"{out}: {len(view.samples)} of {console.counted(view.length, 'sample')} of batch "
        f"{view.number}"
    )
