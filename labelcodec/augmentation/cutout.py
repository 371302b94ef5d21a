"""Cutout, as drawn and replayed by LPQLD (SPEC, sections 5.8, 12.7 and 17.3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.limits import check_number
from labelcodec.augmentation.part import NetworkInput, Part, PartTables
from labelcodec.augmentation.philox import Purpose, Source, below
from labelcodec.checks import SINGLE, Checker
from labelcodec.entropy import packing
from labelcodec.errors import CorruptError, DataError
from labelcodec.streams import Stream

if TYPE_CHECKING:
    import torch

    from labelcodec.augmentation.parts import Augmentation
    from labelcodec.augmentation.source_images import SourceImages
    from labelcodec.augmentation.spec import AugmentationSpec

Cutouts = NDArray[np.float32]
CUTOUT = Stream(7, "cutout", "#a9d18e")
RAW, ON_GRID = 0, 1  # forms of the stream
CUTOUT_GRID = 1 << 14  # largest integer stored on a grid
GRIDS = (224, 64, 32, 256, 288, 384, 448, 512)  # input sides in pixels that are tried as grids


@dataclass(frozen=True)
class CutoutParameters:
    """Parameters of the cutout draw.

    Attributes:
        cutout: share of each side of the network input that is covered, above 0 and at most 1; None
            for no cutout.
    """

    cutout: float | None = None

    def check_cutout(self) -> None:
        """Check the range of the parameter.

        Raises:
            ConfigError: a value out of range.
        """
        if self.cutout is not None:
            check_number("cutout", self.cutout, 2**-24, 1)


def draw_cutout(
    source: Source, samples: int, share: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw boxes around random pixels, each filled with a random colour.

    Args:
        source: the batch's random words.
        samples: B.
        share: height and width of the boxes as a share of the network input's.
        size: (height, width) of the network input in pixels.

    Returns:
        (B, 7) float32 values of a `CutoutPart`.
    """
    words = source.words(Purpose.CUTOUT, np.arange(samples))
    drawn = np.empty((samples, 7))
    for axis, side in enumerate(size):
        drawn[:, axis] = below(words[:, axis], side) / side
        drawn[:, 2 + axis] = int(share * side + 0.5) / side
    for channel in range(3):
        drawn[:, 4 + channel] = words[:, 2] >> np.uint32(8 * channel) & np.uint32(255)
    return drawn.astype(np.float32)


def encode_cutout(cutout: NDArray[np.float32]) -> bytes:
    """Serialize (B, 7) cutouts: integers if they lie on a pixel grid, else the floats themselves.

    Raises:
        DataError: the values are not float32.
    """
    if cutout.dtype != np.float32:
        raise DataError(f"cutout is {cutout.dtype}, expected float32")
    for grid in GRIDS:
        scale = np.array([grid] * 4 + [1] * 3)
        whole_pixels = np.rint(cutout.astype(np.float64) * scale)
        if (np.abs(whole_pixels) > CUTOUT_GRID).any() or not np.isfinite(whole_pixels).all():
            break
        if _same(_on_grid(whole_pixels.astype(np.int64), grid), cutout):
            packed = [packing.pack_ints(column) for column in whole_pixels.astype(np.int64).T]
            return bytes([ON_GRID]) + struct.pack("<H", grid) + b"".join(packed)
    return bytes([RAW]) + packing.pack_floats(cutout.ravel())


def _on_grid(pixels: NDArray[np.int64], grid: int) -> NDArray[np.float32]:
    """(B, 7) float32 fractions and colours of (B, 7) integers on a grid."""
    fractions: NDArray[np.float32] = (pixels / np.array([grid] * 4 + [1] * 3)).astype(np.float32)
    return fractions


def _same(left: NDArray[np.float32], right: NDArray[np.float32]) -> bool:
    return left.tobytes() == right.astype("<f4").tobytes()


