"""`plan`: what labels will take, before a teacher has run."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from . import console, options

if TYPE_CHECKING:
    from labelcodec.storage.plan import Prediction, Setting

KEEPS = (1.0, 0.1, 0.025)
PLAIN = ("sre2l", "dense")  # can be predicted of any labels
CODECS = (
    *("sre2l", "lpqld:k=50", "lpqld:k=10", "dense", "topk:k=100", "topk:k=50", "topk:k=10"),
    *("transform:bytes=60", "transform:bytes=30", "transform:bytes=20"),
)
POSITIVE = click.IntRange(min=1)


@click.command()
@click.option("--classes", type=POSITIVE, required=True, help="Number of classes.")
@click.option("--ipc", type=POSITIVE, help="Images per class.")
@click.option(
    "--images", "folder", type=options.PATH, help="Image folder to count and measure instead."
)
@click.option(
    "--image-bytes",
    type=POSITIVE,
    help="Mean size of an image file; 16 kB, as LPLD's of ImageNet-1K, where nothing says it.",
)
@click.option("--epochs", type=POSITIVE, default=300, show_default=True, help="Epochs of training.")
@click.option(
    "--keep",
    "keeps",
    type=float,
    multiple=True,
    metavar="FRACTION",
    help="Fraction of the epochs kept by pruning; repeatable. By default 1, 0.1 and 0.025.",
)
@click.option(
    "--batch-size", type=POSITIVE, default=128, show_default=True, help="Samples of a batch."
)
@click.option(
    "--codec",
    "codecs",
    multiple=True,
    metavar="SPEC",
    help="A codec, or a dump: sre2l, lpld, lpqld, lpqld:k=K; repeatable.",
)
@click.option(
    "--mix",
    type=click.Choice(("cutmix", "mixup", "none")),
    default="cutmix",
    show_default=True,
    help="How samples of a batch are mixed.",
)
@click.option(
    "--precision",
    type=click.Choice(("float16", "float32")),
    default="float16",
    show_default=True,
    help="Of the teacher's logits.",
)
@click.option("--cutout", is_flag=True, help="Cutout in place of the flip, as for ImageNet-21K.")
@click.option(
    "--randaugment", type=click.IntRange(min=0), default=0, help="RandAugment operations a sample."
)
@click.option("--plot", metavar="PNG", type=options.PATH, help="Draw it, too.")
@options.as_json
def plan(
    classes: int,
    ipc: int | None,
    folder: Path | None,
    image_bytes: int | None,
    keeps: tuple[float, ...],
    codecs: tuple[str, ...],
    mix: str,
    plot: Path | None,
    json_: bool,
    **rest: Any,
) -> None:
    """Predict what labels will take, codec by codec.

    Bytes of containers are extrapolated from measured files of real ImageNet-1K labels, bytes of
    dumps are what the peers' code writes. A * marks what nothing else beats: fewer bytes, more
    labels, less total variation (TV) to the full labels. What has an unknown TV is never marked,
    and nothing that it might beat.

    \b
    Example:
      labelcodec plan --classes 1000 --ipc 10
      labelcodec plan --classes 1000 --ipc 10 --keep 0.05 --codec topk:k=50 --codec lpqld:k=50
      labelcodec plan --classes 10450 --ipc 10 --batch-size 32 --mix none --cutout --json
    """
    from labelcodec.errors import ConfigError
    from labelcodec.storage.plan import pareto, predict
    from labelcodec.storage.plan import plot as draw
    from labelcodec.storage.plot import check_target

    if plot is not None:
        check_target(plot)
    setting = _setting(folder, image_bytes, classes=classes, ipc=ipc, mix=mix, **rest)
    found, refused = [], dict[str, None]()
    for keep, spec in product(keeps or KEEPS, codecs or CODECS):
        try:
            found.append(predict(spec, setting, keep))
        except ConfigError:
            if codecs or spec in PLAIN:
                raise
            refused[spec] = None
    best = {id(one) for one in pareto(found)}
    if json_:
        rows = [{**one.to_json(), "pareto": id(one) in best} for one in found]
        console.as_json({"setting": asdict(setting), "predicted": rows})
    else:
        _show(setting, found, best)
    if refused:
        console.note(f"{', '.join(refused)}: not for these labels, or nothing alike was measured")
    if plot is not None:
        draw(found, plot)


def _setting(
    folder: Path | None,
    image_bytes: int | None,
    classes: int,
    ipc: int | None,
    mix: str,
    **rest: Any,
) -> Setting:
    from labelcodec.storage.plan import Setting

    if (ipc is None) == (folder is None):
        raise click.UsageError("give either --ipc or --images")
    if folder is not None:
        from labelcodec.images import list_images

        listing = list_images(folder)
        images = len(listing)
        sizes = sum((folder / path).stat().st_size for path in listing.paths)
        measured: float | None = sizes / images
    else:
        images, measured = classes * (ipc or 0), None
    if image_bytes or measured:
        rest["image_bytes"] = image_bytes or measured
    kind = cast(Literal["cutmix", "mixup"] | None, None if mix == "none" else mix)
    return Setting(classes=classes, images=images, mix=kind, **rest)


def _show(setting: Setting, found: list[Prediction], best: set[int]) -> None:
    from labelcodec.storage.plan.predict import AUGMENTATION, BEYOND, LABELS, SYNTHETIC
    from labelcodec.storage.plan.setting import ASSUMED_IMAGE_BYTES

    size = console.size
    assumed = " (assumed)" if setting.image_bytes == ASSUMED_IMAGE_BYTES else ""
    click.echo(
        f"{console.count(setting.images)} images of {size(setting.image_bytes)}{assumed}, "
        f"{size(found[0].images_bytes)} in all; {setting.classes} classes, "
        f"{setting.epochs} epochs, batch {setting.batch_size}"
    )
    rows = []
    for one in found:
        named = one.of((*LABELS, *AUGMENTATION, "side information"))
        rows.append(
            [
                f"{'*' if id(one) in best else ' '} {one.codec}",
                f"{one.keep:g}",
                *(size(one.of(part)) for part in (LABELS, AUGMENTATION, ("side information",))),
                *(size(one.bytes_total - named), size(one.bytes_total)),
                console.decimal(one.bytes_total / one.labels),
                *(f"{rate:.1f}x" for rate in (one.theoretical_rate, one.actual_rate)),
                console.decimal(one.tv4, 3),
            ]
        )
    columns = ["  stored as", "kept", "labels", "F", "side", "framing", "in all", "B/label"]
    console.table("Predicted", [*columns, "theoretical", "actual", "TV tau 4"], rows)
    for basis, what in (
        (BEYOND, f"with {setting.classes} classes beyond what was ever measured"),
        (SYNTHETIC, "of so many classes, it was measured on synthetic labels alone"),
    ):
        names = dict.fromkeys(one.codec for one in found if one.basis == basis)
        if names:
            console.note(f"{', '.join(names)}: {what}")
    unknown = dict.fromkeys(one.codec for one in found if one.tv4 is None)
    if unknown:
        console.note(f"{', '.join(unknown)}: the TV is not known; nothing they might beat has a *")
