"""The interface of an augmentation part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.philox import Source
from labelcodec.checks import Checker
from labelcodec.entropy.coding import Usage
from labelcodec.streams import Stream

if TYPE_CHECKING:
    import torch

    from labelcodec.augmentation.parts import Augmentation
    from labelcodec.augmentation.source_images import SourceImages
    from labelcodec.augmentation.spec import AugmentationSpec

T = TypeVar("T")


class PartTables(Protocol):
    """Tables fitted to a part's values, stored in the side information (SPEC, section 4.2)."""

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""

    @classmethod
    def from_parts(cls, parts: Mapping[str, bytes]) -> Self:
        """Deserialize what `to_parts` wrote."""


@dataclass(frozen=True)
class NetworkInput:
    """The network input that images are cropped and resized to.

    Attributes:
        size: (height, width) in pixels.
        interpolation: 'bilinear' or 'bicubic', for resizing crops.
    """

    size: tuple[int, int]
    interpolation: str = "bilinear"


class Part(Generic[T]):
    """One part of an augmentation: how its values are checked, drawn, stored and replayed.

    A part is a subclass in its own module and one field of `parts.Augmentation`. `T` is the type of
    its values. There is one value per batch of B samples; it is None if the part was not recorded.
    """

    name: ClassVar[str]
    """Name of its field in `Augmentation`."""

    streams: ClassVar[tuple[Stream, ...]]
    """Streams that hold its bytes; a stream also defines a component's name and colour."""

    replay_step: ClassVar[int]
    """Position in the order in which parts are applied to an image."""

    def check(self, value: T, samples: int, check: Checker) -> None:
        """Check types, shapes and value ranges.

        Args:
            value: the batch's value.
            samples: B.
            check: reports errors with the name of the batch.

        Raises:
            DataError: an invalid value; the message names it.
        """
        raise NotImplementedError

    def draw(
        self, spec: AugmentationSpec, source: Source, image_index: NDArray[np.int64]
    ) -> T | None:
        """Draw a batch's value from a seed (SPEC, section 12).

        Args:
            spec: the rules of the draw.
            source: the batch's random words.
            image_index: (B,) images of the batch.

        Returns:
            The value; None if the spec does not include this part.
        """
        return None

    def fit_tables(self, values: Sequence[T]) -> PartTables | None:
        """Fit tables to sample values; None for a part without tables."""
        return None

    def load_tables(self, parts: Mapping[str, bytes]) -> PartTables | None:
        """Deserialize the tables from what their `to_parts` wrote; None for a part without tables.

        Raises:
            CorruptError: malformed tables.
        """
        return None

    def encode(self, value: T, tables: PartTables | None) -> dict[Stream, bytes]:
        """Serialize a batch's value to its streams.

        Args:
            value: the batch's value.
            tables: the tables of `fit_tables`.

        Raises:
            DataError: a value that no stream can hold.
        """
        raise NotImplementedError

    def decode(
        self, streams: Mapping[Stream, memoryview], samples: int, tables: PartTables | None
    ) -> T | None:
        """Deserialize what `encode` wrote.

        Args:
            streams: the batch's streams.
            samples: B.
            tables: the tables of `fit_tables`.

        Returns:
            The value; None if the part's streams are absent.

        Raises:
            CorruptError: a malformed stream.
        """
        raise NotImplementedError

    def usage(self, value: T, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Symbol counts and coded bytes of the part's entropy-coded streams, by component.

        Args:
            value: the batch's value.
            sizes: bytes of every stream of the batch.
        """
        return {}

    def facts(self, value: T) -> dict[str, Any]:
        """Everything recorded, for comparisons: name -> array or scalar."""
        raise NotImplementedError

    def describe(self, value: T | None) -> dict[str, Any]:
        """What holds for the whole batch, as JSON-safe values."""
        return {}

    def describe_sample(self, value: T | None, sample: int) -> dict[str, Any]:
        """What holds for one sample, as JSON-safe values."""
        return {}

    def replay_image(
        self,
        image: NDArray[np.uint8],
        augmentation: Augmentation,
        sample: int,
        target: NetworkInput,
    ) -> NDArray[np.uint8]:
        """Apply the part to one image, before samples are mixed.

        Args:
            image: (H, W, 3) uint8, the image so far. Once the crop is applied it has the target's
                size and may be modified.
            augmentation: all values of the batch.
            sample: row of the image in the batch.
            target: size of the network input, and how to resize.

        Returns:
            (H, W, 3) uint8.

        Raises:
            DataError: a recorded value that cannot be applied.
            MismatchError: the value was recorded on an image of another size.
        """
        return image

    def replay_batch(
        self,
        images: torch.Tensor | SourceImages,
        augmentation: Augmentation,
        target: NetworkInput,
    ) -> torch.Tensor | SourceImages:
        """Apply the part to a batch of images on any torch device, as `replay_image` does to one.

        Args:
            images: B source images before the crop, (B, 3, height, width) uint8 after it.
            augmentation: all values of the batch.
            target: size of the network input, and how to resize.

        Raises:
            UnsupportedError: the part can only be replayed image by image.
        """
        return images
