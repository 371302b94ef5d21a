"""PyTorch dataset of token-level labels, joined to their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from labelcodec.batch import LabelBatch
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.reader import Reader
from labelcodec.reader import open as open_labels
from labelcodec.remote import LocationLike
from labelcodec.replay.loading import end_with_lost_items, of_worker
from labelcodec.replay.soft_labels import SoftLabels, to_tensors, without_softmax
from labelcodec.replay.texts import Texts, Tokens
from labelcodec.sequences import Sequences
from labelcodec.wording import counted


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """One recorded batch of sequences, ready to train on.

    Attributes:
        position: position of the batch in the label set, 0..n-1.
        tokens: (S, L) int64 token ids, a row per sequence, padded behind its end; packed batches
            have one row of all sequences.
        place: (S, L) int64 position of each token in its sequence, 0..; for position embeddings.
        sequence: (S, L) int64 number of the sequence in the batch that each token is of, -1 for
            padding: tokens attend to those of the same number.
        predictor: (N,) int64 indices into the (S * L) tokens whose logits the labels are for.
        labels: N labels; those outside the loss mask are left out.
    """

    position: int
    tokens: torch.Tensor
    place: torch.Tensor
    sequence: torch.Tensor
    predictor: torch.Tensor
    labels: SoftLabels

    def __len__(self) -> int:
        """N, the number of labels."""
        return len(self.predictor)

    def to(self, device: torch.device | str) -> TokenBatch:
        """The batch on another device."""
        moved = {
            name: getattr(self, name).to(device)
            for name in ("tokens", "place", "sequence", "predictor")
        }
        return replace(self, labels=self.labels.to(device), **moved)


class TokenDataset(Dataset[TokenBatch]):
    """A label set of kind 'tokens' with its texts; one item is one recorded batch.

    Use with a standard loader:
    `DataLoader(dataset, batch_size=None, sampler=BatchOrder(len(dataset)))`.

    Args:
        labels: as in `labelcodec.open`, or an opened `Reader`.
        texts: the tokenised texts; None for the token ids that the labels store.
        packed: put all sequences of a batch into one row without padding.
        padding: token id behind the end of a sequence.

    Raises:
        ConfigError: no texts, and the labels store no token ids.
        MismatchError: the labels are not of token sequences.
        LabelcodecError: a damaged container.
    """

    def __init__(
        self,
        labels: Reader | LocationLike | Sequence[LocationLike],
        texts: Texts | None = None,
        *,
        packed: bool = False,
        padding: int = 0,
    ) -> None:
        self.reader = labels if isinstance(labels, Reader) else open_labels(labels)
        if self.reader.header.kind != "tokens":
            raise MismatchError(
                f"{self.reader.paths[0]}: holds labels of images; use a ReplayDataset"
            )
        self.texts, self.packed, self.padding = texts, packed, padding
        if texts is None and len(self) and self._sequences(self.reader[0]).tokens is None:
            raise ConfigError(f"{self.reader.paths[0]}: stores no token ids; pass `texts`")

    @property
    def classes(self) -> int:
        """C, the size of the vocabulary."""
        return self.reader.header.classes

    def __len__(self) -> int:
        """Number of recorded batches."""
        return len(self.reader)

    def __getitem__(self, position: int) -> TokenBatch:
        """Recorded batch at this position.

        Raises:
            LabelcodecError: the batch is damaged.
            DataError: a label has no softmax, because of NaN or infinite values.
            MismatchError: a text has other tokens than its labels.
        """
        end_with_lost_items()
        recorded = self.reader[of_worker(position)]
        if (sample := without_softmax(recorded.labels)) is not None:
            raise DataError(
                f"batch {recorded.number}: the label of position {sample} has NaN or infinite "
                "values, which cannot be trained on"
            )
        rows = self._rows(recorded)
        lengths = np.array([len(tokens) for tokens in rows])
        width = int(lengths.sum()) if self.packed else int(lengths.max())
        first = np.cumsum(lengths) - lengths if self.packed else width * np.arange(len(rows))
        total = width if self.packed else width * len(rows)
        tokens: NDArray[np.int64] = np.full(total, self.padding, np.int64)
        place: NDArray[np.int64] = np.zeros(total, np.int64)
        sequence: NDArray[np.int64] = np.full(total, -1, np.int64)
        for number, (begin, ids) in enumerate(zip(first.tolist(), rows, strict=True)):
            span = slice(begin, begin + len(ids))
            tokens[span], place[span], sequence[span] = ids, np.arange(len(ids)), number
        predictor, kept = self._predictors(recorded, first)
        tokens, place, sequence = (array.reshape(-1, width) for array in (tokens, place, sequence))
        return TokenBatch(
            int(position),
            torch.from_numpy(tokens),
            torch.from_numpy(place),
            torch.from_numpy(sequence),
            torch.from_numpy(predictor[kept]),
            to_tensors(recorded.labels).rows(torch.from_numpy(kept)),
        )

    def _rows(self, recorded: LabelBatch) -> list[Tokens]:
        """Token ids of each sequence, up to the last label of this batch."""
        sequences = self._sequences(recorded)
        rows = []
        for number, (first, length, start) in enumerate(
            zip(sequences.first, sequences.length, sequences.start, strict=True)
        ):
            what = f"batch {recorded.number}, sequence {number}"
            if sequences.names is not None:
                what += f" ({sequences.names[number]})"
            rows.append(self._tokens(recorded, number, int(first), int(start + length), what))
            if len(rows[-1]) < start + length:
                raise MismatchError(
                    f"{what}: has labels up to position {start + length}, and its text "
                    f"{counted(len(rows[-1]), 'token')}"
                )
        return [tokens[: int(end)] for tokens, end in zip(rows, _ends(recorded), strict=True)]

    def _tokens(self, recorded: LabelBatch, number: int, first: int, end: int, what: str) -> Tokens:
        sequences = self._sequences(recorded)
        if self.texts is not None:
            digest = None if sequences.digest is None else sequences.digest[number]
            tokens = self.texts.tokens(int(recorded.image_index[first]), digest, what)
            if tokens.size and int(tokens.max()) >= self.classes:
                raise MismatchError(
                    f"{what}: its text has token {tokens.max()}, the labels are of "
                    f"{self.classes}: another tokenizer?"
                )
            return tokens
        if sequences.start[number]:
            raise MismatchError(f"{what}: begins inside its text; pass `texts`")
        assert sequences.tokens is not None
        return sequences.tokens[first : first + end].astype(np.int64)

    def _predictors(
        self, recorded: LabelBatch, first: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Index of the token whose logits each label is for, and the labels to train on.

        The logits of a token are of the token behind it: those for a label of the token itself
        stand one before, and the first token of a text has none.
        """
        sequences = self._sequences(recorded)
        within = np.concatenate(
            [
                np.arange(start, start + length)
                for start, length in zip(sequences.start, sequences.length, strict=True)
            ]
        )
        if self.reader.header.shift == 0:
            within = within - 1
        kept = within >= 0
        if sequences.mask is not None:
            kept &= sequences.mask
        return np.repeat(first, sequences.length) + within, kept

    def _sequences(self, recorded: LabelBatch) -> Sequences:
        assert recorded.sequences is not None
        return recorded.sequences

    def __getitems__(self, positions: Sequence[int]) -> NoReturn:
        """Refuse to be batched; a `DataLoader` calls this unless its `batch_size` is None.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "an item of a TokenDataset is a whole recorded batch: "
            "DataLoader(dataset, batch_size=None)"
        )

    def __repr__(self) -> str:
        return f"<TokenDataset {self.reader!r}>"


def _ends(recorded: LabelBatch) -> NDArray[np.int64]:
    """(S,) position behind the last label of each sequence."""
    assert recorded.sequences is not None
    return recorded.sequences.start + recorded.sequences.length
