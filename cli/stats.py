"""The `stats` command: break sizes down by component."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console, dump_options, options, render, value_types

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile


@click.command()
@click.argument("paths", metavar="FILE|DUMP...", type=value_types.LABELS, nargs=-1, required=True)
@click.option(
    "--against",
    metavar="SOURCE",
    type=value_types.LABELS,
    help="Dump or container with the reference labels, to measure fidelity.",
)
@click.option(
    "--plot", metavar="PNG", type=value_types.PATH, help="Also plot the containers to this file."
)
@dump_options.dump
@options.threads
@options.as_json
def stats(
    paths: tuple[Path | RemoteFile, ...],
    against: Path | RemoteFile | None,
    plot: Path | None,
    json_: bool,
    **dump: Any,
) -> None:
    """Show what every byte is spent on.

    For a container FILE, a path or a URL: bytes by component, compression rates, and entropy. For a
    DUMP: the size of each part of its first file as saved by torch.save, next to the figures of
    Table VI of arXiv 2604.18135.

    The theoretical rate counts numbers, C for a full label and 2k for a top-k label, as that
    paper does; the actual rate counts all bytes, against full float16 labels in SRe2L's layout.
    Framing is what records, index and header take beside their contents.

    --against SOURCE also measures how far the labels are from SOURCE, as `labelcodec compare` does;
    the options on dumps then apply to SOURCE as well. --json prints an object for one path, and a
    list of objects for several.

    \b
    Example:
      labelcodec stats labels.slc
      labelcodec stats dump labels.slc small.slc --json
      labelcodec stats labels.slc small.slc --plot stats.png
      labelcodec stats small.slc --against dump
    """
    from labelcodec.analysis.breakdown import stats as breakdown

    passed = [option for option, value in dump.items() if value is not None]
    if against is None and (unused := set(passed) - {"layout"}):
        raise click.UsageError(f"--{min(unused).replace('_', '-')} is for a dump in --against")
    if passed and not any(_is_folder(path) for path in (*paths, against)):
        raise click.UsageError(f"--{passed[0].replace('_', '-')} is for dumps, and none is one")
    if plot is not None:
        if all(_is_folder(path) for path in paths):
            raise click.UsageError("--plot draws containers, and none of these is one")
        from labelcodec.analysis.plot import check_target

        check_target(plot)
    sets, dumps, distances, facts = [], [], [], []
    for path in paths:
        if isinstance(path, Path) and path.is_dir():
            from labelcodec.analysis.dump_table import dump_table

            table = dump_table(path, dump["layout"])
            dumps.append((str(path), table))
            facts.append({"path": str(path), **table.to_json()})
        else:
            with console.progress(f"stats {path}") as progress:
                result = breakdown(path, progress)
            sets.append((str(path), result))
            facts.append({"path": str(path), **result.to_json()})
        if against is not None:
            from labelcodec.analysis.open_any import fidelity_of

            with console.progress(f"compare {path}") as progress:
                distance = fidelity_of(against, path, progress, **dump)
            distances.append((str(path), distance))
            facts[-1]["fidelity"] = distance.to_json()
    if json_:
        console.as_json(facts[0] if len(facts) == 1 else facts)
    else:
        for name, table in dumps:
            render.dump_parts(name, table)
        render.breakdowns(sets)
        for name, distance in distances:
            click.echo(f"\n{name} against {against}")
            render.fidelity(distance)
    if plot is not None:
        from labelcodec.analysis.plot import plot_breakdowns

        plot_breakdowns(sets, plot, {name: distance for name, distance in distances})
        console.note(f"plot written to {plot}")


def _is_folder(path: Path | RemoteFile | None) -> bool:
    return isinstance(path, Path) and path.is_dir()
