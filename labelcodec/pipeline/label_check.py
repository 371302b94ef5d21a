"""Checks of a teacher and its images: before they are labelled, and of the first labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.binding.agreement import Agreement, measure, warnings_of
from labelcodec.binding.class_map import folder_notes
from labelcodec.binding.folder import subset_notes
from labelcodec.label_space import looks_like_probabilities
from labelcodec.pipeline.preparation import Prepared


def check_labels(
    batches: Sequence[LabelBatch],
    class_of_image: NDArray[np.int64],
    size: tuple[int, int],
    where: str,
) -> tuple[Agreement, tuple[str, ...]]:
    """Compare labels with the classes of the image folder.

    Args:
        batches: a sample of the labels, of one number of classes.
        class_of_image: (N,) int64 label class of each image.
        size: height, width of the teacher's input.
        where: the image folder, for notes.

    Returns:
        The agreement of the teacher's top class with the folder's, and notes for the user.
    """
    labels = batches[0].labels
    measured = measure(batches, class_of_image, labels.classes, size)
    notes = [*warnings_of(measured, None, where)]
    if labels.space == "logits" and all(
        looks_like_probabilities(batch.labels.value) for batch in batches
    ):
        notes.append(
            "the teacher returns probabilities, each row sums to 1, and they are stored as logits: "
            "students would be trained on a softmax of a softmax; have the teacher return what it "
            "has before its softmax"
        )
    return measured.agreement, tuple(notes)


def setup_notes(ready: Prepared, *, mapped: bool) -> tuple[str, ...]:
    """Notes on the images, their class folders and the teacher's inputs, a sentence each.

    Args:
        ready: the teacher and the images.
        mapped: whether a class map says which class each folder is.
    """
    listing, root = ready.listing, str(ready.listing.root)
    return (
        *ready.left_out,
        *ready.notes,
        *folder_notes(listing.classes, root, mapped=mapped),
        *subset_notes(listing, ready.teacher.classes, mapped=mapped),
        *enlargement_notes(ready.sizes, ready.image_size, root),
    )


def enlargement_notes(
    sizes: NDArray[np.int32], size: tuple[int, int], where: str
) -> tuple[str, ...]:
    """A note on images that are smaller than the teacher's input; none if most are not.

    Args:
        sizes: (N, 2) heights and widths of the images in pixels.
        size: height, width of the teacher's input.
        where: the image folder.
    """
    height, width = np.median(sizes, axis=0).astype(int)
    if height >= size[0] or width >= size[1]:
        return ()
    return (
        f"{where}: the images, most of {height} x {width} pixels, are enlarged to the teacher's "
        f"input of {size[0]} x {size[1]}; pass `image_size` if it was trained on such images as "
        "they are",
    )
