"""Several students on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelcodec.errors import ConfigError
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.evaluate import Centres, Scores, evaluate
from labelcodec.pipeline.models import trained
from labelcodec.pipeline.run import student
from labelcodec.progress import Progress


def evaluate_runs(
    images: Path,
    runs: Sequence[Path],
    *,
    teacher: str | None = None,
    teacher_weights: Path | None = None,
    resize: bool = True,
    workers: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
) -> list[tuple[Path, Scores]]:
    """Scores of the students of training runs.

    Args:
        images: image folder, one sub-folder a class.
        runs: folders that `train` wrote.
        teacher: a model as in `build`, whose classes theirs are compared with; it is shown the
            images as they are, normalised as the run's labels were.
        teacher_weights: its weights.
        resize: as in `Centres`.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...
        progress: called with images done and in all, over all students.

    Raises:
        LabelcodecError: a run that is not finished, or a run or teacher that does not fit the
            images.
    """
    if teacher_weights is not None and teacher is None:
        raise ConfigError("weights of a teacher, but no --teacher")
    found = []
    with process(device) as here:
        students = [student(folder) for folder in runs]
        for i, (folder, (run, model)) in enumerate(zip(runs, students, strict=True)):
            centres = Centres(
                images, run.image_size, run.interpolation, resize, run.classes, run.class_names
            )
            compared = None
            if teacher is not None:
                compared = trained(teacher, run.classes, teacher_weights).to(here.device)

            def moved(done: int, total: int, before: int = i) -> None:
                if progress is not None:
                    progress(before * total + done, len(runs) * total)

            scores = evaluate(
                model.to(here.device),
                centres,
                run.normalisation,
                here.device,
                teacher=compared,
                named=(f"the student of {folder}", f"the teacher {teacher}"),
                workers=workers,
                progress=moved,
            )
            found.append((folder, scores))
    return found
