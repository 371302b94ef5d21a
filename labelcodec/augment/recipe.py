"""The recipe of a seeded label set: a seed and the rules of its draws (SPEC, section 12.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.errors import ConfigError, DataError, FormatError, UnsupportedError

GENERATOR = "philox4x32-10"
MAX_IMAGES = 1 << 24
MAX_BATCH = 1 << 16
MAX_SIDE = 1 << 24
MAX_OPERATIONS = 16
Sides = tuple[int, int]
Range = tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """From what and how the batches of a label set are drawn.

    Attributes:
        seed: 0..2^64 - 1.
        images: number of images, 1..2^24; an epoch goes through all of them once.
        batch: images of a batch, 1..2^16; the last of an epoch has what is left.
        size: height, width of the network input in pixels.
        sizes: height, width of all images, or 8 bytes an image as `pack_sizes` makes them.
        scale: smallest and largest share of the area of a crop; None for no crops.
        ratio: smallest and largest width / height of a crop, 0.001..1000.
        flip: probability of a horizontal flip; None for no record of flips.
        mix: 'cutmix', 'mixup' or None.
        alpha: of the Beta(alpha, alpha) that mix ratios come from, 0.1..4.
        cutout: share of each side that cutout covers, above 0 and up to 1; None for no cutout.
        operations: of RandAugment a sample, 0..16.
        magnitude: mean magnitude of these, 0..10.
        deviation: standard deviation of the magnitudes, 0..10.

    Raises:
        ConfigError: a value out of range.
    """

    seed: int
    images: int
    batch: int
    size: Sides
    sizes: Sides | bytes
    scale: Range | None = (0.08, 1.0)
    ratio: Range = (3 / 4, 4 / 3)
    flip: float | None = 0.5
    mix: Literal["cutmix", "mixup"] | None = "cutmix"
    alpha: float = 1.0
    cutout: float | None = None
    operations: int = 0
    magnitude: float = 6.0
    deviation: float = 1.0

    def __post_init__(self) -> None:
        for name, (low, high) in _WHOLE.items():
            _check(name, getattr(self, name), int, low, high)
        for name, limits in _REAL.items():
            _check(name, getattr(self, name), float, *limits)
        for name, limits in _PAIRS.items():
            _check_pair(name, getattr(self, name), *limits)
        if self.mix not in (None, "cutmix", "mixup"):
            raise ConfigError(f"recipe: mix is {self.mix!r}, expected 'cutmix', 'mixup' or None")
        if isinstance(self.sizes, bytes):
            sides = np.frombuffer(self.sizes[: 8 * self.images], "<u4")
            if len(self.sizes) != 8 * self.images or not 0 < sides.min() <= sides.max() < MAX_SIDE:
                raise ConfigError(f"recipe: sizes are not those of {self.images} images")
        else:
            _check_pair("sizes", self.sizes, 1, MAX_SIDE - 1)

    @property
    def batches(self) -> int:
        """Batches of an epoch, the last one included."""
        return -(-self.images // self.batch)

    def samples(self, place: int) -> int:
        """Images of the batch at this place of an epoch."""
        return min(self.batch, self.images - place * self.batch)

    def place(self, number: int) -> tuple[int, int]:
        """Epoch of a batch, and its place in it.

        Raises:
            DataError: a number that no epoch below 2^32 has.
        """
        if not 0 <= number < self.batches << 32:
            raise DataError(f"batch {number}: no epoch of the recipe has it")
        return divmod(number, self.batches)

    def sizes_of(self, index: NDArray[np.int64]) -> NDArray[np.int32]:
        """(n, 2) int32 height, width of the images at (n,) `index`."""
        if isinstance(self.sizes, bytes):
            sides = np.frombuffer(self.sizes, "<u4").reshape(2, -1)
            return sides[:, index].T.astype(np.int32)
        return np.tile(np.array(self.sizes, np.int32), (len(index), 1))

    def to_map(self) -> dict[str, Any]:
        """The header's map; what is None is left out."""
        known: dict[str, Any] = {"generator": GENERATOR}
        for name in _NAMES:
            value = getattr(self, name)
            if value is not None:
                known[name] = list(value) if isinstance(value, tuple) else value
        if isinstance(self.sizes, bytes):
            known["sizes"] = zstandard.compress(self.sizes, 19)
        return known

    @classmethod
    def from_map(cls, data: Mapping[str, Any], where: str) -> Recipe:
        """Inverse of `to_map`.

        Args:
            data: the map.
            where: file name for error messages.

        Raises:
            FormatError: a key is missing or has a value out of range.
            UnsupportedError: another generator, or a key that this version does not know.
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
    """What `Recipe.sizes` is for images of (N, 2) heights and widths."""
    if (sizes == sizes[0]).all():
        return int(sizes[0, 0]), int(sizes[0, 1])
    return np.asarray(sizes).T.astype("<u4").tobytes()


def _unpack_sizes(data: bytes, images: Any) -> bytes:
    try:
        size = zstandard.frame_content_size(data)
        if not isinstance(images, int) or not 0 < images <= MAX_IMAGES or size != 8 * images:
            raise ConfigError(f"recipe: {size} bytes of sizes for {images} images")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ConfigError(f"recipe: broken sizes: {error}") from None


_NAMES = tuple(field.name for field in fields(Recipe))
_WHOLE = {
    "seed": (0, (1 << 64) - 1),
    "images": (1, MAX_IMAGES),
    "batch": (1, MAX_BATCH),
    "operations": (0, MAX_OPERATIONS),
}
_REAL: dict[str, tuple[float, float]] = {
    "flip": (0, 1),
    "alpha": (0.1, 4),
    "cutout": (2**-24, 1),
    "magnitude": (0, 10),
    "deviation": (0, 10),
}
_PAIRS: dict[str, tuple[float, float]] = {
    "size": (1, MAX_SIDE - 1),
    "scale": (2**-24, 1),
    "ratio": (0.001, 1000),
}
_OPTIONAL = {"scale", "flip", "mix", "cutout"}


def _check(name: str, value: Any, kind: type, low: float, high: float) -> None:
    if value is None and name in _OPTIONAL:
        return
    numeric = isinstance(value, int | float if kind is float else int)
    if not numeric or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"recipe: {name} is {value!r}, allowed are {low}..{high}")


def _check_pair(name: str, value: Any, low: float, high: float) -> None:
    if value is None and name in _OPTIONAL:
        return
    if not isinstance(value, tuple) or len(value) != 2:
        raise ConfigError(f"recipe: {name} is {value!r}, expected two numbers")
    kind = float if isinstance(low, float) else int
    for one in value:
        _check(name, one, kind, low, high)
    if name in ("scale", "ratio") and value[0] > value[1]:
        raise ConfigError(f"recipe: {name} {value!r} has its smallest value last")
