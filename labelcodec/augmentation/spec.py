"""Augmentation spec of a seeded label set: a seed and the rules of its draws (SPEC 12.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.augmentation.crop import CropParameters
from labelcodec.augmentation.cutout import CutoutParameters
from labelcodec.augmentation.flip import FlipParameters
from labelcodec.augmentation.limits import check_sides, check_whole
from labelcodec.augmentation.mix import MixParameters
from labelcodec.augmentation.randaugment import RandAugmentParameters
from labelcodec.errors import ConfigError, DataError, FormatError, UnsupportedError
from labelcodec.wording import counted

GENERATOR = "philox4x32-10"
MAX_IMAGES = 1 << 24
MAX_BATCH = 1 << 16
MAX_SIDE = (1 << 24) - 1
Sides = tuple[int, int]


@dataclass(frozen=True)
class SeedParameters:
    """Seed, images and batch size of a seeded label set.

    Attributes:
        seed: 0..2^64 - 1.
        images: number of images, 1..2^24; an epoch visits each of them once.
        batch: images per batch, 1..2^16; the last batch of an epoch may be smaller.
        size: (height, width) of the network input in pixels.
        sizes: (height, width) of all images, or 8 bytes per image as `pack_sizes` returns them.
    """

    seed: int
    images: int
    batch: int
    size: Sides
    sizes: Sides | bytes = field(repr=False)

    def check_seed(self) -> None:
        """Check the ranges of the parameters.

        Raises:
            ConfigError: a value out of range.
        """
        check_whole("seed", self.seed, 0, (1 << 64) - 1)
        check_whole("images", self.images, 1, MAX_IMAGES)
        check_whole("batch", self.batch, 1, MAX_BATCH)
        check_sides("size", self.size, MAX_SIDE)
        if not isinstance(self.sizes, bytes):
            check_sides("sizes", self.sizes, MAX_SIDE)
            return
        sides = np.frombuffer(self.sizes[: 8 * self.images], "<u4")
        if len(self.sizes) != 8 * self.images or not 0 < sides.min() <= sides.max() <= MAX_SIDE:
            raise ConfigError(f"recipe: sizes are not those of {counted(self.images, 'image')}")


# Dataclasses collect the fields of their bases from the last to the first.
@dataclass(frozen=True)
class AugmentationSpec(
    RandAugmentParameters,
    CutoutParameters,
    MixParameters,
    FlipParameters,
    CropParameters,
    SeedParameters,
):
    """The seed and the rules by which the batches of a seeded label set are drawn.

    It is the header's key `recipe`. Attributes are those of `SeedParameters` and of every part's
    parameters: `CropParameters` (scale, ratio), `FlipParameters` (flip), `MixParameters` (mix,
    alpha), `CutoutParameters` (cutout) and `RandAugmentParameters` (operations, magnitude,
    deviation).

    Raises:
        ConfigError: a value out of range.
    """

    def __post_init__(self) -> None:
        self.check_seed()
        self.check_crop()
        self.check_flip()
        self.check_mix()
        self.check_cutout()
        self.check_randaugment()

    @property
    def batches(self) -> int:
        """Number of batches per epoch; the last one may be smaller."""
        return -(-self.images // self.batch)

    def samples(self, place: int) -> int:
        """Number of images in the batch at position `place` of an epoch."""
        return min(self.batch, self.images - place * self.batch)

    def place(self, number: int) -> tuple[int, int]:
        """Epoch of a batch, and its position in the epoch.

        Raises:
            DataError: no epoch below 2^32 has a batch of this number.
        """
        if not 0 <= number < self.batches << 32:
            raise DataError(f"batch {number}: no epoch of the recipe has it")
        return divmod(number, self.batches)

    def sizes_of(self, index: NDArray[np.int64]) -> NDArray[np.int32]:
        """(n, 2) int32 heights and widths of the images at (n,) indices."""
        if isinstance(self.sizes, bytes):
            sides = np.frombuffer(self.sizes, "<u4").reshape(2, -1)
            return sides[:, index].T.astype(np.int32)
        return np.tile(np.array(self.sizes, np.int32), (len(index), 1))

    def to_map(self) -> dict[str, Any]:
        """Serialize to the header's map; parameters that are None are omitted."""
        data: dict[str, Any] = {"generator": GENERATOR}
        for name in _NAMES:
            value = getattr(self, name)
            if value is not None:
                data[name] = list(value) if isinstance(value, tuple) else value
        if isinstance(self.sizes, bytes):
            data["sizes"] = zstandard.compress(self.sizes, 19)
        return data

    @classmethod
    def from_map(cls, data: Mapping[str, Any], where: str) -> AugmentationSpec:
        """Deserialize the map that `to_map` returned.

        Args:
            data: the map.
            where: file name for error messages.

        Raises:
            FormatError: a key is missing or has a value out of range.
            UnsupportedError: an unknown generator or an unknown key.
        """
        unknown = data.keys() - {*_NAMES, "generator"}
        if data.get("generator") != GENERATOR or unknown:
            what = f"key {min(unknown)!r}" if unknown else f"generator {data.get('generator')!r}"
            raise UnsupportedError(f"{where}: recipe with {what}, which this version does not know")
        values = {name: data.get(name) for name in _NAMES}
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        try:
            if isinstance(values["sizes"], bytes):
                values["sizes"] = _unpack_sizes(values["sizes"], values["images"])
            return cls(**values)  # type: ignore[arg-type]
        except (ConfigError, TypeError) as error:
            raise FormatError(f"{where}: {error}") from None


def pack_sizes(sizes: NDArray[Any]) -> Sides | bytes:
    """The value of `AugmentationSpec.sizes` for images of these sizes.

    Args:
        sizes: (N, 2) heights and widths in pixels.
    """
    if (sizes == sizes[0]).all():
        return int(sizes[0, 0]), int(sizes[0, 1])
    return np.asarray(sizes).T.astype("<u4").tobytes()


def _unpack_sizes(data: bytes, images: Any) -> bytes:
    """Decompress the sizes of a header's map.

    Raises:
        ConfigError: malformed data, or another number of images.
    """
    try:
        size = zstandard.frame_content_size(data)
        if not isinstance(images, int) or not 0 < images <= MAX_IMAGES or size != 8 * images:
            raise ConfigError(
                f"recipe: {counted(size, 'byte')} of sizes for {counted(images, 'image')}"
            )
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ConfigError(f"recipe: broken sizes: {error}") from None


_NAMES = tuple(row.name for row in fields(AugmentationSpec))
