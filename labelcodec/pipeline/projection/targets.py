"""What a projector is trained to: recorded labels, or teachers, with the images they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from labelcodec.augmentation.mix import mix_images, partner_share
from labelcodec.augmentation.seeded import draw
from labelcodec.batch import LabelBatch
from labelcodec.pipeline.seeded_batches import SeededBatches
from labelcodec.pipeline.teacher import Teacher
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.loading import iterate_loader, start_worker
from labelcodec.replay.normalisation import normalise
from labelcodec.replay.soft_labels import SoftLabels, to_tensors
from labelcodec.threads import worker_count


@dataclass(frozen=True, eq=False)
class TargetBatch:
    """A batch to train or to measure a projector on.

    Attributes:
        images: (B, 3, H, W) float32 replayed and mixed images in 0..1.
        labels: the target's labels.
        hard: (B,) int64 class of each image's folder.
        partner_hard: (B,) int64 class of the image it is mixed with; None without mixing.
        partner_share: share of the partner in each image, 0..1.
        recorded: the batch's images and augmentation; its labels may be empty.
    """

    images: torch.Tensor
    labels: SoftLabels
    hard: torch.Tensor
    partner_hard: torch.Tensor | None
    partner_share: float
    recorded: LabelBatch

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.images)


class Targets(Protocol):
    """Batches by their position."""

    @property
    def class_of_image(self) -> NDArray[np.int64]:
        """(N,) int64 class of each image; -1 where the labels lack it."""

    def __len__(self) -> int:
        """Number of batches."""

    def batches(self, positions: Sequence[int], device: torch.device) -> Iterator[TargetBatch]:
        """Batches in this order, on a device."""


class RecordedTargets(Targets):
    """The labels of a container, of any codec.

    Args:
        dataset: labels and images, with `uint8=True`.
        workers: processes that load images.
    """

    def __init__(self, dataset: ReplayDataset, workers: int) -> None:
        self._dataset, self._workers = dataset, workers

    @property
    def class_of_image(self) -> NDArray[np.int64]:
        """As `Targets.class_of_image`."""
        return self._dataset.class_of_image

    def __len__(self) -> int:
        return len(self._dataset)

    def batches(self, positions: Sequence[int], device: torch.device) -> Iterator[TargetBatch]:
        """As `Targets.batches`."""
        loader = DataLoader(
            self._dataset,
            batch_size=None,
            sampler=list(positions),
            num_workers=worker_count(self._workers, len(positions)),
            worker_init_fn=start_worker,
        )
        for batch in iterate_loader(loader):
            images = mix_images(normalise(batch.images.to(device), None), batch.mix)
            done = self._dataset.finish(batch, device)
            assert isinstance(done.labels, SoftLabels)
            yield TargetBatch(
                images,
                done.labels,
                done.hard,
                done.partner_hard,
                done.partner_share,
                self._dataset.reader[batch.position],
            )


class TaughtTargets(Targets):
    """Teachers' labels of seeded batches, computed when they are needed and not kept.

    Args:
        teacher: the teacher, or several as one.
        drawn: the seeded batches.
        numbers: numbers of the batches, by position.
        class_of_image: (N,) int64 class of each image.
        workers: processes that load images.
    """

    def __init__(
        self,
        teacher: Teacher,
        drawn: SeededBatches,
        numbers: Sequence[int],
        class_of_image: NDArray[np.int64],
        workers: int,
    ) -> None:
        self._teacher, self._drawn, self._numbers = teacher, drawn, numbers
        self._class_of_image, self._workers = class_of_image, workers

    @property
    def class_of_image(self) -> NDArray[np.int64]:
        """As `Targets.class_of_image`."""
        return self._class_of_image

    def __len__(self) -> int:
        return len(self._numbers)

    def batches(self, positions: Sequence[int], device: torch.device) -> Iterator[TargetBatch]:
        """As `Targets.batches`."""
        loader = DataLoader(
            self._drawn,
            batch_size=None,
            sampler=[self._numbers[position] for position in positions],
            num_workers=worker_count(self._workers, len(positions)),
            worker_init_fn=start_worker,
        )
        recipe = self._drawn.recipe
        for number, images in iterate_loader(loader):
            index, augmentation = draw(recipe, number)
            labels = self._teacher.label(images, augmentation.mix)
            hard = torch.from_numpy(self._class_of_image[index]).to(device)
            partner, share, mix = None, 0.0, augmentation.mix
            if mix is not None:
                partner = hard[torch.from_numpy(mix.partner).to(device)]
                share = partner_share(mix, recipe.size)
            epoch = recipe.place(number)[0]
            yield TargetBatch(
                mix_images(normalise(images.to(device), None), mix),
                to_tensors(labels, device),
                hard,
                partner,
                share,
                LabelBatch(number, epoch, index, augmentation, labels),
            )
