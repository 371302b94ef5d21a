"""The `train` command: train a student from labels and their images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, image_options, options, render, replay_options, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("labels", metavar="FILE", type=value_types.LABELS)
@click.argument("images", metavar="IMAGES", type=value_types.PATH)
@click.argument("out", metavar="OUT", type=value_types.PATH)
@click.option(
    "--recipe",
    default="lpqld-in1k",
    show_default=True,
    help="Name of a recipe, see `labelcodec recipes`, or a .toml file.",
)
@options.changes(
    "Change a setting of the recipe, such as epochs=10 or temperature.last=1; repeatable."
)
@click.option("--validate", type=value_types.PATH, help="Image folder to measure accuracy on.")
@click.option(
    "--validate-every",
    metavar="EPOCHS",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Number of epochs between measurements; the last epoch is always measured.",
)
@options.no_resize
@click.option("--cache", type=value_types.PATH, help="File in which to cache decoded images.")
@replay_options.image_size
@replay_options.interpolation
@image_options.normalisation()
@image_options.class_map
@options.allow_changed_images
@image_options.image_floats
@options.encoder
@options.encoder_weights
@options.encoder_autocast
@options.seed("Seed of the initial weights and the order of batches.")
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(0, 1024),
    help="Number of processes that load images; 0 loads them in the main process. By default all "
    "images are decoded once and stay in memory, on a GPU if they fit.",
)
@options.threads
@options.device
@options.resume
@options.as_json
def train(
    labels: Path | RemoteFile,
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

    Trains on the labels in FILE and the images in IMAGES they were made from, a folder or another
    source as relabel takes, and writes the student
    to the folder OUT.

    FILE may be a URL or a quoted glob of shards. Where FILE does not record how images were
    preprocessed, pass --image-size, --mean and --std, and --interpolation if it was not bilinear.
    Under torchrun, every process takes its share of the batches.

    Labels of the codec projector are computed from the images while the student trains, by the
    encoder that --encoder and --encoder-weights name.

    Settings of a recipe, for --set: model, epochs, batches_per_epoch, batch_size, micro_batch,
    order (pool, recorded, epoch: one stored epoch each), optimizer (adamw, sgd), learning_rate,
    weight_decay, momentum, warmup, stretch, loss (kl, mse, cosine: GIFT's, hard: the image's
    class), smoothing, ema, calibrated, precision (float32, bfloat16, float16), clip: the largest
    norm of a gradient, compile, temperature.kind (step, cosine, constant), temperature.first,
    .last, .factor and .every, and phases: parts of the run with a share of its epochs, a loss and
    a smoothing of their own, one table each.

    OUT/log.jsonl has one line of JSON per epoch: epoch, from 0; samples, of all processes; loss,
    the mean of that epoch's loss; top1, accuracy with respect to the image's class, although images
    are mixed; learning_rate; temperature, of the labels; student_temperature; speed: images per
    second and the share of time spent waiting for batches; validation, where measured.

    \b
    Example:
      labelcodec train labels.slc images run --set model=resnet20 --set epochs=10
      labelcodec train labels.slc images other --recipe omniglot242 --set epochs=20 \\
        --set temperature.last=1 --validate validation
      labelcodec train labels.slc images anchored --recipe cifar10 \\
        --set 'phases=[{share=0.5, loss="hard"}, {share=0.5, loss="kl"}]'
      labelcodec train tiny.slc images fourth --encoder resnet20 \\
        --encoder-weights resnet20.safetensors --recipe cifar10 --set epochs=2
      labelcodec train labels.slc images fast --recipe cifar10 --set epochs=2 \\
        --set precision=bfloat16
      torchrun --nproc-per-node 2 -m labelcodec train labels.slc images third \\
        --recipe cifar10 --set epochs=10
    """
    import dataclasses
    from functools import reduce

    from labelcodec.parts import rank
    from labelcodec.pipeline.run_folder import CHECKPOINT
    from labelcodec.pipeline.threads import torch_threads
    from labelcodec.pipeline.training import train as run
    from labelcodec.pipeline.training_recipe import load_recipe, merge_settings

    size = None if image_size is None else (image_size, image_size)
    empty: dict[str, Any] = {}
    settings = load_recipe(recipe, reduce(merge_settings, changes, empty))
    first = rank() == 0
    with (
        torch_threads(),
        console.resumable(out / CHECKPOINT),
        console.progress("images, labels and workers", shown=first) as bar,
    ):
        report = run(
            labels,
            images,
            settings,
            out,
            image_size=size,
            normalisation=image_options.normalised(mean, std),
            resize=not no_resize,
            progress=bar,
            note=console.note,
            **more,
        )
    if not first:
        return
    scores = None if report.scores is None else dataclasses.asdict(report.scores)
    if json_:
        facts = {"student": str(report.student), "epochs": report.epochs, "scores": scores}
        console.as_json({**facts, "agreement": render.agreement_map(report.agreement)})
        return
    click.echo(f"{report.student}: {console.counted(report.epochs, 'epoch')}")
    render.agreement(report.agreement)
    if report.scores is not None:
        render.scores([("student", report.scores)])
