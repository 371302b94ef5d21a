"""CutMix and mixup (SPEC, sections 5.6, 5.7, 12.6 and 17.4)."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.exact_pow import power
from labelcodec.augmentation.limits import check_number
from labelcodec.augmentation.part import Part, PartTables
from labelcodec.augmentation.philox import Purpose, Source, below
from labelcodec.augmentation.shuffle import permutation
from labelcodec.checks import INTEGERS, Checker
from labelcodec.entropy import coding, packing
from labelcodec.entropy.backend import coders
from labelcodec.errors import ConfigError, CorruptError
from labelcodec.streams import Stream
from labelcodec.wording import counted

if TYPE_CHECKING:
    import torch

    from labelcodec.augmentation.spec import AugmentationSpec

MIX_INDEX = Stream(4, "mix index", "#ffc000")
MIX_RATIO = Stream(5, "mix ratio", "#ffd966")
MIX_BOX = Stream(6, "mix box", "#fff2cc")
PERMUTATION, PLAIN = 0, 1  # forms of the mix index
AT_ONCE = 16  # candidate pairs evaluated at once
NO_BYTES = memoryview(b"")


@dataclass(frozen=True, eq=False)
class Mix:
    """How the images of a batch were mixed with each other.

    Attributes:
        kind: 'cutmix' or 'mixup'.
        partner: (B,) int64 in [0, B): row of the sample that each sample was mixed with.
        ratio: the Beta draw as a float, not corrected for a clipped box.
        box: (row0, row1, column0, column1) in pixels of the network input for CutMix, the ends
            exclusive; None for mixup.
    """

    kind: Literal["cutmix", "mixup"]
    partner: NDArray[np.int64]
    ratio: float
    box: tuple[int, int, int, int] | None

    def __repr__(self) -> str:
        box = "" if self.box is None else f", box {self.box}"
        return (
            f"<Mix: {self.kind} of {counted(len(self.partner), 'sample')}, ratio "
            f"{self.ratio:.4g}{box}>"
        )


@dataclass(frozen=True)
class MixParameters:
    """Parameters of the mix draw.

    Attributes:
        mix: 'cutmix', 'mixup' or None.
        alpha: mix ratios follow Beta(alpha, alpha); 0.1..4.
    """

    mix: Literal["cutmix", "mixup"] | None = "cutmix"
    alpha: float = 1.0

    def check_mix(self) -> None:
        """Check the ranges of the parameters.

        Raises:
            ConfigError: a value out of range.
        """
        check_number("alpha", self.alpha, 0.1, 4)
        if self.mix not in (None, "cutmix", "mixup"):
            raise ConfigError(f"recipe: mix is {self.mix!r}, expected 'cutmix', 'mixup' or None")


def draw_mix(
    source: Source,
    kind: Literal["cutmix", "mixup"],
    alpha: float,
    samples: int,
    size: tuple[int, int],
) -> Mix:
    """Draw the mix of a batch.

    Args:
        source: the batch's random words.
        kind: 'cutmix' or 'mixup'.
        alpha: parameter of the Beta distribution of the ratio, 0.1..4.
        samples: B.
        size: (height, width) of the network input in pixels.
    """
    partner = permutation(source, Purpose.PARTNER, samples)
    ratio = draw_ratio(source, alpha)
    box = draw_box(source, ratio, size) if kind == "cutmix" else None
    return Mix(kind, partner, ratio, box)


def draw_ratio(source: Source, alpha: float) -> float:
    """Draw from Beta(alpha, alpha), alpha in 0.1..4, by Jöhnk's method.

    Of pairs x = u^(1/alpha), y = v^(1/alpha), the first with x + y <= 1 gives x / (x + y). For
    alpha = 1 the result is uniform.

    Source: M. D. Jöhnk, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen", Metrika 8
    (1964).
    """
    exponent = 1 / alpha
    whole = int(exponent)
    bits = int((exponent - whole) * 2.0**32)
    for start in count(0, AT_ONCE):
        words = source.words(Purpose.RATIO, np.arange(start, start + AT_ONCE)).astype(np.uint64)
        numbers = words[:, ::2] << np.uint64(20) | words[:, 1::2] >> np.uint64(12)
        x, y = power((numbers + 0.5) / 2.0**52, whole, bits).T
        good = np.flatnonzero(x + y <= 1)
        if len(good):
            return float(x[good[0]] / (x[good[0]] + y[good[0]]))
    raise AssertionError  # count() has no end


def draw_box(source: Source, ratio: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Draw CutMix's box: a share 1 - ratio of the area around a random pixel, clipped to the input.

    Args:
        source: the batch's random words.
        ratio: the mix ratio, 0..1.
        size: (height, width) of the network input in pixels.

    Returns:
        row0, row1, column0, column1; the ends are exclusive.
    """
    words = source.words(Purpose.BOX, np.zeros(1, np.int64))[0]
    edges = []
    for side, word in zip(size, words[:2], strict=True):
        half = int(side * math.sqrt(1 - ratio)) // 2
        centre = int(below(word, side))
        edges += [max(centre - half, 0), min(centre + half, side)]
    row0, row1, column0, column1 = edges
    return row0, row1, column0, column1


