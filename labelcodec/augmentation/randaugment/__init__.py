"""RandAugment, as drawn and recorded by LPQLD (SPEC, sections 5.9, 12.8 and 17.5)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.limits import check_number, check_whole
from labelcodec.augmentation.part import NetworkInput, Part, PartTables
from labelcodec.augmentation.philox import Purpose, Source, below, fraction
from labelcodec.checks import FLOATS, INTEGERS, Checker
from labelcodec.entropy import packing
from labelcodec.errors import CorruptError, DataError, UnsupportedError
from labelcodec.streams import Stream
from labelcodec.wording import counted

if TYPE_CHECKING:
    import torch

    from labelcodec.augmentation.parts import Augmentation
    from labelcodec.augmentation.source_images import SourceImages
    from labelcodec.augmentation.spec import AugmentationSpec

RANDAUGMENT = Stream(8, "randaugment", "#548235")
MAX_OPERATIONS = 16  # per sample
INTEGER, HALF, SINGLE = 0, 1, 2  # types of a column's numbers
_TYPES = {"int64": INTEGER, "float16": HALF, "float32": SINGLE}

STRIDE = 1 << 16  # between the word indices of a sample
OPERATIONS = 15  # length of timm's list
BLOCKS = 4  # blocks of four words per operation
LEVELS = 10.0  # timm's largest magnitude
NONE = -99.0  # magnitude of an operation that takes none or was not applied
PROBABILITY = 0.5  # LPQLD applies operations whose decision is below it
# At a share x of the largest magnitude, operation i has the parameter FACTOR[i] x + OFFSET[i].
FACTOR = np.array([0, 0, 0, 30, 4, 256, 110, 1.8, 1.8, 1.8, 1.8, 0.3, 0.3, 0.45, 0.45])
OFFSET = np.array([0, 0, 0, 0, 0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0])
# Operations without a magnitude, with an integer one, and with one of random sign.
WITHOUT, WHOLE, SIGNED = (0, 1, 2), (4, 5, 6), (3, 11, 12, 13, 14)


@dataclass(frozen=True, eq=False)
class RandAugment:
    """RandAugment's draws, as LPQLD records them.

    Attributes:
        op: (B, n) int64 number of the operation in timm's list, 0..14.
        decision: (B, n) float uniform draw; below 0.5 the operation was applied.
        magnitude: (B, n) float final parameter; -99 if there is none. Column j has the dtype
            `magnitude_dtypes[j]` in the dump, where whole columns of -99 are int64.
        magnitude_dtypes: n dtype names, each 'float16', 'float32' or 'int64'.
    """

    op: NDArray[np.int64]
    decision: NDArray[Any]
    magnitude: NDArray[Any]
    magnitude_dtypes: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"<RandAugment: {counted(self.op.shape[1], 'operation')} for "
            f"{counted(len(self.op), 'sample')}>"
        )


@dataclass(frozen=True)
class RandAugmentParameters:
    """Parameters of the RandAugment draw.

    Attributes:
        operations: operations per sample, 0..16; 0 for no RandAugment.
        magnitude: mean magnitude of the operations, 0..10.
        deviation: standard deviation of the magnitude, 0..10.
    """

    operations: int = 0
    magnitude: float = 6.0
    deviation: float = 1.0

    def check_randaugment(self) -> None:
        """Check the ranges of the parameters.

        Raises:
            ConfigError: a value out of range.
        """
        check_whole("operations", self.operations, 0, MAX_OPERATIONS)
        check_number("magnitude", self.magnitude, 0, 10)
        check_number("deviation", self.deviation, 0, 10)


def draw_operations(
    source: Source, samples: int, operations: int, magnitude: float, deviation: float
) -> RandAugment:
    """Draw operations, each applied with probability 1/2.

    Deviations of the magnitude are nearly normal: the sum of 12 uniform numbers less 6.

    Args:
        source: the batch's random words.
        samples: B.
        operations: operations per sample.
        magnitude: mean magnitude, 0..10.
        deviation: standard deviation of the magnitude, 0..10.
    """
    block = np.arange(BLOCKS * operations)
    index = np.arange(samples)[:, None] + STRIDE * block
    words = source.words(Purpose.OPERATIONS, index.ravel()).reshape(samples, operations, -1)
    op = below(words[:, :, 0], OPERATIONS)
    decision = (words[:, :, 1] >> np.uint32(8)) / np.float32(1 << 24)
    normal = words[:, :, 4:].sum(axis=2, dtype=np.uint64) / 2.0**32 - 6.0
    share = np.clip(magnitude + deviation * normal, 0.0, LEVELS) / LEVELS
    value = share * FACTOR[op] + OFFSET[op]
    value = np.where(np.isin(op, WHOLE), np.trunc(value), value)
    negative = np.isin(op, SIGNED) & (fraction(words[:, :, 2]) < 0.5)
    value = np.where(negative, -value, value)
    value[(decision >= PROBABILITY) | np.isin(op, WITHOUT)] = NONE
    kinds = ("float32",) * operations
    return RandAugment(op, decision.astype(np.float32), value.astype(np.float32), kinds)


def encode_randaugment(drawn: RandAugment) -> bytes:
    """Serialize operations as integers, decisions and magnitudes in their own precision.

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
    if unknown := set(drawn.magnitude_dtypes) - _TYPES.keys():
        raise DataError(f"RandAugment magnitudes of type {sorted(unknown)[0]!r}")
    decision = _TYPES[drawn.decision.dtype.name]
    kinds = [_TYPES[name] for name in drawn.magnitude_dtypes]
    parts = [packing.pack_ints(drawn.op), packing.pack_floats(drawn.decision.T.ravel())]
    for column, (kind, name) in enumerate(zip(kinds, drawn.magnitude_dtypes, strict=True)):
        values = drawn.magnitude[:, column].astype(name)
        parts.append(packing.pack_ints(values) if kind == INTEGER else packing.pack_floats(values))
    lengths = b"".join(struct.pack("<I", len(part)) for part in parts)
    return bytes([len(kinds), decision, *kinds]) + lengths + b"".join(parts)


