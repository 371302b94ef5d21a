"""Random resized crops (SPEC, sections 5.4, 12.5 and 17.2).

`draw` draws boxes from a seed, `stream` serializes them, `boxes` converts them to pixels of the
images at hand, `resampling` has the weights of a resize, `resizing` crops and resizes an image, and
`tensors` whole batches on a device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.limits import check_interval
from labelcodec.augmentation.part import NetworkInput, Part, PartTables
from labelcodec.augmentation.philox import Source
from labelcodec.augmentation.source_images import SourceImages
from labelcodec.checks import FLOATS, INTEGERS, Checker
from labelcodec.streams import Stream

if TYPE_CHECKING:
    import torch

    from labelcodec.augmentation.parts import Augmentation
    from labelcodec.augmentation.spec import AugmentationSpec
    from labelcodec.entropy.coding import Usage

CROP = Stream(2, "crop", "#c55a11")


@dataclass(frozen=True, eq=False)
class Crop:
    """Crop boxes of a batch.

    Attributes:
        box: (B, 4) top, left, height, width. int32 pixels of the source image if `size` is set;
            otherwise fractions of the image sides as the dump has them, float16 or float32.
        size: (B, 2) int32 height, width of each source image in pixels, or None.
        precision: dtype of the fractions in the source dump.
    """

    box: NDArray[Any]
    size: NDArray[np.int32] | None
    precision: Literal["float16", "float32"] = "float32"

    def __repr__(self) -> str:
        unit = "fractions" if self.size is None else "pixels"
        return f"<Crop: {len(self.box)} boxes in {unit}>"

    def fractions(self) -> NDArray[Any]:
        """(B, 4) top/H, left/W, height/H, width/W in `precision`.

        Rounded as in SRe2L and LPQLD: divided in float64 and rounded to float32; LPQLD then rounds
        to float16.
        """
        if self.size is None:
            return self.box
        sides = self.size[:, [0, 1, 0, 1]].astype(np.float64)
        return (self.box / sides).astype(np.float32).astype(self.precision)

    def sample(self, sample: int) -> Crop:
        """The crop of one sample, as a batch of one."""
        size = None if self.size is None else self.size[sample : sample + 1]
        return replace(self, box=self.box[sample : sample + 1], size=size)


@dataclass(frozen=True)
class CropParameters:
    """Parameters of the crop draw.

    Attributes:
        scale: smallest and largest share of the image's area, in 2^-24..1; None for no crops.
        ratio: smallest and largest ratio of width to height, in 0.001..1000.
    """

    scale: tuple[float, float] | None = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def check_crop(self) -> None:
        """Check the ranges of the parameters.

        Raises:
            ConfigError: a value out of range.
        """
        if self.scale is not None:
            check_interval("scale", self.scale, 2**-24, 1)
        check_interval("ratio", self.ratio, 0.001, 1000)


class CropPart(Part[Crop]):
    """Random resized crops. A value is a `Crop`."""

    name = "crop"
    streams = (CROP,)
    replay_step = 1

    def check(self, value: Crop, samples: int, check: Checker) -> None:
        """As `Part.check`."""
        check.instance("crop", value, Crop)
        dtypes = FLOATS if value.size is None else INTEGERS
        check.array("crop boxes", value.box, dtypes, (samples, 4))
        if value.size is not None:
            check.array("crop source sizes", value.size, INTEGERS, (samples, 2))
            if (value.size < 1).any():
                check.fail("crop source sizes must be positive")

    def draw(
        self, spec: AugmentationSpec, source: Source, image_index: NDArray[np.int64]
    ) -> Crop | None:
        """As `Part.draw`."""
        if spec.scale is None:
            return None
        from labelcodec.augmentation.crop.draw import draw_crops

        sizes = spec.sizes_of(image_index)
        return Crop(draw_crops(source, sizes, spec.scale, spec.ratio), sizes)

    def fit_tables(self, values: Sequence[Crop]) -> PartTables:
        """As `Part.fit_tables`."""
        from labelcodec.augmentation.crop.stream import CropTables

        return CropTables.fit(values)

    def load_tables(self, parts: Mapping[str, bytes]) -> PartTables:
        """As `Part.load_tables`."""
        from labelcodec.augmentation.crop.stream import CropTables

        return CropTables.from_parts(parts)

    def encode(self, value: Crop, tables: PartTables | None) -> dict[Stream, bytes]:
        """As `Part.encode`."""
        from labelcodec.augmentation.crop.stream import CropTables, encode

        return {CROP: encode(value, cast(CropTables, tables))}

    def decode(
        self, streams: Mapping[Stream, memoryview], samples: int, tables: PartTables | None
    ) -> Crop | None:
        """As `Part.decode`."""
        if CROP not in streams:
            return None
        from labelcodec.augmentation.crop.stream import CropTables, decode

        return decode(streams[CROP], samples, cast(CropTables, tables))

    def usage(self, value: Crop, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """As `Part.usage`."""
        from labelcodec.augmentation.crop.stream import usage

        used = usage(value, sizes[CROP])
        return {} if used is None else {CROP.component: used}

    def facts(self, value: Crop) -> dict[str, Any]:
        """As `Part.facts`; boxes are given as fractions of the image sides."""
        return {"crop boxes": value.fractions()}

    def describe_sample(self, value: Crop | None, sample: int) -> dict[str, Any]:
        """As `Part.describe_sample`."""
        size = None if value is None else value.size
        return {
            "crop": None if value is None else value.box[sample].tolist(),
            "image_size": None if size is None else size[sample].tolist(),
        }

    def replay_image(
        self,
        image: NDArray[np.uint8],
        augmentation: Augmentation,
        sample: int,
        target: NetworkInput,
    ) -> NDArray[np.uint8]:
        """As `Part.replay_image`. Without a value the image must have the target's size.

        Flips are applied as well: the kernel writes a mirrored image as fast as any other.
        """
        from labelcodec.augmentation.crop.boxes import pixel_boxes
        from labelcodec.augmentation.crop.resizing import resized_crop

        value, flip = augmentation.crop, augmentation.flip
        crop = None if value is None else value.sample(sample)
        box = pixel_boxes(crop, np.array([image.shape[:2]]), target.size)[0].tolist()
        is_flipped = flip is not None and bool(flip[sample])
        return resized_crop(image, box, target.size, target.interpolation, is_flipped)

    def replay_batch(
        self,
        images: torch.Tensor | SourceImages,
        augmentation: Augmentation,
        target: NetworkInput,
    ) -> torch.Tensor:
        """As `Part.replay_batch`. Flips are applied as well, as by `replay_image`."""
        from labelcodec.augmentation.crop.tensors import resized_crops

        assert isinstance(images, SourceImages)
        return resized_crops(images, augmentation.crop, augmentation.flip, target)
