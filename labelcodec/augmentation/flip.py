"""Horizontal flips (SPEC, sections 5.5, 12.5 and 17.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.limits import check_number
from labelcodec.augmentation.part import Part, PartTables
from labelcodec.augmentation.philox import Purpose, Source
from labelcodec.checks import BOOL, Checker
from labelcodec.errors import CorruptError
from labelcodec.streams import Stream
from labelcodec.wording import counted

if TYPE_CHECKING:
    from labelcodec.augmentation.spec import AugmentationSpec

Flips = NDArray[np.bool_]
FLIP = Stream(3, "flip", "#f4b183")


@dataclass(frozen=True)
class FlipParameters:
    """Parameters of the flip draw.

    Attributes:
        flip: probability of a horizontal flip, 0..1; None to record no flips.
    """

    flip: float | None = 0.5

    def check_flip(self) -> None:
        """Check the range of the parameter.

        Raises:
            ConfigError: a value out of range.
        """
        if self.flip is not None:
            check_number("flip", self.flip, 0, 1)


def encode_flip(flip: Flips) -> bytes:
    """Serialize (B,) flips: one bit per sample, lowest bit first."""
    return np.packbits(flip, bitorder="little").tobytes()


def decode_flip(data: memoryview, samples: int) -> Flips:
    """Deserialize (B,) flips that `encode_flip` wrote.

    Raises:
        CorruptError: the wrong number of bytes.
    """
    if len(data) != (samples + 7) // 8:
        raise CorruptError(
            f"{counted(len(data), 'byte')} of flips for {counted(samples, 'sample')}"
        )
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=samples, bitorder="little")
    return bits.view(np.bool_)


class FlipPart(Part[Flips]):
    """Horizontal flips. A value is (B,) bool."""

    name = "flip"
    streams = (FLIP,)
    replay_step = 2  # single images are mirrored by the crop's kernel

    def check(self, value: Flips, samples: int, check: Checker) -> None:
        """As `Part.check`."""
        check.array("flips", value, BOOL, (samples,))

    def draw(
        self, spec: AugmentationSpec, source: Source, image_index: NDArray[np.int64]
    ) -> Flips | None:
        """As `Part.draw`."""
        if spec.flip is None:
            return None
        word = source.words(Purpose.FLIP, np.arange(len(image_index)))[:, 0]
        flips: Flips = word < spec.flip * 2.0**32
        return flips

    def encode(self, value: Flips, tables: PartTables | None) -> dict[Stream, bytes]:
        """As `Part.encode`."""
        return {FLIP: encode_flip(value)}

    def decode(
        self, streams: Mapping[Stream, memoryview], samples: int, tables: PartTables | None
    ) -> Flips | None:
        """As `Part.decode`."""
        return decode_flip(streams[FLIP], samples) if FLIP in streams else None

    def facts(self, value: Flips) -> dict[str, Any]:
        """As `Part.facts`."""
        return {"flips": value}

    def describe_sample(self, value: Flips | None, sample: int) -> dict[str, Any]:
        """As `Part.describe_sample`."""
        return {"flip": None if value is None else bool(value[sample])}