def decode_randaugment(data: memoryview, samples: int) -> RandAugment:
    """Deserialize what `encode_randaugment` wrote.

    Raises:
        CorruptError: a malformed stream.
    """
    count = data[0] if data else 0
    head = 2 + count
    if not 0 < count <= MAX_OPERATIONS or len(data) < head + 4 * (count + 2):
        raise CorruptError("a RandAugment stream of impossible shape")
    names = {number: name for name, number in _TYPES.items()}
    kinds = list(data[1:head])
    if any(kind not in names for kind in kinds) or kinds[0] == INTEGER:
        raise CorruptError("a RandAugment stream of unknown types")
    parts, position = [], head + 4 * (count + 2)
    for (length,) in struct.iter_unpack("<I", data[head:position]):
        parts.append(data[position : position + length])
        position += length
    if position != len(data):
        raise CorruptError("RandAugment parts do not fill their stream")
    op = packing.unpack_all_ints(parts[0], samples * count, "operations")
    decision = packing.unpack_floats(parts[1], names[kinds[0]], samples * count)
    magnitude = np.zeros((samples, count), np.float32)
    for column, (kind, part) in enumerate(zip(kinds[1:], parts[2:], strict=True)):
        if kind == INTEGER:
            magnitude[:, column] = packing.unpack_all_ints(part, samples, "magnitudes")
        else:
            magnitude[:, column] = packing.unpack_floats(part, names[kind], samples)
    return RandAugment(
        op.reshape(samples, count),
        np.ascontiguousarray(decision.reshape(count, samples).T),
        magnitude,
        tuple(names[kind] for kind in kinds[1:]),
    )


class RandAugmentPart(Part[RandAugment]):
    """RandAugment's operations. A value is a `RandAugment`."""

    name = "randaugment"
    streams = (RANDAUGMENT,)
    replay_step = 0

    def check(self, value: RandAugment, samples: int, check: Checker) -> None:
        """As `Part.check`."""
        check.instance("randaugment", value, RandAugment)
        shape = (samples, len(value.magnitude_dtypes))
        check.array("randaugment operations", value.op, INTEGERS, shape)
        check.array("randaugment decisions", value.decision, FLOATS, shape)
        check.array("randaugment magnitudes", value.magnitude, FLOATS, shape)

    def draw(
        self, spec: AugmentationSpec, source: Source, image_index: NDArray[np.int64]
    ) -> RandAugment | None:
        """As `Part.draw`."""
        if not spec.operations:
            return None
        return draw_operations(
            source, len(image_index), spec.operations, spec.magnitude, spec.deviation
        )

    def encode(self, value: RandAugment, tables: PartTables | None) -> dict[Stream, bytes]:
        """As `Part.encode`."""
        return {RANDAUGMENT: encode_randaugment(value)}

    def decode(
        self, streams: Mapping[Stream, memoryview], samples: int, tables: PartTables | None
    ) -> RandAugment | None:
        """As `Part.decode`."""
        return decode_randaugment(streams[RANDAUGMENT], samples) if RANDAUGMENT in streams else None

    def facts(self, value: RandAugment) -> dict[str, Any]:
        """As `Part.facts`."""
        return {
            "randaugment operations": value.op,
            "randaugment decisions": value.decision,
            # a container holds float32; a dump holds float16 where that is exact
            "randaugment magnitudes": value.magnitude.astype(np.float32),
            "randaugment types": value.magnitude_dtypes,
        }

    def describe(self, value: RandAugment | None) -> dict[str, Any]:
        """As `Part.describe`."""
        drawn = None if value is None else {"operations": value.op.shape[1]}
        return {"randaugment": drawn}

    def replay_image(
        self,
        image: NDArray[np.uint8],
        augmentation: Augmentation,
        sample: int,
        target: NetworkInput,
    ) -> NDArray[np.uint8]:
        """As `Part.replay_image`."""
        if augmentation.randaugment is None:
            return image
        from PIL import Image

        from labelcodec.augmentation.randaugment.operations import apply

        return np.asarray(apply(Image.fromarray(image), augmentation.randaugment, sample))

    def replay_batch(
        self,
        images: torch.Tensor | SourceImages,
        augmentation: Augmentation,
        target: NetworkInput,
    ) -> torch.Tensor | SourceImages:
        """As `Part.replay_batch`."""
        if augmentation.randaugment is not None:
            raise UnsupportedError("RandAugment can only be replayed image by image, by Pillow")
        return images
