"""Evaluation of students, given as training runs or torch modules, on an image folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from labelcodec.binding.class_map import as_class_map, folder_notes
from labelcodec.binding.folder import ClassMapLike
from labelcodec.errors import ConfigError
from labelcodec.images import ImageListing, list_images
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.evaluation import EvaluationImages, Scores, score_model
from labelcodec.pipeline.models import trained
from labelcodec.pipeline.run_folder import load_student
from labelcodec.progress import Progress, named


def evaluate(
    images: Path | str | ImageListing,
    student: nn.Module | Path | str,
    *,
    teacher: str | None = None,
    teacher_weights: Path | str | None = None,
    weights_key: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str = "bilinear",
    normalisation: Mapping[str, Any] | None = None,
    classes: int | None = None,
    class_map: ClassMapLike | None = None,
    resize: bool = True,
    workers: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> Scores:
    """Evaluate a student on an image folder.

    Args:
        images: an image folder or another source, see `list_images`.
        student: the folder of a training run, or a torch module that maps (B, 3, H, W) images to
            (B, C) logits.
        teacher: a model name as in `build`, to measure how often student and teacher agree.
        teacher_weights: file of the teacher's weights.
        weights_key: where in that file the weights are, see `load_weights`.
        image_size: height and width of a module's input, in pixels; runs record theirs.
        interpolation: for a module, 'bilinear' or 'bicubic' resizing.
        normalisation: for a module, {'mean': [r, g, b], 'std': [r, g, b]} of its inputs in 0..1;
            None for inputs in 0..1.
        classes: C of a module; default: the number of classes of the folder.
        class_map: the student's classes by the names of the folder, see `as_class_map`, where they
            are neither recorded nor the sorted class folders.
        resize: resize images of other sizes to 256/224 of the input size and crop their centre, as
            is usual for ImageNet; if False, resize them to the input size directly.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        progress: called with images done and total images.
        note: called with notes for the user.

    Returns:
        Accuracy, loss and agreement with the teacher.

    Raises:
        ConfigError: a module without `image_size`, or an unknown teacher.
        LabelcodecError: a run is not finished, or a model does not fit the images.
    """
    weights = None if teacher_weights is None else Path(teacher_weights)
    if not isinstance(student, nn.Module):
        ((_, scores),) = evaluate_runs(
            images,
            [Path(student)],
            teacher=teacher,
            teacher_weights=weights,
            weights_key=weights_key,
            class_map=class_map,
            resize=resize,
            workers=workers,
            device=device,
            progress=progress,
            note=note,
        )
        return scores
    if image_size is None:
        raise ConfigError("a torch module does not say what images it takes: give `image_size`")
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    mapped = 0 if class_map is None else as_class_map(class_map).classes
    listing = list_images(images)
    class_count = classes or max(len(listing.classes), mapped)
    evaluation_images = EvaluationImages(
        listing, size, interpolation, resize, class_count, class_map=class_map
    )
    with process(device) as this_process:
        teacher_model = (
            None
            if teacher is None
            else trained(teacher, class_count, weights, weights_key).to(this_process.device)
        )
        return score_model(
            student.to(this_process.device),
            evaluation_images,
            normalisation,
            this_process.device,
            teacher=teacher_model,
            workers=workers,
            progress=progress,
        )


def evaluate_runs(
    images: Path | str | ImageListing,
    runs: Sequence[Path],
    *,
    teacher: str | None = None,
    teacher_weights: Path | None = None,
    weights_key: str | None = None,
    class_map: ClassMapLike | None = None,
    resize: bool = True,
    workers: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> list[tuple[Path, Scores]]:
    """Evaluate the students of training runs.

    Args:
        images: an image folder or another source, see `list_images`.
        runs: folders written by `train`.
        teacher: a model name as in `build`, to measure how often student and teacher agree; its
            inputs are those of the student, normalised as the run's labels were.
        teacher_weights: file of the teacher's weights.
        weights_key: where in that file the weights are, see `load_weights`.
        class_map: the students' classes by the names of the folder, see `EvaluationImages`.
        resize: as in `EvaluationImages`.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        progress: called with images done and total images, over all students.
        note: called in the first process with notes for the user.

    Returns:
        (run folder, scores) for each run, in order.

    Raises:
        ConfigError: `teacher_weights` without a teacher, or an unknown teacher.
        LabelcodecError: a run is not finished, or a run or the teacher does not fit the images.
    """
    if teacher_weights is not None and teacher is None:
        raise ConfigError("`teacher_weights` without a `teacher`")
    results = []
    with process(device) as this_process:
        students = [load_student(folder) for folder in runs]
        mapped = class_map is not None or all(run.class_names for run, _ in students)
        listing = list_images(images)
        for line in folder_notes(listing.classes, str(listing.root), mapped=mapped):
            if this_process.first:
                note(line)
        for i, (folder, (run, model)) in enumerate(zip(runs, students, strict=True)):
            evaluation_images = EvaluationImages(
                listing,
                run.image_size,
                run.interpolation,
                resize,
                run.classes,
                run.class_names,
                class_map,
            )
            teacher_model = None
            if teacher is not None:
                teacher_model = trained(teacher, run.classes, teacher_weights, weights_key)
                teacher_model = teacher_model.to(this_process.device)
            image_count = len(evaluation_images)
            scores = score_model(
                model.to(this_process.device),
                evaluation_images,
                run.normalisation,
                this_process.device,
                teacher=teacher_model,
                named=(f"the student of {folder}", f"the teacher {teacher}"),
                workers=workers,
                progress=named(progress, str(folder), i * image_count, len(runs) * image_count),
            )
            results.append((folder, scores))
    return results
