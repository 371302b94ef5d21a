"""The view of a batch with its pixels: the images, and what the student sees of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop.boxes import pixel_boxes
from labelcodec.augmentation.mix import mix_images
from labelcodec.images import ClassNumbers
from labelcodec.preview.batch_view import BatchView, view_batch
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.normalisation import normalise


def view_replayed(dataset: ReplayDataset, position: int, most: int) -> BatchView:
    """What a batch shows, with pixels.

    Args:
        dataset: labels and images, with `uint8=True`.
        position: position of the batch.
        most: largest number of samples shown.

    Raises:
        NeedsImagesError: the labels are a function of their images, and there is no labeller.
        LabelcodecError: the batch or one of its images is damaged or missing.
    """
    recorded = dataset.label_batch(position)
    augmented, mix = dataset.augmented_images(recorded), recorded.augmentation.mix
    listing = dataset.listing
    folders = () if isinstance(listing.classes, ClassNumbers) else listing.classes
    view = view_batch(
        dataset.reader,
        position,
        most,
        batch=recorded,
        image_names=listing.paths,
        class_names=dataset.class_names or folders,
        label_class=dataset.class_of_image,
    )
    mixed = mix_images(normalise(augmented, None), mix)[: len(view.samples)]
    students = np.floor(mixed.permute(0, 2, 3, 1).numpy() * 255 + 0.5).astype(np.uint8)
    crop = recorded.augmentation.crop
    samples = []
    for sample, student in zip(view.samples, students, strict=True):
        original = listing.pixels(sample.image)
        own = None if crop is None else crop.sample(sample.row)
        size = np.array([original.shape[:2]])
        box: NDArray[np.int64] = pixel_boxes(own, size, dataset.size)[0]
        top, left, height, width = box.tolist()
        samples.append(
            replace(
                sample,
                image_size=(original.shape[0], original.shape[1]),
                crop=None if crop is None else (top, left, height, width),
                original=original,
                student=student,
            )
        )
    return replace(view, size=dataset.size, samples=tuple(samples))
