"""Tokenised texts that labels of token sequences are joined to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.progress import Progress
from labelcodec.sequences import token_digest

Tokens = NDArray[np.int64]


class Texts:
    """Token ids of texts, found by their position or by the digest of their tokens.

    Args:
        tokens: sequence of (n,) token ids, such as a column of a data set; read on access.
        by_digest: find a text by its digest, wherever it stands; all texts are read once for it.
        progress: called with texts read and total texts, with `by_digest`.
    """

    def __init__(
        self,
        tokens: Sequence[Any],
        *,
        by_digest: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._tokens = tokens
        self._position: dict[bytes, int] | None = None
        if by_digest:
            self._position = {}
            for position in range(len(tokens)):
                self._position[token_digest(self._ids(position)).tobytes()] = position
                if progress is not None:
                    progress(position + 1, len(tokens), "hashing texts")

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._tokens)

    def tokens(self, number: int, digest: NDArray[np.uint8] | None, what: str) -> Tokens:
        """Token ids of the text that a sequence of labels is of.

        Args:
            number: number of the sequence in the data set that was labelled.
            digest: (32,) uint8 digest of its tokens; None if the labels have none.
            what: the sequence, for error messages.

        Raises:
            MismatchError: no text has this digest, or the text at the position has another one.
        """
        if self._position is None:
            return self._at(number, digest, what)
        if digest is None:
            raise MismatchError(f"{what}: has no digest to find its text by")
        position = self._position.get(digest.tobytes())
        if position is None:
            raise MismatchError(
                f"{what}: none of the {len(self)} texts has its tokens: another data set, or "
                "another tokenizer"
            )
        return self._ids(position)

    def _at(self, number: int, digest: NDArray[np.uint8] | None, what: str) -> Tokens:
        if number >= len(self):
            raise MismatchError(f"{what}: is text {number}, and there are {len(self)} texts")
        tokens = self._ids(number)
        if digest is not None and not np.array_equal(token_digest(tokens), digest):
            raise MismatchError(
                f"{what}: text {number} has other tokens than the labels: another data set, order "
                "or tokenizer; if only the order is another, find texts by their digest"
            )
        return tokens

    def _ids(self, position: int) -> Tokens:
        return np.asarray(self._tokens[position], np.int64)
