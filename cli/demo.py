"""The `demo` command: run all steps on embedded data."""

from __future__ import annotations

from pathlib import Path

import click

from . import console, options, render


@click.command()
@click.option(
    "--plot", metavar="PNG", type=options.PATH, help="Plot accuracy against size to this file."
)
@options.threads
@options.as_json
@click.pass_context
def demo(context: click.Context, /, plot: Path | None, json_: bool) -> None:
    """Run all steps on embedded data.

    Two batches of real ImageNet-1K labels are encoded, inspected, measured, decoded and compared.
    Then images of characters are drawn, a teacher is trained on them and labels two images of each,
    and one student per codec is trained from these labels. This takes about two minutes. The exit
    status is 0 if the real labels were decoded bit for bit.

    \b
    Example:
      labelcodec demo
      labelcodec demo --plot accuracy.png
    """
    from labelcodec.demo import roundtrip, whole_path
    from labelcodec.pipeline.threads import torch_threads

    with console.progress("round trip") as progress:
        trip = roundtrip.run(progress)
    if not json_:
        render.round_trip(trip)
        click.echo()
    with torch_threads(), console.stages() as stages:
        students = whole_path.run(whole_path.FULL, stages)
    if json_:
        console.as_json({**trip.to_json(), "students": students.to_json()})
    else:
        render.students(students)
    if plot is not None:
        from labelcodec.demo.plot import plot as draw

        draw(students, plot)
    context.exit(0 if all(stage.identical for stage in trip.stages) else console.FAILED)
