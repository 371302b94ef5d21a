"""Train a student from a label set and its images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from labelcodec.errors import DataError, MismatchError
from labelcodec.pipeline import checkpoint
from labelcodec.pipeline.distributed import Process, process
from labelcodec.pipeline.evaluate import Centres, Scores, evaluate
from labelcodec.pipeline.models import build
from labelcodec.pipeline.recipe import TrainingRecipe
from labelcodec.pipeline.run import CHECKPOINT, LOG, RESULT, Run
from labelcodec.pipeline.student import EpochFacts, Student
from labelcodec.reader import PathLike
from labelcodec.replay.dataset import ReplayBatch, ReplayDataset
from labelcodec.replay.order import BatchOrder


@dataclass(frozen=True)
class Progressed:
    """How far a run is, once a batch.

    Attributes:
        epoch: counted from 0.
        done: batches done in all epochs.
        total: batches of the whole run.
        top1: of the last validation, 0..1; None before one.
    """

    epoch: int
    done: int
    total: int
    top1: float | None


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
    seed: int = 0,
    workers: int = 0,
    device: str | None = None,
    resume: bool = False,
    progress: Callable[[Progressed], None] | None = None,
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
        seed: of the first weights and the order of batches.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; by default a GPU where there is one.
        resume: go on from the checkpoint in `out`; the result is that of an uninterrupted run.
        progress: called after every batch.

    Raises:
        LabelcodecError: labels, images, recipe or checkpoint that do not belong together.
    """
    with process(device) as here:
        dataset = ReplayDataset(labels, images, uint8=True, cache=cache, image_size=image_size)
        if not len(dataset):
            raise DataError(f"{dataset.reader.paths[0]}: holds no batches to train on")
        order = _order(dataset, recipe, seed, here)
        torch.manual_seed(seed)
        student = Student(build(recipe.model, dataset.classes), recipe, here)
        run = _run(dataset, recipe, seed)
        first, scores = 0, None
        if resume:
            state = checkpoint.load(out / CHECKPOINT, run.to_map())
            student.restore(state["student"])
            torch.set_rng_state(state["random"])
            first = int(state["epochs"])
        elif (out / CHECKPOINT).exists():
            raise MismatchError(f"{out}: holds a run already; resume it or name another folder")
        if here.first:
            out.mkdir(parents=True, exist_ok=True)
            run.save(out)
        watched = _Watch(progress if here.first else None, recipe.epochs * len(order))
        centres = None
        if validate is not None:
            centres = Centres(validate, dataset.size, dataset.interpolation, resize)
        for epoch in range(first, recipe.epochs):
            order.set_epoch(epoch)
            loader = DataLoader(
                dataset,
                batch_size=None,
                sampler=order,
                num_workers=workers,
                pin_memory=here.device.type == "cuda",
            )
            facts = student.train(
                watched(_finished(dataset, loader, here), epoch, len(order)), epoch
            )
            last = epoch + 1 == recipe.epochs
            scores = None
            if centres is not None and here.first and (last or (epoch + 1) % validate_every == 0):
                scores = evaluate(
                    student.evaluated, centres, dataset.normalisation, here.device, workers=workers
                )
                watched.top1 = scores.top1
            if here.first:
                _log(out / LOG, facts, scores)
                state = {"run": run.to_map(), "epochs": epoch + 1, "student": student.state()}
                checkpoint.save(out / CHECKPOINT, state | {"random": torch.get_rng_state()})
        if here.first:
            checkpoint.save(out / RESULT, student.evaluated.state_dict())
        return TrainReport(out / RESULT, recipe.epochs, scores)


def _run(dataset: ReplayDataset, recipe: TrainingRecipe, seed: int) -> Run:
    normalisation = dataset.normalisation
    return Run(
        recipe,
        seed,
        dataset.classes,
        dataset.size,
        dataset.interpolation,
        None if normalisation is None else dict(normalisation),
        len(dataset),
        dataset.reader.header.fingerprint,
    )


def _order(dataset: ReplayDataset, recipe: TrainingRecipe, seed: int, here: Process) -> BatchOrder:
    usual = int(dataset.reader.index.samples.max())
    images = dataset.reader.header.images or len(dataset.listing)
    per_epoch = recipe.batches_per_epoch or max(images // usual, here.world)
    return BatchOrder(
        len(dataset),
        per_epoch=per_epoch,
        order=recipe.order,
        seed=seed,
        rank=here.rank,
        world=here.world,
    )


def _finished(
    dataset: ReplayDataset, loader: DataLoader[ReplayBatch], here: Process
) -> Iterator[ReplayBatch]:
    for batch in loader:
        yield dataset.finish(batch, here.device)


class _Watch:
    """Counts batches as they go by."""

    def __init__(self, progress: Callable[[Progressed], None] | None, total: int) -> None:
        self._progress, self._total = progress, total
        self.top1: float | None = None

    def __call__(
        self, batches: Iterator[ReplayBatch], epoch: int, per_epoch: int
    ) -> Iterator[ReplayBatch]:
        for i, batch in enumerate(batches):
            yield batch
            if self._progress is not None:
                done = epoch * per_epoch + i + 1
                self._progress(Progressed(epoch, done, self._total, self.top1))


def _log(path: Path, facts: EpochFacts, scores: Scores | None) -> None:
    """Put down a line of JSON for an epoch, in place of what a killed run wrote for it."""
    line = dataclasses.asdict(facts)
    if scores is not None:
        line["validation"] = dataclasses.asdict(scores)
    before = path.read_text().splitlines()[: facts.epoch] if path.exists() else []
    path.write_text("\n".join([*before, json.dumps(line)]) + "\n")
