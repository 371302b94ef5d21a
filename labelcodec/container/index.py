"""The index record: where every record is, and which batch it holds (SPEC, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack
import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.container import layout
from labelcodec.container.index_map import read_map
from labelcodec.errors import FormatError, UnsupportedError
from labelcodec.remote import Location
from labelcodec.wording import counted

_LEVEL = 9
_CELL = np.dtype("<i8")
COLUMNS = ("offset", "size", "samples", "number", "epoch")


@dataclass(frozen=True, slots=True)
class Section:
    """A record that is neither a batch nor the index.

    Attributes:
        tag: one ASCII letter.
        offset: byte offset of the record's tag.
        size: size of the record in bytes, frame included.
    """

    tag: bytes
    offset: int
    size: int


@dataclass(frozen=True, eq=False)
class Index:
    """One entry per batch, in file order, as int64 (n,) columns; and all other records.

    Attributes:
        offset: byte offset of the record's tag.
        size: size of the record in bytes, frame included.
        samples: number of samples in the batch, 1..2^20.
        number: batch number, unique, from 0.
        epoch: epoch of the batch, from 0.
        sections: all records except batches and the index, in file order; the header is first.
    """

    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    samples: NDArray[np.int64]
    number: NDArray[np.int64]
    epoch: NDArray[np.int64]
    sections: tuple[Section, ...]

    def __len__(self) -> int:
        """n, the number of batches."""
        return len(self.offset)

    def of(self, tag: bytes) -> tuple[Section, ...]:
        """The sections with this tag, in file order."""
        return tuple(section for section in self.sections if section.tag == tag)


def encode(index: Index) -> bytes:
    """Serialize the payload of the index record."""
    table = np.stack([getattr(index, name) for name in COLUMNS]).astype(_CELL)
    deltas = np.diff(table, axis=1, prepend=np.int64(0))
    payload = msgpack.packb(
        {
            "sections": [[part.tag[0], part.offset, part.size] for part in index.sections],
            "count": len(index),
            "batches": zstandard.ZstdCompressor(level=_LEVEL).compress(deltas.tobytes()),
        }
    )
    return bytes(payload)


def parse(payload: memoryview, start: int, path: Location) -> Index:
    """Deserialize an index record without checking it against the file.

    Args:
        payload: payload of the index record.
        start: byte offset of the index record.
        path: the file, for error messages.

    Raises:
        FormatError: malformed payload.
    """
    try:
        sections, count, packed = read_map(payload)
        table = _unpack_columns(packed, count, start)
    except (ValueError, zstandard.ZstdError, msgpack.UnpackException) as error:
        what = str(error) or type(error).__name__
        raise FormatError(f"{path}: byte {start}: the index is malformed: {what}") from error
    table.flags.writeable = False
    entries = tuple(Section(bytes([tag]), offset, size) for tag, offset, size in sections)
    return Index(**dict(zip(COLUMNS, table, strict=True)), sections=entries)


def decode(payload: memoryview, start: int, path: Location) -> Index:
    """Deserialize an index record and check that its records tile the file.

    Args:
        payload: payload of the index record.
        start: byte offset of the index record.
        path: the file, for error messages.

    Raises:
        FormatError: malformed payload, or records that do not tile the file up to `start`.
        UnsupportedError: a critical section that this library does not know.
    """
    index = parse(payload, start, path)
    entries = index.sections
    wrong = _sections_problem(entries) or _tiling_problem(index, start) or _batches_problem(index)
    if wrong:
        raise FormatError(f"{path}: byte {start}: the index is wrong: {wrong}")
    for section in entries:
        if section.tag not in layout.KNOWN and layout.is_critical(section.tag):
            raise UnsupportedError(
                f"{path}: byte {section.offset}: the section {section.tag!r} is needed to read "
                f"the file and this library does not know it; update labelcodec"
            )
    return index


def _unpack_columns(packed: bytes, count: int, start: int) -> NDArray[np.int64]:
    if count > start // layout.MIN_BATCH:
        raise ValueError(
            f"the {start} bytes before the index cannot hold {counted(count, 'batch')}"
        )
    size = len(COLUMNS) * _CELL.itemsize * count
    declared = zstandard.frame_content_size(packed)
    if declared != size:
        raise ValueError(f"the columns declare {declared} bytes, expected {size}")
    data = zstandard.ZstdDecompressor().decompress(
        packed, max_output_size=size, allow_extra_data=False
    )
    deltas = np.frombuffer(data, _CELL).reshape(len(COLUMNS), count).astype(np.int64)
    return np.cumsum(deltas, axis=1, dtype=np.int64)


def _sections_problem(sections: tuple[Section, ...]) -> str | None:
    tags = [section.tag for section in sections]
    if not tags or tags[0] != layout.HEADER:
        return "the first section is not the header"
    for tag, most in ((layout.HEADER, 1), (layout.NAMES, 1), (layout.BATCH, 0), (layout.INDEX, 0)):
        if tags.count(tag) > most:
            return f"{tags.count(tag)} sections {tag!r}, expected at most {most}"
    for tag, offset, size in ((s.tag, s.offset, s.size) for s in sections):
        if not tag.isalpha():
            return f"byte {offset}: a section's tag is {tag!r}, expected an ASCII letter"
        least = layout.SIDE.size if tag == layout.SIDE_INFORMATION else 0
        if not least <= size - layout.FRAME.size <= layout.limit(tag):
            return f"byte {offset}: a section {tag!r} of {size} bytes, outside its limits"
    return None


def _tiling_problem(index: Index, start: int) -> str | None:
    most = layout.FRAME.size + layout.limit(layout.BATCH)
    if ((index.size < layout.MIN_BATCH) | (index.size > most)).any():
        return f"a batch's size lies outside {layout.MIN_BATCH}..{most}"
    sections = np.array([(s.offset, s.size) for s in index.sections], np.int64)
    offset = np.concatenate([sections[:, 0], index.offset])
    size = np.concatenate([sections[:, 1], index.size])
    for column in (sections[:, 0], index.offset):
        if (column[1:] <= column[:-1]).any():
            return "records are not listed in file order"
    order = np.argsort(offset, kind="stable")
    begin = np.append(offset[order], start)
    end = np.insert(offset[order] + size[order], 0, layout.PREAMBLE.size)
    if (begin != end).any():
        at = int(np.flatnonzero(begin != end)[0])
        return f"a record ends at byte {end[at]} and the next one starts at byte {begin[at]}"
    return None


def _batches_problem(index: Index) -> str | None:
    if ((index.samples < 1) | (index.samples > layout.MAX_SAMPLES)).any():
        return f"samples of a batch lie outside 1..{layout.MAX_SAMPLES}"
    if (index.number < 0).any() or (index.epoch < 0).any():
        return "a batch has a negative number or epoch"
    ascending = np.sort(index.number)
    repeated = ascending[1:][ascending[1:] == ascending[:-1]]
    if len(repeated):
        return f"batch number {repeated[0]} occurs more than once"
    return None
