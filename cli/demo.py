"""`demo`: the main job on embedded real labels."""

from __future__ import annotations

import click

from . import console, options, show


@click.command()
@options.as_json
@click.pass_context
def demo(context: click.Context, /, json_: bool) -> None:
    """Run the main job on embedded real labels.

    Two batches of real ImageNet-1K labels are encoded, inspected, accounted for, decoded and
    compared. The exit status is 0 if what came back is what went in.

    \b
    Example:
      labelcodec demo
    """
    from labelcodec.demo import run

    with console.progress("demo") as progress:
        found = run(progress)
    if json_:
        console.as_json(found.to_json())
    else:
        show.demo(found)
    context.exit(0 if all(stage.identical for stage in found.stages) else console.FAILED)
