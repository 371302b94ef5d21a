"""Crop boxes: sizes by table, places as mixed-radix digits of what room is left (SPEC 5.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Crop
from labelcodec.codecs import columns
from labelcodec.entropy import coding, tables, tokens, varint
from labelcodec.entropy.backend import coders
from labelcodec.entropy.coding import Symbols, Usage
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError, DataError

USUAL_SIZE, MANY_SIZES, FRACTIONS = 0, 1, 2
HALF = 0x10
MAX_SIDE = 1 << 24
TOO_LARGE = 2  # status of decoding boxes


@dataclass(frozen=True)
class CropTables:
    """Table of crop heights, of widths by the height's token, and the usual image size.

    Attributes:
        height: one context.
        width: one context a token of the height.
        size: (height, width) in pixels of most source images.
    """

    height: TableSet
    width: TableSet
    size: tuple[int, int]

    @classmethod
    def fit(cls, crops: Sequence[Crop]) -> CropTables:
        """Tables for boxes like these."""
        pixels = [crop for crop in crops if _in_pixels(crop)]
        pairs = [_symbols(crop.box) for crop in pixels]
        sizes = Counter((int(h), int(w)) for crop in pixels for h, w in _sizes(crop)[:1])
        return cls(
            coding.fit_tables([height for height, _ in pairs], 1),
            coding.fit_tables([width for _, width in pairs], tokens.ALPHABET),
            max(sizes, key=lambda size: (sizes[size], size), default=(1, 1)),
        )

    def dump(self) -> dict[str, bytes]:
        """Named parts for the side information."""
        size = varint.encode(self.size[0]) + varint.encode(self.size[1])
        return {
            "height": tables.dump(self.height),
            "width": tables.dump(self.width),
            "size": size,
        }

    @classmethod
    def load(cls, parts: Mapping[str, bytes]) -> CropTables:
        """Inverse of `dump`.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            height, width = tables.load(parts["height"]), tables.load(parts["width"])
            rows, position = varint.decode(parts["size"], 0)
            columns_, position = varint.decode(parts["size"], position)
        except KeyError as missing:
            raise CorruptError(f"the crop tables lack {missing}") from None
        if position != len(parts["size"]):
            raise CorruptError("bytes too many behind the usual image size")
        if len(height.freqs) != 1 or len(width.freqs) != tokens.ALPHABET:
            raise CorruptError("the crop tables have the wrong number of contexts")
        if not (0 < rows < MAX_SIDE and 0 < columns_ < MAX_SIDE):
            raise CorruptError(f"the crop tables name images of {rows} x {columns_} pixels")
        return cls(height, width, (rows, columns_))


def _sizes(crop: Crop) -> NDArray[Any]:
    assert crop.size is not None
    return crop.size


def _in_pixels(crop: Crop) -> bool:
    """Whether all boxes are whole pixels inside their images."""
    if crop.size is None:
        return False
    top, left, height, width = crop.box.astype(np.int64).T
    sides = crop.size.astype(np.int64)
    inside = (top >= 0) & (left >= 0) & (height > 0) & (width > 0)
    inside &= (top + height <= sides[:, 0]) & (left + width <= sides[:, 1])
    return bool(inside.all() and (sides < MAX_SIDE).all())


def _symbols(box: NDArray[Any]) -> tuple[Symbols, Symbols]:
    heights = coding.tokenise(box[:, 2], np.zeros(len(box), np.int64))
    return heights, coding.tokenise(box[:, 3], heights.symbols)


def _room(size: NDArray[Any], height: NDArray[Any], width: NDArray[Any]) -> NDArray[np.int64]:
    """(2B,) how many places top and left can have, interleaved."""
    room = np.empty((len(size), 2), np.int64)
    room[:, 0] = size[:, 0] - height + 1
    room[:, 1] = size[:, 1] - width + 1
    return room.ravel()


def encode(crop: Crop, table: CropTables) -> bytes:
    """The crop stream of a batch: heights and widths, then room for top and left as digits.

    Raises:
        DataError: fractions of another type than the crop says.
    """
    half = HALF if crop.precision == "float16" else 0
    if crop.size is None and crop.box.dtype != crop.precision:
        raise DataError(f"crop fractions are {crop.box.dtype}, expected {crop.precision}")
    if crop.size is None or not _in_pixels(crop):
        return bytes([FRACTIONS | half]) + columns.pack_floats(crop.fractions())
    parts = [
        coding.code_symbols(symbols, part)
        for symbols, part in zip(_symbols(crop.box), (table.height, table.width), strict=True)
    ]
    starts, freqs, extra, widths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    room = _room(crop.size, crop.box[:, 2], crop.box[:, 3])
    places, place_widths = coders().group_digits(crop.box[:, :2].astype(np.int64).ravel(), room)
    bits = coders().pack_bits(
        np.concatenate([extra, places]), np.concatenate([widths, place_widths])
    )
    usual = bool((crop.size == table.size).all())
    form = bytes([(USUAL_SIZE if usual else MANY_SIZES) | half])
    sizes = b"" if usual else columns.pack_ints(crop.size)
    rans = coding.encode_intervals(starts, freqs)
    return form + sizes + varint.encode(len(rans)) + rans + bytes(bits.tobytes())


def decode(data: memoryview, samples: int, table: CropTables) -> Crop:
    """Inverse of `encode`.

    Raises:
        CorruptError: the stream breaks its format, or a box leaves its image.
    """
    form = data[0] & ~HALF if data else -1
    precision: Literal["float16", "float32"] = "float16" if data and data[0] & HALF else "float32"
    if form == FRACTIONS:
        flat = columns.unpack_floats(data[1:], precision, 4 * samples)
        return Crop(flat.reshape(samples, 4), None, precision)
    if form not in (USUAL_SIZE, MANY_SIZES):
        raise CorruptError("a crop stream of unknown form")
    data = data[1:]
    if form == USUAL_SIZE:
        size = np.empty((samples, 2), np.int32)
        size[:, 0], size[:, 1] = table.size
    else:
        sides, data = columns.unpack_ints(data, 2 * samples)
        if (sides <= 0).any() or (sides >= MAX_SIDE).any():
            raise CorruptError("a crop stream names an image of impossible size")
        size = sides.reshape(samples, 2).astype(np.int32)
    box, status = coders().box_decode(
        *coding.split_symbols(data, 2 * samples), size, table.height.lookup, table.width.lookup,
        table.height.escape, table.width.escape,
    )  # fmt: skip
    if status == TOO_LARGE:
        raise CorruptError("a crop box is larger than its image")
    return Crop(coding.good((box, status), "crop boxes"), size, precision)


def usage(crop: Crop, coded_bytes: int) -> Usage | None:
    """Accounting of the stream; None where nothing in it is entropy-coded."""
    if crop.size is None or not _in_pixels(crop):
        return None
    heights, widths = _symbols(crop.box)
    room = _room(crop.size, crop.box[:, 2], crop.box[:, 3])
    bits = float(np.log2(room).sum() + heights.widths.sum(dtype=int) + widths.widths.sum(dtype=int))
    counts = (
        heights.counts(1, tokens.ALPHABET),
        widths.counts(tokens.ALPHABET, tokens.ALPHABET),
    )
    return Usage(counts, bits, coded_bytes)
