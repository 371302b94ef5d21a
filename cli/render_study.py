"""Tables of the `study` command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .console import count, counted, decimal, say, size, table

if TYPE_CHECKING:
    from labelcodec.pipeline.study.planning import StudyPlan
    from labelcodec.pipeline.study.results import Summary
    from labelcodec.pipeline.study.running import StudyReport


def plan_table(plan: StudyPlan) -> None:
    """Print the cells of a study, and how many stages they take."""
    from labelcodec.pipeline.study.predicted_size import predicted_bytes

    missing = {cell.title for cell, _ in plan.missing()}
    rows = [
        [
            *(cell.title, stages.labels.key[:6], size(predicted_bytes(cell.settings))),
            "to do" if cell.title in missing else "done",
        ]
        for cell, stages in plan.cells
    ]
    table(f"Cells of {plan.study.name}", ["cell", "labels", "predicted", ""], rows)
    stage_rows = [
        [kind, count(total), count(left)] for kind, (total, left) in plan.stages().items()
    ]
    table("Stages", ["stage", "number", "to compute"], stage_rows)


def summary_table(report: StudyReport, summaries: Sequence[Summary]) -> None:
    """Print mean and standard error of each combination of settings over its seeds."""
    has_rows = any(summary.row is not None for summary in summaries)
    keys = list(dict.fromkeys(key for summary in summaries for key in summary.settings))
    is_compared = any(summary.mean["similarity"] is not None for summary in summaries)
    first = (["row"] if has_rows else []) + [key.removesuffix(".model") for key in keys]
    columns = [
        *(first or ["codec"]), "n", "top-1, %", "± s.e.", "labels", "B/label", "actual",
        "theoretical", *(["similarity", "MMD²"] if is_compared else []), "",
    ]  # fmt: skip
    rows = []
    for summary in summaries:
        mean, error = summary.mean, summary.standard_error
        names = [summary.row or ""] if has_rows else []
        names += [_text(summary.settings.get(key)) for key in keys]
        compared = [decimal(mean["similarity"], 3), decimal(mean["mmd"], 4)] if is_compared else []
        rows.append(
            [
                *(names or [summary.codec]), str(summary.seeds), _percent(mean["top1"]),
                _percent(error["top1"]), size(mean["labels_bytes"]),
                decimal(mean["bytes_per_label"]), _rate(mean["actual_rate"]),
                _rate(mean["theoretical_rate"]), *compared, "*" if summary.pareto else "",
            ]
        )  # fmt: skip
    done, total = len(report.results), len(report.cells)
    table(f"{report.study}: {counted(done, 'cell')} of {count(total)}", columns, rows)
    say(f"one line per cell: {report.file}")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _percent(share: float | None) -> str:
    return decimal(None if share is None else 100 * share)


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{decimal(rate)}x"
