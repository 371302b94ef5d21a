"""Seeds with which another project draws its augmentations again (SPEC, section 5.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.part import NetworkInput, Part, PartTables
from labelcodec.checks import Checker
from labelcodec.errors import CorruptError, UnsupportedError
from labelcodec.streams import Stream
from labelcodec.wording import counted

if TYPE_CHECKING:
    import torch

    from labelcodec.augmentation.parts import Augmentation
    from labelcodec.augmentation.source_images import SourceImages

Seeds = NDArray[np.int32]
SEEDS = Stream(16, "seeds", "#8ab6a9")
_INT32 = "int32"


class SeedsPart(Part[Seeds]):
    """Seeds of augmentations that only their project's code can draw. A value is (B,) int32."""

    name = "seeds"
    streams = (SEEDS,)
    replay_step = -1

    def check(self, value: Seeds, samples: int, check: Checker) -> None:
        """As `Part.check`."""
        check.array("seeds", value, _INT32, (samples,))

    def encode(self, value: Seeds, tables: PartTables | None) -> dict[Stream, bytes]:
        """As `Part.encode`; seeds are random, so that nothing would make them shorter."""
        return {SEEDS: value.astype("<i4").tobytes()}

    def decode(
        self, streams: Mapping[Stream, memoryview], samples: int, tables: PartTables | None
    ) -> Seeds | None:
        """As `Part.decode`."""
        if SEEDS not in streams:
            return None
        data = streams[SEEDS]
        if len(data) != 4 * samples:
            raise CorruptError(
                f"{counted(len(data), 'byte')} of seeds for {counted(samples, 'sample')}"
            )
        return np.frombuffer(data, "<i4").astype(np.int32)

    def facts(self, value: Seeds) -> dict[str, Any]:
        """As `Part.facts`."""
        return {"seeds": value}

    def describe_sample(self, value: Seeds | None, sample: int) -> dict[str, Any]:
        """As `Part.describe_sample`."""
        return {} if value is None else {"seed": int(value[sample])}

    def replay_image(
        self,
        image: NDArray[np.uint8],
        augmentation: Augmentation,
        sample: int,
        target: NetworkInput,
    ) -> NDArray[np.uint8]:
        """As `Part.replay_image`; refused where there are seeds."""
        _refuse(augmentation)
        return image

    def replay_batch(
        self,
        images: torch.Tensor | SourceImages,
        augmentation: Augmentation,
        target: NetworkInput,
    ) -> torch.Tensor | SourceImages:
        """As `Part.replay_batch`; refused where there are seeds."""
        _refuse(augmentation)
        return images


def _refuse(augmentation: Augmentation) -> None:
    if augmentation.seeds is not None:
        raise UnsupportedError(
            "its augmentations are seeds, from which only the code that wrote them draws the same "
            "again: decode the labels and train with that code"
        )
