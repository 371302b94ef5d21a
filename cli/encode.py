"""The `encode` command: encode a dump, or re-encode a container with another codec."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, options, render

if TYPE_CHECKING:
    from labelcodec.transcode import EncodeReport


@click.command()
@click.argument("source", metavar="SOURCE", type=options.PATH)
@click.argument("target", metavar="FILE", type=options.PATH)
@click.option("--codec", help="Codec of the labels, see `labelcodec codecs`; lossless by default.")
@options.dump
@click.option(
    "--epochs",
    metavar="T",
    type=click.IntRange(min=1),
    help="Number of epochs the student trains for; needed for rates that include pruning.",
)
@options.facts
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
    source: Path,
    target: Path,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    json_: bool,
    **more: Any,
) -> None:
    """Encode SOURCE, a dump of soft labels, to a container FILE.

    The labels are stored losslessly unless --codec names a lossy codec. SOURCE is only read. It may
    also be a container or a quoted glob of shards, which are re-encoded with the codec in --codec.

    Pass the folder of the images with --images: FILE then refuses other images, and says how often
    the teacher's top class is that of the folder. With --image-size, --mean and --std, it says all
    that training from it needs.

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
      labelcodec encode labels.slc smaller.slc --codec topk:k=10
    """
    more["normalisation"] = options.normalised(mean, std)
    with console.resumable(), console.progress("checking the dump") as progress:
        if source.is_file() or (not source.exists() and glob.has_magic(str(source))):
            report = _recode(context, source, target, more, progress)
        else:
            from labelcodec.transcode import encode as run

            report = run(source, target, progress=progress, **more)
    for line in report.notes:
        console.note(line)
    if json_:
        from labelcodec.analysis.json_safe import json_safe

        facts = {"file": str(target), "batches": report.batches, "bytes": report.bytes}
        source_facts = {"source_bytes": report.source_bytes, "notes": list(report.notes)}
        rest = {"chosen": report.chosen, "header": json_safe(report.header.to_map())}
        console.as_json({**facts, **source_facts, **rest})
        return
    written = f"{console.counted(report.batches, 'batch')} in {console.size(report.bytes)}"
    console.say(f"{target}: {written}; the source has {console.size(report.source_bytes)}")
    render.agreement(report.header.agreement)
    if report.chosen:
        render.chosen(report.chosen)


def _recode(
    context: click.Context, source: Path, target: Path, settings: dict[str, Any], progress: Any
) -> EncodeReport:
    from labelcodec.formats.foreign import refuse_no_container
    from labelcodec.transcode import recode

    if source.is_file():  # and no glob of shards
        refuse_no_container(source)
    if settings["codec"] is None:
        raise click.UsageError(f"--codec is required to re-encode {source}", context)
    names = (*options.OF_DUMPS, "epochs", *options.OF_FACTS)
    dump_options = {name: settings.pop(name) for name in names}
    for name, value in dump_options.items():
        if value is not None:
            also = "; see `labelcodec annotate`" if name in options.OF_FACTS else ""
            flag = console.flags(context.command)[name]
            raise click.UsageError(f"{flag} is for dumps, {source} is a file{also}", context)
    return recode(source, target, progress=progress, **settings)
