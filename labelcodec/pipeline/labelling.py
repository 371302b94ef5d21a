"""Batches drawn from a recipe, and what a teacher says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from labelcodec.augment.recipe import Recipe
from labelcodec.augment.seeded import draw
from labelcodec.batch import LabelBatch
from labelcodec.images import ImageListing
from labelcodec.pipeline.teacher import Teacher
from labelcodec.replay.loading import load_batch, loaded, start_worker
from labelcodec.replay.pixels import Files


class Drawn(Dataset[tuple[int, torch.Tensor]]):
    """Batches of a recipe with their images; the item of number n is (n, images)."""

    def __init__(self, listing: ImageListing, recipe: Recipe, interpolation: str) -> None:
        self.recipe = recipe
        self._pixels, self._paths = Files(listing), listing.paths
        self._interpolation = interpolation

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor]:
        index, augmentation = draw(self.recipe, number)
        images = load_batch(
            self._pixels, self._paths, index, augmentation, self.recipe.size, self._interpolation
        )
        return number, images


def labelled(
    teacher: Teacher, drawn: Drawn, numbers: Sequence[int], workers: int
) -> Iterator[LabelBatch]:
    """Batches as a teacher labels them.

    Args:
        teacher: who labels.
        drawn: the batches.
        numbers: which of them, in the order they are to come.
        workers: processes that load images.
    """
    loader = DataLoader(
        drawn,
        batch_size=None,
        sampler=list(numbers),
        num_workers=workers,
        worker_init_fn=start_worker,
    )
    for number, images in loaded(loader):
        index, augmentation = draw(drawn.recipe, number)
        labels = teacher.label(images, augmentation.mix)
        epoch = drawn.recipe.place(number)[0]
        yield LabelBatch(number, epoch, index, augmentation, labels)
