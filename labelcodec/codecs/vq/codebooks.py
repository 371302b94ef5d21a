"""Codebooks: one per code of a label, and how often each codeword is used (SPEC, clause VQ-3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform import matrix
from labelcodec.codecs.vq.format import (
    MAX_CODES,
    MAX_CODEWORDS,
    MAX_COEFFICIENT,
    MAX_ENTRIES,
)
from labelcodec.entropy import coding, tables, varint
from labelcodec.entropy.format import SLOT_BITS
from labelcodec.entropy.tables import TableSet
from labelcodec.errors import CorruptError
from labelcodec.wording import counted


@dataclass(frozen=True, eq=False)
class Codebooks:
    """The codebooks of a file.

    Attributes:
        entries: (n, K, r) int16 codewords: coefficients in the basis that a code adds.
        table: token frequencies of the codes, one context per code of a label.
    """

    entries: NDArray[np.int16]
    table: TableSet

    @property
    def codes(self) -> int:
        """n, the number of codes per label."""
        return len(self.entries)

    @property
    def codewords(self) -> int:
        """K, the number of codewords per codebook."""
        return int(self.entries.shape[1])

    @cached_property
    def rates(self) -> NDArray[np.float32]:
        """(n, K) float32 bits that each code takes."""
        codes, codewords = self.codes, self.codewords
        values, contexts = np.tile(np.arange(codewords), codes), self.contexts(codewords)
        symbols = coding.tokenise(values, contexts)
        frequency = np.maximum(self.table.freqs[contexts, symbols.symbols], 1)
        bits = SLOT_BITS - np.log2(frequency) + symbols.widths
        return bits.reshape(codes, codewords).astype(np.float32)

    def contexts(self, labels: int) -> NDArray[np.int64]:
        """(n * labels,) context of each code, where labels are stored code by code."""
        return np.repeat(np.arange(self.codes), labels)

    def coefficients(
        self, codes: NDArray[np.int64], predicted: NDArray[np.int32] | None
    ) -> NDArray[np.int32]:
        """Sum the codewords of labels (SPEC, clause VQ-6).

        Args:
            codes: (B, n) codes.
            predicted: (B, r) coefficients predicted from the images; None for zero.

        Returns:
            (B, r) int32 coefficients, limited to less than 2^15 in magnitude.
        """
        total = np.zeros((len(codes), self.entries.shape[2]), np.int64)
        for position, codewords in enumerate(self.entries):
            total += codewords[codes[:, position]]
        if predicted is not None:
            total += predicted
        return np.clip(total, 1 - MAX_COEFFICIENT, MAX_COEFFICIENT - 1).astype(np.int32)

    def to_parts(self) -> dict[str, bytes]:
        """Serialize to the parts `codebooks` and `codes` of the side information."""
        codes, codewords, rank = self.entries.shape
        flat = self.entries.reshape(codes * codewords, rank)
        head = varint.encode(codes) + varint.encode(codewords)
        return {"codebooks": head + matrix.to_bytes(flat), "codes": tables.to_bytes(self.table)}

    @classmethod
    def from_parts(cls, data: bytes, frequencies: bytes, rank: int) -> Codebooks:
        """Deserialize what `to_parts` wrote.

        Args:
            data: the part `codebooks`.
            frequencies: the part `codes`.
            rank: r.

        Raises:
            CorruptError: a malformed part, or numbers out of range.
        """
        codes, position = varint.decode(data, 0)
        codewords, position = varint.decode(data, position)
        if not 0 < codes <= MAX_CODES or not 0 < codewords <= MAX_CODEWORDS:
            raise CorruptError(f"{counted(codes, 'codebook')} of {counted(codewords, 'codeword')}")
        if codes * codewords * rank > MAX_ENTRIES:
            raise CorruptError("codebooks of too many entries")
        rest = memoryview(data)[position:]
        flat = matrix.from_bytes(rest, codes * codewords, rank, "codewords")
        table = tables.from_bytes(frequencies)
        if len(table.freqs) != codes:
            raise CorruptError(
                f"frequency tables of {counted(len(table.freqs), 'code')} for "
                f"{counted(codes, 'codebook')}"
            )
        return cls(flat.reshape(codes, codewords, rank), table)
