"""Tables of the autoencoder: one codebook for all codes, and a hidden layer (SPEC, section 15.4).

The decoder runs in whole numbers. Its encoder network is stored beside it, so that more labels can
be coded with the same tables; readers do not need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform import matrix
from labelcodec.codecs.transform.basis_tables import EXACT
from labelcodec.codecs.vq.encoder_network import EncoderNetwork
from labelcodec.codecs.vq.format import (
    MAX_CODES,
    MAX_CODEWORDS,
    MAX_COEFFICIENT,
    MAX_ENTRIES,
    MAX_NETWORK_SCALE,
    MAX_NETWORK_SHIFT,
    MAX_WIDTH,
)
from labelcodec.entropy import packing, tables, varint
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError
from labelcodec.wording import counted

EXACT_SINGLE = 1 << 24  # float32 holds every integer up to this magnitude
AT_ONCE = 1 << 22  # entries of codewords held at once


@dataclass(frozen=True, eq=False)
class Network:
    """The codebook and hidden layer of a file.

    Attributes:
        entries: (K, d) int16 codewords, the same for every code of a label.
        weights: (n d, r) int16 weights of the hidden layer, code by code.
        scale: (r,) int64 factor of the sums, 1 and more.
        bias: (r,) int64 constants added to the scaled sums.
        shift: the result is rounded and divided by 2^shift.
        table: token frequencies of the codes, one context per code of a label.
        encoder: the encoder network, if the file has it.
    """

    entries: NDArray[np.int16]
    weights: NDArray[np.int16]
    scale: NDArray[np.int64]
    bias: NDArray[np.int64]
    shift: int
    table: TableSet
    encoder: EncoderNetwork | None = None

    @property
    def codes(self) -> int:
        """n, the number of codes per label."""
        return len(self.weights) // self.width

    @property
    def codewords(self) -> int:
        """K, the number of codewords."""
        return len(self.entries)

    @property
    def width(self) -> int:
        """d, the entries of a codeword."""
        return int(self.entries.shape[1])

    def contexts(self, labels: int) -> NDArray[np.int64]:
        """(n * labels,) context of each code, where labels are stored code by code."""
        return np.repeat(np.arange(self.codes), labels)

    @cached_property
    def reach(self) -> NDArray[np.float64]:
        """(r,) bound on the magnitude of the sums before `scale`."""
        largest = np.tile(np.abs(self.entries.astype(float)).max(axis=0), self.codes)
        reach: NDArray[np.float64] = largest @ np.abs(self.weights.astype(float))
        return reach

    @cached_property
    def _matrices(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Codewords and weights as floats in which every sum is exact."""
        exact = np.float32 if self.reach.max() < EXACT_SINGLE else np.float64
        return self.entries.astype(exact), self.weights.astype(exact)

    def coefficients(
        self, codes: NDArray[np.int64], predicted: NDArray[np.int32] | None = None
    ) -> NDArray[np.int32]:
        """The hidden layer (SPEC, clause VQ-9).

        Args:
            codes: (B, n) codes.
            predicted: must be None: these tables have no image means.

        Returns:
            (B, r) int32 values, 0..2^15-1.
        """
        assert predicted is None
        entries, weights = self._matrices
        sums = np.empty((len(codes), len(self.scale)), weights.dtype)
        size = max(1, AT_ONCE // len(weights))
        for first in range(0, len(codes), size):
            part = slice(first, first + size)
            np.matmul(entries[codes[part]].reshape(-1, len(weights)), weights, out=sums[part])
        total = sums.astype(np.int64) * self.scale + (self.bias + (1 << (self.shift - 1)))
        hidden = np.clip(total >> self.shift, 0, MAX_COEFFICIENT - 1)
        return np.asarray(hidden, np.int32)

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to the parts `network`, `codes` and, if there is one, `encoder`."""
        numbers = (self.codes, self.codewords, self.width, self.shift)
        codewords = matrix.to_bytes(self.entries)
        parts = {
            "network": b"".join(map(varint.encode, numbers))
            + packing.pack_ints(self.scale)
            + packing.pack_ints(self.bias)
            + varint.encode(len(codewords))
            + codewords
            + matrix.to_bytes(self.weights),
            "codes": tables.to_bytes(self.table),
        }
        encoder = {} if self.encoder is None else {"encoder": self.encoder.to_bytes()}
        return {**parts, **encoder}

    @classmethod
    def from_parts(
        cls, data: bytes, frequencies: bytes, encoder: bytes | None, rank: int, classes: int
    ) -> Network:
        """Deserialize what `to_parts` wrote.

        Args:
            data: the part `network`.
            frequencies: the part `codes`.
            encoder: the part `encoder`, if there is one.
            rank: r.
            classes: C.

        Raises:
            CorruptError: a malformed part, or numbers for which arithmetic would not be exact.
        """
        position, numbers = 0, []
        for _ in range(4):
            number, position = varint.decode(data, position)
            numbers.append(number)
        codes, codewords, width, shift = numbers
        if not (
            0 < codes <= MAX_CODES and 0 < codewords <= MAX_CODEWORDS and 0 < width <= MAX_WIDTH
        ):
            raise CorruptError(
                f"{counted(codes, 'code')} in a codebook of {counted(codewords, 'codeword')} of "
                f"{counted(width, 'entry')}"
            )
        if width * max(codewords, codes * rank) > MAX_ENTRIES:
            raise CorruptError("a codebook or hidden layer of too many entries")
        if not 0 < shift <= MAX_NETWORK_SHIFT:
            raise CorruptError(f"a hidden layer divided by 2^{shift}")
        scale, rest = packing.unpack_ints(memoryview(data)[position:], rank)
        bias, rest = packing.unpack_ints(rest, rank)
        length, position = varint.decode(rest, 0)
        entries = matrix.from_bytes(
            rest[position : position + length], codewords, width, "codewords"
        )
        weights = matrix.from_bytes(rest[position + length :], codes * width, rank, "weights")
        table = tables.from_bytes(frequencies)
        if len(table.freqs) != codes:
            raise CorruptError(
                f"frequency tables of {counted(len(table.freqs), 'code')} for "
                f"{counted(codes, 'code')} per label"
            )
        network = cls(entries, weights, scale, bias, shift, table)
        if (scale < 1).any() or (scale >= MAX_NETWORK_SCALE).any():
            raise CorruptError("a hidden layer with an impossible scale")
        largest = network.reach * scale + np.abs(bias.astype(float))
        if largest.max() >= EXACT / 2:
            raise CorruptError("a hidden layer whose sums could not be exact")
        if encoder is None:
            return network
        stored = EncoderNetwork.from_bytes(encoder, classes, codes * width)
        return cls(entries, weights, scale, bias, shift, table, stored)
