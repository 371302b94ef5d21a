"""Configuration of the sampled codec (SPEC, section 19).

A label is stored as the classes that were drawn from its distribution, and how often each was.
Their shares of the draws are unbiased: the cross-entropy of a student to them is on average that to
the teacher's label, which top-k labels cannot say. Some classes may be kept with their probability,
and the others drawn. Source: Anshumann et al., "Sparse Logit Sampling", arXiv 2503.16870.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelcodec.batch import Labels, Precision, Space, Tail
from labelcodec.codecs import class_order
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.interface import Codec
from labelcodec.codecs.sampled.arrangement import to_arrays
from labelcodec.codecs.sampled.coder import CONTEXTS, SampledCoder, table_names
from labelcodec.codecs.sampled.drawing import draw
from labelcodec.entropy import coding, tables
from labelcodec.errors import ConfigError, CorruptError, DataError
from labelcodec.kept_counts import repeated

MAX_DRAWS = 4096
MAX_KEEP = 64
MAX_CELLS = 1 << 21  # labels of a batch times columns


@dataclass(frozen=True)
class Sampled(Codec):
    """Configuration of the sampled codec.

    Attributes:
        n: draws per label, 1..4096; about a quarter of 50 draws are different classes.
        seed: seed of the draws, 0 and more.
        keep: classes per label, 0..64, whose probability is stored, not drawn: of token sequences
            with token ids the text's own token, then the most probable ones.

    Raises:
        ConfigError: a value out of range.
    """

    n: int = 50
    seed: int = 0
    keep: int = 0

    name = "sampled"
    fit_labels = 8192
    lossy = True

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MAX_DRAWS:
            raise ConfigError(f"sampled: n={self.n}, allowed are 1..{MAX_DRAWS}")
        if not 0 <= self.seed < 1 << 32:
            raise ConfigError(f"sampled: seed={self.seed}, allowed are 0..{(1 << 32) - 1}")
        if not 0 <= self.keep <= MAX_KEEP:
            raise ConfigError(f"sampled: keep={self.keep}, allowed are 0..{MAX_KEEP}")

    def kept(self, k: int | None, tail: Tail | None) -> tuple[int | None, Tail | None]:
        """As `Codec.kept`: a label has as many drawn classes as draws, where these all differ."""
        return self.keep + self.n, "zero"

    def stored_values(self, space: Space, precision: Precision) -> tuple[Space, Precision]:
        """As `Codec.stored_values`: probabilities, or shares of the draws."""
        return "probabilities", "float32"

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = False,
        context: BatchContext | None = None,
    ) -> Labels:
        """Draw classes: the result is exactly what a reader will return.

        Args:
            labels: full or top-k labels.
            allow_nonfinite: no effect: nothing can be drawn from them.
            context: says which tokens the text has.

        Raises:
            DataError: labels that have no distribution, fewer classes than draws, or too many
                draws for a batch.
        """
        width = self.keep + self.n
        if width > labels.classes:
            kept = f" and keep={self.keep}" if self.keep else ""
            raise DataError(f"sampled: n={self.n} draws{kept} of {labels.classes} classes")
        if len(labels) * width > MAX_CELLS:
            raise DataError(f"{len(labels) * width} draws, at most {MAX_CELLS} fit a batch")
        largest = labels.value.max(axis=1).astype(np.float64)
        smallest = 0.0 if labels.space == "probabilities" else -np.inf
        if not (np.isfinite(largest) & (largest > smallest)).all():
            sample = int(np.argmin(np.isfinite(largest) & (largest > smallest)))
            raise DataError(f"sample {sample} has no distribution to draw from: NaN or infinite")
        if self.keep and labels.index is not None:
            repeats = repeated(labels.index)  # what is kept may not be drawn as well
            if repeats.any():
                sample = int(repeats.argmax())
                raise DataError(f"sample {sample} holds a class twice: leave `keep` out")
        targets = None if context is None else context.targets
        drawn = draw(labels, self.n, self.seed, self.keep, targets)
        index, value = to_arrays(drawn, self.n)
        return replace(
            labels,
            value=value,
            index=index,
            space="probabilities",
            tail="zero",
            precision="float32",
            floor=None,
            count=None,
        )

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> SampledCoder:
        """Fit the codec's tables to sample labels.

        Args:
            samples: labels returned by `prepare`.
            classes: C.
            expected: ignored.
            contexts: ignored.
        """
        bare = SampledCoder(self.n, self.keep, classes, np.arange(classes), {})
        drawn = [bare.drawn_of(labels) for labels in samples]
        order = class_order.fit_lists((part.members() for part in drawn), classes)
        bare = replace(bare, order=order)
        integers = [bare.integers(part) for part in drawn]
        fitted = {
            name: coding.fit_tables(
                [coding.tokenise(*part[name]) for part in integers], CONTEXTS[name]
            )
            for name in table_names(self.keep)
        }
        return replace(bare, tables=fitted)

    def from_parts(self, parts: Mapping[str, bytes], classes: int) -> SampledCoder:
        """Deserialize a coder from the named parts that its `to_parts` wrote.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        names = table_names(self.keep)
        try:
            order = class_order.from_bytes(parts["order"], classes)
            loaded = {name: tables.from_bytes(parts[name]) for name in names}
        except KeyError as missing:
            raise CorruptError(f"the sampled tables lack {missing}") from None
        if any(len(loaded[name].freqs) != CONTEXTS[name] for name in names):
            raise CorruptError("the sampled tables have the wrong number of contexts")
        return SampledCoder(self.n, self.keep, classes, order, loaded)
