"""The `annotate` command: add facts to the headers of a label set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, image_options, options, render, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("labels", metavar="FILE...", type=value_types.LABELS, nargs=-1, required=True)
@click.option(
    "--images",
    type=value_types.PATH,
    help="Images that the labels refer to: a folder or another source.",
)
@image_options.facts
@image_options.image_floats
@click.option("--force", is_flag=True, help="Replace what FILE says already.")
@options.as_json
def annotate(
    labels: tuple[Path | RemoteFile, ...],
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    json_: bool,
    **more: Any,
) -> None:
    """Add to FILE how its labels were made.

    FILE gets a new header; its batches stay as they are. Pass all shards of a set, as files or as a
    quoted glob: their headers have to agree.

    With --images, FILE is bound to the folder: train refuses other images from then on. The folder
    has to be the one that the labels were made from, and how often the teacher's top class is that
    of the folder is shown.

    \b
    Example:
      labelcodec annotate labels.slc --image-size 224 --mean 0.485 0.456 0.406 \\
        --std 0.229 0.224 0.225 --interpolation bilinear
      labelcodec annotate labels.slc --teacher-name resnet18 --license CC-BY-4.0
      labelcodec annotate "shard-*.slc" --note "seed 0"
    """
    from labelcodec.analysis.json_safe import json_safe
    from labelcodec.annotation import annotate as run

    options_of_library: dict[str, Any] = {
        **more,
        "normalisation": image_options.normalised(mean, std),
    }
    report = run(labels[0] if len(labels) == 1 else labels, **options_of_library)
    for line in report.notes:
        console.note(line)
    if json_:
        files = list(map(str, report.files))
        console.as_json({"files": files, "header": json_safe(report.header.to_map())})
        return
    if not report.files:
        console.say(f"{', '.join(map(str, labels))}: said all this already")
    for file in map(Path, report.files):
        console.say(f"{file}: annotated")
    if more["images"] is not None:
        render.agreement(report.header.agreement)
