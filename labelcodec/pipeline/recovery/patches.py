"""Images put together from the patches of real images that a teacher recognises best.

After RDED (Sun et al., CVPR 2024, arXiv 2312.03526): of several random crops of each of some real
images the one with the lowest cross-entropy is kept, and the best of them are joined 2 x 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from labelcodec.augmentation.crop.draw import draw_crops
from labelcodec.augmentation.philox import Source
from labelcodec.pipeline.forward import forward_teacher
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.views import RATIO
from labelcodec.pipeline.teacher import Teacher
from labelcodec.replay.normalisation import normalise

if TYPE_CHECKING:
    from labelcodec.pipeline.recovery.initial_images import RealImages

SIDE = 2  # patches per side of an image
IMAGES, CROPS = 300, 5  # images per class and crops per image, as in RDED's code
SCALE = (0.08, 1.0)
BATCH = 64
_STREAM = (1 << 32) - 1  # jobs have lower numbers


def best_patches(
    own: int, settings: RecoverySettings, teacher: Teacher, real: RealImages
) -> torch.Tensor:
    """The patches of a class that the teacher recognises best, best first.

    Each image gives its best patch; where there are too few images, its next ones follow.

    Args:
        own: the class.
        settings: images per class and seed.
        teacher: scores the patches, enlarged to its input size.
        real: the real images.

    Returns:
        (4 ipc, 3, ceil(H / 2), ceil(W / 2)) uint8.
    """
    count = SIDE * SIDE * settings.ipc
    index = real.drawn(own, max(IMAGES, count), settings.seed)
    crops = max(CROPS, -(-count // len(index)))
    height, width = real.size
    sizes = np.full((len(index) * crops, 2), (height, width), np.int32)
    boxes = draw_crops(Source(settings.seed, _STREAM, own), sizes, SCALE, RATIO)
    patches, losses = [], []
    for start in range(0, len(index), BATCH):
        images = real.levels(index[start : start + BATCH]).repeat_interleave(crops, 0)
        cut = _cut(images, boxes[start * crops :])
        losses.append(_scores(cut, own, teacher, (height, width)).view(-1, crops))
        patches.append(cut)
    loss = torch.cat(losses)
    rank = loss.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    order = np.lexsort((loss.flatten().numpy(), rank.flatten().numpy()))
    return torch.cat(patches)[torch.from_numpy(order[:count])]


def joined(patches: torch.Tensor) -> torch.Tensor:
    """Join patches 2 x 2.

    The best patches are spread over the images, so that all images are about equally good.

    Args:
        patches: (4 n, 3, h, w), best first.

    Returns:
        (n, 3, 2 h, 2 w).
    """
    count = len(patches) // (SIDE * SIDE)
    grid = patches.view(SIDE, SIDE, count, *patches.shape[1:])
    _, _, _, colours, height, width = grid.shape
    rows = grid.permute(2, 3, 0, 4, 1, 5)
    return rows.reshape(count, colours, SIDE * height, SIDE * width)


def _cut(images: torch.Tensor, boxes: NDArray[np.int32]) -> torch.Tensor:
    """(n, 3, ceil(H / 2), ceil(W / 2)) uint8 crops of (n, 3, H, W) uint8 images, resized."""
    small = [-(-side // SIDE) for side in images.shape[2:]]
    cut = [
        F.interpolate(
            image[None, :, top : top + height, left : left + width].float(),
            small,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        for image, (top, left, height, width) in zip(images, boxes.tolist(), strict=False)
    ]
    return torch.cat(cut).round().to(torch.uint8)


@torch.no_grad()
def _scores(
    patches: torch.Tensor, own: int, teacher: Teacher, size: tuple[int, int]
) -> torch.Tensor:
    """(n,) cross-entropy of patches to the class, enlarged to the input size, on the CPU."""
    losses = []
    who = f"the teacher {teacher.facts['name']}"
    for part in patches.split(BATCH):  # type: ignore[no-untyped-call]
        inputs = normalise(part.to(teacher.device), teacher.normalisation)
        inputs = F.interpolate(inputs, size, mode="bilinear", align_corners=False)
        logits = forward_teacher(teacher.model, inputs, teacher.classes, who, teacher.output)
        classes = torch.full((len(part),), own, device=teacher.device)
        losses.append(F.cross_entropy(logits.float(), classes, reduction="none").cpu())
    return torch.cat(losses)
