"""The `plan` command: predict the size of labels before the teacher is run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from . import console, options, render, value_types

if TYPE_CHECKING:
    from labelcodec.planner import Prediction, Setting

KEEPS = (1.0, 0.1, 0.025)
ALWAYS_PREDICTABLE = ("sre2l", "dense")
PEERS = ("sre2l", "lpqld:k=50", "lpqld:k=10")
MACHINES, CORES = (1, 8, 64), 16  # that hours are stated for
POSITIVE = click.IntRange(1, 10**12)
WORTH_DIVIDING = 0.5  # core-hours from which on it is said what several machines take


@click.command()
@click.option("--classes", type=POSITIVE, required=True, help="Number of classes.")
@click.option("--ipc", type=POSITIVE, help="Images per class.")
@click.option(
    "--images",
    "folder",
    type=value_types.PATH,
    help="Image folder to count and measure, instead of --ipc.",
)
@click.option(
    "--tokens",
    type=POSITIVE,
    help="Labels of that many tokens of a vocabulary of --classes, instead of images.",
)
@click.option(
    "--image-bytes",
    type=POSITIVE,
    help="Mean size of an image file in bytes; by default that in --images, else 16 kB, as in "
    "LPLD's ImageNet-1K.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10**6),
    default=300,
    show_default=True,
    help="Number of epochs T.",
)
@click.option(
    "--keep",
    "keeps",
    type=float,
    multiple=True,
    metavar="FRACTION",
    help="Fraction of the epochs kept by pruning; repeatable. By default 1, 0.1 and 0.025.",
)
@click.option(
    "--batch-size", type=POSITIVE, default=128, show_default=True, help="Samples per batch."
)
@click.option(
    "--codec",
    "codecs",
    multiple=True,
    metavar="SPEC",
    help="Codec spec, or a dump: sre2l, lpld, lpqld, lpqld:k=K; repeatable. Several by default.",
)
@click.option(
    "--mix",
    type=click.Choice(("cutmix", "mixup", "none")),
    default="cutmix",
    show_default=True,
    help="How the samples of a batch are mixed.",
)
@click.option(
    "--precision",
    type=click.Choice(("float16", "float32")),
    default="float16",
    show_default=True,
    help="Dtype of the teacher's logits.",
)
@click.option("--cutout", is_flag=True, help="Use cutout instead of flips, as for ImageNet-21K.")
@click.option(
    "--randaugment",
    type=click.IntRange(0, 16),
    default=0,
    show_default=True,
    help="RandAugment operations per sample.",
)
@click.option(
    "--plot", metavar="PNG", type=value_types.PATH, help="Also plot the predictions to this file."
)
@options.as_json
def plan(
    classes: int,
    ipc: int | None,
    folder: Path | None,
    tokens: int | None,
    image_bytes: int | None,
    keeps: tuple[float, ...],
    codecs: tuple[str, ...],
    mix: str,
    plot: Path | None,
    json_: bool,
    **rest: Any,
) -> None:
    """Predict the size of labels, codec by codec.

    Sizes of containers are extrapolated from measured files of real ImageNet-1K labels, sizes of
    dumps are computed from what the peers' code writes. A * marks Pareto-optimal rows: fewer bytes,
    more labels, less total variation (TV) to the full labels. Rows with an unknown TV are never
    marked, nor are rows that they might dominate.

    F is the bytes of the augmentation. The theoretical rate counts numbers, C for a full label and
    2k for a top-k label, as arXiv 2604.18135 does; the actual rate counts all bytes, against full
    float16 labels in SRe2L's layout.

    Core-hours are the CPU time to encode SRe2L's files of these labels; the parts of
    `encode --part` divide it among machines.

    On disk, files take whole blocks of 4 KiB. The paper's storage and actual rates are those on
    disk: its full labels are sre2l with --keep 1, its pruned ones of all methods lpqld, its top-k
    ones lpqld:k=K, on ImageNet-1K with --keep 0.1. docs/planning.md says more.

    With --tokens the labels are a language model's. Their sizes are interpolated between files of
    drawn labels with a vocabulary of 151 936; real ones may take more or fewer bytes.

    \b
    Example:
      labelcodec plan --classes 1000 --ipc 10
      labelcodec plan --classes 1000 --ipc 10 --keep 0.05 --codec topk:k=50 --codec lpqld:k=50
      labelcodec plan --classes 10450 --ipc 10 --batch-size 32 --mix none --cutout --json
      labelcodec plan --classes 151936 --tokens 100000000
    """
    from labelcodec.analysis.plot import check_target
    from labelcodec.errors import ConfigError
    from labelcodec.planner import pareto, predict

    if tokens is not None:
        if ipc is not None or folder is not None or plot is not None or keeps:
            raise click.UsageError("--tokens goes with --classes, --codec and --json alone")
        _plan_tokens(classes, tokens, codecs, json_)
        return
    from labelcodec.planner.container import NotMeasured
    from labelcodec.planner.plot import plot_predictions as draw

    if plot is not None:
        check_target(plot)
    setting = _setting(folder, image_bytes, classes=classes, ipc=ipc, mix=mix, **rest)
    specs = codecs or (*PEERS, *_planned())
    predictions, refused, unmeasured = [], dict[str, None](), dict[str, None]()
    for keep, spec in product(keeps or KEEPS, specs):
        try:
            predictions.append(predict(spec, setting, keep))
        except NotMeasured:
            unmeasured[spec] = None
        except ConfigError:
            if codecs or spec in ALWAYS_PREDICTABLE:
                raise
            refused[spec] = None
    optimal = {id(item) for item in pareto(predictions)}
    if json_:
        rows = [{**item.to_json(), "pareto": id(item) in optimal} for item in predictions]
        facts = {"setting": asdict(setting), "predicted": rows, "not_measured": list(unmeasured)}
        console.as_json({**facts, **_paper_counts(setting)})
    else:
        _show(setting, predictions, optimal, list(unmeasured))
    if refused:
        console.note(
            f"{', '.join(refused)}: not applicable to these labels, or not covered by measurements"
        )
    if plot is not None:
        draw(predictions, plot)
        console.note(f"plot written to {plot}")


def _plan_tokens(classes: int, tokens: int, codecs: Sequence[str], json_: bool) -> None:
    from labelcodec.planner.tokens import TOKEN_SPECS, VOCABULARY, predict_tokens

    predictions = [predict_tokens(spec, classes, tokens) for spec in codecs or TOKEN_SPECS]
    if json_:
        console.as_json({"predicted": [item.to_json() for item in predictions]})
        return
    rows = [
        [
            item.codec,
            console.size(item.bytes_total),
            console.decimal(item.bytes_total / item.tokens),
            f"{item.actual_rate:,.0f}x".replace(",", " "),
        ]
        for item in predictions
    ]
    title = f"Predicted, {console.count(tokens)} tokens of a vocabulary of {console.count(classes)}"
    console.table(title, ["stored as", "total", "B/token", "actual rate"], rows)
    console.paragraph(
        "actual rate: against full float16 logits, "
        f"{console.size(2 * classes * tokens)}; token ids, some 2 B/token, and digests are not "
        f"counted. Drawn labels of a vocabulary of {console.count(VOCABULARY)} took these bytes "
        "per token, which hardly depend on its size; the tables are those of labels that name "
        "all --classes. Real labels may differ."
    )


def _planned() -> list[str]:
    """Default specs to plan: those of every registered codec."""
    from labelcodec.codecs.registry import CODECS

    return [spec for entry in CODECS.entries() for spec in entry.planned or entry.examples[:1]]


def _setting(
    folder: Path | None,
    image_bytes: int | None,
    classes: int,
    ipc: int | None,
    mix: str,
    **rest: Any,
) -> Setting:
    from labelcodec.planner import Setting

    if (ipc is None) == (folder is None):
        raise click.UsageError("give either --ipc or --images")
    if folder is not None:
        from labelcodec.images import list_images

        listing = list_images(folder)
        images = len(listing)
        sizes = sum(map(listing.store.content_size, listing.item.tolist()))
        measured: float | None = sizes / images
    else:
        images, measured = classes * (ipc or 0), None
    if image_bytes or measured:
        rest["image_bytes"] = image_bytes or measured
    kind = cast(Literal["cutmix", "mixup"] | None, None if mix == "none" else mix)
    return Setting(classes=classes, images=images, mix=kind, **rest)


def _paper_counts(setting: Setting) -> dict[str, dict[str, int]]:
    """What arXiv 2604.18135 counts beside label sets, in bytes (Tables VI and XIX)."""
    from labelcodec.planner.class_statistics import resnet18, statistics_bytes, weights_bytes
    from labelcodec.planner.serialized import serialized_parts

    layers, classes = resnet18(), setting.classes
    network = {
        "weights": weights_bytes(layers, classes),
        "class_statistics": statistics_bytes(layers, classes),
    }
    return {"serialized_batch_bytes": serialized_parts(setting), "resnet18_bytes": network}


def _show(
    setting: Setting, predictions: list[Prediction], optimal: set[int], unmeasured: Sequence[str]
) -> None:
    from labelcodec.planner.prediction import BEYOND, SYNTHETIC
    from labelcodec.planner.setting import ASSUMED_IMAGE_BYTES

    size = console.size
    assumed = " (assumed)" if setting.image_bytes == ASSUMED_IMAGE_BYTES else ""
    console.paragraph(
        f"{console.count(setting.images)} images of {size(setting.image_bytes)}{assumed}, "
        f"{size(setting.images * setting.image_bytes)} in total; {setting.classes} classes, "
        f"{setting.epochs} epochs, batch {setting.batch_size}"
    )
    columns = ["  stored as", "total", "B/label", "actual rate", "theoretical rate"]
    columns += ["MiB on disk", "rate on disk"]
    columns += ["TV at tau 4", "labels", "F", "side info", "framing", "core-hours"]
    for keep in dict.fromkeys(item.keep for item in predictions):
        rows = [_row(item, id(item) in optimal) for item in predictions if item.keep == keep]
        console.table(f"Predicted, {keep:g} of the epochs kept", columns, rows)
        click.echo()
    render.rates(pruned=True)
    console.paragraph(
        "on disk: with every file in whole blocks of 4 KiB, and the actual rate of that, as arXiv "
        "2604.18135 counts"
    )
    console.paragraph(
        "TV: mean total variation to the full labels; F: augmentation; side info: tables stored "
        "once; framing: all else"
    )
    for line in _hours(predictions):
        console.paragraph(line)
    if optimal:
        console.paragraph("*: Pareto-optimal in bytes, labels and TV")
    if unmeasured:
        console.paragraph(f"{', '.join(unmeasured)}: not measured, so not predicted")
    counts = _paper_counts(setting)
    parts = counts["serialized_batch_bytes"]
    console.paragraph(
        "one batch, each part saved by torch.save: "
        + ", ".join(f"{name} {console.count(parts[name])} B" for name in parts)
    )
    weights, statistics = (amount / 2**20 for amount in counts["resnet18_bytes"].values())
    console.paragraph(
        f"a ResNet-18 teacher: weights {weights:.2f} MiB, class-wise BatchNorm statistics "
        f"{statistics:.2f} MiB"
    )
    for basis, what in (
        (BEYOND, f"extrapolated, {setting.classes} classes are beyond the measured range"),
        (SYNTHETIC, "with this many classes, measured on synthetic labels only"),
    ):
        names = dict.fromkeys(item.codec for item in predictions if item.basis == basis)
        if names:
            console.note(f"{', '.join(names)}: {what}")
    unknown = dict.fromkeys(item.codec for item in predictions if item.tv4 is None)
    if unknown:
        console.note(f"{', '.join(unknown)}: TV unknown; rows they might dominate have no *")


def _hours(predictions: Sequence[Prediction]) -> Iterator[str]:
    """What the column of core-hours says, and for how many machines, of the slowest row."""
    timed = [(item.core_hours, item) for item in predictions if item.core_hours]
    if not timed:
        return
    yield (
        "core-hours: CPU time to encode SRe2L's files of these labels, as measured on one core "
        "(docs/planning.md)"
    )
    hours, slowest = max(timed, key=lambda pair: pair[0])
    if hours < WORTH_DIVIDING:
        return
    spread = ", ".join(
        f"{_duration(hours / (count * CORES))} on {console.counted(count, 'machine')}"
        for count in MACHINES
    )
    rate = console.size(slowest.source_bytes / hours * CORES / 3600)
    yield (
        f"{slowest.codec}, {slowest.keep:g} of the epochs: {console.size(slowest.source_bytes)} of "
        f"files take {spread} of {CORES} cores (`encode --part I/N`), if each reads {rate} a second"
    )


def _duration(hours: float) -> str:
    """Hours in a unit that suits them: '2.4 h', '8.1 min', '12 s'."""
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.0f} s"


def _row(item: Prediction, optimal: bool) -> list[str]:
    from labelcodec.planner.prediction import AUGMENTATION, LABELS

    named = item.of((*LABELS, *AUGMENTATION, "side information"))
    parts = (item.of(part) for part in (LABELS, AUGMENTATION, ("side information",)))
    return [
        f"{'*' if optimal else ' '} {item.codec}",
        console.size(item.bytes_total),
        console.decimal(item.bytes_total / item.labels),
        *(f"{rate:.1f}x" for rate in (item.actual_rate, item.theoretical_rate)),
        console.count(math.ceil(item.disk_bytes / 2**20)),
        f"{item.disk_rate:.1f}x",
        console.decimal(item.tv4, 3),
        *map(console.size, (*parts, item.bytes_total - named)),
        console.decimal(item.core_hours, 2),
    ]
