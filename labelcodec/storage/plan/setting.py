"""What is planned: a data set, its augmentation, and how many batches pruning keeps."""

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
        classes: C, 1 .. 2^20.
        images: distilled images in all, 1 and more.
        epochs: T, the epochs the student trains for.
        batch_size: samples of a recorded batch, 1 .. 2^16.
        mix: kind of mixing, None without.
        precision: of the teacher's logits.
        cutout: whether cutout takes the place of the flip, as for ImageNet-21K.
        randaugment: RandAugment operations a sample, 0 for none.
        image_bytes: mean size of an image file.
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
        """Bytes of a logit as the teacher's precision has it."""
        return PRECISION_BYTES[self.precision]

    @property
    def epoch_batches(self) -> int:
        """Full batches of an epoch; 1 where the images do not fill one."""
        return max(self.images // self.batch_size, 1)


@dataclass(frozen=True)
class Batches:
    """Recorded batches.

    Attributes:
        full: batches of `size` samples.
        size: samples of a full batch.
        partial: last batches of epochs, of `rest` samples.
        rest: samples of a last batch.
    """

    full: int
    size: int
    partial: int = 0
    rest: int = 0

    @property
    def count(self) -> int:
        """All batches."""
        return self.full + self.partial

    @property
    def labels(self) -> int:
        """Samples of all batches."""
        return self.full * self.size + self.partial * self.rest

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """(how many, samples) of the full and of the last batches."""
        return (self.full, self.size), (self.partial, self.rest)


def kept_batches(setting: Setting, keep: float) -> Batches:
    """The batches that pruning to a fraction `keep` (0..1] of the T epochs leaves.

    All T epochs keep their last, partial batch; pruned ones drop it, as LPLD and LPQLD do.

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
    # In floats as the peers have it: 1 - 0.9 is below 0.1, which saves LPQLD an epoch too many.
    pruned = 1 - keep
    full = int(setting.epochs * setting.epoch_batches * (1 - pruned))
    if not full:
        raise ConfigError(f"keep is {keep:g}: that leaves no batch of {setting.epochs} epochs")
    return Batches(full, size)
