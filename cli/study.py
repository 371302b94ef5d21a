"""The `study` command: compare students over a grid of settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from . import console, options, value_types
from .render_study import plan_table, summary_table


@click.command()
@click.argument("study", metavar="STUDY")
@click.argument("out", metavar="OUT", type=value_types.PATH)
@click.option("--images", type=value_types.PATH, help="Image folder of the training images.")
@click.option("--test", type=value_types.PATH, help="Image folder that students are scored on.")
@click.option(
    "--teacher",
    help="Teacher model: convnet, resnet20, resnet56, torchvision/NAME, timm/NAME, "
    "module:callable, or a model file.",
)
@click.option("--weights", type=value_types.PATH, help="File of the teacher's weights.")
@options.changes(
    "Change a setting for all cells, such as recover.iterations=100, or go through a list of "
    "values, such as seed=[0,1]; repeatable."
)
@click.option(
    "--only",
    metavar="I/N",
    type=value_types.Share(),
    help="Compute the I-th of N shares of the cells, for instance in a job array.",
)
@click.option(
    "--merge",
    metavar="DIR",
    type=value_types.PATH,
    multiple=True,
    help="Take over the results of cells from the folder of another run; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print cells and stages, and compute nothing.")
@click.option(
    "--plot", metavar="PNG", type=value_types.PATH, help="Also plot the results to this file."
)
@options.workers
@options.threads
@options.device
@options.as_json
def study(
    study: str,
    out: Path,
    images: Path | None,
    test: Path | None,
    teacher: str | None,
    weights: Path | None,
    changes: list[dict[str, Any]],
    plot: Path | None,
    dry_run: bool,
    json_: bool,
    **more: Any,
) -> None:
    """Compare students over a grid of settings of the whole pipeline.

    STUDY is a .toml file (docs/studies.md) or a built-in study: ablation-cifar10,
    cross-arch-cifar10, pareto-omniglot242, topk-ms-mr-omniglot242 and codecs-omniglot242, which
    take minutes on two cores, and the LPQLD paper's on ImageNet-1K, ablation-in1k,
    cross-arch-in1k, pareto-in1k, topk-ms-mr-in1k and codecs-in1k.

    Squeezed statistics, recovered images, labels and students go to OUT, each once for all cells
    that share its settings. The same command continues what was interrupted. OUT/STUDY.jsonl has
    one line of JSON per cell. The table has the mean and standard error over seeds; * marks labels
    that no smaller ones beat.

    Several processes may share OUT: each computes what no other is computing. Under torchrun, or
    with --only, each takes its share of the cells; --merge joins folders of different machines.

    \b
    Example:
      labelcodec study ablation-cifar10 out --images images --test validation \\
        --weights resnet20.safetensors --dry-run
      labelcodec study mine.toml out --plot study.png
      torchrun --nproc-per-node 2 -m labelcodec study mine.toml out
    """
    from labelcodec.analysis.plot import check_target
    from labelcodec.parts import rank, world_size
    from labelcodec.pipeline.study.planning import plan_study
    from labelcodec.pipeline.study.results import summarised
    from labelcodec.pipeline.study.running import run_study
    from labelcodec.pipeline.study.study_file import load_study
    from labelcodec.pipeline.threads import torch_threads

    if plot is not None:
        check_target(plot)
    named = {
        "data.train": images,
        "data.test": test,
        "teacher.model": teacher,
        "teacher.weights": weights,
    }
    taken = {key: str(value) for key, value in named.items() if value is not None}
    for change in changes:
        taken |= _dotted(change)
    loaded = load_study(study, taken)
    if dry_run:
        plan = plan_study(loaded, out)
        if json_:
            console.as_json(plan.to_json())
        else:
            plan_table(plan)
        return
    with torch_threads(), console.resumable(), console.progress("study") as progress:
        # the parameters that notes name are settings of the file, not flags of this command
        report = run_study(loaded, out, progress=progress, note=console.remark, **more)
    summaries = summarised(report.results)
    first, done, total = rank() == 0, len(report.results), len(report.cells)
    if first and done < total and world_size() > 1:
        console.note(
            f"{done} of {total} cells are complete; when the other processes have ended, the same "
            "command without torchrun shows the others, too"
        )
    if json_ and first:
        facts = {"file": str(report.file), "cells": total}
        plain = [summary.to_json() for summary in summaries]
        console.as_json({**facts, "failed": dict(report.failed), "summary": plain})
    elif summaries and not json_ and (first or done == total):
        summary_table(report, summaries)
    if plot is not None and summaries:
        from labelcodec.pipeline.study.plot import plot_summaries

        plot_summaries(loaded, summaries, plot)
        console.note(f"plot written to {plot}")
    if report.failed:
        raise click.exceptions.Exit(console.FAILED)


def _dotted(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted names and values of nested tables."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        key = f"{above}{name}"
        flat |= _dotted(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return flat
