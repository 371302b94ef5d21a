"""Token sequences: where the samples of a batch of token-level labels come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.checks import BOOL, INTEGERS, Checker
from labelcodec.wording import counted

DIGEST = 32  # bytes of a SHA-256
MAX_TOKEN = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class Sequences:
    """The S token sequences of a batch, or parts of longer ones, one after another.

    A sample of the batch is a position of one of them, and `image_index` of the batch is the
    number of its sequence in the data set.

    Attributes:
        length: (S,) int64 positions of each sequence in this batch, 1 and more; they sum to B.
        start: (S,) int64 position of the first of them in its sequence; 0 unless a long sequence
            is spread over batches.
        digest: (S, 32) uint8 SHA-256 of the token ids of the whole sequence, each as a
            little-endian int32, so that labels cannot meet another text; None if unknown.
        names: S names, such as the rows' ids in a data set; None without names.
        tokens: (B,) int32 token ids at the positions; None if not stored.
        mask: (B,) bool, the positions that count in the loss; None if all do.
        prompt: (S,) int64 tokens of each sequence's prompt; None if unknown.
    """

    length: NDArray[np.int64]
    start: NDArray[np.int64]
    digest: NDArray[np.uint8] | None = None
    names: tuple[str, ...] | None = None
    tokens: NDArray[np.int32] | None = None
    mask: NDArray[np.bool_] | None = None
    prompt: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """S, the number of sequences."""
        return len(self.length)

    def __repr__(self) -> str:
        return f"<Sequences: {len(self)} of {counted(int(self.length.sum()), 'position')}>"

    @property
    def first(self) -> NDArray[np.int64]:
        """(S,) int64 sample at which each sequence begins."""
        return np.cumsum(self.length) - self.length

    def targets(self, shift: int) -> NDArray[np.int64] | None:
        """(B,) token that the label of each position is of; None without token ids.

        It is -1 for the last positions of a sequence, whose labels are of tokens behind it.

        Args:
            shift: 1 if the label of a position is of the token behind it, 0 if of its own.
        """
        if self.tokens is None:
            return None
        targets = np.full(len(self.tokens), -1, np.int64)
        targets[: len(targets) - shift] = self.tokens[shift:]
        if shift:
            targets[np.cumsum(self.length) - 1] = -1
        return targets

    def predicting(self, shift: int) -> NDArray[np.int64]:
        """(B,) sample whose label is of the token at each position, -1 where there is none.

        Args:
            shift: as in `targets`.
        """
        predicting = np.arange(int(self.length.sum())) - shift
        if shift:
            predicting[self.first] = -1
        return predicting


def token_digest(tokens: NDArray[Any]) -> NDArray[np.uint8]:
    """(32,) uint8 SHA-256 of a sequence's token ids, each as a little-endian int32.

    Args:
        tokens: (n,) token ids, 0..2^31 - 1.
    """
    little = np.ascontiguousarray(tokens, "<i4")
    return np.frombuffer(hashlib.sha256(little.tobytes()).digest(), np.uint8)


def check_sequences(value: object, image_index: NDArray[np.int64], check: Checker) -> None:
    """Check types, shapes and ranges.

    Args:
        value: the batch's sequences.
        image_index: (B,) number of the sequence of each sample.
        check: raises with the name of the batch.

    Raises:
        DataError: what is wrong.
    """
    check.instance("sequences", value, Sequences)
    assert isinstance(value, Sequences)
    samples = len(image_index)
    check.array("sequence lengths", value.length, INTEGERS)
    count = len(value.length)
    check.shape("sequence lengths", value.length, (count,))
    if not count or (value.length < 1).any() or int(value.length.sum()) != samples:
        check.fail(f"sequence lengths must be 1 and more, and sum to {counted(samples, 'sample')}")
    check.array("sequence starts", value.start, INTEGERS, (count,))
    if (value.start < 0).any():
        check.fail("sequence starts must not be negative")
    if value.digest is not None:
        check.array("sequence digests", value.digest, "uint8", (count, DIGEST))
    if value.names is not None and len(value.names) != count:
        check.fail(f"{counted(len(value.names), 'name')} of {counted(count, 'sequence')}")
    if value.tokens is not None:
        check.array("token ids", value.tokens, INTEGERS, (samples,))
        if (value.tokens < 0).any() or (value.tokens > MAX_TOKEN).any():
            check.fail(f"token ids must lie in 0..{MAX_TOKEN}")
    if value.mask is not None:
        check.array("the loss mask", value.mask, BOOL, (samples,))
    if value.prompt is not None:
        check.array("prompt lengths", value.prompt, INTEGERS, (count,))
        if (value.prompt < 0).any():
            check.fail("prompt lengths must not be negative")
    if (image_index != np.repeat(image_index[value.first], value.length)).any():
        check.fail("the samples of a sequence have different numbers of their sequence")
