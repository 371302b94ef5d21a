"""Which tars, iterations and microbatches a dump of Megatron-LM has, in a few numbers.

A header of a container keeps it, so that the dump can be written back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelcodec.errors import DumpError
from labelcodec.formats.megatron_tar import (
    DTYPES,
    LARGEST_SENTINEL,
    MAX_META,
    NAME,
    Member,
    Microbatch,
)

Run = list[int]  # how often, and what


@dataclass(frozen=True)
class Size:
    """The shape of a microbatch.

    Attributes:
        sequences: B.
        positions: L.
        width: K; 0 if it is as many as the fullest position keeps.
    """

    sequences: int
    positions: int
    width: int


@dataclass
class Structure:
    """What a dump consists of, in the order of its files.

    Attributes:
        meta: content of `_meta.json`; None if there is none.
        tars: name of each tar, and runs of its iterations: how many, the first, and their distance.
        counts: runs of members: how many, and the number of microbatches of each.
        sizes: runs of microbatches: how many, and their `Size`.
        sentinel: value that stands for a class that is not kept.
        dtype: dtype of the values.
    """

    meta: str | None
    tars: list[tuple[str, list[Run]]] = field(default_factory=list)
    counts: list[Run] = field(default_factory=list)
    sizes: list[Run] = field(default_factory=list)
    sentinel: float | None = None
    dtype: str = ""

    def to_types(self) -> dict[str, Any]:
        """As a part of `DumpInfo.types`."""
        return {
            "meta": self.meta,
            "tars": [[name, runs] for name, runs in self.tars],
            "counts": self.counts,
            "sizes": self.sizes,
            "sentinel": self.sentinel,
            "dtype": self.dtype,
        }

    @classmethod
    def from_types(cls, stated: Any) -> Structure:
        """From a part of `DumpInfo.types`, which an untrusted header holds.

        Raises:
            DumpError: it is something else.
        """
        if not isinstance(stated, Mapping):
            raise DumpError(f"types of the source: megatron cannot be {stated!r}")
        meta, tars, sentinel = (stated.get(name) for name in ("meta", "tars", "sentinel"))
        pairs: Sequence[Any] = tars if isinstance(tars, (list, tuple)) else ()
        is_tars = bool(pairs) and all(map(_is_tar, pairs))
        is_meta = meta is None or (isinstance(meta, str) and len(meta) <= MAX_META)
        is_value = sentinel is None or (type(sentinel) is float and sentinel <= LARGEST_SENTINEL)
        if not is_tars or not is_meta or not is_value or stated.get("dtype") not in DTYPES:
            raise DumpError("types of the source: megatron holds something else")
        names = [pair[0] for pair in pairs]
        if len(set(names)) < len(names):
            raise DumpError("types of the source: megatron names a file twice")
        return cls(
            meta,
            [(name, _runs(runs, 3)) for name, runs in pairs],
            _runs(stated.get("counts"), 2),
            _runs(stated.get("sizes"), 4),
            sentinel,
            stated["dtype"],
        )

    def members(self) -> Iterator[tuple[str, int, list[Size]]]:
        """Tar, iteration and microbatches of each member.

        Raises:
            DumpError: there are not as many microbatches as members need.
        """
        counts = (count for often, count in self.counts for _ in range(often))
        sizes = (Size(*size) for often, *size in self.sizes for _ in range(often))
        for name, runs in self.tars:
            for often, first, step in runs:
                for i in range(often):
                    batches = [size for _, size in zip(range(next(counts, 0)), sizes, strict=False)]
                    if not batches:
                        raise DumpError("types of the source: megatron lacks microbatches")
                    yield name, first + i * step, batches


def structure_of(member: Member, batches: Sequence[Microbatch], structure: Structure) -> None:
    """Add a member to a structure.

    Raises:
        DumpError: two values stand for classes that are not kept.
    """
    if not structure.tars or structure.tars[-1][0] != member.file.name:
        structure.tars.append((member.file.name, []))
    _add_number(structure.tars[-1][1], member.iteration)
    _add(structure.counts, [len(batches)])
    for batch in batches:
        sequences, positions, width = batch.value.shape
        is_natural = int(batch.count.max()) == width
        _add(structure.sizes, [sequences, positions, 0 if is_natural else width])
        structure.dtype = batch.dtype
        if int(batch.count.min()) < width:
            rows = batch.count < width
            values = set(batch.value[rows, -1].tolist())
            values |= set() if structure.sentinel is None else {structure.sentinel}
            if len(values) > 1:
                raise DumpError(f"{member.where}: several values stand for no class: {values}")
            (structure.sentinel,) = values


def _is_tar(pair: Any) -> bool:
    is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)
    return is_pair and NAME.fullmatch(pair[0]) is not None


def _add(runs: list[Run], item: list[int]) -> None:
    if runs and runs[-1][1:] == item:
        runs[-1][0] += 1
    else:
        runs.append([1, *item])


def _add_number(runs: list[Run], number: int) -> None:
    """Add a number to runs of (how many, first, distance)."""
    if runs:
        often, first, step = runs[-1]
        if often == 1 or first + often * step == number:
            runs[-1] = [often + 1, first, number - first if often == 1 else step]
            return
    runs.append([1, number, 0])


def _runs(stated: Any, width: int) -> list[Run]:
    if not isinstance(stated, (list, tuple)) or not all(
        isinstance(run, (list, tuple))
        and len(run) == width
        and all(type(n) is int and abs(n) < 1 << 60 for n in run)
        and run[0] > 0
        for run in stated
    ):
        raise DumpError("types of the source: megatron holds something else than runs")
    return [list(run) for run in stated]
