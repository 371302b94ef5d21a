"""Training of the demo's teacher on hard labels, with the augmentation it will label under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from labelcodec.augmentation.mix import Mix, mix_images
from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.images import ImageListing
from labelcodec.pipeline.schedules import learning_rate
from labelcodec.progress import Progress
from labelcodec.replay.batch_replay import replay_batch
from labelcodec.replay.image_source import ImageFiles
from labelcodec.replay.normalisation import normalise

WEIGHT_DECAY = 1.0  # large, because there are few images per class
WARMUP = 0.1  # share of the epochs


def train_teacher(
    model: nn.Module,
    listing: ImageListing,
    recipe: AugmentationSpec,
    normalisation: Mapping[str, Any] | None,
    *,
    epochs: int,
    rate: float,
    progress: Progress | None = None,
) -> None:
    """Train a model in place with AdamW and a cosine schedule; leave it in evaluation mode.

    Args:
        model: maps (B, 3, H, W) images to (B, C) logits.
        listing: the images, all of one size; they are held in memory.
        recipe: the augmentation spec that batches are drawn from.
        normalisation: mean and std of inputs in 0..1; None for inputs in 0..1.
        epochs: number of epochs.
        rate: peak learning rate.
        progress: called with batches done and total batches.
    """
    files = ImageFiles(listing)
    images = torch.from_numpy(np.stack([files.image(i) for i in range(len(listing))]))
    hard = torch.from_numpy(listing.class_index)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    total = epochs * recipe.batches
    model.train()
    for number in range(total):
        for group in optimizer.param_groups:
            group["lr"] = rate * learning_rate(number, total, warmup=WARMUP * total)
        index, augmentation = draw(recipe, number)
        levels = replay_batch(images[index], augmentation, recipe.size)
        inputs = mix_images(normalise(levels, normalisation), augmentation.mix)
        loss = mixed_loss(model(inputs), hard[index], augmentation.mix, recipe.size)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if progress is not None:
            progress(number + 1, total)
    model.eval()


def mixed_loss(
    logits: torch.Tensor, hard: torch.Tensor, mixed: Mix | None, size: tuple[int, int]
) -> torch.Tensor:
    """Mean cross-entropy to the classes of both images of a mix, weighted by their shares.

    Args:
        logits: (B, C) logits of the mixed images.
        hard: (B,) int64 classes of the images before mixing.
        mixed: the mix that was applied; None for none.
        size: height, width of the images. A CutMix box may be clipped at the border, so its share
            is computed from the box rather than taken from the ratio.
    """
    own_loss = F.cross_entropy(logits, hard)
    if mixed is None:
        return own_loss
    share = mixed.ratio
    if mixed.box is not None:
        top, bottom, left, right = mixed.box
        share = 1 - (bottom - top) * (right - left) / (size[0] * size[1])
    partner_loss = F.cross_entropy(logits, hard[torch.from_numpy(mixed.partner)])
    return share * own_loss + (1 - share) * partner_loss