def encode_partner(partner: NDArray[np.int64]) -> bytes:
    """Serialize (B,) partners: a permutation as its Lehmer code, others as packed integers."""
    packed = coders().pack_permutation(partner)
    if packed is None:
        return bytes([PLAIN]) + packing.pack_ints(partner)
    return b"".join((bytes([PERMUTATION]), packed.data))


def decode_partner(data: memoryview, samples: int) -> NDArray[np.int64]:
    """Deserialize (B,) int64 partners that `encode_partner` wrote.

    Raises:
        CorruptError: a malformed stream, or a partner out of range.
    """
    if data and data[0] == PERMUTATION:
        return coding.good(coders().unpack_permutation(data[1:], samples), "mix partners")
    if not data or data[0] != PLAIN:
        raise CorruptError("mix partners of unknown form")
    partner = packing.unpack_all_ints(data[1:], samples, "mix partners")
    if (partner < 0).any() or (partner >= samples).any():
        raise CorruptError(f"a mix partner outside 0..{samples - 1}")
    return partner


def encode_ratio(ratio: float) -> bytes:
    """Serialize the ratio as a little-endian double; the draw has no shorter exact form."""
    return struct.pack("<d", ratio)


def encode_box(box: tuple[int, int, int, int]) -> bytes:
    """Serialize a box as four packed integers: row0, row1, column0, column1."""
    return packing.pack_few_ints([int(edge) for edge in box])


def decode_mix(partner: memoryview, ratio: memoryview, box: memoryview | None, samples: int) -> Mix:
    """Deserialize the mix of a batch: CutMix if there is a box, else mixup.

    Args:
        partner: stream of the partners.
        ratio: stream of the ratio.
        box: stream of the box, if there is one.
        samples: B.

    Raises:
        CorruptError: a malformed stream.
    """
    if len(ratio) != 8:
        raise CorruptError(f"a mix ratio of {len(ratio)} bytes")
    value = struct.unpack("<d", ratio)[0]
    partners = decode_partner(partner, samples)
    if box is None:
        return Mix("mixup", partners, value, None)
    row0, row1, column0, column1 = packing.unpack_all_ints(box, 4, "mix box").tolist()
    return Mix("cutmix", partners, value, (row0, row1, column0, column1))


def mix_images(images: torch.Tensor, mixed: Mix | None) -> torch.Tensor:
    """Mix every image of a batch with its partner's, as SRe2L's `mix_aug` does.

    CutMix pastes rows box[0]:box[1], columns box[2]:box[3] of the partner. Mixup adds the partner
    with weight 1 - ratio.

    Args:
        images: (B, 3, H, W) tensor, floating-point for mixup; CutMix modifies it.
        mixed: the recorded mix; None returns the images unchanged.
    """
    if mixed is None:
        return images
    import torch

    partner = torch.from_numpy(mixed.partner).to(images.device)
    if mixed.box is None:
        return mixed.ratio * images + (1 - mixed.ratio) * images[partner]
    row0, row1, column0, column1 = mixed.box
    pasted = images[partner, :, row0:row1, column0:column1]
    images[:, :, row0:row1, column0:column1] = pasted
    return images


