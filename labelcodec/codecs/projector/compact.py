"""Labels of the projector codec: tables, and the number of labels (SPEC, section 16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.projector.tables import ProjectorTables
from labelcodec.errors import NeedsImagesError


@dataclass(frozen=True, eq=False)
class ProjectorLabels:
    """The labels of a batch, which are a function of its replayed images.

    Attributes:
        tables: tables of the file.
        coefficients: (B, 0) int32; there are none.
    """

    tables: ProjectorTables
    coefficients: NDArray[np.int32]

    codec: ClassVar[str] = "projector"

    @property
    def digest(self) -> str:
        """Digest of the tables."""
        return self.tables.digest

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The empty coefficients, which have the number of labels."""
        return (self.coefficients,)

    def with_arrays(self, arrays: Sequence[NDArray[Any]]) -> ProjectorLabels:
        """Labels with the same tables, as many as `arrays` has rows."""
        return ProjectorLabels(self.tables, *arrays)

    def dense(self) -> NoReturn:
        """Raise: nothing in the file but the images and the encoder gives these labels.

        Raises:
            NeedsImagesError: always; it names the encoder.
        """
        raise NeedsImagesError(needs_images(self.tables))


def needs_images(tables: ProjectorTables) -> str:
    """Why labels cannot be had from the file alone, and what to do."""
    facts = tables.encoder
    return (
        "these labels are a function of their images: the file holds updates of the encoder "
        f"{facts.name!r} (weights of SHA-256 {facts.sha256[:12]}…) and no labels. To train, pass "
        "`encoder` and `encoder_weights`; for anything else, store the labels with another codec "
        "first: `labelcodec encode` with `images`, `encoder` and `encoder_weights`"
    )
