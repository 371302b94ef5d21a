"""How good a student is on an image folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing, list_images
from labelcodec.pipeline.asking import asked
from labelcodec.progress import Progress
from labelcodec.replay.finish import normalise
from labelcodec.replay.loading import loaded, start_worker
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

    def __init__(
        self,
        root: Path,
        size: tuple[int, int],
        interpolation: str,
        resize: bool,
        classes: int,
        names: Sequence[str] | None = None,
    ) -> None:
        """List the folder.

        Args:
            root: image folder, one sub-folder a class.
            size: height, width of the network input.
            interpolation: 'bilinear' or 'bicubic'.
            resize: other sizes to 256/224 of `size` first, as for ImageNet; else straight to
                `size`.
            classes: C, of the networks that will be shown the images.
            names: their C classes; the folder may hold some of them. Without names its first
                class is theirs, and so on.

        Raises:
            MismatchError: no image folder, or a class that the networks do not know.
        """
        self.listing, self.classes = list_images(root), classes
        self._hard = _positions(self.listing, classes, names)[self.listing.class_index]
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
        return levels, int(self._hard[index])

    def _fitted(self, image: Image.Image) -> Image.Image:
        height, width = self._size
        if not self._resize:
            return image.resize((width, height), self._filter)
        scale = max(height / CROP_SHARE / image.height, width / CROP_SHARE / image.width)
        sides = round(image.width * scale), round(image.height * scale)
        left, top = round((sides[0] - width) / 2), round((sides[1] - height) / 2)
        resized = image.resize(sides, self._filter)
        return resized.crop((left, top, left + width, top + height))


def _positions(
    listing: ImageListing, classes: int, names: Sequence[str] | None
) -> NDArray[np.int64]:
    """Which of the networks' classes each of the folder's is."""
    if names is None:
        if len(listing.classes) > classes:
            raise MismatchError(
                f"{listing.root}: has {len(listing.classes)} classes, the student knows {classes}"
            )
        return np.arange(len(listing.classes))
    known = {name: i for i, name in enumerate(names)}
    for name in listing.classes:
        if name not in known:
            raise MismatchError(
                f"{listing.root}: has a class {name!r}, the student knows none of that name but "
                f"{len(names)} from {names[0]!r} to {names[-1]!r}"
            )
    return np.array([known[name] for name in listing.classes])


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: Centres,
    normalisation: Mapping[str, Any] | None,
    device: torch.device | str = "cpu",
    *,
    teacher: nn.Module | None = None,
    named: tuple[str, str] = ("the student", "the teacher"),
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
        named: the two of them, for error messages.
        batch_size: images at once.
        workers: processes that load images.
        progress: called with images done and in all.

    Raises:
        MismatchError: an image that cannot be read, or a model that does not take the images or
            has another number of classes.
    """
    loader = DataLoader(images, batch_size, num_workers=workers, worker_init_fn=start_worker)
    model.eval()
    shown, first, five, loss, agreed = 0, 0, 0, 0.0, 0
    for levels, hard in loaded(loader):
        inputs, wanted = normalise(levels.to(device), normalisation), hard.to(device)
        logits = asked(model, inputs, images.classes, named[0]).float()
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        first += int((best[:, 0] == wanted).sum())
        five += int((best == wanted[:, None]).any(dim=1).sum())
        loss += float(F.cross_entropy(logits, wanted, reduction="sum"))
        if teacher is not None:
            theirs = asked(teacher, inputs, images.classes, named[1]).argmax(dim=1)
            agreed += int((theirs == best[:, 0]).sum())
        shown += len(hard)
        if progress is not None:
            progress(shown, len(images))
    agreement = None if teacher is None else agreed / shown
    return Scores(shown, first / shown, five / shown, loss / shown, agreement)
