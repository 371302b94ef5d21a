"""The images of a recorded batch, augmented as the teacher saw them."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from labelcodec.batch import Augmentation
from labelcodec.errors import LabelcodecError
from labelcodec.files.locks import leave_to_parent
from labelcodec.replay.pillow import replay_image

T = TypeVar("T")


class Pixels(Protocol):
    """Where decoded images come from."""

    def image(self, index: int) -> Image.Image:
        """Image at this position of the listing, RGB."""


def load_batch(
    pixels: Pixels,
    paths: Sequence[str],
    index: NDArray[np.int64],
    augmentation: Augmentation,
    size: tuple[int, int],
    interpolation: str,
) -> torch.Tensor:
    """(B, 3, height, width) uint8 images, before mixing.

    Args:
        pixels: the images.
        paths: their names, for error messages.
        index: (B,) positions of the batch's images.
        augmentation: of the batch.
        size: height, width of the network input.
        interpolation: 'bilinear' or 'bicubic'.

    Raises:
        LabelcodecError: an image that is missing, damaged, or not the one that was recorded.
    """
    levels = np.empty((len(index), *size, 3), np.uint8)
    for sample, place in enumerate(index.tolist()):
        image = pixels.image(place)
        try:
            levels[sample] = replay_image(image, augmentation, sample, size, interpolation)
        except LabelcodecError as error:
            raise type(error)(f"image {paths[place]}: {error}") from None
    return torch.from_numpy(levels).permute(0, 3, 1, 2)


def start_worker(number: int) -> None:
    """A `DataLoader`'s `worker_init_fn`: Ctrl-C and locked files are the parent's alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_to_parent()


def loaded(loader: Iterable[T]) -> Iterator[T]:
    """What a `DataLoader` gives; errors of its workers come as they would without workers.

    Raises:
        LabelcodecError: as the data set; torch puts the worker's traceback into its message.
        ChildProcessError: a worker was killed.
    """
    try:
        with worker_deaths():
            yield from loader
        return
    except LabelcodecError as error:
        kind = type(error)
        said = str(error).rpartition(f"{kind.__module__}.{kind.__name__}: ")[2]
        problem = kind(said.rstrip())
        error.__traceback__ = None  # it would keep the other workers alive
    raise problem


@contextmanager
def worker_deaths() -> Iterator[None]:
    """Let it be known that a loader's worker was killed, which torch may tell at any line.

    Raises:
        ChildProcessError: a worker was killed.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_worker_death(error):
            raise
        what = "a worker process died, perhaps for lack of memory; try fewer --workers"
        raise ChildProcessError(what) from None


def is_worker_death(error: BaseException) -> bool:
    """Whether torch tells that a loader's worker was killed."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")