def partner_share(mixed: Mix, size: tuple[int, int]) -> float:
    """Share of the partner in an image that `mix_images` mixes, 0..1.

    For CutMix the share of pixels that are pasted, which is below 1 - ratio where the box is
    clipped; for mixup 1 - ratio.

    Args:
        mixed: the recorded mix.
        size: height, width of the images in pixels.
    """
    if mixed.box is None:
        return 1 - mixed.ratio
    row0, row1, column0, column1 = pasted_box(mixed, size)
    return (row1 - row0) * (column1 - column0) / (size[0] * size[1])


def pasted_box(mixed: Mix, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of CutMix's box that lies within images, as `mix_images` pastes it.

    Args:
        mixed: a recorded CutMix.
        size: height, width of the images in pixels.

    Returns:
        row0, row1, column0, column1; the ends are exclusive and not before the starts.
    """
    assert mixed.box is not None
    row0, row1, column0, column1 = mixed.box
    first_row, last_row, _ = slice(row0, row1).indices(size[0])
    first_column, last_column, _ = slice(column0, column1).indices(size[1])
    return first_row, max(first_row, last_row), first_column, max(first_column, last_column)


class MixPart(Part[Mix]):
    """CutMix or mixup of the samples of a batch. A value is a `Mix`."""

    name = "mix"
    streams = (MIX_INDEX, MIX_RATIO, MIX_BOX)
    replay_step = 4  # by `mix_images`, after the batch is normalised

    def check(self, value: Mix, samples: int, check: Checker) -> None:
        """As `Part.check`."""
        check.instance("mix", value, Mix)
        check.array("mix partners", value.partner, INTEGERS, (samples,))
        if (value.partner < 0).any() or (value.partner >= samples).any():
            check.fail(f"mix partners must lie in 0..{samples - 1}")
        if not isinstance(value.ratio, Real):
            check.fail(f"the mix ratio is {value.ratio!r}, expected a number")
        if value.kind not in ("cutmix", "mixup"):
            check.fail(f"the mix is {value.kind!r}, expected 'cutmix' or 'mixup'")
        if (value.kind == "cutmix") != (value.box is not None):
            check.fail("cutmix needs a box and mixup has none")
        if value.box is not None:
            if not isinstance(value.box, Sequence) or len(value.box) != 4:
                check.fail(f"the mix box is {value.box!r}, expected four integers")
            for edge in value.box:
                check.whole("an edge of the mix box", edge)

    def draw(
        self, spec: AugmentationSpec, source: Source, image_index: NDArray[np.int64]
    ) -> Mix | None:
        """As `Part.draw`."""
        if spec.mix is None:
            return None
        return draw_mix(source, spec.mix, spec.alpha, len(image_index), spec.size)

    def encode(self, value: Mix, tables: PartTables | None) -> dict[Stream, bytes]:
        """As `Part.encode`."""
        streams = {MIX_INDEX: encode_partner(value.partner), MIX_RATIO: encode_ratio(value.ratio)}
        if value.box is not None:
            streams[MIX_BOX] = encode_box(value.box)
        return streams

    def decode(
        self, streams: Mapping[Stream, memoryview], samples: int, tables: PartTables | None
    ) -> Mix | None:
        """As `Part.decode`."""
        if MIX_INDEX not in streams:
            return None
        ratio = streams.get(MIX_RATIO, NO_BYTES)
        return decode_mix(streams[MIX_INDEX], ratio, streams.get(MIX_BOX), samples)

    def facts(self, value: Mix) -> dict[str, Any]:
        """As `Part.facts`."""
        return {
            "mix kinds": value.kind,
            "mix partners": value.partner,
            "mix ratios": np.float64(value.ratio),
            "mix boxes": value.box,
        }

    def describe(self, value: Mix | None) -> dict[str, Any]:
        """As `Part.describe`."""
        if value is None:
            return {"mix": None}
        box = None if value.box is None else list(value.box)
        return {"mix": {"kind": value.kind, "ratio": value.ratio, "box": box}}

    def describe_sample(self, value: Mix | None, sample: int) -> dict[str, Any]:
        """As `Part.describe_sample`."""
        return {"mix_partner": None if value is None else int(value.partner[sample])}
