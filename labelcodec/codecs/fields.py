"""Image indices and the augmentation parts other than the crop (SPEC, sections 5.3, 5.5-5.9)."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Mix, RandAugment
from labelcodec.codecs import columns
from labelcodec.entropy import coding
from labelcodec.entropy.backend import coders
from labelcodec.errors import CorruptError, DataError

PERMUTATION, PLAIN = 0, 1
MAX_OPERATIONS = 16
CUTOUT_GRID = 1 << 14
INTEGER, HALF, SINGLE = 0, 1, 2
_MAGNITUDE = {"int64": INTEGER, "float16": HALF, "float32": SINGLE}


def whole(values_and_rest: tuple[NDArray[np.int64], memoryview], what: str) -> NDArray[np.int64]:
    """The values, once nothing is left behind them."""
    values, rest = values_and_rest
    if len(rest):
        raise CorruptError(f"{len(rest)} bytes too many behind the {what}")
    return values


def encode_image_index(index: NDArray[np.int64]) -> bytes:
    """(B,) image indices."""
    return columns.pack_ints(index)


def decode_image_index(data: memoryview, samples: int) -> NDArray[np.int64]:
    """Inverse of `encode_image_index`."""
    index = whole(columns.unpack_ints(data, samples), "image indices")
    if samples and index.min() < 0:
        raise CorruptError("a negative image index")
    return index


def encode_flip(flip: NDArray[np.bool_]) -> bytes:
    """One bit a sample, low bits first."""
    return np.packbits(flip, bitorder="little").tobytes()


def decode_flip(data: memoryview, samples: int) -> NDArray[np.bool_]:
    """Inverse of `encode_flip`."""
    if len(data) != (samples + 7) // 8:
        raise CorruptError(f"{len(data)} bytes of flips for {samples} samples")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=samples, bitorder="little")
    return bits.view(np.bool_)


def encode_partner(partner: NDArray[np.int64]) -> bytes:
    """A permutation as its Lehmer code; anything else as plain integers."""
    samples = len(partner)
    if np.array_equal(np.sort(partner), np.arange(samples)):
        digits = coders().permutation_digits(partner)
        groups = coders().group_digits(digits, np.arange(samples, 0, -1))
        return bytes([PERMUTATION]) + bytes(coders().pack_bits(*groups).tobytes())
    return bytes([PLAIN]) + columns.pack_ints(partner)


def decode_partner(data: memoryview, samples: int) -> NDArray[np.int64]:
    """Inverse of `encode_partner`."""
    if data and data[0] == PERMUTATION:
        packed = np.frombuffer(data[1:], np.uint8)
        return coding.good(coders().unpack_permutation(packed, samples), "mix partners")
    if not data or data[0] != PLAIN:
        raise CorruptError("mix partners of unknown form")
    partner = whole(columns.unpack_ints(data[1:], samples), "mix partners")
    if (partner < 0).any() or (partner >= samples).any():
        raise CorruptError(f"a mix partner outside 0..{samples - 1}")
    return partner


def encode_ratio(ratio: float) -> bytes:
    """IEEE double, little-endian: the draw has no shorter exact form."""
    return struct.pack("<d", ratio)


def encode_box(box: tuple[int, int, int, int]) -> bytes:
    """Row 0, row 1, column 0, column 1."""
    return columns.pack_ints(np.array(box))


def decode_mix(partner: memoryview, ratio: memoryview, box: memoryview | None, samples: int) -> Mix:
    """The mix of a batch: CutMix where there is a box, else mixup."""
    if len(ratio) != 8:
        raise CorruptError(f"a mix ratio of {len(ratio)} bytes")
    value = struct.unpack("<d", ratio)[0]
    partners = decode_partner(partner, samples)
    if box is None:
        return Mix("mixup", partners, value, None)
    row0, row1, column0, column1 = whole(columns.unpack_ints(box, 4), "mix box").tolist()
    return Mix("cutmix", partners, value, (row0, row1, column0, column1))


def encode_cutout(cutout: NDArray[np.float32]) -> bytes:
    """Fractions on a pixel grid and whole colours as integers, else the floats themselves.

    Raises:
        DataError: not float32.
    """
    if cutout.dtype != np.float32:
        raise DataError(f"cutout is {cutout.dtype}, expected float32")
    for grid in (224, 64, 32, 256, 288, 384, 448, 512):
        scale = np.array([grid] * 4 + [1] * 3)
        whole_pixels = np.rint(cutout.astype(np.float64) * scale)
        if (np.abs(whole_pixels) > CUTOUT_GRID).any() or not np.isfinite(whole_pixels).all():
            break
        if _same(_on_grid(whole_pixels.astype(np.int64), grid), cutout):
            packed = [columns.pack_ints(column) for column in whole_pixels.astype(np.int64).T]
            return bytes([1]) + struct.pack("<H", grid) + b"".join(packed)
    return bytes([0]) + columns.pack_floats(cutout.ravel())


def _on_grid(pixels: NDArray[np.int64], grid: int) -> NDArray[np.float32]:
    fractions: NDArray[np.float32] = (pixels / np.array([grid] * 4 + [1] * 3)).astype(np.float32)
    return fractions


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.tobytes() == b.astype("<f4").tobytes()


def decode_cutout(data: memoryview, samples: int) -> NDArray[np.float32]:
    """(B, 7) float32, the inverse of `encode_cutout`."""
    if data and data[0] == 0:
        return columns.unpack_floats(data[1:], "float32", 7 * samples).reshape(samples, 7)
    if len(data) < 3 or data[0] != 1:
        raise CorruptError("cutout of unknown form")
    grid, rest = struct.unpack("<H", data[1:3])[0], data[3:]
    if grid == 0:
        raise CorruptError("cutout on a grid of 0 pixels")
    pixels = np.zeros((samples, 7), np.int64)
    for column in range(7):
        pixels[:, column], rest = columns.unpack_ints(rest, samples)
    if len(rest):
        raise CorruptError(f"{len(rest)} bytes too many behind the cutout")
    return _on_grid(pixels, grid)


def encode_randaugment(drawn: RandAugment) -> bytes:
    """Operations as integers; decisions and magnitudes as floats in their own precision.

    Raises:
        DataError: a type or a number of operations that cannot be stored.
    """
    if not 0 < len(drawn.magnitude_dtypes) <= MAX_OPERATIONS:
        raise DataError(
            f"{len(drawn.magnitude_dtypes)} RandAugment operations, allowed are 1..{MAX_OPERATIONS}"
        )
    if drawn.decision.dtype not in (np.float16, np.float32):
        raise DataError(
            f"RandAugment decisions are {drawn.decision.dtype}, expected float16 or float32"
        )
    if unknown := set(drawn.magnitude_dtypes) - _MAGNITUDE.keys():
        raise DataError(f"RandAugment magnitudes of type {sorted(unknown)[0]!r}")
    decision = _MAGNITUDE[drawn.decision.dtype.name]
    kinds = [_MAGNITUDE[name] for name in drawn.magnitude_dtypes]
    parts = [columns.pack_ints(drawn.op), columns.pack_floats(drawn.decision.T.ravel())]
    for column, (kind, name) in enumerate(zip(kinds, drawn.magnitude_dtypes, strict=True)):
        values = drawn.magnitude[:, column].astype(name)
        parts.append(columns.pack_ints(values) if kind == INTEGER else columns.pack_floats(values))
    lengths = b"".join(struct.pack("<I", len(part)) for part in parts)
    return bytes([len(kinds), decision, *kinds]) + lengths + b"".join(parts)


def decode_randaugment(data: memoryview, samples: int) -> RandAugment:
    """Inverse of `encode_randaugment`."""
    count = data[0] if data else 0
    head = 2 + count
    if not 0 < count <= MAX_OPERATIONS or len(data) < head + 4 * (count + 2):
        raise CorruptError("a RandAugment stream of impossible shape")
    names = {number: name for name, number in _MAGNITUDE.items()}
    kinds = list(data[1:head])
    if any(kind not in names for kind in kinds) or kinds[0] == INTEGER:
        raise CorruptError("a RandAugment stream of unknown types")
    parts, position = [], head + 4 * (count + 2)
    for (length,) in struct.iter_unpack("<I", data[head:position]):
        parts.append(data[position : position + length])
        position += length
    if position != len(data):
        raise CorruptError("RandAugment parts do not fill their stream")
    op = whole(columns.unpack_ints(parts[0], samples * count), "operations")
    decision = columns.unpack_floats(parts[1], names[kinds[0]], samples * count)
    magnitude = np.zeros((samples, count), np.float32)
    for column, (kind, part) in enumerate(zip(kinds[1:], parts[2:], strict=True)):
        if kind == INTEGER:
            magnitude[:, column] = whole(columns.unpack_ints(part, samples), "magnitudes")
        else:
            magnitude[:, column] = columns.unpack_floats(part, names[kind], samples)
    return RandAugment(
        op.reshape(samples, count),
        np.ascontiguousarray(decision.reshape(count, samples).T),
        magnitude,
        tuple(names[kind] for kind in kinds[1:]),
    )
