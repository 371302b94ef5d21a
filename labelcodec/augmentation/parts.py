"""Registry of the augmentation parts: one field per part."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from labelcodec.augmentation.crop import Crop, CropPart
from labelcodec.augmentation.cutout import CutoutPart, Cutouts
from labelcodec.augmentation.flip import FlipPart, Flips
from labelcodec.augmentation.mix import Mix, MixPart
from labelcodec.augmentation.part import Part
from labelcodec.augmentation.randaugment import RandAugment, RandAugmentPart
from labelcodec.augmentation.seeds import Seeds, SeedsPart


def _row(part: Part[Any]) -> Any:
    """A field for the values of `part`; None by default."""
    return field(default=None, metadata={"part": part})


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The recorded augmentation of a batch; a part that was not recorded is None.

    Attributes:
        crop: random resized crops.
        flip: (B,) bool horizontal flips.
        mix: CutMix or mixup.
        cutout: (B, 7) float32 centre y, centre x, height, width as fractions of the network input,
            then red, green, blue in 0..255.
        randaugment: RandAugment's draws.
        seeds: (B,) int32 seeds of augmentations that only another project's code can draw.
    """

    crop: Crop | None = _row(CropPart())
    flip: Flips | None = _row(FlipPart())
    mix: Mix | None = _row(MixPart())
    cutout: Cutouts | None = _row(CutoutPart())
    randaugment: RandAugment | None = _row(RandAugmentPart())
    seeds: Seeds | None = _row(SeedsPart())

    def __repr__(self) -> str:
        recorded = [part.name for part in PARTS if getattr(self, part.name) is not None]
        return f"<Augmentation: {', '.join(recorded) or 'nothing recorded'}>"


PARTS: tuple[Part[Any], ...] = tuple(row.metadata["part"] for row in fields(Augmentation))
REPLAY_ORDER = tuple(sorted(PARTS, key=lambda part: part.replay_step))
