"""The `encode` command: encode a dump, or re-encode a container with another codec."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, dump_options, image_options, options, render, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile
    from labelcodec.transcode import EncodeReport


OF_ENCODER = ("encoder", "encoder_weights", "encoder_autocast", "device")


@click.command()
@click.argument("source", metavar="SOURCE", type=value_types.LABELS)
@click.argument("target", metavar="FILE", type=value_types.PATH)
@click.option("--codec", help="Codec of the labels, see `labelcodec codecs`; lossless by default.")
@click.option(
    "--tables",
    metavar="SLC",
    type=value_types.LABELS,
    help="Container whose codec and label tables to use, instead of fitting new ones.",
)
@click.option(
    "--part",
    metavar="I/N",
    type=value_types.Share(),
    help="Encode the I-th of N parts of the batches, for instance in a job array, to the shard "
    "NAME-RANK-of-N.slc with RANK = I - 1.",
)
@dump_options.dump
@image_options.image_floats
@click.option(
    "--epochs",
    metavar="T",
    type=click.IntRange(min=1),
    help="Number of epochs the student trains for; needed for rates that include pruning.",
)
@image_options.facts
@options.encoder
@options.encoder_weights
@options.encoder_autocast
@options.device
@options.threads
@click.option(
    "--allow-nonfinite",
    is_flag=True,
    help="Allow codec topk to store NaN and infinite logits.",
)
@options.force
@click.option(
    "--resume",
    is_flag=True,
    help="Continue from FILE.partial, with the same source and settings; a complete FILE is "
    "checked and left as it is.",
)
@options.as_json
@click.pass_context
def encode(
    context: click.Context,
    /,
    source: Path | RemoteFile,
    target: Path,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    part: tuple[int, int] | None,
    json_: bool,
    **more: Any,
) -> None:
    """Encode SOURCE, a dump of soft labels, to a container FILE.

    The labels are stored losslessly unless --codec names a lossy codec. SOURCE is only read. It may
    also be a container, its URL or a quoted glob of shards, which are re-encoded with the codec in
    --codec.

    SOURCE may be a file with token-level labels: arrays (.npz, .safetensors, or a folder of .npy)
    or a table (.parquet, or a folder of `datasets`); docs/layouts.md says how they are named.

    Pass the folder of the images with --images: FILE then refuses other images, and says how often
    the teacher's top class is that of the folder. With --image-size, --mean and --std, it says all
    that training from it needs.

    Labels of the codec projector are computed from the images: pass their folder with --images, and
    the encoder with --encoder and --encoder-weights.

    With --part, or under torchrun, each process writes a shard beside FILE: of labels.slc,
    labels-0-of-64.slc is part 1/64. All fit the same tables to the same sample; --tables with a
    shard that is complete saves that. A glob of the shards is one label set, `labelcodec merge`
    makes one file of them.

    Until it is complete, the output is FILE.partial. After an interrupt or an error (a damaged
    file, a full disk) it keeps the batches encoded so far, and --resume continues from there.

    \b
    Example:
      labelcodec encode dump labels.slc
      labelcodec encode dump bound.slc --image-size 224 --mean 0.485 0.456 0.406 \\
        --std 0.229 0.224 0.225 --teacher-name resnet18
      labelcodec encode dump small.slc --codec topk:k=50 --threads 2
      labelcodec encode dump tiny.slc --codec transform:tv4=0.1,kl1=0.25
      labelcodec encode dump whole.slc --epochs-range 0:120
      labelcodec encode logits.npz tokens.slc --classes 151936
      labelcodec encode teacher.parquet table.slc --classes 151936 --columns value=logits
      labelcodec encode labels.slc smaller.slc --codec topk:k=10
      labelcodec encode labels.slc again.slc --tables tiny.slc
      labelcodec encode dump many.slc --part 1/2
      torchrun --nproc-per-node 2 -m labelcodec encode dump shared.slc
    """
    from labelcodec.parts import rank

    more["normalisation"] = image_options.normalised(mean, std)
    more["part"], first = _own_part(part), rank() == 0
    more["threads"] = _own_threads()
    with console.resumable(), console.progress("checking the dump", shown=first) as progress:
        if _is_container(source, more["layout"]):
            report = _recode(context, source, target, more, progress)
        else:
            from labelcodec.transcode import encode as run

            assert isinstance(source, Path)
            _refuse(
                context,
                more,
                OF_ENCODER,
                "is for labels that are computed from images",
            )
            report = run(source, target, progress=progress, **more)
    for line in report.notes if first else ():
        console.note(line)
    if json_ and first:
        from labelcodec.analysis.json_safe import json_safe

        facts = {"file": str(report.path), "batches": report.batches, "bytes": report.bytes}
        source_facts = {"source_bytes": report.source_bytes, "notes": list(report.notes)}
        rest = {"chosen": report.chosen, "header": json_safe(report.header.to_map())}
        console.as_json({**facts, **source_facts, **rest})
    if json_:
        return
    written = f"{console.counted(report.batches, 'batch')} in {console.size(report.bytes)}"
    index, count = more["part"]
    which = "" if count == 1 else f", part {index} of {count}"
    of = console.size(report.source_bytes)
    console.say(f"{report.path}: {written}{which}; the source has {of}")
    if first:
        render.agreement(report.header.agreement)
    if report.chosen and first:
        render.chosen(report.chosen)


def _own_part(part: tuple[int, int] | None) -> tuple[int, int]:
    """The part of this process, which shares that of the command with others under torchrun."""
    from labelcodec.parts import of_this_process

    return of_this_process(part or (1, 1))


def _own_threads() -> int | None:
    """Processes under torchrun share the CPUs of their machine, unless the user says otherwise."""
    from labelcodec.parts import local_world_size
    from labelcodec.threads import VARIABLE, thread_count

    shared = local_world_size()
    is_chosen = shared == 1 or VARIABLE in os.environ
    return None if is_chosen else max(1, thread_count() // shared)


def _is_container(source: Path | RemoteFile, layout: str | None) -> bool:
    """Whether the source is a file or a glob of shards, and no file in a foreign layout."""
    from labelcodec.formats.registry import is_dump

    if not isinstance(source, Path):
        return True
    if source.exists():
        return source.is_file() and layout is None and not is_dump(source)
    return glob.has_magic(str(source))


def _recode(
    context: click.Context,
    source: Path | RemoteFile,
    target: Path,
    settings: dict[str, Any],
    progress: Any,
) -> EncodeReport:
    import labelcodec
    from labelcodec.formats.foreign import refuse_no_container
    from labelcodec.transcode import recode

    if isinstance(source, Path) and source.is_file():  # and no glob of shards
        refuse_no_container(source)
    if settings["codec"] is None and settings["tables"] is None:
        raise click.UsageError(f"--codec or --tables is required to re-encode {source}", context)
    chosen = {name: settings.pop(name) for name in OF_ENCODER}
    if chosen["encoder"] is not None:
        return _materialise(context, source, target, settings, chosen, progress)
    if settings["images"] is not None:
        with labelcodec.open(source) as reader:
            reader.check_labels_held()
    settings |= chosen
    _refuse(context, settings, OF_ENCODER, "goes with --encoder")
    _refuse(
        context, settings, (*dump_options.OF_DUMPS, "epochs"), f"is for dumps, {source} is a file"
    )
    also = f"is for dumps, {source} is a file; see `labelcodec annotate`"
    _refuse(context, settings, image_options.OF_FACTS, also)
    return recode(source, target, progress=progress, **settings)


def _materialise(
    context: click.Context,
    source: Path | RemoteFile,
    target: Path,
    settings: dict[str, Any],
    encoder: dict[str, Any],
    progress: Any,
) -> EncodeReport:
    """Compute the labels from the images and store them."""
    from labelcodec.pipeline.projection.materialising import materialise

    images = settings.pop("images")
    del settings["threads"]  # the encoder is on one device
    if images is None:
        raise click.UsageError("--images is required with --encoder", context)
    others = tuple(name for name in (*dump_options.OF_DUMPS, "epochs") if name != "images")
    _refuse(
        context, settings, (*others, *image_options.OF_FACTS), f"is for dumps, {source} is a file"
    )
    if settings.pop("allow_nonfinite"):
        raise click.UsageError("--allow-nonfinite does not go with --encoder", context)
    return materialise(
        source,
        target,
        settings.pop("codec"),
        images,
        encoder.pop("encoder"),
        autocast=encoder.pop("encoder_autocast"),
        progress=progress,
        note=console.note,
        **encoder,
        **settings,
    )


def _refuse(
    context: click.Context, settings: dict[str, Any], names: tuple[str, ...], why: str
) -> None:
    """Take options out of the settings that must not have been given."""
    for name in names:
        if settings.pop(name) is not None:
            raise click.UsageError(f"{console.flags(context.command)[name]} {why}", context)
