"""`inspect`, `stats`, `compare` and `codecs`: commands that only look."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from . import console, options, show, tables


@click.command()
@click.argument("file", type=options.PATH)
@click.option(
    "--batch", metavar="N", type=click.IntRange(min=0), help="Show the batch at position N too."
)
@options.as_json
def inspect(file: Path, batch: int | None, json_: bool) -> None:
    """Show header, index and batches of FILE.

    \b
    Example:
      labelcodec inspect labels.slc --batch 0
    """
    import labelcodec
    from labelcodec.storage.describe import describe_batch, describe_set

    with labelcodec.open(file) as reader:
        if batch is not None and batch >= len(reader):
            raise click.BadParameter(f"there are {len(reader)} batches, counted from 0", None)
        found = describe_set(reader)
        if batch is not None:
            found["batch"] = describe_batch(reader, batch)
    if json_:
        console.as_json(found)
    else:
        show.label_set(found)


@click.command()
@click.argument("paths", metavar="FILE|DUMP...", type=options.PATH, nargs=-1, required=True)
@click.option(
    "--against",
    metavar="SOURCE",
    type=options.PATH,
    help="Dump or container to measure the labels' fidelity against.",
)
@click.option("--plot", metavar="PNG", type=options.PATH, help="Draw it, too.")
@options.dump
@options.as_json
def stats(
    paths: tuple[Path, ...], against: Path | None, plot: Path | None, json_: bool, **dump: Any
) -> None:
    """Say what every byte is spent on.

    For container FILEs: bytes by component, rates, entropy. For a DUMP: its first file's parts as
    torch.save writes them, beside the figures of Table VI of arXiv 2604.18135.

    With --against SOURCE also how far the labels are from it, as `labelcodec compare` measures; the
    options on dumps speak of SOURCE, too. With --json one path gives an object, several give a
    list of them.

    \b
    Example:
      labelcodec stats labels.slc
      labelcodec stats dump labels.slc small.slc --json
      labelcodec stats labels.slc small.slc --plot stats.png
      labelcodec stats small.slc --against dump
    """
    import labelcodec
    from labelcodec.storage import breakdown, dump_table
    from labelcodec.storage import plot as draw
    from labelcodec.storage.plot import check_target
    from labelcodec.storage.sources import fidelity_of

    given = [option for option, value in dump.items() if value is not None]
    if against is None and (idle := set(given) - {"layout"}):
        raise click.UsageError(f"--{min(idle).replace('_', '-')} is for a dump in --against")
    if given and not any(path.is_dir() for path in (*paths, *filter(None, [against]))):
        raise click.UsageError(f"--{given[0].replace('_', '-')} is for dumps, and none is one")
    if plot is not None:
        if all(path.is_dir() for path in paths):
            raise click.UsageError("--plot draws containers, and none of these is one")
        check_target(plot)
    sets, dumps, distances, found = [], [], [], []
    for path in paths:
        if path.is_dir():
            table = dump_table(path, dump["layout"])
            dumps.append((str(path), table))
            found.append({"path": str(path), **table.to_json()})
        else:
            with labelcodec.open(path) as reader, console.progress(f"stats {path}") as progress:
                one = breakdown(reader, progress)
            sets.append((str(path), one))
            found.append({"path": str(path), **one.to_json()})
        if against is not None:
            with console.progress(f"compare {path}") as progress:
                distance = fidelity_of(against, path, progress, **dump)
            distances.append((str(path), distance))
            found[-1]["fidelity"] = distance.to_json()
    if json_:
        console.as_json(found[0] if len(found) == 1 else found)
    else:
        for name, table in dumps:
            tables.dump(name, table)
        tables.breakdowns(sets)
        for name, distance in distances:
            click.echo(f"\n{name} against {against}")
            tables.fidelity(distance)
    if plot is not None:
        draw(sets, plot)


@click.command()
@click.argument("first", metavar="A", type=options.PATH)
@click.argument("second", metavar="B", type=options.PATH)
@options.dump
@options.as_json
@click.pass_context
def compare(context: click.Context, /, first: Path, second: Path, json_: bool, **dump: Any) -> None:
    """Are two label sets the same, or how far apart?

    A and B are containers or dumps; the options speak of the dumps among them. The exit status is
    0 if they are the same, 1 if not. If not, their softmax distributions are compared at several
    temperatures: KL is KL(A || B) in nats, infinite where B has left a class out that A gives
    probability; TV, total variation, is between 0 and 1.

    \b
    Example:
      labelcodec compare dump labels.slc
    """
    from labelcodec.storage import compare_sets
    from labelcodec.storage.sources import open_pair

    with (
        open_pair(first, second, **dump) as (one, other),
        console.progress("compare") as progress,
    ):
        found = compare_sets(one, other, progress)
    if json_:
        console.as_json(found.to_json())
    else:
        tables.comparison(found)
    context.exit(0 if found.identical else console.FAILED)


@click.command()
@options.as_json
def codecs(json_: bool) -> None:
    """List the codecs and their options.

    \b
    Example:
      labelcodec codecs
    """
    from labelcodec.codecs.registry import describe

    found = describe()
    if json_:
        console.as_json([asdict(one) for one in found])
    else:
        show.codecs(found)
