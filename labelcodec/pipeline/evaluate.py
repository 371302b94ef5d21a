"""How good a student is on an image folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.progress import Progress
from labelcodec.replay.finish import normalise
from labelcodec.replay.loading import loaded
from labelcodec.replay.pillow import filter_of
from labelcodec.replay.pixels import Files

CROP_SHARE = 224 / 256  # of the shorter side that the centre crop keeps


@dataclass(frozen=True)
class Scores:
    """How a student did.

    Attributes:
        images: that were shown.
        top1: share whose class it named, 0..1.
        top5: share whose class was among its five (or C) likeliest.
        loss: mean cross-entropy to the class, in nats.
        agreement: share on which its class is the teacher's; None without a teacher.
    """

    images: int
    top1: float
    top5: float
    loss: float
    agreement: float | None = None


class Centres(Dataset[tuple[torch.Tensor, int]]):
    """Images of a folder as networks are tested: shorter side resized, centre cut out.

    An image that has the input's size is shown as it is.
    """

    def __init__(self, root: Path, size: tuple[int, int], interpolation: str, resize: bool) -> None:
        """List the folder.

        Args:
            root: image folder, one sub-folder a class.
            size: height, width of the network input.
            interpolation: 'bilinear' or 'bicubic'.
            resize: other sizes to 256/224 of `size` first, as for ImageNet; else straight to
                `size`.
        """
        self.listing = list_images(root)
        self._files = Files(self.listing)
        self._size, self._filter, self._resize = size, filter_of(interpolation), resize

    def __len__(self) -> int:
        """Images of the folder."""
        return len(self.listing)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """(3, H, W) uint8 and the class."""
        image = self._files.image(index)
        if image.size != self._size[::-1]:
            image = self._fitted(image)
        levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        return levels, int(self.listing.class_index[index])

    def _fitted(self, image: Image.Image) -> Image.Image:
        height, width = self._size
        if not self._resize:
            return image.resize((width, height), self._filter)
        scale = max(height / CROP_SHARE / image.height, width / CROP_SHARE / image.width)
        sides = round(image.width * scale), round(image.height * scale)
        left, top = round((sides[0] - width) / 2), round((sides[1] - height) / 2)
        resized = image.resize(sides, self._filter)
        return resized.crop((left, top, left + width, top + height))


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: Centres,
    normalisation: Mapping[str, Any] | None,
    device: torch.device | str = "cpu",
    *,
    teacher: nn.Module | None = None,
    batch_size: int = 128,
    workers: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """Show every image to a student and, if given, to its teacher.

    Args:
        model: the student, on the device.
        images: to show.
        normalisation: mean and std of inputs in 0..1; None for inputs in 0..1.
        device: where to.
        teacher: on the device and in evaluation mode.
        batch_size: images at once.
        workers: processes that load images.
        progress: called with images done and in all.

    Raises:
        MismatchError: the folder has more classes than the student.
    """
    loader = DataLoader(images, batch_size, num_workers=workers)
    model.eval()
    shown, first, five, loss, agreed = 0, 0, 0, 0.0, 0
    for levels, hard in loaded(loader):
        inputs, wanted = normalise(levels.to(device), normalisation), hard.to(device)
        logits = model(inputs).float()
        if len(images.listing.classes) > logits.shape[1]:
            raise MismatchError(
                f"{images.listing.root}: has {len(images.listing.classes)} classes, the student "
                f"knows {logits.shape[1]}"
            )
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        first += int((best[:, 0] == wanted).sum())
        five += int((best == wanted[:, None]).any(dim=1).sum())
        loss += float(F.cross_entropy(logits, wanted, reduction="sum"))
        if teacher is not None:
            agreed += int((teacher(inputs).argmax(dim=1) == best[:, 0]).sum())
        shown += len(hard)
        if progress is not None:
            progress(shown, len(images))
    agreement = None if teacher is None else agreed / shown
    return Scores(shown, first / shown, five / shown, loss / shown, agreement)
