"""Execution of a study: what no process has computed yet, cell by cell."""

from __future__ import annotations

import errno
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelcodec.errors import LabelcodecError, MismatchError
from labelcodec.files.locks import LockedError
from labelcodec.pipeline.study.cells import Cell
from labelcodec.pipeline.study.computing import Work, compute
from labelcodec.pipeline.study.planning import plan_study
from labelcodec.pipeline.study.results import (
    Result,
    cell_file,
    is_complete,
    merged,
    results_of,
    write_results,
)
from labelcodec.pipeline.study.shares import alone, share_of
from labelcodec.pipeline.study.stage_folder import StageFolder, write_json
from labelcodec.pipeline.study.stages import CellStages, Stage
from labelcodec.pipeline.study.study_file import Study
from labelcodec.progress import Progress
from labelcodec.version import __version__

POLL = 2.0  # seconds between looks at what other processes are computing
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)  # as for every other cell


@dataclass(frozen=True)
class StudyReport:
    """Result of a run.

    Attributes:
        study: name of the study.
        cells: all cells of the study, in order.
        results: results of those that are complete, whoever computed them.
        failed: title of a cell of this process -> why it failed.
        file: JSON lines of the results.
    """

    study: str
    cells: tuple[Cell, ...]
    results: tuple[Result, ...]
    failed: Mapping[str, str]
    file: Path


def run_study(
    study: Study,
    out: Path | str,
    *,
    only: tuple[int, int] | None = None,
    merge: Sequence[Path | str] = (),
    device: str | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> StudyReport:
    """Compute a study, or what is left of it.

    Results go to `out`, where stages with equal settings and inputs are computed once, by this or
    another study or process. What is complete is reused, and what was interrupted is continued. A
    cell that fails does not stop the others.

    Args:
        study: the study, see `load_study`.
        out: the folder for everything that is computed; processes may share it.
        only: (I, N): compute the I-th of N shares of the cells, from 1.
        merge: folders of other runs, whose results are taken over.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        workers: processes that load images.
        progress: called with the progress of the stage in hand, and its cell.
        note: called with notes for the user, with each once.

    Raises:
        ConfigError: a setting is not allowed or missing, before anything is computed.
        MismatchError: an image folder or a file is missing.
        OSError: `out` cannot be written, or its disk is full.
    """
    plan = plan_study(study, out)
    share = share_of(plan.by_shared_stages(), only)
    for folder in merge:
        merged(plan.out, Path(folder), [stages for _, stages in plan.cells])
    plan.out.mkdir(parents=True, exist_ok=True)
    run = _Run(plan.out, device, workers, progress, _once(note))
    with alone():
        failed = run.all(share)
    results = results_of(study, plan.out, plan.cells)
    file = write_results(study, plan.out, results)
    return StudyReport(
        study.name, tuple(cell for cell, _ in plan.cells), tuple(results), failed, file
    )


@dataclass
class _Run:
    """The cells of one process.

    Attributes:
        out: the folder of the study.
        broken: path of a stage that has failed -> why.
    """

    out: Path
    device: str | None
    workers: int
    progress: Progress | None
    note: Callable[[str], None]
    broken: dict[str, str] = field(default_factory=dict)

    def all(self, share: Sequence[tuple[Cell, CellStages]]) -> dict[str, str]:
        """Compute cells; title of those that failed -> why."""
        queue, waiting, done = deque(share), 0, 0
        failed: dict[str, str] = {}
        try:
            while queue:
                cell, stages = queue.popleft()
                try:
                    self.cell(cell, stages, f"cell {done + 1} of {len(share)}")
                    done, waiting = done + 1, 0
                except LockedError:
                    queue.append((cell, stages))
                    waiting += 1
                except Exception as error:
                    if getattr(error, "errno", None) in FULL:
                        raise
                    failed[cell.title] = _reason(error)
                    self.note(f"{cell.title}: {_reason(error)}")
                    done, waiting = done + 1, 0
                if waiting and waiting >= len(queue):
                    time.sleep(POLL)
                    waiting = 0
        except KeyboardInterrupt as interrupt:
            complete = sum(cell_file(self.out, stages).is_file() for _, stages in share)
            interrupt.__notes__ = [
                f"{complete} of {len(share)} cells are complete; run the same command again to "
                "continue"
            ]
            raise
        return failed

    def cell(self, cell: Cell, stages: CellStages, title: str) -> None:
        """Compute the stages of a cell that are not complete, and write its result."""
        file = cell_file(self.out, stages)
        if is_complete(file):
            return
        facts: dict[str, Any] = {}
        for stage in stages.all:
            facts |= self.stage(stage, cell, title)
        folders = {stage.kind: stage.path for stage in stages.all}
        write_json(file, {"labelcodec": __version__, "folders": folders, "figures": facts})

    def stage(self, stage: Stage, cell: Cell, title: str) -> dict[str, Any]:
        """Figures of a stage, which is computed unless it is complete."""
        if stage.path in self.broken:
            raise MismatchError(self.broken[stage.path])
        folder = StageFolder(self.out / stage.path)
        if (facts := folder.facts) is not None:
            return facts
        with folder.locked():
            if (facts := folder.facts) is not None:  # another process has just completed it
                return facts
            inputs = {name: self.out / each.path for name, each in stage.inputs.items()}
            progress = _titled(self.progress, f"{title}, {stage.kind}")
            if progress is not None:
                progress(0, 1)
            work = Work(
                stage, folder.path, inputs, cell.settings, self.device, self.workers, progress,
                self.note,
            )  # fmt: skip
            try:
                facts = compute(work)
            except LockedError:
                raise
            except Exception as error:
                self.broken[stage.path] = _reason(error)
                raise
            folder.complete(facts)
        return facts


def _reason(error: Exception) -> str:
    """Why a cell failed, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    return (
        text if isinstance(error, LabelcodecError | OSError) else f"{type(error).__name__}: {text}"
    )


def _titled(progress: Progress | None, title: str) -> Progress | None:
    """A progress whose activities are those of a stage of a cell."""
    if progress is None:
        return None
    told = progress

    def report(done: int, total: int, /, doing: str | None = None) -> None:
        told(done, total, title if doing is None else f"{title}: {doing}")

    return report


def _once(note: Callable[[str], None]) -> Callable[[str], None]:
    """Notes that were not made before: cells have much in common."""
    made: set[str] = set()

    def noted(line: str) -> None:
        if line not in made:
            made.add(line)
            note(line)

    return noted
