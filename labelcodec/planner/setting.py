"""Input of a prediction: data set, augmentation, and the batches that pruning keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labelcodec.batch import MAX_CLASSES, MAX_SAMPLES
from labelcodec.errors import ConfigError

# LPLD's 200 000 distilled ImageNet-1K images of 224 x 224 pixels take 2.98 GB (README of
# he-y/soft-label-pruning-for-dataset-distillation, GB of 2^30 bytes as in its label sizes).
ASSUMED_IMAGE_BYTES = 2.98 * 2**30 / 200_000
PRECISION_BYTES = {"float16": 2, "float32": 4}


@dataclass(frozen=True)
class Setting:
    """A distilled data set whose labels are to be stored.

    Attributes:
        classes: number of classes C, 1 .. 2^20.
        images: number of distilled images, at least 1.
        epochs: number of epochs T the student trains for, at least 1.
        batch_size: samples per recorded batch, 1 .. 2^16.
        mix: kind of mixing, or None without mixing.
        precision: dtype of the teacher's logits.
        cutout: whether cutout replaces the flip, as for ImageNet-21K.
        randaugment: RandAugment operations per sample; 0 for none.
        image_bytes: mean size of an image file in bytes.

    Raises:
        ConfigError: a value is out of range.
    """

    classes: int
    images: int
    epochs: int = 300
    batch_size: int = 128
    mix: Literal["cutmix", "mixup"] | None = "cutmix"
    precision: Literal["float16", "float32"] = "float16"
    cutout: bool = False
    randaugment: int = 0
    image_bytes: float = ASSUMED_IMAGE_BYTES

    def __post_init__(self) -> None:
        for key in ("classes", "images", "epochs", "batch_size", "image_bytes"):
            if getattr(self, key) <= 0:
                raise ConfigError(f"{key} is {getattr(self, key)}, allowed is more than 0")
        for key, most in (("classes", MAX_CLASSES), ("batch_size", MAX_SAMPLES)):
            if getattr(self, key) > most:
                raise ConfigError(f"{key} is {getattr(self, key)}, a container holds up to {most}")
        if self.randaugment < 0:
            raise ConfigError(f"randaugment is {self.randaugment}, allowed are 0 and more")

    @property
    def value_bytes(self) -> int:
        """Bytes per logit in the teacher's precision."""
        return PRECISION_BYTES[self.precision]

    @property
    def epoch_batches(self) -> int:
        """Full batches per epoch; 1 if the images do not fill one."""
        return max(self.images // self.batch_size, 1)


@dataclass(frozen=True)
class Batches:
    """Number and size of recorded batches.

    Attributes:
        full: number of full batches.
        size: samples per full batch.
        partial: number of partial batches, the last ones of their epochs.
        rest: samples per partial batch.
    """

    full: int
    size: int
    partial: int = 0
    rest: int = 0

    @property
    def count(self) -> int:
        """Total number of batches."""
        return self.full + self.partial

    @property
    def labels(self) -> int:
        """Total number of samples."""
        return self.full * self.size + self.partial * self.rest

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """(number of batches, samples per batch) of the full and of the partial batches."""
        return (self.full, self.size), (self.partial, self.rest)


def kept_batches(setting: Setting, keep: float) -> Batches:
    """The batches left by pruning to a fraction `keep` of the T epochs, in (0, 1].

    With `keep` = 1 the partial batch at the end of each epoch is kept; pruning drops it, as LPLD
    and LPQLD do.

    Raises:
        ConfigError: `keep` is out of range, or leaves no batch.
    """
    if not 0 < keep <= 1:
        raise ConfigError(f"keep is {keep:g}, allowed is more than 0 up to 1")
    size = min(setting.batch_size, setting.images)
    rest = setting.images % size
    if keep == 1:
        full = setting.epochs * setting.epoch_batches
        return Batches(full, size, setting.epochs if rest else 0, rest)
    # In floating point, as in the peers' code: 1 - 0.9 is below 0.1, so the count is lower by one,
    # which spares LPQLD an extra epoch.
    pruned = 1 - keep
    full = int(setting.epochs * setting.epoch_batches * (1 - pruned))
    if not full:
        raise ConfigError(f"keep is {keep:g}: that leaves no batch of {setting.epochs} epochs")
    return Batches(full, size)
