"""Training of a student from a label set and its images."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from labelcodec.binding.agreement import Agreement
from labelcodec.binding.folder import ClassMapLike
from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing
from labelcodec.pipeline import checkpoint, threads
from labelcodec.pipeline.batch_loading import BatchLoading
from labelcodec.pipeline.callbacks import TrainingCallback
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.evaluation import EvaluationImages, Scores, score_model
from labelcodec.pipeline.models import build, model_name
from labelcodec.pipeline.preflight import (
    batch_order,
    check_agreement,
    check_training,
    describe_run,
    unequal_epochs,
)
from labelcodec.pipeline.rebatch import step_size
from labelcodec.pipeline.run_folder import CHECKPOINT, RESULT, Run
from labelcodec.pipeline.trainer import Trainer
from labelcodec.pipeline.training_log import amend, append, open_log, truncate
from labelcodec.pipeline.training_progress import ProgressReporter
from labelcodec.pipeline.training_recipe import ADDED_SETTINGS, TrainingRecipe, load_recipe
from labelcodec.progress import Progress
from labelcodec.reader import open as open_labels
from labelcodec.remote import LocationLike
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.labelling import labeller_for
from labelcodec.wording import counted


@dataclass(frozen=True)
class TrainReport:
    """Result of a training run.

    Attributes:
        student: file of the trained weights.
        epochs: epochs trained, including those before a resume.
        scores: scores after the last epoch; None without a validation folder.
        agreement: how many labels, of a sample, name the class of their image's folder first.
    """

    student: Path
    epochs: int
    scores: Scores | None
    agreement: Agreement


def train(
    labels: LocationLike | Sequence[LocationLike],
    images: Path | str | ImageListing,
    recipe: TrainingRecipe | Path | str,
    out: Path | str,
    *,
    model: nn.Module | str | None = None,
    validate: Path | str | ImageListing | None = None,
    validate_every: int = 10,
    resize: bool = True,
    cache: Path | str | None = None,
    image_size: tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    class_map: ClassMapLike | None = None,
    allow_changed_images: bool = False,
    encoder: nn.Module | str | None = None,
    encoder_weights: Path | str | None = None,
    encoder_autocast: str | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    resume: bool = False,
    callbacks: Sequence[TrainingCallback] = (),
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> TrainReport:
    """Train a student; under torchrun every process trains on its share of the batches.

    Args:
        labels: as in `labelcodec.open`.
        images: the images the labels were made from, see `list_images`.
        recipe: a training recipe, the name of one (see `recipe_names`) or a .toml file.
        out: folder for the checkpoint, the log and the student; created if missing.
        model: the student, instead of the recipe's: a name as in `build`, or a torch module that
            maps (B, 3, H, W) images to (B, C) logits.
        validate: images to evaluate the student on, likewise.
        validate_every: epochs between evaluations; the last epoch is always evaluated.
        resize: whether validation images are resized and cropped, see `EvaluationImages`.
        cache: file for decoded images, see `ReplayDataset`.
        image_size: height, width of the network input, if the labels do not record it.
        interpolation: 'bilinear' or 'bicubic' resizing of crops, if the labels do not record it;
            default 'bilinear'.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1, if the labels do not
            record it.
        class_map: the teacher's classes, see `as_class_map`, if the labels do not name them and
            they are not the sorted class folders.
        allow_changed_images: accept images of the same names with other pixels, see
            `ReplayDataset`.
        encoder: for labels that are a function of their images (codec `projector`): the encoder
            that they were made with, a name as in `build` or a module.
        encoder_weights: file of the encoder's weights; None for one that includes them.
        encoder_autocast: 'float16' or 'bfloat16' for mixed precision of the encoder; None for
            float32.
        seed: seed of the initial weights and the batch order.
        workers: processes that load images, 0 for this process itself; None keeps all images in
            memory, see `ResidentLoader`, or loads them in this process if they do not fit.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        resume: continue from the checkpoint in `out`, if there is one. The result equals that of an
            uninterrupted run, provided torch has the same number of threads. On another number of
            processes the steps have as many samples, but the result differs in its last bits.
        callbacks: told of the run's epochs and scores, in the first process.
        progress: called with images done and total images while they are decoded, then after
            every batch with batches done, total batches and the epoch.
        note: called in the first process with notes for the user.

    Raises:
        ConfigError: an unknown recipe, setting or model, or one that cannot be trained with.
        DataError: there are no batches, a setting is neither recorded nor passed, or the loss
            is no longer finite.
        NeedsImagesError: labels that are a function of their images, and no encoder.
        MismatchError: labels, images, encoder, student and checkpoint do not belong together, or
            `out` holds another run.
    """
    settings = recipe if isinstance(recipe, TrainingRecipe) else load_recipe(str(recipe))
    out = Path(out)
    if model is not None:
        settings = dataclasses.replace(settings, model=model_name(model))
    with process(device) as this_process, ExitStack() as stack:
        reporter = ProgressReporter(progress if this_process.first else None)
        with open_labels(labels) as reader:
            labeller = labeller_for(
                reader,
                encoder,
                None if encoder_weights is None else Path(encoder_weights),
                this_process.device,
                autocast=encoder_autocast,
            )
        dataset = ReplayDataset(
            labels,
            images,
            uint8=True,
            cache=cache,
            image_size=image_size,
            interpolation=interpolation,
            normalisation=normalisation,
            class_map=class_map,
            allow_changed_images=allow_changed_images,
            labeller=labeller,
            progress=reporter.caching,
            note=this_process.told(note),
        )
        check_training(dataset, settings, this_process.world)
        order = batch_order(dataset, settings, seed, this_process)
        if this_process.first and (line := unequal_epochs(dataset, settings)):
            note(line)
        _seed(seed)
        network = model if isinstance(model, nn.Module) else build(settings.model, dataset.classes)
        resumes = resume and (out / CHECKPOINT).exists()
        started = checkpoint.processes(out / CHECKPOINT) if resumes else this_process.world
        step = step_size(settings.batch_size, started, this_process.world)
        student = Trainer(network, settings, this_process, step)
        stack.callback(student.leave)
        run = describe_run(dataset, settings, seed, started)
        evaluation_images = None
        if validate is not None:
            image_settings = (
                dataset.size,
                dataset.interpolation,
                resize,
                run.classes,
                run.class_names,
            )
            evaluation_images = EvaluationImages(validate, *image_settings)
        agreement = check_agreement(dataset, this_process.told(note))
        log = stack.enter_context(open_log(out, resume)) if this_process.first else None
        first = 0
        if resumes:
            first, past_threads = _restore(student, out / CHECKPOINT, run)
            is_finished = first >= settings.epochs  # nothing left to compute
            if this_process.first and started != this_process.world and not is_finished:
                note(
                    f"{out / CHECKPOINT}: was trained on {counted(started, 'process')} and goes "
                    f"on on {this_process.world}, with as many samples per step; the student will "
                    "not be the same to the bit"
                )
            is_noted = this_process.first and this_process.device.type == "cpu" and not is_finished
            if is_noted and past_threads and past_threads[-1:] != run.threads:
                note(
                    threads.thread_change_note(out / CHECKPOINT, past_threads[-1], run.threads[-1])
                )
            run = (
                dataclasses.replace(run, threads=past_threads)
                if is_finished
                else run.after(past_threads)
            )
        if log is not None:
            truncate(log, first)
            run.save(out)
        reporter.start([order.batches_in(epoch) for epoch in range(settings.epochs)])

        def evaluate_student(epoch: int) -> Scores | None:
            """Evaluate in the first process, while the others wait."""
            if evaluation_images is None or log is None:
                return None
            scores = score_model(
                student.evaluated,
                evaluation_images,
                dataset.normalisation,
                this_process.device,
                workers=workers or 0,
                progress=reporter.validating(epoch),
            )
            reporter.top1 = scores.top1
            amend(log, {"validation": dataclasses.asdict(scores)})
            for callback in callbacks:
                callback.on_scores(epoch, scores)
            return scores

        told = callbacks if this_process.first else ()
        for callback in told:
            callback.on_start(run.to_map(), first)
        loading = BatchLoading(
            dataset, order, workers, this_process, reporter.caching, this_process.told(note)
        )
        try:
            for epoch in range(first, settings.epochs):
                if epoch and epoch % validate_every == 0:  # also reached by a resumed run
                    evaluate_student(epoch - 1)
                order.set_epoch(epoch)
                _seed(seed, epoch + 1, this_process.rank)
                metrics = student.train(reporter.watched(loading.epoch(), epoch), epoch)
                if log is not None:
                    append(log, dataclasses.asdict(metrics))
                    state = {"run": run.to_map(), "epochs": epoch + 1, "student": student.state()}
                    checkpoint.save(out / CHECKPOINT, state)
                for callback in told:
                    callback.on_epoch(metrics)
        except MismatchError as error:  # an image that cannot be read any more
            if (out / CHECKPOINT).exists():
                error.add_note(
                    f"{out / CHECKPOINT} keeps the epochs that are done; mend what is wrong, and "
                    "continue with `resume=True`"
                )
            raise
        if this_process.first:
            checkpoint.save(out / RESULT, student.evaluated.state_dict())
        scores = evaluate_student(settings.epochs - 1)
        for callback in told:
            callback.on_end()
        return TrainReport(out / RESULT, settings.epochs, scores, agreement)


def _restore(student: Trainer, path: Path, run: Run) -> tuple[int, tuple[int, ...]]:
    """Restore a student from a checkpoint.

    Returns:
        The number of epochs done, and the thread counts they were trained with.

    Raises:
        MismatchError: the checkpoint is of another run, or damaged.
    """
    state = checkpoint.load(path, run.to_map(), ignore={"threads"}, added=ADDED_SETTINGS)
    try:
        student.restore(state["student"])
        return int(state["epochs"]), tuple(map(int, state["run"].get("threads", ())))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise MismatchError(f"{path}: does not fit the student: {reason}") from None


def _seed(*numbers: int) -> None:
    """Seed torch's global random generator from several integers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
