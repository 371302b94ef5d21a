"""Evaluation of a student on an image folder: accuracy, loss, agreement with the teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Dataset

from labelcodec.augmentation.crop.resampling import check_interpolation
from labelcodec.augmentation.crop.resizing import resized_crop
from labelcodec.binding.class_map import ClassMap, as_class_map, folder_classes
from labelcodec.binding.folder import ClassMapLike
from labelcodec.binding.names import same_name
from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing, list_images
from labelcodec.pipeline.forward import forward, forward_teacher
from labelcodec.progress import Progress
from labelcodec.replay.image_source import ImageFiles
from labelcodec.replay.loading import iterate_loader, start_worker
from labelcodec.replay.normalisation import normalise
from labelcodec.threads import worker_count

CROP_SHARE = 224 / 256  # centre crop's share of the shorter side


@dataclass(frozen=True)
class Scores:
    """Scores of a student.

    Attributes:
        images: number of images evaluated.
        top1: top-1 accuracy, 0..1.
        top5: top-5 accuracy (top-C for fewer than five classes), 0..1.
        loss: mean cross-entropy to the true class, in nats.
        agreement: share of images for which student and teacher predict the same class, 0..1; None
            without a teacher.
    """

    images: int
    top1: float
    top5: float
    loss: float
    agreement: float | None = None


class EvaluationImages(Dataset[tuple[torch.Tensor, int]]):
    """Images of a folder prepared for evaluation: shorter side resized, centre cropped.

    Images of the network's input size are left unchanged.

    Attributes:
        listing: the image folder.
        classes: C.
        hard: (N,) int64 class of each image, 0..C-1.
    """

    def __init__(
        self,
        images: Path | str | ImageListing,
        size: tuple[int, int],
        interpolation: str,
        resize: bool,
        classes: int,
        names: Sequence[str] | None = None,
        class_map: ClassMapLike | None = None,
    ) -> None:
        """List the folder, unless it is listed already.

        Args:
            images: an image folder or another source, see `list_images`.
            size: height, width of the network input.
            interpolation: 'bilinear' or 'bicubic'.
            resize: resize images of other sizes to 256/224 of `size` and crop their centre, as is
                usual for ImageNet; if False, resize them to `size` directly.
            classes: C, the number of classes of the networks.
            names: names of the networks' C classes, of which the folder may hold a subset. Without
                names the folder's classes are the networks' first ones, in order.
            class_map: the networks' classes by the names of the folder, see `as_class_map`; None
                where `names` or the order say them.

        Raises:
            ConfigError: not a class map.
            MismatchError: not an image folder, it has a class that the networks do not have, or
                `names` and `class_map` contradict each other.
        """
        self.listing = list_images(images)
        self.classes = classes
        folders, where = self.listing.classes, str(self.listing.root)
        if class_map is not None:
            names = _mapped(as_class_map(class_map), folders, classes, names, where)
        own = folder_classes(folders, names, classes, where, "the student")
        self.hard = own[self.listing.class_index]
        self._files = ImageFiles(self.listing)
        check_interpolation(interpolation)
        self._size, self._interpolation, self._resize = size, interpolation, resize

    def __len__(self) -> int:
        """Number of images in the folder."""
        return len(self.listing)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """(3, H, W) uint8 image, and its class 0..C-1."""
        levels = np.array(self._files.image(index))
        if levels.shape[:2] != self._size:
            levels = self._resized(levels)
        return torch.from_numpy(levels).permute(2, 0, 1), int(self.hard[index])

    def _resized(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self._size
        rows, columns, _ = image.shape
        whole = 0, 0, rows, columns
        if not self._resize:
            return resized_crop(image, whole, self._size, self._interpolation)
        scale = max(height / CROP_SHARE / rows, width / CROP_SHARE / columns)
        sides = round(rows * scale), round(columns * scale)
        resized = resized_crop(image, whole, sides, self._interpolation)
        top, left = round((sides[0] - height) / 2), round((sides[1] - width) / 2)
        return resized[top : top + height, left : left + width]


def _mapped(
    class_map: ClassMap,
    folders: Sequence[str],
    classes: int,
    names: Sequence[str] | None,
    where: str,
) -> tuple[str, ...]:
    """Names of the networks' classes by a class map, which must not contradict recorded names."""
    for i, name in enumerate(names or ()):
        if name and class_map.index_of.get(same_name(name), i) not in (i, -1):
            raise MismatchError(
                f"the student's class {i} is {name!r}, in the class map it is class "
                f"{class_map.index_of[same_name(name)]}"
            )
    return class_map.names(folders, classes, where)


@torch.no_grad()
def score_model(
    model: nn.Module,
    images: EvaluationImages,
    normalisation: Mapping[str, Any] | None,
    device: torch.device | str = "cpu",
    *,
    teacher: nn.Module | None = None,
    named: tuple[str, str] = ("the student", "the teacher"),
    batch_size: int = 128,
    workers: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """Evaluate a student on all images and, with a teacher, measure their agreement.

    Args:
        model: the student, on the device; it is put into evaluation mode.
        images: the images to evaluate on.
        normalisation: mean and std of inputs in 0..1; None for inputs in 0..1.
        device: device of the models.
        teacher: the teacher, on the device and in evaluation mode.
        named: names of student and teacher in error messages.
        batch_size: images per forward pass.
        workers: processes that load images.
        progress: called with images done and total images.

    Raises:
        MismatchError: an image cannot be read, or a model does not take the images or has another
            number of classes.
    """
    processes = worker_count(workers, -(-len(images) // batch_size))
    loader = DataLoader(images, batch_size, num_workers=processes, worker_init_fn=start_worker)
    model.eval()
    count, top1_hits, top5_hits, loss, agreed = 0, 0, 0, 0.0, 0
    for levels, hard in iterate_loader(loader):
        inputs, targets = normalise(levels.to(device), normalisation), hard.to(device)
        logits = forward(model, inputs, images.classes, named[0]).float()
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        top1_hits += int((best[:, 0] == targets).sum())
        top5_hits += int((best == targets[:, None]).any(dim=1).sum())
        loss += float(F.cross_entropy(logits, targets, reduction="sum"))
        if teacher is not None:
            taught = forward_teacher(teacher, inputs, images.classes, named[1])
            teacher_classes = taught.argmax(dim=1)
            agreed += int((teacher_classes == best[:, 0]).sum())
        count += len(hard)
        if progress is not None:
            progress(count, len(images))
    agreement = None if teacher is None else agreed / count
    return Scores(count, top1_hits / count, top5_hits / count, loss / count, agreement)
