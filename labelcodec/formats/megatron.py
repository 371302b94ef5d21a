"""Megatron-LM's cached logits: a folder of tars, `megatron_tar` says what is in them.

The label of a position is of the token behind it. The files hold no tokens: Megatron aligns them by
the seed and the order of its data set. So sequences are numbered in the order of its samples:
iteration by iteration, microbatch by microbatch, rank by rank.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision
from labelcodec.errors import DumpError
from labelcodec.formats.interface import Layout, OpenOptions
from labelcodec.formats.megatron_structure import Structure, structure_of
from labelcodec.formats.megatron_tar import NAME, Member, Microbatch, list_members, read_member
from labelcodec.formats.megatron_writer import write_megatron
from labelcodec.formats.token_dump import TokenDump, classes_given, token_info, unused_of_tokens
from labelcodec.formats.token_labels import LabelKind, Positions, concatenate
from labelcodec.formats.token_plan import plan_batches


class Megatron(Layout):
    """The layout; methods as in `interface.Layout`."""

    name = "megatron"
    looks_like = "cp0_dpN__N.tar (megatron)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are its tars."""
        return any(NAME.fullmatch(name) for name in names)

    def label_files(self, root: Path) -> list[Path]:
        """The tars, by rank and iteration."""
        files = {
            (int(match[1]), int(match[2]), int(match[3])): path
            for path in root.iterdir()
            if (match := NAME.fullmatch(path.name)) is not None
        }
        if not files:
            raise DumpError(f"{root}: has no files {self.looks_like}")
        if any(context for context, _, _ in files):
            raise DumpError(
                f"{root}: its sequences are spread over the ranks of context parallelism, which "
                "are not put together; run the teacher without it"
            )
        return [path for _, path in sorted(files.items())]

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """Options for images; what the labels are is known."""
        known = "its labels are log-probabilities of the token behind each position"
        return unused_of_tokens(options, "columns") | dict.fromkeys(("shift", "label_type"), known)

    def open(self, root: Path, options: OpenOptions) -> TokenDump:
        """Open a folder; all files are read once."""
        return open_megatron(root, self.label_files(root), classes_given(options.classes, root))

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`."""
        return write_megatron(batches, root, types)


@dataclass(frozen=True)
class _Shape:
    """Sequences, positions and classes of a microbatch."""

    sequences: int
    positions: int
    k: int


class _Source:
    """Labels in tars; methods as in `token_dump.TokenSource`.

    Args:
        members: all of them.
        shapes: shapes of the microbatches of each.
        k: most kept classes.
    """

    def __init__(
        self, members: Sequence[Member], shapes: Sequence[Sequence[_Shape]], k: int
    ) -> None:
        self._members, self._shapes, self._k = members, shapes, k
        self._end = np.cumsum([sum(s.sequences * s.positions for s in part) for part in shapes])
        self._sequences = np.cumsum([sum(s.sequences for s in part) for part in shapes])
        self._recent: tuple[int, Positions] | None = None  # a member and its content

    def file(self, position: int) -> Path:
        """As `TokenSource.file`."""
        return self._members[self._member_of(position)].file

    def positions(self, start: int, stop: int) -> Positions:
        """As `TokenSource.positions`."""
        parts = []
        for number in range(self._member_of(start), self._member_of(stop - 1) + 1):
            begin = int(self._end[number - 1]) if number else 0
            parts.append(self._content(number).rows(slice(max(start - begin, 0), stop - begin)))
        return concatenate(parts)

    def text(self, number: int, start: int, stop: int) -> NDArray[Any] | None:
        """As `TokenSource.text`."""
        return None

    def where(self, number: int, position: int) -> str:
        """As `TokenSource.where`."""
        member = int(np.searchsorted(self._sequences, number, "right"))
        number -= int(self._sequences[member - 1]) if member else 0
        ends = np.cumsum([shape.sequences for shape in self._shapes[member]])
        batch = int(np.searchsorted(ends, number, "right"))
        number -= int(ends[batch - 1]) if batch else 0
        where = self._members[member].where
        return f"{where}, microbatch {batch}, sequence {number}, position {position}"

    def _member_of(self, position: int) -> int:
        return int(np.searchsorted(self._end, position, "right"))

    def _content(self, number: int) -> Positions:
        recent = self._recent
        if recent is None or recent[0] != number:
            batches = read_member(self._members[number])
            if [_shape(batch) for batch in batches] != list(self._shapes[number]):
                raise DumpError(f"{self._members[number].where}: has changed since it was opened")
            recent = self._recent = number, _joined(batches, self._k)
        return recent[1]


class _Dump(TokenDump):
    """As `TokenDump`, but sequences are numbered in the order of the samples.

    Args:
        number: (S,) number of each sequence, in the order of the files.
        others: arguments of `TokenDump`.
    """

    def __init__(self, number: NDArray[np.int64], *others: Any) -> None:
        super().__init__(*others)
        self._number = number

    def image_index(self, i: int) -> NDArray[np.int64]:
        """As `Dump.image_index`."""
        return self._number[super().image_index(i)]


def open_megatron(root: Path, files: Sequence[Path], classes: int) -> TokenDump:
    """Open a folder of tars.

    Args:
        root: the folder.
        files: its tars.
        classes: C.

    Raises:
        DumpError: a file is damaged, or files do not belong together.
    """
    members: list[Member] = []
    meta: bytes | None = None
    for file in files:
        of_file, own = list_members(file)
        if members and own != meta:
            raise DumpError(f"{file}: is of another run than {files[0]}: _meta.json differs")
        meta = own
        members += of_file
    shapes, lengths, order, dtypes = [], [], [], set[Precision]()
    structure = Structure(_text(meta, files[0]))
    for member in members:
        batches = read_member(member)
        shapes.append([_shape(batch) for batch in batches])
        structure_of(member, batches, structure)
        for number, batch in enumerate(batches):
            sequences, positions, _ = batch.value.shape
            lengths += [positions] * sequences
            order += [(member.iteration, number, member.rank, i) for i in range(sequences)]
        dtypes |= {batch.dtype for batch in batches}
        if len(dtypes) > 1:
            raise DumpError(f"{member.where}: its values are of another dtype than those before it")
    if len(set(order)) < len(order):
        raise DumpError(f"{root}: holds an iteration twice")
    k = max(shape.k for part in shapes for shape in part)
    if k > classes:
        raise DumpError(f"{root}: holds k={k} classes of a vocabulary of {classes}")
    (dtype,) = dtypes
    kind = LabelKind(classes, k, "logits", "zero", dtype)
    plan = plan_batches(lengths, classes, k)
    ranked = np.empty(len(order), np.int64)
    ranked[np.lexsort(np.array(order).T[::-1])] = np.arange(len(order))
    info = token_info(
        "megatron",
        kind,
        plan,
        files,
        1,
        types={"megatron": structure.to_types()},
        notes=(
            "sequences are numbered in the order of the samples, from the first iteration that is "
            "there; the files hold no tokens",
        ),
    )
    return _Dump(ranked, info, kind, plan, _Source(members, shapes, k))


def _text(meta: bytes | None, file: Path) -> str | None:
    if meta is None:
        return None
    try:
        json.loads(meta)
        return meta.decode()
    except (ValueError, RecursionError):
        raise DumpError(f"{file}: its _meta.json is damaged") from None


def _shape(batch: Microbatch) -> _Shape:
    return _Shape(*batch.value.shape)


def _joined(batches: Sequence[Microbatch], k: int) -> Positions:
    """The positions of all sequences, one after another; k columns."""
    value, index, count = [], [], []
    for batch in batches:
        padding = [(0, 0), (0, 0), (0, k - batch.value.shape[2])]
        value.append(np.pad(batch.value, padding).reshape(-1, k))
        index.append(np.pad(batch.index, padding).reshape(-1, k))
        count.append(batch.count.reshape(-1))
    kept = np.concatenate(count)
    varying = None if (kept == k).all() else kept
    return Positions(np.concatenate(value), np.concatenate(index), count=varying)
