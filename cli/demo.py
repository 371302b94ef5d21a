"""`demo`: the main job on embedded data."""

from __future__ import annotations

from pathlib import Path

import click

from . import console, options, tables


@click.command()
@click.option("--plot", metavar="PNG", type=options.PATH, help="Draw accuracy against bytes.")
@options.as_json
@click.pass_context
def demo(context: click.Context, /, plot: Path | None, json_: bool) -> None:
    """Show the whole path on embedded data.

    Two batches of real ImageNet-1K labels are encoded, inspected, accounted for, decoded and
    compared. Then characters are drawn, a teacher is trained on them and labels two images of each,
    and a student is trained from its labels in every codec: two minutes. The exit status is 0 if
    the real labels came back as they went in.

    \b
    Example:
      labelcodec demo
      labelcodec demo --plot accuracy.png
    """
    from labelcodec.demo import path, roundtrip

    with console.progress("round trip") as progress:
        found = roundtrip.run(progress)
    if not json_:
        tables.demo(found)
        click.echo()
    with console.stages() as stages:
        students = path.run(path.FULL, stages)
    if json_:
        console.as_json({**found.to_json(), "students": students.to_json()})
    else:
        tables.students(students)
    if plot is not None:
        from labelcodec.demo.plot import plot as draw

        draw(students, plot)
    context.exit(0 if all(stage.identical for stage in found.stages) else console.FAILED)
