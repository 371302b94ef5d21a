"""Preparation of a training run: checks, run description and batch order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from labelcodec.binding.agreement import Agreement
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.images import ClassNumbers
from labelcodec.pipeline import threads
from labelcodec.pipeline.distributed import Process, check_shared
from labelcodec.pipeline.models import is_file
from labelcodec.pipeline.run_folder import Run, digest
from labelcodec.pipeline.training_recipe import TrainingRecipe
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.wording import counted


def check_training(dataset: ReplayDataset, recipe: TrainingRecipe, world: int) -> None:
    """Check that a recipe can train on a dataset.

    Args:
        dataset: the labels and images to train on.
        recipe: the training settings.
        world: number of processes that share the batches.

    Raises:
        ConfigError: the student is a model file, the loss is always 0 (`mse` with top-1 labels),
            or there are more processes than batches.
        DataError: there are no batches.
        MismatchError: the loss needs hard labels, which the image folder does not provide.
    """
    if not len(dataset):
        raise DataError(f"{dataset.reader.paths[0]}: holds no batches to train on")
    check_shared(len(dataset), world)
    if "mse" in recipe.losses and dataset.reader.header.k == 1:
        raise ConfigError("loss='mse' compares logits within a label, and these have one each")
    if is_file(recipe.model):
        raise ConfigError(f"{recipe.model}: a student has to be a model by name, not a file")
    folders = dataset.listing.classes
    classes = len(folders)
    by_class = [loss for loss in recipe.losses if loss in ("cosine", "hard")]
    is_known = isinstance(folders, ClassNumbers) or classes == dataset.classes
    if by_class and not is_known and dataset.class_names is None:
        raise MismatchError(
            f"{dataset.listing.root}: has {counted(classes, 'class')}, the labels "
            f"{dataset.classes}; "
            f"loss={by_class[0]!r} needs the class of every image: pass `class_map`"
        )


def check_agreement(dataset: ReplayDataset, note: Callable[[str], None]) -> Agreement:
    """Compare the teacher's top classes with the classes of the folder, and tell if few agree.

    Args:
        dataset: labels and images.
        note: called with notes for the user.

    Returns:
        The agreement of a sample of the labels.
    """
    measured = dataset.agreement()
    if dataset.bound:  # otherwise told when the dataset was opened
        for line in dataset.agreement_warnings(measured):
            note(line)
    return measured.agreement


def describe_run(dataset: ReplayDataset, recipe: TrainingRecipe, seed: int, started: int) -> Run:
    """Description of the run, to be written to its folder.

    Args:
        dataset: labels and images.
        recipe: the training recipe.
        seed: seed of the run.
        started: number of processes that the run started on.
    """
    normalisation, folders = dataset.normalisation, dataset.listing.classes
    names = dataset.class_names or (() if isinstance(folders, ClassNumbers) else folders)
    return Run(
        recipe,
        seed,
        dataset.classes,
        dataset.size,
        dataset.interpolation,
        None if normalisation is None else dict(normalisation),
        digest(dataset.reader),
        started,
        list(names) if len(names) == dataset.classes else None,
        (threads.thread_count(),),
    )


def batch_order(
    dataset: ReplayDataset, recipe: TrainingRecipe, seed: int, this_process: Process
) -> BatchOrder:
    """Batch order of the run; by default an epoch has as many samples as there are images.

    Args:
        dataset: labels and images.
        recipe: the training recipe.
        seed: seed of the order.
        this_process: this process, which gets its share of the batches.

    Raises:
        ConfigError: a stored epoch has fewer batches than there are processes.
        MismatchError: order 'epoch', and the labels are not numbered by epoch.
    """
    share: dict[str, Any] = {"rank": this_process.rank, "world": this_process.world}
    index = dataset.reader.index
    images = dataset.reader.header.images or len(dataset.listing)
    if recipe.order == "epoch":
        samples = np.bincount(np.unique(index.epoch, return_inverse=True)[1], index.samples)
        if samples.max() >= 2 * images:
            raise MismatchError(
                f"{dataset.reader.paths[0]}: order='epoch' needs batches that are numbered by "
                f"epoch, and one epoch holds {samples.max():.0f} samples of "
                f"{counted(images, 'image')}; use "
                "order='pool' or 'recorded'"
            )
        return BatchOrder(len(dataset), order=recipe.order, epochs=index.epoch, seed=seed, **share)
    batches_per_pass = images / index.samples.mean()
    per_epoch = recipe.batches_per_epoch or max(round(batches_per_pass), this_process.world)
    return BatchOrder(len(dataset), per_epoch=per_epoch, order=recipe.order, seed=seed, **share)


def unequal_epochs(dataset: ReplayDataset, recipe: TrainingRecipe) -> str | None:
    """Note for the user if order 'epoch' replays stored epochs of unequal length.

    Args:
        dataset: labels and images.
        recipe: the training recipe.
    """
    numbers, batches = np.unique(dataset.reader.index.epoch, return_counts=True)
    if recipe.order != "epoch" or batches.min() == batches.max():
        return None
    partial = int((batches < batches.max()).sum())
    return (
        f"{dataset.reader.paths[0]}: {partial} of {len(numbers)} stored epochs have fewer batches "
        f"than the longest, which has {batches.max()}; order='epoch' replays them as they are"
    )
