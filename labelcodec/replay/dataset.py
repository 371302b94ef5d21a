"""Recorded batches as training batches: images augmented as the teacher saw them, and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from torch.utils.data import Dataset
from torch.utils.data._utils.collate import default_collate_fn_map

from labelcodec.batch import Mix
from labelcodec.codecs.transform.compact import Compact
from labelcodec.codecs.transform.frame import Frame
from labelcodec.errors import ConfigError, DataError, LabelcodecError, MismatchError
from labelcodec.images import list_images
from labelcodec.progress import Progress
from labelcodec.reader import PathLike, Reader
from labelcodec.reader import open as open_labels
from labelcodec.replay.belonging import check_folder, check_images
from labelcodec.replay.expand import expand
from labelcodec.replay.finish import check_normalisation, mix, normalise
from labelcodec.replay.labels import SoftLabels, to_tensors
from labelcodec.replay.loading import load_batch
from labelcodec.replay.pixels import Cache, Files

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CompactLabels:
    """Compact labels on their way from a loader's worker; `ReplayDataset.finish` expands them.

    Attributes:
        parts: coefficients, counts, places and residuals, as in `Compact`.
        classes: C.
        frame: digest of what all labels of a shard share.
    """

    parts: tuple[torch.Tensor, ...]
    classes: int
    frame: str


@dataclass(frozen=True, eq=False)
class ReplayBatch:
    """One recorded batch, ready to train on.

    Attributes:
        position: of the batch in the label set, 0..n-1.
        images: (B, 3, H, W) float32, normalised and mixed; uint8 and not mixed where the data set
            was asked for uint8.
        labels: the teacher's.
        hard: (B,) int64 class of each image, its folder's position.
        mix: how the images are still to be mixed; None once they are.
    """

    position: int
    images: torch.Tensor
    labels: SoftLabels | CompactLabels
    hard: torch.Tensor
    mix: Mix | None = None

    def __len__(self) -> int:
        """B, the number of samples."""
        return len(self.images)

    def rows(self, chosen: slice) -> ReplayBatch:
        """Some of the samples of a finished batch."""
        if self.mix is not None or not isinstance(self.labels, SoftLabels):
            raise DataError("only a finished batch can be cut: its samples are mixed")
        images, hard = self.images[chosen], self.hard[chosen]
        return replace(self, images=images, hard=hard, labels=self.labels.rows(chosen))

    def pin_memory(self) -> ReplayBatch:
        """The batch with its images in page-locked memory; loaders call this."""
        return replace(self, images=self.images.pin_memory(), hard=self.hard.pin_memory())


class ReplayDataset(Dataset[ReplayBatch]):
    """A label set and its images; one item is one recorded batch.

    For a stock loader: `DataLoader(dataset, batch_size=None, sampler=BatchOrder(len(dataset)))`.

    Args:
        labels: a container, a glob or a list of shards.
        images: the image folder, one sub-folder a class.
        uint8: leave images in grey levels, unmixed, and compact labels compact, to be finished on
            the device that trains: `dataset.finish(batch, device)`.
        cache: file to keep decoded images in, shared by all workers; None decodes every time.
        image_size: height, width of the network input, where the header does not say.
        interpolation: of the resized crop, where the header does not say.
        normalisation: mean and std of inputs in 0..1, where the header does not say.
        progress: called with images done and in all while the cache is filled.

    Raises:
        LabelcodecError: a bad container, an image folder or a cache that the labels do not belong
            to, an image size that is missing, a setting that is not the recorded one, or no such
            normalisation.
    """

    def __init__(
        self,
        labels: PathLike | Sequence[PathLike],
        images: Path | str,
        *,
        uint8: bool = False,
        cache: Path | str | None = None,
        image_size: tuple[int, int] | None = None,
        interpolation: str | None = None,
        normalisation: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.reader: Reader = open_labels(labels)
        header = self.reader.header
        self.listing = list_images(images)
        check_folder(self.reader, self.listing)
        self.uint8 = uint8
        where = str(self.reader.paths[0])
        size = _said(where, "image size", header.image_size, image_size)
        if size is None:
            raise DataError(f"{where}: does not say the size of the network input; give it")
        self.size = size
        resized = _said(where, "interpolation", header.interpolation, interpolation)
        self.interpolation = resized or "bilinear"
        check_normalisation(normalisation)
        given = normalisation and {key: list(numbers) for key, numbers in normalisation.items()}
        self.normalisation = _said(where, "normalisation", header.normalisation, given)
        check_normalisation(self.normalisation)
        self._pixels = (
            Files(self.listing) if cache is None else Cache(Path(cache), self.listing, progress)
        )
        self._frames: dict[str, Frame] = {}

    @property
    def classes(self) -> int:
        """C."""
        return self.reader.header.classes

    def __len__(self) -> int:
        """Number of recorded batches."""
        return len(self.reader)

    def __getitem__(self, position: int) -> ReplayBatch:
        """The recorded batch at this position.

        Raises:
            LabelcodecError: the batch or one of its images is damaged or missing.
        """
        recorded = self.reader[position]
        augmentation = recorded.augmentation
        try:
            check_images(recorded.image_index, self.listing)
            images = load_batch(
                self._pixels,
                self.listing.paths,
                recorded.image_index,
                augmentation,
                self.size,
                self.interpolation,
            )
        except LabelcodecError as error:
            raise type(error)(f"batch {recorded.number}: {error}") from None
        hard = torch.from_numpy(self.listing.class_index[recorded.image_index])
        compact, labels = recorded.labels.compact, recorded.labels
        given: SoftLabels | CompactLabels
        if isinstance(compact, Compact) and self.uint8:
            arrays = (compact.coefficients, compact.counts, compact.places, compact.residuals)
            parts = tuple(map(torch.from_numpy, arrays))
            given = CompactLabels(parts, labels.classes, compact.frame.digest)
        else:
            given = to_tensors(labels)
        batch = ReplayBatch(position, images, given, hard, augmentation.mix)
        return batch if self.uint8 else self.finish(batch)

    def finish(self, batch: ReplayBatch, device: torch.device | str = "cpu") -> ReplayBatch:
        """The batch on a device: images normalised and mixed, labels as logits or top-k pairs."""
        hard = batch.hard.to(device, non_blocking=True)
        images = batch.images.to(device, non_blocking=True)
        if not images.is_floating_point():
            images = normalise(images, self.normalisation)
        labels = batch.labels
        if isinstance(labels, CompactLabels):
            arrays = [part.numpy() for part in labels.parts]
            compact = Compact(self._frame(labels, batch.position), *arrays)
            soft = SoftLabels(labels.classes, expand(compact, device))
        else:
            soft = labels.to(device)
        return ReplayBatch(batch.position, mix(images, batch.mix), soft, hard)

    def _frame(self, labels: CompactLabels, position: int) -> Frame:
        """What compact labels share; read here once, since it is too large to come with each."""
        if labels.frame not in self._frames:
            compact = self.reader[position].labels.compact
            assert isinstance(compact, Compact)
            self._frames[labels.frame] = compact.frame
        return self._frames[labels.frame]


def _refuse_batches(batch: Any, *, collate_fn_map: Any = None) -> NoReturn:
    """In the place of torch's error, which says that it cannot put ReplayBatches together.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        "an item of a ReplayDataset is a whole recorded batch: DataLoader(dataset, batch_size=None)"
    )


default_collate_fn_map[ReplayBatch] = _refuse_batches


def _said(where: str, what: str, recorded: T | None, given: T | None) -> T | None:
    """What the labels say, or else what the caller does."""
    if recorded is not None and given is not None and recorded != given:
        raise MismatchError(f"{where}: was recorded with {what} {recorded}, not {given}")
    return given if recorded is None else recorded
