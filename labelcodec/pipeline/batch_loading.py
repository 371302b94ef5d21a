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
from labelcodec.replay.dataset import ReplayBatch, ReplayDataset
from labelcodec.replay.image_pool import decoded_bytes, place_for
from labelcodec.replay.loading import iterate_loader, start_worker
from labelcodec.replay.resident import ResidentLoader


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
        if self.workers is None and self._fits():
            return ResidentLoader(
                self.dataset,
                self.order,
                self.process.device,
                progress=self.progress,
                note=self.note,
            )
        return DataLoader(
            self.dataset,
            batch_size=None,
            sampler=self.order,
            num_workers=self.workers or 0,
            worker_init_fn=start_worker,
            pin_memory=self.process.device.type == "cuda",
            persistent_workers=bool(self.workers),
            generator=torch.Generator(),  # keeps the global generator for the student
        )

    def _fits(self) -> bool:
        """Whether the images fit into the memory of every process."""
        total = decoded_bytes(self.dataset.listing, self.progress)
        fits = place_for(total, self.process.device) is not None
        if self.process.sums(int(fits))[0] == self.process.world:
            return True
        self.note(
            f"the images take {total / 1e9:.3g} GB decoded, too much to keep in memory: they are "
            "decoded again in every epoch, by one process; pass `workers`, or a `cache` on disk"
        )
        return False