def decode_cutout(data: memoryview, samples: int) -> NDArray[np.float32]:
    """Deserialize (B, 7) float32 cutouts that `encode_cutout` wrote.

    Raises:
        CorruptError: a malformed stream.
    """
    if data and data[0] == RAW:
        return packing.unpack_floats(data[1:], "float32", 7 * samples).reshape(samples, 7)
    if len(data) < 3 or data[0] != ON_GRID:
        raise CorruptError("cutout of unknown form")
    grid, rest = struct.unpack("<H", data[1:3])[0], data[3:]
    if grid == 0:
        raise CorruptError("cutout on a grid of 0 pixels")
    pixels = np.zeros((samples, 7), np.int64)
    for column in range(7):
        pixels[:, column], rest = packing.unpack_ints(rest, samples)
    if len(rest):
        raise CorruptError(f"{len(rest)} bytes too many behind the cutout")
    return _on_grid(pixels, grid)


def cutout_edges(cutout: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.int64]:
    """Rows and columns that cutouts paint over.

    Centre and sides are rounded to whole pixels: the recorded float32 fractions stand for these.
    (LPQLD's loader truncates instead, which moves some boxes by a pixel.) Bounds are inclusive, as
    in Pillow's rectangles.

    Args:
        cutout: (B, 7) float32 values of a `CutoutPart`.
        size: (height, width) of the network input in pixels.

    Returns:
        (B, 4) int64 first row, first column, last row, last column.
    """
    sides = np.array(size)
    pixels = np.rint(cutout[:, :4].astype(np.float64) * np.tile(sides, 2)).astype(np.int64)
    centre, half = pixels[:, :2], pixels[:, 2:] // 2
    return np.concatenate(
        [np.clip(centre - half, 0, sides), np.clip(centre + half, 0, sides)], axis=1
    )


class CutoutPart(Part[Cutouts]):
    """Cutout. A value is (B, 7) float32.

    Columns are centre y, centre x, height and width as fractions of the network input, then red,
    green and blue in 0..255.
    """

    name = "cutout"
    streams = (CUTOUT,)
    replay_step = 3

    def check(self, value: Cutouts, samples: int, check: Checker) -> None:
        """As `Part.check`."""
        check.array("cutouts", value, SINGLE, (samples, 7))

    def draw(
        self, spec: AugmentationSpec, source: Source, image_index: NDArray[np.int64]
    ) -> Cutouts | None:
        """As `Part.draw`."""
        if spec.cutout is None:
            return None
        return draw_cutout(source, len(image_index), spec.cutout, spec.size)

    def encode(self, value: Cutouts, tables: PartTables | None) -> dict[Stream, bytes]:
        """As `Part.encode`."""
        return {CUTOUT: encode_cutout(value)}

    def decode(
        self, streams: Mapping[Stream, memoryview], samples: int, tables: PartTables | None
    ) -> Cutouts | None:
        """As `Part.decode`."""
        return decode_cutout(streams[CUTOUT], samples) if CUTOUT in streams else None

    def facts(self, value: Cutouts) -> dict[str, Any]:
        """As `Part.facts`."""
        return {"cutouts": value}

    def describe_sample(self, value: Cutouts | None, sample: int) -> dict[str, Any]:
        """As `Part.describe_sample`."""
        return {"cutout": None if value is None else value[sample].tolist()}

    def replay_image(
        self,
        image: NDArray[np.uint8],
        augmentation: Augmentation,
        sample: int,
        target: NetworkInput,
    ) -> NDArray[np.uint8]:
        """As `Part.replay_image`."""
        if (value := augmentation.cutout) is not None:
            top, left, bottom, right = cutout_edges(value[sample : sample + 1], target.size)[0]
            image[top : bottom + 1, left : right + 1] = value[sample, 4:].astype(np.uint8)
        return image

    def replay_batch(
        self,
        images: torch.Tensor | SourceImages,
        augmentation: Augmentation,
        target: NetworkInput,
    ) -> torch.Tensor | SourceImages:
        """As `Part.replay_batch`."""
        import torch

        value = augmentation.cutout
        assert isinstance(images, torch.Tensor)
        if value is None:
            return images
        edges = torch.from_numpy(cutout_edges(value, target.size)).to(images.device)
        colours = torch.from_numpy(value[:, 4:].astype(np.uint8)).to(images.device)
        top, left, bottom, right = edges.T[:, :, None]
        rows, columns = (torch.arange(side, device=images.device) for side in target.size)
        in_rows = (rows >= top) & (rows <= bottom)
        in_columns = (columns >= left) & (columns <= right)
        is_cut = in_rows[:, None, :, None] & in_columns[:, None, None, :]
        return torch.where(is_cut, colours[:, :, None, None], images)
