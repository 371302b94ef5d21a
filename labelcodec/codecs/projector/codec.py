"""Configuration of the projector codec (SPEC, section 16).

Labels are computed from the replayed images: by an encoder that the user names again, with low-rank
updates of its layers, and by a linear head. The tables are trained by `pipeline.project`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from labelcodec.batch import Labels
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import LABEL_FLOOR, LABEL_INDEX, LABEL_VALUES, Stream
from labelcodec.codecs.full_logits import check_stored_logits
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.codecs.projector.compact import ProjectorLabels
from labelcodec.codecs.projector.format import FORMS, MAX_RANK
from labelcodec.codecs.projector.tables import ProjectorTables
from labelcodec.errors import ConfigError, CorruptError, DataError

LABEL_STREAMS = frozenset([LABEL_INDEX, LABEL_VALUES, LABEL_FLOOR])
NOT_FITTED = (
    "the projector codec is trained on images, not fitted to labels: use `labelcodec project` or "
    "`labelcodec.pipeline.project`"
)


@dataclass(frozen=True)
class Projector(Codec):
    """Configuration of the projector codec.

    Attributes:
        rank: largest rank of the update of each layer of the encoder, 0..1024; 0 updates none.
        head: rank of the head as a product of two factors, 1..1024; 0 stores it whole.
        precision: type of the stored factors, int8 with a scale per row, or float16.

    Raises:
        ConfigError: a value out of range.
    """

    rank: int = 8
    head: int = 0
    precision: str = "int8"

    name, lossy, fit_labels = "projector", True, 1

    def __post_init__(self) -> None:
        for key in ("rank", "head"):
            if not 0 <= getattr(self, key) <= MAX_RANK:
                raise ConfigError(
                    f"projector: {key}={getattr(self, key)}, allowed are 0..{MAX_RANK}"
                )
        if self.precision not in FORMS:
            raise ConfigError(
                f"projector: precision={self.precision!r}, allowed are {', '.join(FORMS)}"
            )

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = False,
        context: BatchContext | None = None,
    ) -> NoReturn:
        """Refuse: labels cannot be stored.

        Raises:
            DataError: always.
        """
        raise DataError(NOT_FITTED)

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> NoReturn:
        """Refuse: the tables are trained on images.

        Raises:
            DataError: always.
        """
        raise DataError(NOT_FITTED)

    def from_parts(self, parts: Mapping[str, bytes], classes: int) -> ProjectorCoder:
        """As `Codec.from_parts`."""
        return ProjectorCoder(ProjectorTables.from_parts(parts, classes))


@dataclass(frozen=True, eq=False)
class ProjectorCoder(Coder):
    """The projector codec with its tables."""

    tables: ProjectorTables

    def to_parts(self) -> dict[str, bytes]:
        """As `Coder.to_parts`."""
        return self.tables.to_parts()

    def chosen(self) -> dict[str, Any]:
        """The encoder, and how far the labels are from their target on held-out augmentations."""
        tables, facts = self.tables, self.tables.encoder
        reached = {} if tables.reached is None else tables.reached.chosen()
        return {
            "encoder": facts.name,
            "encoder_sha256": facts.sha256,
            "input": f"{facts.height} x {facts.width}",
            "layers": len(tables.layers),
            "features": tables.head.features,
            **reached,
        }

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """No streams: a batch stores nothing of its labels.

        Raises:
            DataError: labels of other tables.
        """
        if labels.compact is None or labels.compact.digest != self.tables.digest:
            raise DataError(NOT_FITTED)
        return {}

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> Labels:
        """As `Coder.decode`; the labels are compact and have no coefficients."""
        check_stored_logits(blank, streams, (), "projector")
        if surplus := sorted(LABEL_STREAMS & streams.keys()):
            raise CorruptError(
                f"projector: a batch with stream {int(surplus[0])}; it has no labels"
            )
        none = np.zeros((samples, 0), np.int32)
        value = np.zeros((samples, 0), np.float32)
        return replace(blank, value=value, compact=ProjectorLabels(self.tables, none))
