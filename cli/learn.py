"""`train` and `evaluate`: students from label sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import console, options


def _settings(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> Any:
    return [_setting(text) for text in given]


def _setting(text: str) -> dict[str, Any]:
    """A line of TOML; what is no TOML value is a string."""
    import json
    import tomllib

    key, equals, value = text.partition("=")
    for written in (value, json.dumps(value)) if equals else ():
        try:
            return tomllib.loads(f"{key} = {written}")
        except tomllib.TOMLDecodeError:
            pass
    raise click.BadParameter(f"{text!r} is not KEY=VALUE")


@click.command()
@click.argument("labels", metavar="FILE", nargs=1)
@click.argument("images", metavar="IMAGES", type=options.PATH)
@click.argument("out", metavar="OUT", type=options.PATH)
@click.option(
    "--recipe", default="lpqld-in1k", show_default=True, help="Name or .toml file of a recipe."
)
@click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_settings,
    help="Change a setting of the recipe, such as epochs=10 or temperature.last=1; repeatable.",
)
@click.option("--validate", type=options.PATH, help="Image folder to measure accuracy on.")
@click.option(
    "--validate-every", metavar="EPOCHS", type=click.IntRange(min=1), default=10, show_default=True
)
@options.no_resize
@click.option("--cache", type=options.PATH, help="File to keep decoded images in.")
@click.option(
    "--image-size", metavar="PIXELS", type=click.IntRange(min=1), help="If the labels do not say."
)
@click.option("--interpolation", type=options.interpolation, help="If the labels do not say.")
@options.normalisation()
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@options.workers
@options.device
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@options.as_json
def train(
    labels: str,
    images: Path,
    out: Path,
    recipe: str,
    changes: list[dict[str, Any]],
    no_resize: bool,
    image_size: int | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    json_: bool,
    **more: Any,
) -> None:
    """Train a student on labels and their images.

    The labels of FILE and the folder IMAGES they were made from give a student in the folder OUT.

    FILE may be a quoted glob of shards. Labels of a dump do not say how images were made the
    teacher's inputs: give --image-size, --mean and --std, and --interpolation if it was not
    bilinear. Under torchrun, every process takes its share of the batches.

    Settings of a recipe, for --set: model, epochs, batches_per_epoch, batch_size, micro_batch,
    order (pool, recorded), optimizer (adamw, sgd), learning_rate, weight_decay, momentum, warmup,
    stretch, loss (kl, mse, cosine: GIFT's), smoothing, ema, calibrated, temperature.kind (step,
    cosine, constant), temperature.first, .last, .factor and .every.

    OUT/log.jsonl has a line of JSON an epoch: epoch, from 0; samples, of all processes; loss, their
    mean; top1, the share whose image's class the student named, though images are mixed;
    learning_rate; temperature, of the labels; student_temperature; validation, where measured.

    \b
    Example:
      labelcodec train labels.slc images run --set model=resnet20 --set epochs=10
      labelcodec train labels.slc images other --recipe omniglot242 --set epochs=20 \\
        --set temperature.last=1 --validate validation
      torchrun --nproc-per-node 2 -m labelcodec_cli train labels.slc images third \\
        --recipe cifar10 --set epochs=10
    """
    import dataclasses
    from functools import reduce

    from labelcodec.pipeline.distributed import rank
    from labelcodec.pipeline.recipe import load, merged
    from labelcodec.pipeline.run import CHECKPOINT
    from labelcodec.pipeline.train import train as run

    size = None if image_size is None else (image_size, image_size)
    nothing: dict[str, Any] = {}
    settings = load(recipe, reduce(merged, changes, nothing))
    first = rank() == 0
    with console.resumable(out / CHECKPOINT), console.progress("train", shown=first) as bar:
        report = run(
            labels,
            images,
            settings,
            out,
            image_size=size,
            normalisation=options.normalised(mean, std),
            resize=not no_resize,
            progress=None if bar is None else lambda now: bar(now.done, now.total, _doing(now)),
            caching=bar,
            note=console.note,
            **more,
        )
    if not first:
        return
    scores = None if report.scores is None else dataclasses.asdict(report.scores)
    if json_:
        console.as_json({"student": str(report.student), "epochs": report.epochs, "scores": scores})
        return
    click.echo(f"{report.student}: {report.epochs} epochs")
    if report.scores is not None:
        _scores_table([("student", report.scores)])


def _doing(now: Any) -> str:
    accuracy = "" if now.top1 is None else f", top-1 {100 * now.top1:.2f} %"
    shown = "" if now.shown is None else f", shown {now.shown[0]} of {now.shown[1]} images"
    return f"epoch {now.epoch + 1}{accuracy}{shown}"


@click.command()
@click.argument("images", metavar="IMAGES", type=options.PATH)
@click.argument("runs", metavar="RUN...", type=options.PATH, nargs=-1, required=True)
@click.option("--teacher", help="A model to compare with, named as in a recipe.")
@click.option("--teacher-weights", type=options.PATH, help="Its weights.")
@options.no_resize
@options.workers
@options.device
@options.as_json
def evaluate(
    images: Path,
    runs: tuple[Path, ...],
    teacher: str | None,
    teacher_weights: Path | None,
    no_resize: bool,
    workers: int,
    device: str | None,
    json_: bool,
) -> None:
    """Measure students on images, side by side.

    The students of the training RUNs are shown every image of the folder IMAGES, which has the
    classes they were trained on or some of them.

    \b
    Example:
      labelcodec evaluate validation run
      labelcodec evaluate validation run other --teacher model.pt
    """
    import dataclasses

    from labelcodec.pipeline.compare import evaluate_runs
    from labelcodec.pipeline.distributed import rank

    first = rank() == 0
    with console.progress("evaluate", shown=first) as progress:
        found = evaluate_runs(
            images,
            runs,
            teacher=teacher,
            teacher_weights=teacher_weights,
            resize=not no_resize,
            workers=workers,
            device=device,
            progress=progress,
        )
    if not first:
        return
    if json_:
        console.as_json({str(run): dataclasses.asdict(scores) for run, scores in found})
        return
    _scores_table([(str(run), scores) for run, scores in found])


def _scores_table(rows: list[tuple[str, Any]]) -> None:
    names = ["student", "images", "top-1 %", "top-5 %", "loss, nats", "teacher's class %"]
    cells = [
        [
            name,
            console.count(scores.images),
            console.decimal(100 * scores.top1, 2),
            console.decimal(100 * scores.top5, 2),
            console.decimal(scores.loss, 4),
            console.decimal(None if scores.agreement is None else 100 * scores.agreement, 2),
        ]
        for name, scores in rows
    ]
    console.table("Accuracy", names, cells)
