"""Parquet files of images, whose row groups are read when an image of theirs is asked for."""

from __future__ import annotations

import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import LabelcodecWarning, MismatchError
from labelcodec.extras import needing_extra
from labelcodec.files.regular import check_regular
from labelcodec.images.listing import ImageListing
from labelcodec.images.shards import split_of
from labelcodec.images.unpacked import UnpackedImages, has_room, unpack
from labelcodec.loading import LOADING
from labelcodec.progress import Progress

with needing_extra("reading parquet files"):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from labelcodec.images.table_columns import Columns, features_of, find_columns, table_listing
    from labelcodec.images.table_images import TableImages

KEPT_BYTES = 256 << 20  # of row groups that a process keeps


class ParquetImages(TableImages):
    """Images of parquet files.

    Their row groups have to be read whole. A process keeps those that it read last; where they do
    not fit, all images are unpacked to a temporary file first, if there is room for it.

    Args:
        files: the files.
        columns: their columns.
        block_rows: as in `TableImages`.
        size: bytes of all images, as the files say.
    """

    def __init__(
        self,
        files: Sequence[Path],
        columns: Columns,
        block_rows: Sequence[Sequence[int]],
        size: int,
    ) -> None:
        super().__init__(files, block_rows)
        self._leaf = _leaf(columns)
        self._column = columns.image
        self._kept: OrderedDict[tuple[int, int], Any] = OrderedDict()
        is_large = size > KEPT_BYTES
        self._size, self._is_unpacked = size, is_large and has_room(size)
        self._unpacked: UnpackedImages | None = None
        self._lengths: NDArray[np.int64] | None = None
        if is_large and not self._is_unpacked:
            warnings.warn(
                f"{files[0].parent}: images are read in whole row groups, which is slow in random "
                f"order, and {tempfile.gettempdir()} has no room to unpack {size >> 20} MiB; pass "
                "a `cache`, or set TMPDIR to a folder with more room",
                LabelcodecWarning,
                stacklevel=6,
            )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": OrderedDict()}

    def block(self, file: int, block: int) -> Any:
        """As in `TableImages`."""
        key = file, block
        with LOADING:  # threads of a loader ask at once
            if key not in self._kept:
                self._kept[key] = self._read(file, block)
            self._kept.move_to_end(key)
            column = self._kept[key]
            while len(self._kept) > 1 and sum(c.nbytes for c in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return column

    def content(self, item: int) -> bytes:
        """As in `ImageStore`."""
        if not self._is_unpacked:
            return super().content(item)
        content = self._all().read(item)
        return content or super().content(item)  # which says that there is no image

    def content_size(self, item: int) -> int:
        """As in `ImageStore`."""
        if self._is_unpacked:
            return self._all().size(item)
        with LOADING:
            if self._lengths is None:
                lengths = [_byte_counts(self._read(*key)) for key in self._blocks]
                self._lengths = np.concatenate(lengths)
        return int(self._lengths[item])

    def _all(self) -> UnpackedImages:
        """The images in a temporary file, which the first process that needs one writes."""
        with LOADING:
            if self._unpacked is None:
                contents = (
                    content for key in self._blocks for content in _contents(self._read(*key))
                )
                self._unpacked = unpack(contents, 2 * self._size, str(self._files[0].parent))
        return self._unpacked

    def _read(self, file: int, block: int) -> Any:
        with _opened(self._files[file]) as table:
            if block >= table.num_row_groups:
                raise MismatchError(f"{self._files[file]}: has changed since it was opened")
            # without threads, which a forked worker does not have
            group = table.read_row_group(block, columns=[self._leaf], use_threads=False)
            return group.column(self._column).combine_chunks()


def _leaf(columns: Columns) -> str:
    return f"{columns.image}.bytes" if columns.is_struct else columns.image


def _encoded(column: Any) -> Any:
    """Arrow array of the bytes of images, without their paths."""
    return column.field("bytes") if pa.types.is_struct(column.type) else column


def _byte_counts(column: Any) -> NDArray[np.int64]:
    counts = pc.binary_length(_encoded(column)).cast(pa.int64()).fill_null(0)
    return np.asarray(counts.to_numpy(), np.int64)


def _contents(column: Any) -> Iterator[bytes]:
    """The bytes of each image; none where there is no image."""
    for cell in _encoded(column):
        yield bytes(cell.as_buffer()) if cell.is_valid else b""


def list_parquet(
    root: Path, files: Sequence[Path], progress: Progress | None = None
) -> ImageListing:
    """List the images of parquet files.

    Args:
        root: what the user named.
        files: the files, of one split.
        progress: called with files read and their number.

    Raises:
        MismatchError: a file is truncated or damaged or has other columns than the first, there are
            several splits, an image has no class, or there are none.
        OSError: a file cannot be read.
    """
    splits = sorted({split_of(file) for file in files})
    if len(splits) > 1 and root.is_dir():
        raise MismatchError(
            f"{root}: has the splits {', '.join(splits)}; name the files of one of them, as "
            f"'{files[0].parent / splits[0]}-*.parquet'"
        )
    columns, schema = None, None
    block_rows, labels, paths, size = [], [], list[str | None](), 0
    for number, file in enumerate(files):
        with _opened(file) as table:
            own = table.schema_arrow
            if columns is None or schema is None:
                columns, schema = find_columns(own, _features(own, file), str(file)), own
            if _types(own, columns) != _types(schema, columns):
                raise MismatchError(f"{file}: has other columns than {files[0]}")
            groups = [table.metadata.row_group(i) for i in range(table.num_row_groups)]
            block_rows.append([group.num_rows for group in groups])
            size += sum(_image_bytes(group, columns) for group in groups)
            labels.append(table.read([columns.label], use_threads=False).column(0))
            paths += _paths(table, columns)
        if progress is not None:
            progress(number + 1, len(files))
    if columns is None or not paths:
        raise MismatchError(f"{root}: no images")
    store = ParquetImages(files, columns, block_rows, size)
    chunks = pa.chunked_array([chunk for column in labels for chunk in column.chunks])
    return table_listing(root, store, columns, chunks.combine_chunks(), paths)


def _image_bytes(group: Any, columns: Columns) -> int:
    """Bytes of the images of a row group, as its metadata says."""
    parts = (group.column(i) for i in range(group.num_columns))
    return sum(
        part.total_uncompressed_size for part in parts if part.path_in_schema == _leaf(columns)
    )


def _paths(table: Any, columns: Columns) -> list[str | None]:
    """The path of each image of a file, None where there is none."""
    leaves = {table.schema.column(i).path for i in range(len(table.schema))}
    if not columns.is_struct or f"{columns.image}.path" not in leaves:
        return [None] * int(table.metadata.num_rows)
    cells = table.read([f"{columns.image}.path"], use_threads=False).column(0).combine_chunks()
    paths: list[str | None] = cells.field("path").to_pylist()
    return paths


def _types(schema: Any, columns: Columns) -> list[Any]:
    names = (columns.image, columns.label)
    return [schema.field(name).type for name in names if name in schema.names]


def _features(schema: Any, file: Path) -> Any:
    try:
        return features_of((schema.metadata or {}).get(b"huggingface"), "info", "features")
    except (ValueError, RecursionError):
        raise MismatchError(f"{file}: damaged: its metadata do not describe the columns") from None


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A parquet file.

    Raises:
        MismatchError: it is truncated, damaged, missing or something else.
    """
    try:
        check_regular(file, MismatchError, "a parquet file")
        with pq.ParquetFile(file, pre_buffer=False) as table:
            yield table
    except FileNotFoundError:
        raise MismatchError(f"{file}: is missing") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MismatchError(f"{file}: truncated or damaged ({first})") from None
