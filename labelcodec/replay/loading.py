"""Loading of a recorded batch's images, and error handling for `DataLoader` workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import NoReturn, Protocol, TypeVar

import numpy as np
import torch
import torch.utils.data
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation
from labelcodec.errors import LabelcodecError
from labelcodec.files.locks import leave_to_parent
from labelcodec.positions import Position
from labelcodec.replay.image_replay import Picture, replay_image

T = TypeVar("T")


class ImageSource(Protocol):
    """Source of decoded images."""

    def image(self, index: int) -> Picture:
        """Image at this position of the listing: RGB, or (H, W, 3) uint8."""


def load_batch(
    pixels: ImageSource,
    paths: Sequence[str],
    index: NDArray[np.int64],
    augmentation: Augmentation,
    size: tuple[int, int],
    interpolation: str,
) -> torch.Tensor:
    """Load and augment the images of a recorded batch, without mixing them.

    Args:
        pixels: source of the images.
        paths: names of the images, for error messages.
        index: (B,) int64 positions of the batch's images.
        augmentation: the recorded augmentation of the batch.
        size: height, width of the network input.
        interpolation: 'bilinear' or 'bicubic'.

    Returns:
        (B, 3, height, width) uint8.

    Raises:
        LabelcodecError: an image is missing, damaged, or of another size than recorded.
    """
    levels = np.empty((len(index), *size, 3), np.uint8)
    for sample, position in enumerate(index.tolist()):
        image = pixels.image(position)
        try:
            levels[sample] = replay_image(image, augmentation, sample, size, interpolation)
        except LabelcodecError as error:
            raise type(error)(f"image {paths[position]}: {error}") from None
    return torch.from_numpy(levels).permute(0, 3, 1, 2)


def start_worker(number: int) -> None:
    """`worker_init_fn` of a `DataLoader`: leave Ctrl-C and locked files to the parent process.

    torch itself gives a worker one thread.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_to_parent()
    end_with_lost_items()


def of_worker(position: int) -> int:
    """A position in a worker of a `DataLoader`, where those that follow are of this worker, too."""
    worker = torch.utils.data.get_worker_info()
    if worker is None or not isinstance(position, Position):
        return position
    return position.shared(worker.num_workers)


def end_with_lost_items() -> None:
    """In a worker, end the process if an item cannot be sent, as when shared memory is full.

    Python's queue would print the error and drop the item, for which the parent waits for ever.
    torch notices within seconds that a worker has ended.
    """
    if torch.utils.data.get_worker_info() is not None:
        Queue._on_queue_feeder_error = staticmethod(_end)  # type: ignore[attr-defined]


def _end(error: Exception, item: object) -> NoReturn:
    sys.stderr.write(f"labelcodec: a worker process cannot send a batch: {error}\n")
    sys.stderr.flush()
    os._exit(1)


def iterate_loader(loader: Iterable[T]) -> Iterator[T]:
    """Iterate over a `DataLoader`, so that errors of its workers read as without workers.

    Raises:
        LabelcodecError: as raised by the dataset, without the worker's traceback, which torch
            puts into the message.
        ChildProcessError: a worker was killed.
    """
    try:
        with worker_deaths():
            yield from loader
        return
    except LabelcodecError as error:
        error_type = type(error)
        message = str(error).rpartition(f"{error_type.__module__}.{error_type.__name__}: ")[2]
        problem = error_type(message.rstrip())
        error.__traceback__ = None  # the traceback would keep the other workers alive
    raise problem


@contextmanager
def worker_deaths() -> Iterator[None]:
    """Report a killed worker of a loader, an error that torch may raise at any line.

    Raises:
        ChildProcessError: a worker was killed.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_worker_death(error):
            raise
        raise ChildProcessError(
            "a worker process died, perhaps for lack of memory or of space in /dev/shm; use fewer "
            "`workers` or smaller batches, or give a container more shared memory (in docker, "
            "ipc=host)"
        ) from None


def is_worker_death(error: BaseException) -> bool:
    """Whether an error is torch's report of a killed `DataLoader` worker."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")
