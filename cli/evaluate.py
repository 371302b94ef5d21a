"""The `evaluate` command: compare the accuracy of students, or the diversity of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import console, image_options, options, render, value_types
from .diversity import OF_DIVERSITY, OF_STUDENTS, check_form, diversity_options, measure


@click.command()
@click.argument("images", metavar="IMAGES", type=value_types.PATH)
@click.argument("runs", metavar="RUN...", type=value_types.PATH, nargs=-1)
@click.option(
    "--teacher",
    help="Model that the students' top classes are compared with: convnet, resnet20, resnet56, "
    "torchvision/NAME, timm/NAME, module:callable, or a model file.",
)
@click.option("--teacher-weights", type=value_types.PATH, help="File of the teacher's weights.")
@options.weights_key
@image_options.class_map
@diversity_options
@image_options.image_floats
@options.no_resize
@options.workers
@options.threads
@options.device
@options.as_json
def evaluate(
    images: Path, runs: tuple[Path, ...], diversity: bool, json_: bool, **more: Any
) -> None:
    """Measure students, or the diversity of images.

    Evaluates the students in the training run folders RUN... on all images of IMAGES, a folder or
    another source as relabel takes. The classes of IMAGES must be those of the training images or a
    subset of them. If they have other names, --class-map says which class each of them is.

    With --diversity the arguments are image folders, A [B], and no run: how alike the images of a
    class are (mean cosine similarity of a model's features) and, between A and B, the maximum mean
    discrepancy (MMD) with a Gaussian kernel.

    \b
    Example:
      labelcodec evaluate validation run
      labelcodec evaluate validation run other --teacher model.pt
      labelcodec evaluate --diversity images validation --features resnet20 \\
        --weights resnet20.safetensors --image-size 32
    """
    check_form(diversity, len(runs), more)
    for name in OF_STUDENTS if diversity else OF_DIVERSITY:
        del more[name]
    if diversity:
        measure(images, runs[0] if runs else None, json_=json_, **more)
    else:
        _score(images, runs, json_=json_, **more)


def _score(
    images: Path, runs: tuple[Path, ...], *, no_resize: bool, json_: bool, **more: Any
) -> None:
    """Measure the students of runs, and print their scores."""
    import dataclasses

    from labelcodec.parts import rank
    from labelcodec.pipeline.evaluate_runs import evaluate_runs
    from labelcodec.pipeline.threads import torch_threads

    first = rank() == 0
    with torch_threads(), console.progress("evaluate", shown=first) as progress:
        results = evaluate_runs(
            images, runs, resize=not no_resize, progress=progress, note=console.note, **more
        )
    if not first:
        return
    if json_:
        console.as_json({str(run): dataclasses.asdict(scores) for run, scores in results})
        return
    render.scores([(str(run), scores) for run, scores in results])
