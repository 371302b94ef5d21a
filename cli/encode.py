"""`encode` and `decode`: dumps into containers and back."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, options, show

if TYPE_CHECKING:
    from labelcodec.dumps.encoding import EncodeReport


@click.command()
@click.argument("source", metavar="SOURCE", type=options.PATH)
@click.argument("target", metavar="FILE", type=options.PATH)
@click.option("--codec", help="How to store the labels, see `labelcodec codecs`; exact by default.")
@options.dump
@click.option(
    "--epochs",
    metavar="T",
    type=click.IntRange(min=1),
    help="Epochs the student trains for; with it the rates count pruning.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    help="Processes to use. More than one pays for large dumps: they take about 3 s to start.",
)
@click.option("--allow-nonfinite", is_flag=True, help="Let topk store NaN and infinite logits.")
@options.force
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with FILE.partial, same dump and settings.",
)
@options.as_json
@click.pass_context
def encode(context: click.Context, /, source: Path, target: Path, json_: bool, **more: Any) -> None:
    """Turn SOURCE, a dump of soft labels, into one FILE.

    The labels are stored bit for bit unless --codec says otherwise. SOURCE is left as it is. It may
    be a container, too, or a glob of shards, whose labels are then stored with another codec.

    Until all is written there is only FILE.partial. After an interrupt or an error (a bad file, a
    full disk) it keeps the batches that were done, and --resume goes on from there.

    \b
    Example:
      labelcodec encode dump labels.slc
      labelcodec encode dump small.slc --codec topk:k=50 --workers 2
      labelcodec encode dump tiny.slc --codec transform:tv4=0.1,kl1=0.25
      labelcodec encode labels.slc smaller.slc --codec topk:k=10
    """
    with console.resumable(), console.progress("encode") as progress:
        if source.is_file() or (not source.exists() and glob.has_magic(str(source))):
            report = _recode(context, source, target, more, progress)
        else:
            from labelcodec.dumps.convert import encode as run

            report = run(source, target, progress=progress, **more)
    for line in report.notes:
        console.note(line)
    if json_:
        facts = {"file": str(target), "batches": report.batches, "bytes": report.bytes}
        source_facts = {"source_bytes": report.source_bytes, "notes": list(report.notes)}
        rest = {"chosen": report.chosen, "header": report.header.to_map()}
        console.as_json({**facts, **source_facts, **rest})
        return
    written = f"{console.count(report.batches)} batches in {console.size(report.bytes)}"
    console.say(f"{target}: {written}; the source has {console.size(report.source_bytes)}")
    if report.chosen:
        show.chosen(report.chosen)


def _recode(
    context: click.Context, source: Path, target: Path, given: dict[str, Any], progress: Any
) -> EncodeReport:
    from labelcodec.dumps.recode import recode

    if given["codec"] is None:
        raise click.UsageError(f"say with --codec how to store the labels of {source}", context)
    of_dumps = {name: given.pop(name) for name in (*options.OF_DUMPS, "epochs")}
    for name, value in of_dumps.items():
        if value is not None:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} is for dumps, {source} is a file", context)
    return recode(source, target, progress=progress, **given)


@click.command()
@click.argument("source", metavar="FILE", type=options.PATH)
@click.argument("target", metavar="DIR", type=options.PATH)
@click.option(
    "--layout",
    type=click.Choice(options.LAYOUTS),
    help="Layout to write; that of the source by default.",
)
@options.force
@options.as_json
def decode(source: Path, target: Path, layout: str | None, force: bool, json_: bool) -> None:
    """Write the labels of FILE as a dump into DIR.

    In the layout the labels came from, every tensor gets its own values, dtype and shape back.
    DIR appears when it is complete. With --force it takes the place of a DIR that holds a dump and
    nothing else.

    \b
    Example:
      labelcodec decode labels.slc copy
    """
    from labelcodec.dumps.convert import decode as run

    with console.progress("decode") as progress:
        report = run(source, target, layout=layout, force=force, progress=progress)
    if json_:
        facts = {"directory": str(target), "layout": report.layout, "files": report.files}
        console.as_json({**facts, "lossy": report.lossy})
        return
    console.say(f"{target}: {console.count(report.files)} files in layout {report.layout}")
    if report.lossy:
        console.note("lossy: the container holds less than the dump it was made from")
