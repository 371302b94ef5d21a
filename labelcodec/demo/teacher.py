"""A teacher: a network trained on the classes of its images, under the recipe it will label by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from labelcodec.augment.recipe import Recipe
from labelcodec.augment.seeded import draw
from labelcodec.batch import Mix
from labelcodec.images import ImageListing
from labelcodec.pipeline.schedules import learning_rate
from labelcodec.progress import Progress
from labelcodec.replay.finish import mix, normalise
from labelcodec.replay.pixels import Files
from labelcodec.replay.tensors import replay_batch

WEIGHT_DECAY = 1.0  # so much because there are few images of a class
WARMUP = 0.1  # of the epochs


def train_teacher(
    model: nn.Module,
    listing: ImageListing,
    recipe: Recipe,
    normalisation: Mapping[str, Any] | None,
    *,
    epochs: int,
    rate: float,
    progress: Progress | None = None,
) -> None:
    """Train on hard labels, in place, with AdamW on a cosine; leaves the model ready to label.

    Args:
        model: (B, 3, H, W) to (B, C) logits.
        listing: the images, all of one size; they are held in memory.
        recipe: what batches and their augmentations are drawn from.
        normalisation: mean and std of inputs in 0..1.
        epochs: times that every image is seen.
        rate: highest learning rate.
        progress: called with batches done and in all.
    """
    files = Files(listing)
    images = torch.from_numpy(np.stack([np.asarray(files.image(i)) for i in range(len(listing))]))
    hard = torch.from_numpy(listing.class_index)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    total = epochs * recipe.batches
    model.train()
    for number in range(total):
        for group in optimizer.param_groups:
            group["lr"] = rate * learning_rate(number, total, warmup=WARMUP * total)
        index, augmentation = draw(recipe, number)
        levels = replay_batch(images[index], augmentation, recipe.size)
        inputs = mix(normalise(levels, normalisation), augmentation.mix)
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
    """Mean cross-entropy to the classes of both images of a mixture, by their shares of it.

    Args:
        logits: (B, C) of the mixed images.
        hard: (B,) int64 classes of the images before mixing.
        mixed: how they were mixed, if at all.
        size: height, width of the images: a CutMix box may be clipped, so that the ratio drawn is
            not the share that is seen.
    """
    own = F.cross_entropy(logits, hard)
    if mixed is None:
        return own
    share = mixed.ratio
    if mixed.box is not None:
        top, bottom, left, right = mixed.box
        share = 1 - (bottom - top) * (right - left) / (size[0] * size[1])
    other = F.cross_entropy(logits, hard[torch.from_numpy(mixed.partner)])
    return share * own + (1 - share) * other
