"""An opened source of token-level labels, whatever its layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import MAX_CLASSES, LabelBatch
from labelcodec.errors import ConfigError
from labelcodec.formats.interface import DumpInfo
from labelcodec.formats.token_labels import LabelKind, Positions, to_labels, to_mask, to_tokens
from labelcodec.formats.token_plan import TokenPlan
from labelcodec.sequences import Sequences, token_digest

NO_IMAGES = "its labels are of tokens, not of images"
_OF_IMAGES = ("images", "image_order", "loader_seed", "epochs_range")


class TokenSource(Protocol):
    """Columns of positions, by number; of several sequences one after another."""

    def file(self, position: int) -> Path:
        """The file that holds a position."""

    def positions(self, start: int, stop: int) -> Positions:
        """The columns of the positions from `start` to `stop` - 1.

        Raises:
            DumpError: the file is damaged.
        """

    def text(self, number: int, start: int, stop: int) -> NDArray[Any] | None:
        """The token ids of a whole sequence, whose positions these are; None if unknown."""

    def where(self, number: int, position: int) -> str:
        """Names a position of a sequence in messages."""


class TokenDump:
    """An opened source of token-level labels; methods as in `interface.Dump`.

    Args:
        info: its metadata.
        kind: what its labels are.
        plan: its batches.
        source: its columns.
    """

    def __init__(
        self, info: DumpInfo, kind: LabelKind, plan: TokenPlan, source: TokenSource
    ) -> None:
        self.info, self._kind, self._plan, self._source = info, kind, plan, source
        self._digest: tuple[int, NDArray[np.uint8]] | None = None  # of a sequence that goes on

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._plan)

    def file(self, i: int) -> Path:
        """As `Dump.file`."""
        return self._source.file(self._plan.span(i)[0])

    def image_index(self, i: int) -> NDArray[np.int64]:
        """(B,) int64 number of the sequence of each position."""
        parts = self._plan.parts(i)
        return np.repeat(
            [part.number for part in parts], [part.stop - part.start for part in parts]
        )

    def read(self, i: int) -> LabelBatch:
        """As `Dump.read`."""
        start, stop = self._plan.span(i)
        where = partial(self._where, start)
        columns = self._source.positions(start, stop)
        labels = to_labels(columns, self._kind, where)
        parts = self._plan.parts(i)
        tokens = columns.tokens
        if tokens is not None:
            tokens = to_tokens(tokens, self._kind.classes, where)
        first = [part.start for part in parts]
        sequences = Sequences(
            np.array([part.stop - part.start for part in parts], np.int64),
            np.array(first, np.int64),
            None if tokens is None else np.stack([self._digest_of(p.number) for p in parts]),
            tokens=tokens,
            mask=None if columns.mask is None else to_mask(columns.mask, where),
        )
        return LabelBatch(i, 0, self.image_index(i), Augmentation(), labels, sequences)

    def _where(self, start: int, row: int) -> str:
        return self._source.where(*self._plan.place(start + row))

    def _digest_of(self, number: int) -> NDArray[np.uint8]:
        """The digest of a whole sequence, of which a batch may hold a part."""
        if self._digest is None or self._digest[0] != number:
            start, stop = self._plan.whole(number)
            tokens = self._source.text(number, start, stop)
            assert tokens is not None
            where = partial(self._source.where, number)
            self._digest = number, token_digest(to_tokens(tokens, self._kind.classes, where))
        return self._digest[1]


def token_info(
    layout: str,
    kind: LabelKind,
    plan: TokenPlan,
    files: Sequence[Path],
    shift: int,
    *,
    has_digests: bool = False,
    types: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> DumpInfo:
    """Metadata of a source of token-level labels; arguments are as in `DumpInfo`.

    Args:
        layout: name of the layout.
        kind: what its labels are.
        plan: its batches.
        files: its files.
        shift: 1 if a label is of the token behind its position, 0 if of its own.
        has_digests: whether token ids are known, of which sequences have digests.
        types: kinds and dtypes of its parts.
        notes: remarks for the user.
    """
    return DumpInfo(
        layout,
        kind.classes,
        images=len(plan.end),
        batches=len(plan),
        samples=plan.positions,
        bytes=sum(file.stat().st_size for file in files),
        files=len(files),
        types=types or {},
        image_order="",
        space=kind.space,
        tail=kind.tail,
        k=kind.k,
        precision=kind.precision,
        kind="tokens",
        shift=shift,
        has_digests=has_digests,
        notes=tuple(notes),
    )


def unused_of_tokens(options: Mapping[str, Any], *others: str) -> dict[str, str]:
    """Options of `open_dump` that do not apply to labels of tokens: name -> reason.

    Args:
        options: the options passed.
        others: further options that the layout has no use for.
    """
    unused = dict.fromkeys(_OF_IMAGES, NO_IMAGES)
    if options.get("label_type") not in ("logits", "probabilities"):
        unused["label_type"] = "labels of tokens are logits or probabilities"
    return unused | dict.fromkeys(others, "the layout has no columns to be named")


def classes_given(classes: int | None, where: object) -> int:
    """C, which labels of the largest classes do not determine.

    Raises:
        ConfigError: it was not passed, or is more than a label set can have.
    """
    if classes is not None and classes > MAX_CLASSES:
        raise ConfigError(f"`classes={classes}` is more than {MAX_CLASSES}")
    if classes is None:
        raise ConfigError(
            f"{where}: does not say the size of the vocabulary: pass `classes`, the number of "
            "logits of the teacher"
        )
    return classes
