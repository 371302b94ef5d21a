"""The `demo` command: run all steps on embedded data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import console, options, render_demo, value_types

if TYPE_CHECKING:
    from labelcodec.progress import Progress


@click.command()
@click.option(
    "--out", metavar="DIR", type=value_types.PATH, help="New folder in which all files are kept."
)
@click.option(
    "--plot", metavar="PNG", type=value_types.PATH, help="Plot accuracy against size to this file."
)
@options.threads
@options.as_json
@click.pass_context
def demo(context: click.Context, /, out: Path | None, plot: Path | None, json_: bool) -> None:
    """Run all steps on embedded data.

    Two batches of real ImageNet-1K labels are encoded, decoded and compared. Then images of
    characters are drawn, a teacher is trained on them and labels two images of each, and one
    student per codec is trained from these labels. This takes about two minutes. The exit status is
    0 if the real labels were decoded bit for bit.

    \b
    Example:
      labelcodec demo
      labelcodec demo --out demo --plot accuracy.png
    """
    from labelcodec.analysis.plot import check_target
    from labelcodec.demo import roundtrip, whole_path
    from labelcodec.pipeline.threads import torch_threads

    if plot is not None:
        check_target(plot)
    if out is not None and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise click.UsageError(f"{out}: exists; --out names a new or empty folder", context)
    with ExitStack() as stack:
        work = out or Path(stack.enter_context(tempfile.TemporaryDirectory("-labelcodec-demo")))
        for name in ("real", "drawn"):
            (work / name).mkdir(parents=True, exist_ok=True)
        if not json_:
            render_demo.introduction()
        with console.progress("round trip") as progress:
            trip = roundtrip.run(work / "real", progress)
        if not json_:
            render_demo.round_trip(trip)
        bars = stack.enter_context(ExitStack())
        with torch_threads():
            students = whole_path.run(whole_path.FULL, _steps(bars, json_), work / "drawn")
        bars.close()
        if json_:
            console.as_json({**trip.to_json(), "students": students.to_json()})
        else:
            render_demo.result(trip, students)
            render_demo.next_commands(out)
        if plot is not None:
            from labelcodec.demo.plot import plot as draw

            draw(students, plot)
            console.note(f"plot written to {plot}")
    context.exit(0 if all(stage.identical for stage in trip.stages) else console.FAILED)


def _steps(bars: ExitStack, json_: bool) -> Callable[[str], Progress | None]:
    """Says what each step does, and starts its progress bar after that of the step before."""

    def start(what: str) -> Progress | None:
        bars.close()
        if not json_:
            render_demo.step(what)
        return bars.enter_context(console.progress(what))

    return start
