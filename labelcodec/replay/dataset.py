"""PyTorch dataset of recorded batches: images augmented as the teacher saw them, and labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from labelcodec.augmentation.mix import mix_images, partner_share
from labelcodec.batch import CompactLabels, LabelBatch
from labelcodec.binding.agreement import Measured, warnings_of
from labelcodec.binding.class_map import as_class_map, folder_notes
from labelcodec.binding.folder import ClassMapLike, class_of_image
from labelcodec.checks import check_normalisation
from labelcodec.errors import ConfigError, DataError, LabelcodecError, MismatchError
from labelcodec.folder_check import bind_folder, check_images, measured_of
from labelcodec.images import ImageListing, list_images
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.reader import open as open_labels
from labelcodec.remote import LocationLike
from labelcodec.replay.expansion import expand
from labelcodec.replay.finishing import finished_images
from labelcodec.replay.image_source import ImageCache, ImageFiles
from labelcodec.replay.labelling import Labeller
from labelcodec.replay.loading import end_with_lost_items, load_batch, of_worker
from labelcodec.replay.normalisation import normalise
from labelcodec.replay.recycled_arrays import RecycledArrays
from labelcodec.replay.replay_batch import CompactArrays, ReplayBatch
from labelcodec.replay.soft_labels import SoftLabels, to_tensors, without_softmax
from labelcodec.wording import counted

T = TypeVar("T")


class ReplayDataset(Dataset[ReplayBatch]):
    """A label set with its images; one item is one recorded batch.

    Use with a standard loader:
    `DataLoader(dataset, batch_size=None, sampler=BatchOrder(len(dataset)))`.

    Args:
        labels: as in `labelcodec.open`, or an opened `Reader`.
        images: an image folder or another source, see `list_images`.
        uint8: return images as uint8, neither normalised nor mixed, and compact labels unexpanded;
            `dataset.finish(batch, device)` then finishes the batch on the training device.
        cache: file of decoded images, shared by all workers; None decodes images on every access.
        image_size: height, width of the network input, if the header does not record it.
        interpolation: 'bilinear' or 'bicubic', if the header does not record it; default
            'bilinear'.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1, if the header does
            not record it.
        class_map: the teacher's classes, see `as_class_map`, if the header does not name them and
            they are not the sorted class folders.
        allow_changed_images: accept images of the same names with other pixels; a note says how
            much they differ.
        labeller: what computes labels that are a function of their images, see
            `labelling.labeller_for`; None for labels that the files hold.
        progress: called with images done and total images while the cache is filled.
        note: called with notes for the user.

    Attributes:
        listing: the images that the labels refer to, in order of image index.
        image_source: gives their pixels.
        bound: whether names or content say that these are the images of the labels.
        class_names: C names of the classes, '' where unknown; None if they are the first class
            folders, in order.

    Raises:
        DataError: the image size or the normalisation is neither recorded nor passed, or the
            normalisation is malformed.
        MismatchError: the labels do not belong to the image folder or the cache, or a setting
            differs from the recorded one.
        NeedsImagesError: labels that are a function of their images, without a labeller.
        LabelcodecError: a damaged container.
    """

    def __init__(
        self,
        labels: Reader | LocationLike | Sequence[LocationLike],
        images: Path | str | ImageListing,
        *,
        uint8: bool = False,
        cache: Path | str | None = None,
        image_size: tuple[int, int] | None = None,
        interpolation: str | None = None,
        normalisation: Mapping[str, Any] | None = None,
        class_map: ClassMapLike | None = None,
        allow_changed_images: bool = False,
        labeller: Labeller | None = None,
        progress: Progress | None = None,
        note: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.reader = labels if isinstance(labels, Reader) else open_labels(labels)
        if self.reader.header.kind == "tokens":
            raise MismatchError(
                f"{self.reader.paths[0]}: holds labels of token sequences; use a TokenDataset"
            )
        if labeller is None:
            self.reader.check_labels_held()
        self.labeller = labeller
        header = self.reader.header
        self.uint8 = uint8
        where = str(self.reader.paths[0])
        self._bind(list_images(images), class_map, allow_changed_images, note)
        size = _recorded_or_passed(where, "image size", header.image_size, image_size)
        if size is None:
            raise DataError(
                f"{where}: does not say the size of the network input; pass `image_size`, or add "
                "it to the file with `labelcodec annotate`"
            )
        self.size = size
        resize_filter = _recorded_or_passed(
            where, "interpolation", header.interpolation, interpolation
        )
        self.interpolation = resize_filter or "bilinear"
        check_normalisation(normalisation)
        passed = normalisation and {key: list(numbers) for key, numbers in normalisation.items()}
        self.normalisation = _recorded_or_passed(
            where, "normalisation", header.normalisation, passed
        )
        check_normalisation(self.normalisation)
        if self.normalisation is None and header.recipe is None:
            raise DataError(
                f"{where}: does not say how the teacher's inputs were normalised; pass their "
                "`normalisation` (mean 0 0 0 and std 1 1 1 if they were not), or add it to the "
                "file with `labelcodec annotate`"
            )
        self.image_source = (
            ImageFiles(self.listing)
            if cache is None
            else ImageCache(Path(cache), self.listing, progress)
        )
        self._tables: dict[str, CompactLabels] = {}
        self._arrays = RecycledArrays()
        if not self.bound:
            mapped = self.class_names is not None
            for line in (
                *folder_notes(self.listing.classes, str(self.listing.root), mapped=mapped),
                *self.agreement_warnings(self.agreement()),
            ):
                note(line)

    def __getstate__(self) -> dict[str, Any]:
        """A spawned worker of a loader gets no labeller: labels are computed by `finish`."""
        return self.__dict__ | ({"labeller": None} if self.uint8 else {})

    def _bind(
        self,
        listing: ImageListing,
        class_map: ClassMapLike | None,
        allow_changed_images: bool,
        note: Callable[[str], None],
    ) -> None:
        """Bring the images into the order of the labels, and find the class of each."""
        header, where = self.reader.header, str(self.reader.paths[0])
        passed = class_map and as_class_map(class_map).names(
            listing.classes, header.classes, str(listing.root)
        )
        self.class_names = _recorded_or_passed(
            where, "class names", header.class_names, passed or None
        )
        folder = bind_folder(
            self.reader,
            listing,
            class_names=self.class_names,
            allow_changed_images=allow_changed_images,
        )
        self.listing = folder.listing
        self.class_of_image = class_of_image(self.listing, self.class_names, header.classes)
        self.bound = folder.bound
        for line in folder.notes:
            note(line)

    @property
    def classes(self) -> int:
        """C."""
        return self.reader.header.classes

    def agreement(self) -> Measured:
        """How often the teacher's top class is the class of the image's folder, of a sample.

        Raises:
            LabelcodecError: a batch is damaged.
        """
        return measured_of(self.reader, self.class_of_image, self.label_batch)

    def label_batch(self, position: int) -> LabelBatch:
        """Recorded batch at this position, with labels that are a function of images computed."""
        recorded = self.reader[position]
        compact = recorded.labels.compact
        if self.labeller is None or compact is None:
            return recorded
        mixed = mix_images(
            normalise(self.augmented_images(recorded), None), recorded.augmentation.mix
        )
        logits = self.labeller(compact, mixed).cpu().numpy()
        dtype = np.float16 if recorded.labels.precision == "float16" else np.float32
        return replace(
            recorded, labels=replace(recorded.labels, value=logits.astype(dtype), compact=None)
        )

    def agreement_warnings(self, measured: Measured) -> tuple[str, ...]:
        """What to tell the user of that agreement; nothing if it is as it should be."""
        return warnings_of(measured, self.reader.header.agreement, str(self.listing.root))

    def __len__(self) -> int:
        """Number of recorded batches."""
        return len(self.reader)

    def __getitem__(self, position: int) -> ReplayBatch:
        """Recorded batch at this position, finished unless `uint8=True`.

        Raises:
            LabelcodecError: the batch or one of its images is damaged or missing.
            DataError: a label has no softmax, because of NaN or infinite values.
        """
        end_with_lost_items()
        recorded = self.trainable_batch(of_worker(position))
        is_compact = self.uint8 or self.labeller is not None
        batch = self.with_images(
            position, recorded, self.augmented_images(recorded), compact=is_compact
        )
        return batch if self.uint8 else self.finish(batch)

    def trainable_batch(self, position: int) -> LabelBatch:
        """Recorded batch at this position, checked for labels that cannot be trained on.

        Raises:
            LabelcodecError: the batch is damaged.
            DataError: a label has no softmax, because of NaN or infinite values.
        """
        recorded = self.reader[position]
        if (sample := without_softmax(recorded.labels)) is not None:
            raise DataError(
                f"batch {recorded.number}: the label of sample {sample} has NaN or infinite "
                "values, which cannot be trained on; `labelcodec stats` counts such labels. Label "
                "the images again, with a teacher whose logits fit their precision"
            )
        return recorded

    def with_images(
        self, position: int, recorded: LabelBatch, images: torch.Tensor, *, compact: bool
    ) -> ReplayBatch:
        """A recorded batch with its images, to be finished.

        Args:
            position: position of the batch in the label set.
            recorded: the batch.
            images: (B, 3, H, W) uint8, augmented but not mixed.
            compact: leave compact labels for `finish` to expand, on its device.
        """
        hard = torch.from_numpy(self.class_of_image[recorded.image_index])
        labels = recorded.labels
        teacher_output: SoftLabels | CompactArrays
        if compact and labels.compact is not None:
            arrays = tuple(map(torch.from_numpy, labels.compact.arrays()))
            teacher_output = CompactArrays(arrays, labels.classes, labels.compact.digest)
        else:
            teacher_output = to_tensors(labels)
        mix = recorded.augmentation.mix
        batch = ReplayBatch(int(position), images, teacher_output, hard, mix)
        if mix is None:
            return batch
        partner_hard = hard[torch.from_numpy(mix.partner)]
        return replace(
            batch, partner_hard=partner_hard, partner_share=partner_share(mix, self.size)
        )

    def augmented_images(self, recorded: LabelBatch) -> torch.Tensor:
        """(B, 3, H, W) uint8 images of a recorded batch, augmented and not mixed.

        Raises:
            LabelcodecError: an image is damaged, missing, or of another size than recorded.
        """
        try:
            check_images(recorded.image_index, self.listing)
            return load_batch(
                self.image_source,
                self.listing.paths,
                recorded.image_index,
                recorded.augmentation,
                self.size,
                self.interpolation,
            )
        except LabelcodecError as error:
            raise type(error)(f"batch {recorded.number}: {error}") from None

    def finish(self, batch: ReplayBatch, device: torch.device | str = "cpu") -> ReplayBatch:
        """Finish a batch on a device: normalise and mix its images, expand its compact labels.

        Args:
            batch: an item of this dataset.
            device: the device to finish it on.

        Returns:
            The batch with float32 images and `SoftLabels`; its `mix` is None.
        """
        hard = batch.hard.to(device, non_blocking=True)
        images = batch.images.to(device, non_blocking=True)
        images = (
            mix_images(images, batch.mix)
            if images.is_floating_point()
            else finished_images(images, self.normalisation, batch.mix, self._arrays)
        )
        labels = batch.labels
        if isinstance(labels, CompactArrays):
            tables = self._tables_of(labels, batch.position)
            compact = tables.with_arrays([array.numpy() for array in labels.arrays])
            if self.labeller is None:
                logits = expand(compact, device)
            elif batch.images.is_floating_point():
                raise DataError("labels are computed from the uint8 images of an item; keep these")
            else:
                mixed = mix_images(normalise(batch.images.to(device), None), batch.mix)
                logits = self.labeller(compact, mixed).to(device)
            soft = SoftLabels(labels.classes, logits)
        else:
            soft = labels.to(device)
        partner = batch.partner_hard
        return replace(
            batch,
            images=images,
            labels=soft,
            hard=hard,
            mix=None,
            partner_hard=None if partner is None else partner.to(device, non_blocking=True),
        )

    def __getitems__(self, positions: Sequence[int]) -> NoReturn:
        """Refuse to be batched; a `DataLoader` calls this unless its `batch_size` is None.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "an item of a ReplayDataset is a whole recorded batch: "
            "DataLoader(dataset, batch_size=None)"
        )

    def __repr__(self) -> str:
        return (
            f"<ReplayDataset {self.reader!r}, {counted(len(self.listing), 'image')} of "
            f"{self.size[0]} x {self.size[1]} from {self.listing.root}>"
        )

    def _tables_of(self, labels: CompactArrays, position: int) -> CompactLabels:
        """Compact labels with the same tables, cached: too large to be sent with each batch."""
        if labels.digest not in self._tables:
            compact = self.reader[position].labels.compact
            assert compact is not None
            self._tables[labels.digest] = compact
        return self._tables[labels.digest]


def _recorded_or_passed(where: str, setting: str, recorded: T | None, passed: T | None) -> T | None:
    """The recorded value of a setting, or else the caller's.

    Raises:
        MismatchError: the two differ.
    """
    if recorded is not None and passed is not None and recorded != passed:
        raise MismatchError(f"{where}: was recorded with {setting} {recorded}, not {passed}")
    return passed if recorded is None else recorded
