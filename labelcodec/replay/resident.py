"""Loader of recorded batches whose images stay in memory: no worker processes, no waiting."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.randaugment import RandAugmentPart
from labelcodec.augmentation.source_images import SourceImages, starts
from labelcodec.batch import LabelBatch
from labelcodec.errors import ConfigError, LabelcodecError
from labelcodec.folder_check import check_images
from labelcodec.progress import Progress
from labelcodec.replay.batch_replay import replay_batch
from labelcodec.replay.checked_device import checked_device
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.image_pool import Place, decoded_bytes, load_pool, no_room, place_for
from labelcodec.replay.image_source import ImageCache
from labelcodec.replay.replay_batch import ReplayBatch
from labelcodec.threads import thread_count
from labelcodec.wording import counted

DEVICE_THREADS = 2  # that prepare batches for an accelerator, which does most of the work


class ResidentLoader(Iterable[ReplayBatch]):
    """Yields finished batches of a `ReplayDataset` whose images stay in memory.

    All images are decoded once, into the device's memory, or into page-locked host memory if they
    take more than half of what the device has free. Crop, resize, flip, cutout, mix, normalisation
    and the expansion of compact labels run on the device. Threads prepare the next batches, on a
    stream of their own, while the model trains. RandAugment runs on the CPU: its geometry is
    Pillow's. Batches are those of a `DataLoader`, to the bit.

    Args:
        dataset: labels and images.
        sampler: positions of the batches of each pass, such as a `BatchOrder`; None for all
            recorded batches in order.
        device: where batches are wanted.
        threads: threads that prepare batches; None for two, and for the CPU one per usable CPU.
        place: 'device' or 'host', where the images stay; None for the device if they fit.
        progress: called with images done and total images while they are decoded.
        note: called with a note where images stay in host memory, or RandAugment runs there.

    Raises:
        ConfigError: no such device, or the images fit neither it nor the host; the message says how
            much they take.
        MismatchError: an image cannot be read.

    Example:
        >>> dataset = ReplayDataset("labels.slc", "images")
        >>> order = BatchOrder(len(dataset), seed=1)
        >>> loader = ResidentLoader(dataset, order, "cuda")
        >>> for epoch in range(order.epoch, 10):
        ...     order.set_epoch(epoch)
        ...     for batch in order.counted(loader): ...
    """

    def __init__(
        self,
        dataset: ReplayDataset,
        sampler: Iterable[int] | None = None,
        device: torch.device | str = "cpu",
        *,
        threads: int | None = None,
        place: Place | None = None,
        progress: Progress | None = None,
        note: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.dataset = dataset
        self.sampler: Iterable[int] = range(len(dataset)) if sampler is None else sampler
        self.device = _indexed(device)
        self._on_host = has_randaugment(dataset)
        uses_cpu = self.device.type == "cpu" or self._on_host
        self.threads = thread_count(threads) if uses_cpu or threads is not None else DEVICE_THREADS
        self.images = self._load(place, progress, note)
        self._stream = (
            torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            if self.device.type == "cuda"
            else None
        )

    @property
    def place(self) -> Place:
        """Where the images are: 'device' or 'host'."""
        on_host = self.images.pixels.device.type == "cpu"
        return "host" if on_host else "device"

    def __len__(self) -> int:
        """Batches of the next pass."""
        if not isinstance(self.sampler, Sized):
            raise TypeError("the sampler does not know its length")
        return len(self.sampler)

    def __iter__(self) -> Iterator[ReplayBatch]:
        """Finished batches on the device, in the sampler's order.

        Raises:
            LabelcodecError: a batch is damaged, or cannot be trained on.
        """
        pending: deque[Future[tuple[ReplayBatch, torch.cuda.Event | None]]] = deque()
        executor = ThreadPoolExecutor(self.threads, "replay")
        try:
            for position in self.sampler:
                pending.append(executor.submit(self._prepared, position))
                if len(pending) > self.threads:
                    yield _received(*pending.popleft().result())
            while pending:
                yield _received(*pending.popleft().result())
        finally:
            executor.shutdown(cancel_futures=True)

    def _load(
        self, place: Place | None, progress: Progress | None, note: Callable[[str], None]
    ) -> SourceImages:
        dataset, device = self.dataset, self.device
        if place not in (None, "device", "host"):
            raise ConfigError(f"images stay in 'device' or 'host' memory, not {place!r}")
        if self._on_host and device.type != "cpu":
            note(
                "RandAugment runs on the CPU, in Pillow's arithmetic: "
                f"{counted(self.threads, 'thread')} of it may be slower than {device}"
            )
        chosen = place or place_of(dataset, device, progress)
        if chosen is None:
            raise no_room(decoded_bytes(dataset.listing), device)
        load = partial(load_pool, dataset.listing, dataset.image_source, device)
        try:
            return load(chosen, progress)
        except ConfigError:
            if place is not None or chosen == "host":
                raise
        note(f"{device}: has no room for the images; they stay in host memory")
        return load("host", progress)

    def _prepared(self, position: int) -> tuple[ReplayBatch, torch.cuda.Event | None]:
        """A finished batch, and the event after which the device has computed it."""
        recorded = self.dataset.trainable_batch(position)
        with self._on_stream():
            levels = self._augmented(recorded)
            batch = self.dataset.with_images(position, recorded, levels, compact=True)
            finished = self.dataset.finish(batch, self.device)
            if self._stream is None:
                return finished, None
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._stream)
            return finished, event

    def _augmented(self, recorded: LabelBatch) -> torch.Tensor:
        """(B, 3, H, W) uint8 images of a recorded batch on the device, not mixed."""
        dataset, augmentation = self.dataset, recorded.augmentation
        try:
            check_images(recorded.image_index, dataset.listing)
            images = self.images.take(recorded.image_index)
            if augmentation.randaugment is not None:
                target = NetworkInput(dataset.size, dataset.interpolation)
                augmented = [
                    RandAugmentPart().replay_image(pixels, augmentation, sample, target)
                    for sample, pixels in enumerate(_arrays(images))
                ]
                images = self._uploaded(augmented)
                augmentation = replace(augmentation, randaugment=None)
            elif self.place == "host" and self.device.type != "cpu":
                images = self._uploaded(list(_arrays(images)))
            return replay_batch(images, augmentation, dataset.size, dataset.interpolation)
        except LabelcodecError as error:
            raise type(error)(f"batch {recorded.number}: {error}") from None

    def _uploaded(self, arrays: Sequence[NDArray[np.uint8]]) -> SourceImages:
        """Images (H, W, 3) of a batch, packed and copied to the device."""
        size = np.array([array.shape[:2] for array in arrays], np.int64)
        start = starts(size)
        is_pinned = self.device.type == "cuda"
        packed = torch.empty(int(start[-1]), dtype=torch.uint8, pin_memory=is_pinned)
        np.concatenate([array.reshape(-1) for array in arrays], out=packed.numpy())
        pixels = packed.to(self.device, non_blocking=is_pinned)
        return SourceImages(pixels, start[:-1], size)

    def _on_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)


def place_of(
    dataset: ReplayDataset, device: torch.device, progress: Progress | None = None
) -> Place | None:
    """Where the images of a dataset fit, see `image_pool.place_for`.

    Args:
        dataset: labels and images.
        device: the training device.
        progress: called with the number of image headers read and to read.
    """
    return place_for(
        decoded_bytes(dataset.listing, progress),
        device,
        on_host=has_randaugment(dataset),
        is_mapped=isinstance(dataset.image_source, ImageCache),
    )


def has_randaugment(dataset: ReplayDataset) -> bool:
    """Whether the first recorded batch has RandAugment; the others then have it, too."""
    return len(dataset) > 0 and dataset.reader[0].augmentation.randaugment is not None


def _arrays(images: SourceImages) -> Iterator[NDArray[np.uint8]]:
    """Each image as an (H, W, 3) array in host memory."""
    for start, (height, width) in zip(images.start.tolist(), images.size.tolist(), strict=True):
        pixels = images.pixels[start : start + 3 * height * width].cpu()
        yield pixels.numpy().reshape(height, width, 3)


def _received(batch: ReplayBatch, event: torch.cuda.Event | None) -> ReplayBatch:
    """A batch that the current stream may use: it waits for the stream that computed it."""
    if event is None:
        return batch
    stream = torch.cuda.current_stream(batch.images.device)
    stream.wait_event(event)
    for tensor in batch.tensors():
        tensor.record_stream(stream)
    return batch


def _indexed(name: torch.device | str) -> torch.device:
    """The device with its index, so that memory and streams are those of one GPU."""
    device = checked_device(name)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device
