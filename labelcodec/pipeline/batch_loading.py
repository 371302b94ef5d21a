"""Where a training run gets its batches from: memory, or processes that load images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.utils.data import DataLoader

from labelcodec.pipeline.distributed import Process
from labelcodec.progress import Progress
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.image_pool import Place, decoded_bytes, no_room
from labelcodec.replay.image_source import ImageCache
from labelcodec.replay.loading import iterate_loader, start_worker
from labelcodec.replay.replay_batch import ReplayBatch
from labelcodec.replay.resident import ResidentLoader, place_of
from labelcodec.threads import worker_count


@dataclass(frozen=True, eq=False)
class BatchLoading:
    """Loads the batches of a run; nothing is loaded before the first epoch that is trained.

    Attributes:
        dataset: labels and images.
        order: order of the batches.
        workers: processes that load images, 0 for this process itself; None keeps all images in
            memory if they fit, and else loads them in this process.
        process: this process and its device.
        progress: called with images done and total images while they are decoded.
        note: called with notes for the user.
    """

    dataset: ReplayDataset
    order: BatchOrder
    workers: int | None
    process: Process
    progress: Progress | None
    note: Callable[[str], None]

    def epoch(self) -> Iterator[ReplayBatch]:
        """Finished batches of the order's next epoch, on the training device."""
        if isinstance(self._loader, ResidentLoader):
            yield from self._loader
            return
        for batch in iterate_loader(self._loader):
            yield self.dataset.finish(batch, self.process.device)

    @cached_property
    def _loader(self) -> ResidentLoader | DataLoader[ReplayBatch]:
        if self.workers is None and (place := self._place()) is not None:
            return ResidentLoader(
                self.dataset,
                self.order,
                self.process.device,
                place=place,
                progress=self.progress,
                note=self.note,
            )
        processes = worker_count(self.workers or 0, len(self.dataset))
        return DataLoader(
            self.dataset,
            batch_size=None,
            sampler=self.order,
            num_workers=processes,
            worker_init_fn=start_worker,
            pin_memory=self.process.device.type == "cuda",
            persistent_workers=processes > 0,
            generator=torch.Generator(),  # keeps the global generator for the student
        )

    def _place(self) -> Place | None:
        """Where this process keeps the images, if they fit into the memory of every process."""
        place = place_of(self.dataset, self.process.device, self.progress)
        if self.process.sums(int(place is not None))[0] == self.process.world:
            return place
        is_cached = isinstance(self.dataset.image_source, ImageCache)
        problem = str(no_room(decoded_bytes(self.dataset.listing), self.process.device))
        again = "copied out of the cache" if is_cached else "decoded again"
        self.note(
            f"{problem.partition(';')[0]}: they are {again} in every epoch, by this process; pass "
            + ("`workers`" if is_cached else "`workers`, and a `cache` on disk")
        )
        return None
