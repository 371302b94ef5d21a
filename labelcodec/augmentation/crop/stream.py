"""Serialization of crop boxes: entropy-coded sizes, mixed-radix offsets (SPEC, section 5.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.crop.format import MAX_SIDE
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.entropy.backend import implementation
from labelcodec.entropy.coding import Symbols, Usage
from labelcodec.entropy.format import ALPHABET
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError, DataError

USUAL_SIZE, MANY_SIZES, FRACTIONS = 0, 1, 2  # forms of the stream
HALF = 0x10  # flag added to the form: the source's fractions were float16
TOO_LARGE = 2  # status of `box_decode`

kernels = partial(implementation, "labelcodec.augmentation.crop")


@dataclass(frozen=True)
class CropTables:
    """Frequency tables of crop heights and widths, and the usual image size.

    Attributes:
        height: table of the heights; one context.
        width: tables of the widths; one context per token of the height.
        size: (height, width) in pixels of most source images.
    """

    height: TableSet
    width: TableSet
    size: tuple[int, int]

    @cached_property
    def usual(self) -> NDArray[np.int32]:
        """(2,) `size` as an array."""
        return np.array(self.size, np.int32)

    @classmethod
    def fit(cls, crops: Sequence[Crop]) -> CropTables:
        """Fit tables to the crops of sample batches."""
        pixels = [crop for crop in crops if _in_pixels(crop)]
        pairs = [_symbols(crop.box) for crop in pixels]
        sizes = Counter((int(h), int(w)) for crop in pixels for h, w in _sizes(crop)[:1])
        return cls(
            coding.fit_tables([height for height, _ in pairs], 1),
            coding.fit_tables([width for _, width in pairs], ALPHABET),
            max(sizes, key=lambda size: (sizes[size], size), default=(1, 1)),
        )

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        size = varint.encode(self.size[0]) + varint.encode(self.size[1])
        return {
            "height": tables.to_bytes(self.height),
            "width": tables.to_bytes(self.width),
            "size": size,
        }

    @classmethod
    def from_parts(cls, parts: Mapping[str, bytes]) -> CropTables:
        """Deserialize what `to_parts` wrote.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            height, width = tables.from_bytes(parts["height"]), tables.from_bytes(parts["width"])
            rows, position = varint.decode(parts["size"], 0)
            columns, position = varint.decode(parts["size"], position)
        except KeyError as missing:
            raise CorruptError(f"the crop tables lack {missing}") from None
        if position != len(parts["size"]):
            raise CorruptError("bytes too many behind the usual image size")
        if len(height.freqs) != 1 or len(width.freqs) != ALPHABET:
            raise CorruptError("the crop tables have the wrong number of contexts")
        if not (0 < rows < MAX_SIDE and 0 < columns < MAX_SIDE):
            raise CorruptError(f"the crop tables name images of {rows} x {columns} pixels")
        return cls(height, width, (rows, columns))


def _sizes(crop: Crop) -> NDArray[Any]:
    assert crop.size is not None
    return crop.size


def _in_pixels(crop: Crop) -> bool:
    """Whether all boxes are in whole pixels and inside their images."""
    if crop.size is None:
        return False
    top, left, height, width = crop.box.astype(np.int64).T
    sides = crop.size.astype(np.int64)
    inside = (top >= 0) & (left >= 0) & (height > 0) & (width > 0)
    inside &= (top + height <= sides[:, 0]) & (left + width <= sides[:, 1])
    return bool(inside.all() and (sides < MAX_SIDE).all())


def _symbols(box: NDArray[Any]) -> tuple[Symbols, Symbols]:
    """Symbols of the heights, and of the widths in the context of the height's token."""
    heights = coding.tokenise(box[:, 2], np.zeros(len(box), np.int64))
    return heights, coding.tokenise(box[:, 3], heights.symbols)


def _room(size: NDArray[Any], height: NDArray[Any], width: NDArray[Any]) -> NDArray[np.int64]:
    """(2B,) number of possible top and left offsets, interleaved."""
    room = np.empty((len(size), 2), np.int64)
    room[:, 0] = size[:, 0] - height + 1
    room[:, 1] = size[:, 1] - width + 1
    return room.ravel()


def _narrow(pixels: NDArray[Any]) -> NDArray[np.int32]:
    """Pixels as int32; what is outside of every image stays so."""
    if pixels.dtype != np.int32:
        pixels = np.clip(pixels, -1, MAX_SIDE)
    return pixels.astype(np.int32, copy=False)


def encode(crop: Crop, table: CropTables) -> bytes:
    """Serialize the crop boxes of a batch.

    Args:
        crop: the boxes.
        table: the file's tables.

    Raises:
        DataError: fractions of another type than `crop.precision`.
    """
    half = HALF if crop.precision == "float16" else 0
    if crop.size is None and crop.box.dtype != crop.precision:
        raise DataError(f"crop fractions are {crop.box.dtype}, expected {crop.precision}")
    part = None
    if crop.size is not None:
        part = kernels().box_encode(
            _narrow(crop.box), _narrow(crop.size), table.height.packed, table.width.packed,
            coding.lanes_for(2 * len(crop.box)),
        )  # fmt: skip
    if crop.size is None or part is None:
        return bytes([FRACTIONS | half]) + packing.pack_floats(crop.fractions())
    usual = bool((crop.size == table.size).all())
    form = bytes([(USUAL_SIZE if usual else MANY_SIZES) | half])
    sizes = b"" if usual else packing.pack_ints(crop.size)
    return form + sizes + coding.join_symbols(*part)


def decode(data: memoryview, samples: int, table: CropTables) -> Crop:
    """Deserialize the crop boxes that `encode` wrote.

    Args:
        data: the stream.
        samples: B.
        table: the file's tables.

    Raises:
        CorruptError: a malformed stream, or a box that leaves its image.
    """
    form = data[0] & ~HALF if data else -1
    precision: Literal["float16", "float32"] = "float16" if data and data[0] & HALF else "float32"
    if form == FRACTIONS:
        flat = packing.unpack_floats(data[1:], precision, 4 * samples)
        return Crop(flat.reshape(samples, 4), None, precision)
    if form not in (USUAL_SIZE, MANY_SIZES):
        raise CorruptError("a crop stream of unknown form")
    data = data[1:]
    if form == USUAL_SIZE:
        size = np.empty((samples, 2), np.int32)
        size[:] = table.usual
    else:
        sides, data = packing.unpack_ints(data, 2 * samples)
        if (sides <= 0).any() or (sides >= MAX_SIDE).any():
            raise CorruptError("a crop stream names an image of impossible size")
        size = sides.reshape(samples, 2).astype(np.int32)
    box, status = kernels().box_decode(
        data, coding.lanes_for(2 * samples), size, table.height.lookup, table.width.lookup
    )
    if status == TOO_LARGE:
        raise CorruptError("a crop box is larger than its image")
    return Crop(coding.good((box, status), "crop boxes"), size, precision)


def usage(crop: Crop, coded_bytes: int) -> Usage | None:
    """Symbol counts and coded bytes of the stream; None if nothing in it is entropy-coded."""
    if crop.size is None or not _in_pixels(crop):
        return None
    heights, widths = _symbols(crop.box)
    room = _room(crop.size, crop.box[:, 2], crop.box[:, 3])
    bits = float(np.log2(room).sum() + heights.widths.sum(dtype=int) + widths.widths.sum(dtype=int))
    counts = (
        heights.counts(1, ALPHABET),
        widths.counts(ALPHABET, ALPHABET),
    )
    return Usage(counts, bits, coded_bytes)
