"""What a codec is to the rest of the library.

A codec has two halves: its configuration, a `Codec`, and that with fitted tables, a `Coder`. To add
one, see notes/adding.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from labelcodec.batch import Labels, Precision, Space, Tail
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import Stream
from labelcodec.entropy.coding import Usage
from labelcodec.errors import DataError


class Codec(Protocol):
    """A codec's configuration: a frozen dataclass whose fields are the keys of its spec.

    Its constructor raises `ConfigError` for a value that is out of range.

    A class may inherit from this one for its defaults.
    """

    @property
    def name(self) -> str:
        """Name of the byte format; it never changes its meaning once released."""

    @property
    def lossy(self) -> bool:
        """Whether stored values differ from the source's."""

    @property
    def fit_labels(self) -> int:
        """Number of labels wanted for fitting tables, 1 and more."""

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """Give k and tail of the stored labels, given those of the source; None when dense.

        By default full labels are stored as such, and top-k labels are refused.

        Raises:
            DataError: the codec cannot store such labels.
        """
        if k is not None:
            raise DataError(f"the {self.name} codec needs full labels, these are top-k: use topk")
        return k, tail

    def stored_values(self, space: Space, precision: Precision) -> tuple[Space, Precision]:
        """Space and precision of the stored labels, given those of the source; these by default."""
        return space, precision

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = False,
        context: BatchContext | None = None,
    ) -> Labels:
        """The labels as they will be stored and given back.

        Args:
            labels: dense or top-k labels of a batch.
            allow_nonfinite: take NaN and infinities that the codec would refuse.
            context: what else is known of the batch.

        Raises:
            DataError: labels that the codec cannot store.
        """

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> Coder:
        """A coder with tables for labels like the samples.

        Args:
            samples: prepared labels, batch by batch.
            classes: C.
            expected: labels of the whole file, which share the tables, where that is known.
            contexts: images and augmentation of the samples, batch by batch, or none.

        Raises:
            DataError: labels that no tables can be fitted to.
        """

    def from_parts(self, parts: Mapping[str, bytes], classes: int) -> Coder:
        """The coder whose `to_parts` gave these parts.

        Args:
            parts: byte strings by name, out of a file: nothing is known of them.
            classes: C.

        Raises:
            CorruptError: a part is missing or malformed.
        """


class Coder(Protocol):
    """A codec with its tables. A class may inherit from this one for its defaults."""

    def to_parts(self) -> dict[str, bytes]:
        """Named parts for the side information; by default there are no tables."""
        return {}

    def chosen(self) -> dict[str, Any]:
        """What fitting chose and reached, in plain values; empty where there was no choice."""
        return {}

    def notes(self) -> tuple[str, ...]:
        """Remarks on the fit for the user, one sentence each."""
        return ()

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Label streams of a batch.

        Args:
            labels: prepared labels.
            context: images and augmentation of the batch, which may help to predict labels.
        """

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> Labels:
        """Labels of a batch.

        Args:
            streams: the batch's streams, out of a file: nothing is known of them.
            samples: B.
            blank: labels without content that say what all labels of the file share.
            context: what the labels may have been predicted from.

        Raises:
            CorruptError: a stream is missing or malformed, or the labels cannot be this codec's.
        """

    def decode_counted(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> tuple[Labels, dict[str, Usage]]:
        """What `decode` and `usage` give; for a codec that counts symbols as it decodes them.

        Args and errors are those of `decode`.
        """
        labels = self.decode(streams, samples, blank, context)
        return labels, self.usage(labels, {stream: len(data) for stream, data in streams.items()})

    def usage(self, labels: Labels, sizes: Mapping[Stream, int]) -> dict[str, Usage]:
        """Accounting of the entropy-coded streams, by component; empty where there are none.

        Args:
            labels: prepared or decoded labels of a batch.
            sizes: bytes of every stream of the batch.
        """
        return {}
