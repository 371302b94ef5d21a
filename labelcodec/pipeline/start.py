"""What a training run starts from: labels and images that will do, its order, its description."""

from __future__ import annotations

from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.pipeline import threads
from labelcodec.pipeline.distributed import Process, check_shared
from labelcodec.pipeline.models import is_file
from labelcodec.pipeline.recipe import TrainingRecipe
from labelcodec.pipeline.run import Run, digest
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.order import BatchOrder


def check(dataset: ReplayDataset, recipe: TrainingRecipe, world: int) -> None:
    """Refuse what cannot be trained from.

    Args:
        dataset: what to train on.
        recipe: how to train.
        world: processes that share the batches.

    Raises:
        ConfigError: a student that is not a model by name, a loss that labels of one class each
            leave at 0, or more processes than batches.
        DataError: no batches, or inputs that nobody has described.
        MismatchError: a loss that needs classes which the image folder does not tell.
    """
    if not len(dataset):
        raise DataError(f"{dataset.reader.paths[0]}: holds no batches to train on")
    check_shared(len(dataset), world)
    if recipe.loss == "mse" and dataset.reader.header.k == 1:
        raise ConfigError("loss='mse' compares logits within a label, and these have one each")
    if is_file(recipe.model):
        raise ConfigError(f"{recipe.model}: a student has to be a model by name, not a file")
    if dataset.normalisation is None and dataset.reader.header.recipe is None:
        raise DataError(
            f"{dataset.reader.paths[0]}: does not say how the teacher's inputs were normalised; "
            "give --mean and --std (0 0 0 and 1 1 1 if they were not)"
        )
    classes = len(dataset.listing.classes)
    if recipe.loss == "cosine" and classes != dataset.classes:
        raise MismatchError(
            f"{dataset.listing.root}: has {classes} classes, the labels {dataset.classes}; "
            "loss='cosine' needs to know which class an image is of"
        )


def run_of(dataset: ReplayDataset, recipe: TrainingRecipe, seed: int, here: Process) -> Run:
    """What is written down of the run."""
    normalisation, names = dataset.normalisation, dataset.listing.classes
    return Run(
        recipe,
        seed,
        dataset.classes,
        dataset.size,
        dataset.interpolation,
        None if normalisation is None else dict(normalisation),
        digest(dataset.reader),
        here.world,
        list(names) if len(names) == dataset.classes else None,
        (threads.count(),),
    )


def order_of(
    dataset: ReplayDataset, recipe: TrainingRecipe, seed: int, here: Process
) -> BatchOrder:
    """The batches of an epoch, by default as many as hold every image once."""
    images = dataset.reader.header.images or len(dataset.listing)
    usual = images / dataset.reader.index.samples.mean()
    per_epoch = recipe.batches_per_epoch or max(round(usual), here.world)
    return BatchOrder(
        len(dataset),
        per_epoch=per_epoch,
        order=recipe.order,
        seed=seed,
        rank=here.rank,
        world=here.world,
    )
