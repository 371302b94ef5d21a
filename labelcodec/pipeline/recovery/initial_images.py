"""Initial images of a job: noise, real images, or patches of real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing, content_digest, fingerprint
from labelcodec.pipeline.evaluation import EvaluationImages
from labelcodec.pipeline.recovery.jobs import Job
from labelcodec.pipeline.recovery.patches import best_patches, joined
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.teacher import Teacher
from labelcodec.replay.normalisation import normalise
from labelcodec.wording import counted

_NOISE, _ORDER = 1, 2  # purposes of random numbers


class RealImages:
    """Real images by class, at a network's input size.

    Args:
        listing: image folder, one sub-folder per class.
        size: height, width in pixels; images of other sizes are resized and centre-cropped.
        interpolation: 'bilinear' or 'bicubic'.
        classes: C.
        names: names of the classes, '' where unknown; None if the folders are the first classes.

    Raises:
        MismatchError: a class folder that no name fits.
    """

    def __init__(
        self,
        listing: ImageListing,
        size: tuple[int, int],
        interpolation: str,
        classes: int,
        names: Sequence[str] | None,
    ) -> None:
        self._images = EvaluationImages(listing, size, interpolation, True, classes, names)
        self.listing, self.size, self._names = listing, size, names
        own = self._images.hard
        self._of_class = [np.flatnonzero(own == index) for index in range(classes)]

    def check(self, classes: Sequence[int], least: int) -> None:
        """Check that there are enough images of classes.

        Args:
            classes: the classes.
            least: number of images that each needs.

        Raises:
            MismatchError: a class has fewer.
        """
        for own in classes:
            count = len(self._of_class[own])
            if count < least:
                name = self._names[own] if self._names else own
                raise MismatchError(
                    f"{self.listing.root}: has {counted(count, 'image')} of class {name!r}, and "
                    f"{least} are needed; lower `ipc`, or begin with noise"
                )

    def drawn(self, own: int, count: int, seed: int) -> NDArray[np.int64]:
        """Up to `count` images of a class in random order, as positions in the listing."""
        index = self._of_class[own]
        order = np.random.default_rng((seed, own, _ORDER)).permutation(len(index))
        return index[order[:count]]

    def levels(self, index: Sequence[int] | NDArray[np.int64]) -> torch.Tensor:
        """(n, 3, H, W) uint8 images at positions of the listing."""
        return torch.stack([self._images[int(position)][0] for position in index])


def initial_images(
    job: Job,
    settings: RecoverySettings,
    teacher: Teacher,
    size: tuple[int, int],
    real: RealImages | None,
) -> torch.Tensor:
    """The images that the job begins with; the same for any split of a run into jobs.

    Args:
        job: the job.
        settings: kind and seed of the images.
        teacher: chooses patches; its normalisation is that of the result.
        size: height, width in pixels.
        real: real images; None if the kind is 'noise'.

    Returns:
        (B, 3, H, W) float32 normalised images on the teacher's device.
    """
    pairs = list(zip(job.classes, job.positions, strict=True))
    if real is None:
        noise = [_noise(settings.seed, own, position, size) for own, position in pairs]
        return torch.stack(noise).to(teacher.device)
    if settings.init == "images":
        order = {own: real.drawn(own, settings.ipc, settings.seed) for own in set(job.classes)}
        chosen = real.levels([order[own][position] for own, position in pairs])
    else:
        by_class = {own: _patched(own, settings, teacher, real) for own in set(job.classes)}
        chosen = torch.stack([by_class[own][position] for own, position in pairs])
    return normalise(chosen.to(teacher.device), teacher.normalisation)


def _noise(seed: int, own: int, position: int, size: tuple[int, int]) -> torch.Tensor:
    """(3, H, W) standard normal values, drawn on the CPU whatever the device."""
    rng = np.random.default_rng((seed, own, position, _NOISE))
    return torch.from_numpy(rng.standard_normal((3, *size), dtype=np.float32))


def _patched(
    own: int, settings: RecoverySettings, teacher: Teacher, real: RealImages
) -> torch.Tensor:
    """(ipc, 3, H, W) uint8 images of a class, put together from patches."""
    height, width = real.size
    return joined(best_patches(own, settings, teacher, real))[:, :, :height, :width]


def content_facts(real: RealImages) -> Mapping[str, Any]:
    """What recognises the folder of real images, as plain values."""
    return {
        "images": len(real.listing),
        "fingerprint": fingerprint(real.listing.paths),
        "content": content_digest(real.listing),
    }
