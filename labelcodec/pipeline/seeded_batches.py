"""Batches drawn from a seeded augmentation spec, and their labels by a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.batch import LabelBatch
from labelcodec.images import ImageListing
from labelcodec.pipeline.teacher import Teacher
from labelcodec.replay.image_source import ImageFiles
from labelcodec.replay.loading import iterate_loader, load_batch, start_worker
from labelcodec.threads import worker_count


class SeededBatches(Dataset[tuple[int, torch.Tensor]]):
    """Seeded batches with their images, as a dataset indexed by batch number.

    Item n is (n, images), images being (B, 3, H, W) uint8, augmented but not mixed.

    Args:
        listing: the image folder.
        recipe: seed and rules of the draws.
        interpolation: 'bilinear' or 'bicubic', for resizing crops.
    """

    def __init__(self, listing: ImageListing, recipe: AugmentationSpec, interpolation: str) -> None:
        self.recipe = recipe
        self._pixels, self._paths = ImageFiles(listing), listing.paths
        self._interpolation = interpolation

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor]:
        index, augmentation = draw(self.recipe, number)
        images = load_batch(
            self._pixels, self._paths, index, augmentation, self.recipe.size, self._interpolation
        )
        return number, images


def label_batches(
    teacher: Teacher, batches: SeededBatches, numbers: Sequence[int], workers: int
) -> Iterator[LabelBatch]:
    """Label batches with a teacher.

    Args:
        teacher: the teacher.
        batches: the seeded batches.
        numbers: numbers of the batches to label, in the order in which to yield them.
        workers: processes that load images.
    """
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=list(numbers),
        num_workers=worker_count(workers, len(numbers)),
        worker_init_fn=start_worker,
    )
    for number, images in iterate_loader(loader):
        index, augmentation = draw(batches.recipe, number)
        labels = teacher.label(images, augmentation.mix)
        epoch = batches.recipe.place(number)[0]
        yield LabelBatch(number, epoch, index, augmentation, labels)
