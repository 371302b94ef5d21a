"""Configuration of the dense2 codec (SPEC, section 14).

Labels are predicted by a few coefficients in a basis that was fitted to them. The values are cut
into cells; the offset of a value's cell from the predicted one is entropy-coded, what is below a
cell's width is stored uncompressed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelcodec.batch import Labels
from labelcodec.codecs import float_bits
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.dense2.coder import Dense2Coder
from labelcodec.codecs.dense2.fit import fit
from labelcodec.codecs.dense2.format import (
    MAX_CONTEXTS,
    MAX_ENTRIES,
    MAX_FIRST,
    MAX_MEAN,
    MAX_RANK,
    MAX_SHIFT,
    MAX_THRESHOLD,
    MAX_WEIGHT,
    CellModel,
)
from labelcodec.codecs.interface import Codec
from labelcodec.entropy import packing, tables, varint
from labelcodec.errors import ConfigError, CorruptError


@dataclass(frozen=True)
class Dense2(Codec):
    """Configuration of the dense2 codec.

    Attributes:
        rank: coefficients per label, 0..64; by default the number that gives the smallest file.
    """

    rank: int | None = None

    name, lossy, fit_labels = "dense2", False, 8192

    def __post_init__(self) -> None:
        if self.rank is not None and not 0 <= self.rank <= MAX_RANK:
            raise ConfigError(f"dense2: rank={self.rank}, allowed are 0..{MAX_RANK}")

    def prepare(
        self,
        labels: Labels,
        allow_nonfinite: bool = True,
        context: BatchContext | None = None,
    ) -> Labels:
        """The labels unchanged, after validation; NaN and infinities are kept.

        Raises:
            DataError: the labels are top-k, or their values are not of their precision.
        """
        self.kept(labels.k, labels.tail)
        float_bits.check_type(labels)
        return labels

    def fit(
        self,
        samples: Iterable[Labels],
        classes: int,
        expected: int | None = None,
        contexts: Sequence[BatchContext] = (),
    ) -> Dense2Coder:
        """Fit the codec's tables to sample labels.

        Args:
            samples: labels returned by `prepare`.
            classes: C.
            expected: number of labels of the file, over which the basis is paid for.
            contexts: ignored.
        """
        return fit(list(samples), classes, expected, self.rank)

    def from_parts(self, parts: Mapping[str, bytes], classes: int) -> Dense2Coder:
        """Deserialize a coder from the named parts that its `to_parts` wrote.

        Args:
            parts: the named parts of the side information.
            classes: C.

        Raises:
            CorruptError: a part is missing or malformed.
        """
        try:
            coefficients = tables.from_bytes(parts["coefficients"])
            table = tables.from_bytes(parts["table"])
            precision = parts["precision"].decode("ascii", "replace")
            basis, data = parts["basis"], parts["model"]
        except KeyError as missing:
            raise CorruptError(f"the dense2 tables lack {missing}") from None
        if precision not in float_bits.LAYOUTS:
            raise CorruptError(f"dense2 tables for values of type {precision!r}")
        layout = float_bits.LAYOUTS[precision]
        rank, position = varint.decode(data, 0)
        shift, position = varint.decode(data, position)
        exponent, position = varint.decode(data, position)
        special = (1 << (layout.width - 1 - layout.mantissa)) - 1  # exponent of NaN and infinity
        contexts, symbols = table.freqs.shape
        if (
            rank > MAX_RANK
            or rank * classes > MAX_ENTRIES
            or not 0 < shift <= MAX_SHIFT
            or not 0 < exponent < special
            or len(basis) != rank * classes
            or len(coefficients.freqs) != max(rank, 1)
            or contexts > MAX_CONTEXTS
            or symbols < 2
        ):
            raise CorruptError("the dense2 tables are of impossible shape")
        rest = memoryview(data)[position:]
        columns = []
        for count in (rank, classes, contexts - 1, 1):
            column, rest = packing.unpack_ints(rest, count)
            columns.append(column)
        scales, mean, thresholds, first = columns
        for name, array, low, high in (
            ("scales", scales, 1, MAX_WEIGHT),
            ("means", mean, -MAX_MEAN, MAX_MEAN),
            ("thresholds", thresholds, -MAX_THRESHOLD, MAX_THRESHOLD),
            ("first offset", first, -MAX_FIRST, MAX_FIRST),
        ):
            if array.size and not low <= array.min() <= array.max() <= high:
                raise CorruptError(f"the dense2 tables' {name} are out of range")
        if len(rest) or (np.diff(thresholds) <= 0).any():
            raise CorruptError("the dense2 tables are malformed")
        model = CellModel(
            precision,
            np.frombuffer(basis, np.int8).reshape(rank, classes),
            mean.astype(np.int32),
            shift,
            exponent,
            thresholds.astype(np.int32),
            int(first[0]),
        )
        return Dense2Coder(model, scales, coefficients, table)
