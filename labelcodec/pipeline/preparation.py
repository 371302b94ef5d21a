"""What stages with a teacher and an image folder start with: readable images, settled inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelcodec.images import ImageListing, image_sizes
from labelcodec.pipeline.ensemble import settle
from labelcodec.pipeline.preprocessing import Preprocessing
from labelcodec.pipeline.teacher import Teacher
from labelcodec.progress import Progress, named
from labelcodec.readable_images import readable


@dataclass(frozen=True, eq=False)
class Prepared:
    """A teacher and the images that it is to see.

    Attributes:
        teacher: the teacher, with the normalisation of its inputs.
        listing: the images that can be read.
        sizes: (N, 2) int32 height, width of each in pixels.
        image_size: height, width of the teacher's input in pixels.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        left_out: notes on the images that cannot be read.
        notes: notes on the preprocessing.
    """

    teacher: Teacher
    listing: ImageListing
    sizes: NDArray[np.int32]
    image_size: tuple[int, int]
    interpolation: str
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def prepare(
    teacher: Teacher,
    listing: ImageListing,
    stated: Preprocessing,
    usual: Preprocessing,
    *,
    skip_bad: bool,
    progress: Progress | None,
) -> Prepared:
    """Check and measure the images, and settle the teacher's preprocessing.

    Args:
        teacher: the loaded teacher.
        listing: the image folder.
        stated: what the caller says; the teacher's own configuration stands in for the rest.
        usual: settings for a teacher without a configuration.
        skip_bad: leave images out that cannot be read.
        progress: called with images checked and total images, then with images measured.

    Raises:
        MismatchError: an image cannot be read, and none may be left out.
        LabelcodecError: as in `settle`.
    """
    listing, left_out = readable(listing, skip_bad, named(progress, "images checked"))
    sizes = image_sizes(listing, np.arange(len(listing)), named(progress, "image sizes"))
    teacher, settings, notes = settle(teacher, stated, usual)
    return Prepared(
        teacher,
        listing,
        sizes,
        settings.image_size or (224, 224),
        settings.interpolation or "bilinear",
        tuple(left_out),
        tuple(notes),
    )
