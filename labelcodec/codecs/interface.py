"""What a codec is to the rest of the library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from labelcodec.batch import Labels, Tail
from labelcodec.codecs.pictures import Pictures
from labelcodec.codecs.streams import Stream
from labelcodec.entropy.coding import Usage


class Codec(Protocol):
    """A codec's configuration: a frozen dataclass whose fields are the keys of its spec."""

    @property
    def name(self) -> str:
        """Name of the byte format; it never changes its meaning once released."""

    @property
    def lossy(self) -> bool:
        """Whether stored values differ from the source's."""

    @property
    def fit_labels(self) -> int:
        """Labels of a dump that are worth fitting tables to."""

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """Give k and tail of the stored labels, given those of the source."""

    def prepare(self, labels: Labels, allow_nonfinite: bool) -> Labels:
        """The labels as they will be stored and given back."""

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        pictures: Sequence[Pictures] = (),
    ) -> Coder:
        """A coder with tables for labels like the prepared samples.

        `expected` labels will share the tables, where that is known. `pictures` are the samples',
        batch by batch, or none.
        """

    def load(self, parts: Mapping[str, bytes], classes: int) -> Coder:
        """The coder whose `dump` gave these parts."""


class Coder(Protocol):
    """A codec with its trained tables."""

    def dump(self) -> dict[str, bytes]:
        """Named parts for the side information."""

    def chosen(self) -> dict[str, Any]:
        """What fitting chose and reached, in plain values; empty where there was no choice."""

    def encode(self, labels: Labels, pictures: Pictures | None = None) -> dict[Stream, bytes]:
        """Label streams of prepared labels; what they show may help to predict them."""

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        pictures: Pictures | None = None,
    ) -> Labels:
        """Labels of a batch.

        Args:
            streams: the batch's streams.
            samples: B.
            blank: labels without content that say what all labels of the file share.
            pictures: what the labels may have been predicted from.

        Raises:
            CorruptError: a stream is missing or malformed, or the labels cannot be this codec's.
        """

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Accounting of the entropy-coded streams, by component."""
