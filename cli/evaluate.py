"""The `evaluate` command: compare the accuracy of students."""

from __future__ import annotations

from pathlib import Path

import click

from . import console, options, render


@click.command()
@click.argument("images", metavar="IMAGES", type=options.PATH)
@click.argument("runs", metavar="RUN...", type=options.PATH, nargs=-1, required=True)
@click.option(
    "--teacher",
    help="Model that the students' top classes are compared with: convnet, resnet20, resnet56, "
    "torchvision/NAME, timm/NAME, module:callable, or a model file.",
)
@click.option("--teacher-weights", type=options.PATH, help="File of the teacher's weights.")
@options.weights_key
@options.class_map
@options.no_resize
@options.workers
@options.threads
@options.device
@options.as_json
def evaluate(
    images: Path,
    runs: tuple[Path, ...],
    teacher: str | None,
    teacher_weights: Path | None,
    weights_key: str | None,
    class_map: Path | None,
    no_resize: bool,
    workers: int,
    device: str | None,
    json_: bool,
) -> None:
    """Measure the accuracy of students.

    Evaluates the students in the training run folders RUN... on all images of the folder IMAGES.
    The class folders of IMAGES must be those of the training images or a subset of them. If they
    have other names, --class-map says which class each of them is.

    \b
    Example:
      labelcodec evaluate validation run
      labelcodec evaluate validation run other --teacher model.pt
    """
    import dataclasses

    from labelcodec.pipeline.distributed import rank
    from labelcodec.pipeline.evaluate_runs import evaluate_runs
    from labelcodec.pipeline.threads import torch_threads

    first = rank() == 0
    with torch_threads(), console.progress("evaluate", shown=first) as progress:
        results = evaluate_runs(
            images,
            runs,
            teacher=teacher,
            teacher_weights=teacher_weights,
            weights_key=weights_key,
            class_map=class_map,
            resize=not no_resize,
            workers=workers,
            device=device,
            progress=progress,
            note=console.note,
        )
    if not first:
        return
    if json_:
        console.as_json({str(run): dataclasses.asdict(scores) for run, scores in results})
        return
    render.scores([(str(run), scores) for run, scores in results])
