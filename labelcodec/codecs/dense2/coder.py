"""The dense2 codec with its fitted tables: labels to a stream and back (SPEC, section 14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Labels
from labelcodec.codecs import float_bits
from labelcodec.codecs.batch_context import BatchContext
from labelcodec.codecs.components import LABEL_VALUES, Stream
from labelcodec.codecs.dense2.format import CODED, MAX_WEIGHT, PLAIN, CellModel
from labelcodec.codecs.interface import Coder
from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.entropy.backend import implementation
from labelcodec.entropy.coding import Symbols, Usage
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError

kernels = partial(implementation, "labelcodec.codecs.dense2")
MAX_UNITS = float(1 << 24)  # values are limited to this when coefficients are computed


@dataclass(frozen=True, eq=False)
class Dense2Coder(Coder):
    """The dense2 codec with its fitted tables.

    Attributes:
        model: how values are predicted and cut into cells.
        scales: (r,) int64 weight of the basis per step of a coefficient.
        coefficients: token frequencies of the coefficients, one context each.
        table: symbol frequencies by context.
    """

    model: CellModel
    scales: NDArray[np.int64]
    coefficients: TableSet
    table: TableSet

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to named parts of the side information."""
        model = self.model
        head = (len(self.scales), model.shift, model.exponent)
        numbers = (self.scales, model.mean, model.thresholds, np.array([model.first]))
        return {
            "precision": model.precision.encode(),
            "model": b"".join(map(varint.encode, head))
            + b"".join(packing.pack_ints(array) for array in numbers),
            "basis": model.basis.tobytes(),
            "coefficients": tables.to_bytes(self.coefficients),
            "table": tables.to_bytes(self.table),
        }

    def chosen(self) -> dict[str, Any]:
        """The rank that fitting chose."""
        return {"rank": len(self.scales)}

    def coefficients_of(self, labels: Labels) -> NDArray[np.int64]:
        """(B, r) int64 coefficients that predict the labels; any would do.

        The sums are of whole numbers, and therefore the same on every machine.
        """
        model, layout = self.model, float_bits.LAYOUTS[self.model.precision]
        bias = (1 << (layout.width - layout.mantissa - 2)) - 1
        unit = 2.0 ** (model.exponent - bias - model.shift)
        with np.errstate(over="ignore", invalid="ignore"):
            units = np.rint(labels.value.astype(np.float64) / unit)
        units = np.where(np.isfinite(units), units, model.mean)
        centred = np.clip(units, -MAX_UNITS, MAX_UNITS) - model.mean
        basis = model.basis.astype(np.float64)
        squares = np.einsum("jc,jc->j", basis, basis)
        along = (centred @ basis.T) / np.maximum(squares * self.scales, 1)
        most = MAX_WEIGHT // np.maximum(self.scales, 1)
        steps: NDArray[np.int64] = np.clip(np.rint(along), -most, most).astype(np.int64)
        return steps

    def _integers(
        self, coefficients: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Zigzag-mapped (B, r) coefficients, label by label, and their columns, the contexts."""
        zigzag = (coefficients << 1) ^ (coefficients >> 63)
        return zigzag.ravel(), self._columns(len(coefficients))

    def _columns(self, labels: int) -> NDArray[np.int64]:
        """(labels * r,) column of each coefficient, label by label."""
        return np.tile(np.arange(len(self.scales)), labels)

    def weights(self, coefficients: NDArray[np.int64]) -> NDArray[np.int32]:
        """(B, r) int32 weights of the basis.

        Raises:
            CorruptError: a weight is out of range.
        """
        most = MAX_WEIGHT // np.maximum(self.scales, 1)
        if (np.abs(coefficients) > most).any():
            raise CorruptError("a coefficient is out of range")
        return (coefficients * self.scales).astype(np.int32)

    def encode(self, labels: Labels, context: BatchContext | None = None) -> dict[Stream, bytes]:
        """Encode the labels of a batch.

        Args:
            labels: labels returned by `Dense2.prepare`.
            context: ignored.

        Returns:
            The LABEL_VALUES stream.
        """
        bits = float_bits.to_bits(labels.value, labels.precision)
        if labels.precision != self.model.precision:
            return {LABEL_VALUES: bytes([PLAIN]) + packing.pack_floats(bits.ravel())}
        coefficients = self.coefficients_of(labels)
        first = coding.encode_values(*self._integers(coefficients), self.coefficients)
        drop = min(float_bits.trailing_zeros(bits), self.model.mantissa)
        states, words, escaped, gaps, low = kernels().dense2_encode(
            bits, self.weights(coefficients), self.model, drop, self.table.packed,
            coding.lanes_for(bits.size),
        )  # fmt: skip
        rans = coding.join_rans(states, words)
        lengths = (len(first), len(rans), len(escaped), len(gaps))
        return {
            LABEL_VALUES: bytes([CODED, drop])
            + b"".join(map(varint.encode, lengths))
            + first
            + rans
            + packing.pack_fixed(escaped, self.model.width)
            + gaps.tobytes()
            + low.tobytes()
        }

    def decode(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> Labels:
        """Decode the labels of a batch; see `interface.Coder`.

        Args:
            streams: the streams of the batch.
            samples: B.
            blank: labels without values that carry their precision.
            context: ignored.

        Raises:
            CorruptError: the stream is missing or malformed.
        """
        return self._decoded(streams, samples, blank, False)[0]

    def decode_counted(
        self,
        streams: Mapping[Stream, memoryview],
        samples: int,
        blank: Labels,
        context: BatchContext | None = None,
    ) -> tuple[Labels, dict[str, Usage]]:
        """The labels and the accounting of their stream; see `interface.Coder`."""
        return self._decoded(streams, samples, blank, True)

    def _decoded(
        self, streams: Mapping[Stream, memoryview], samples: int, blank: Labels, counted: bool
    ) -> tuple[Labels, dict[str, Usage]]:
        data = streams.get(LABEL_VALUES)
        if not data:
            raise CorruptError("the label values stream is missing")
        classes, used = len(self.model.mean), None
        if data[0] == PLAIN:
            storage = float_bits.LAYOUTS[blank.precision].storage
            bits = packing.unpack_floats(data[1:], storage, samples * classes)
            bits = bits.reshape(samples, classes)
        elif data[0] == CODED and blank.precision == self.model.precision:
            bits, used = self._decode_bits(data, samples, counted)
        else:
            raise CorruptError("dense2 labels of unknown form")
        labels = replace(blank, value=float_bits.from_bits(bits, blank.precision))
        return labels, {} if used is None else {LABEL_VALUES.component: used}

    def _decode_bits(
        self, data: memoryview, samples: int, counted: bool
    ) -> tuple[NDArray[Any], Usage | None]:
        model, count, size = self.model, samples * len(self.model.mean), len(data)
        drop, position = data[1] if len(data) > 1 else MAX_WEIGHT, 2
        lengths = []
        for _ in range(4):
            length, position = varint.decode(data, position)
            lengths.append(length)
        head, rans, escaped, gaps = lengths
        data = data[position:]
        if drop > model.mantissa or escaped > count or head + rans + gaps > len(data):
            raise CorruptError("dense2 labels of impossible shape")
        columns = self._columns(samples)
        zigzag = coding.decode_values(data[:head], columns, self.coefficients, "coefficients")
        coefficients = ((zigzag >> 1) ^ -(zigzag & 1)).reshape(samples, len(self.scales))
        states, words = coding.split_rans(data[head : head + rans], count)
        escapes, data = packing.unpack_fixed(data[head + rans :], escaped, model.width)
        if gaps > len(data):
            raise CorruptError("dense2 labels of impossible shape")
        stored = np.frombuffer(data, np.uint8)
        counts = np.zeros(self.table.freqs.shape, np.int64) if counted else None
        decoded = kernels().dense2_decode(
            states, words, self.weights(coefficients), model, drop, self.table.lookup,
            escapes, stored[:gaps], stored[gaps:], counts,
        )  # fmt: skip
        bits = coding.good(decoded, "label values")
        if counts is None:
            return bits, None
        first = coding.tokenise(zigzag, columns)
        tables = (first.counts(*self.coefficients.freqs.shape), counts)
        fixed = 8 * len(stored) + model.width * escaped + int(first.widths.sum(dtype=int))
        return bits, Usage(tables, float(fixed), size)

    def symbols(self, labels: Labels, coefficients: NDArray[np.int64]) -> tuple[Symbols, Symbols]:
        """Symbols of the coefficients and of the values of labels of the tables' precision."""
        weights, size = self.weights(coefficients), self.table.freqs.shape[1]
        bits = float_bits.to_bits(labels.value, labels.precision)
        contexts = kernels().dense2_predict(weights, self.model)[1]
        symbols = kernels().dense2_symbols(bits, weights, self.model, size)
        values = Symbols(contexts.ravel(), symbols.ravel(), np.zeros(0, np.uint8))
        return coding.tokenise(*self._integers(coefficients)), values
