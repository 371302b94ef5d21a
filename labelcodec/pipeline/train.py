"""Train a student from a label set and its images."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from labelcodec.errors import MismatchError
from labelcodec.pipeline import checkpoint, threads
from labelcodec.pipeline.distributed import Process, process
from labelcodec.pipeline.evaluate import Centres, Scores, evaluate
from labelcodec.pipeline.log import amend, append, claimed, cut
from labelcodec.pipeline.models import build
from labelcodec.pipeline.recipe import TrainingRecipe
from labelcodec.pipeline.run import CHECKPOINT, RESULT, Run
from labelcodec.pipeline.start import check, order_of, run_of
from labelcodec.pipeline.student import Student
from labelcodec.pipeline.watch import Progressed, Watch
from labelcodec.progress import Progress
from labelcodec.reader import PathLike
from labelcodec.replay.dataset import ReplayBatch, ReplayDataset
from labelcodec.replay.loading import loaded, start_worker


@dataclass(frozen=True)
class TrainReport:
    """What a run came to.

    Attributes:
        student: file of the trained weights.
        epochs: done in all, those before a resume included.
        scores: of the student after the last epoch; None without a validation folder.
    """

    student: Path
    epochs: int
    scores: Scores | None


def train(
    labels: PathLike | Sequence[PathLike],
    images: Path,
    recipe: TrainingRecipe,
    out: Path,
    *,
    validate: Path | None = None,
    validate_every: int = 10,
    resize: bool = True,
    cache: Path | None = None,
    image_size: tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    seed: int = 0,
    workers: int = 0,
    device: str | None = None,
    resume: bool = False,
    progress: Callable[[Progressed], None] | None = None,
    caching: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> TrainReport:
    """Train a student; under torchrun every process takes its share of the batches.

    Args:
        labels: a container, a glob or a list of shards.
        images: the image folder the labels were made from.
        recipe: how to train.
        out: folder for the checkpoint, the log and the student; made if need be.
        validate: image folder to measure accuracy on.
        validate_every: epochs from one measurement to the next; the last epoch is always measured.
        resize: as in `Centres`, of validation images.
        cache: file for decoded images, see `ReplayDataset`.
        image_size: height, width of the network input, where the labels do not say.
        interpolation: of resized crops, where they do not say; then bilinear by default.
        normalisation: mean and std of inputs in 0..1, where they do not say; needed for labels
            that come from a dump.
        seed: of the first weights and the order of batches.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; by default a GPU where there is one.
        resume: go on from the checkpoint in `out`, if any; the result is that of an uninterrupted
            run, as long as torch has the same number of threads.
        progress: called after every batch.
        caching: called with images done and in all while the cache is filled.
        note: called with what the user should know, in the first process.

    Raises:
        LabelcodecError: labels, images, recipe or checkpoint that do not belong together.
    """
    with process(device) as here, ExitStack() as held:
        dataset = ReplayDataset(
            labels,
            images,
            uint8=True,
            cache=cache,
            image_size=image_size,
            interpolation=interpolation,
            normalisation=normalisation,
            progress=caching,
        )
        check(dataset, recipe, here.world)
        order = order_of(dataset, recipe, seed, here)
        _seed(seed)
        student = Student(build(recipe.model, dataset.classes), recipe, here)
        held.callback(student.leave)
        run = run_of(dataset, recipe, seed, here)
        centres = None
        if validate is not None:
            given = dataset.size, dataset.interpolation, resize, run.classes, run.class_names
            centres = Centres(validate, *given)
        log = held.enter_context(claimed(out, resume)) if here.first else None
        first = 0
        if resume and (out / CHECKPOINT).exists():
            first, used = _restored(student, out / CHECKPOINT, run)
            ends = first >= recipe.epochs  # with nothing left to compute
            told = here.first and here.device.type == "cpu" and not ends
            if told and used and used[-1:] != run.threads:
                note(threads.another(out / CHECKPOINT, used[-1], run.threads[-1]))
            run = dataclasses.replace(run, threads=used) if ends else run.after(used)
        if log is not None:
            cut(log, first)
            run.save(out)
        watched = Watch(progress if here.first else None, recipe.epochs * len(order))

        def measured(epoch: int) -> Scores | None:
            """The first process alone measures, while the others wait."""
            if centres is None or log is None:
                return None
            scores = evaluate(
                student.evaluated,
                centres,
                dataset.normalisation,
                here.device,
                workers=workers,
                progress=watched.validating(epoch, len(order)),
            )
            watched.top1 = scores.top1
            amend(log, {"validation": dataclasses.asdict(scores)})
            return scores

        loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=order,
            num_workers=workers,
            worker_init_fn=start_worker,
            pin_memory=here.device.type == "cuda",
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # it leaves the student's random numbers alone
        )
        for epoch in range(first, recipe.epochs):
            if epoch and epoch % validate_every == 0:  # here a resumed run comes by, too
                measured(epoch - 1)
            order.set_epoch(epoch)
            _seed(seed, epoch + 1, here.rank)
            facts = student.train(
                watched(_finished(dataset, loader, here), epoch, len(order)), epoch
            )
            if log is not None:
                append(log, dataclasses.asdict(facts))
                state = {"run": run.to_map(), "epochs": epoch + 1, "student": student.state()}
                checkpoint.save(out / CHECKPOINT, state)
        if here.first:
            checkpoint.save(out / RESULT, student.evaluated.state_dict())
        scores = measured(recipe.epochs - 1)
        return TrainReport(out / RESULT, recipe.epochs, scores)


def _restored(student: Student, path: Path, run: Run) -> tuple[int, tuple[int, ...]]:
    """Take a student back to its checkpoint; gives the epochs done, and the threads they had.

    Raises:
        MismatchError: the checkpoint is of another run, or damaged.
    """
    state = checkpoint.load(path, run.to_map(), ignore={"threads"})
    try:
        student.restore(state["student"])
        return int(state["epochs"]), tuple(map(int, state["run"].get("threads", ())))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise MismatchError(f"{path}: does not fit the student: {reason}") from None


def _seed(*numbers: int) -> None:
    """Start torch's random numbers anew, the same ones for the same numbers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def _finished(
    dataset: ReplayDataset, loader: DataLoader[ReplayBatch], here: Process
) -> Iterator[ReplayBatch]:
    for batch in loaded(loader):
        yield dataset.finish(batch, here.device)
