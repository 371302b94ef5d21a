"""Decoding of a container to a dump."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.errors import DumpError
from labelcodec.files.regular import real_path
from labelcodec.formats import write_dump
from labelcodec.formats.registry import is_file_of, layout_of_file
from labelcodec.header import Header
from labelcodec.progress import Progress
from labelcodec.reader import PathLike, Reader
from labelcodec.remote import LocationLike, as_location
from labelcodec.transcode.origin import origin_of


@dataclass(frozen=True)
class DecodeReport:
    """Result of `decode`.

    Attributes:
        files: number of files written, side files included.
        lossy: whether the container holds less information than its source dump.
        layout: layout of the dump.
    """

    files: int
    lossy: bool
    layout: str


def decode(
    source: LocationLike,
    target: PathLike,
    *,
    layout: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> DecodeReport:
    """Decode a container to a dump.

    Args:
        source: the container, here or elsewhere.
        target: folder of the dump, absent or empty unless `force` is set. Labels of tokens may be
            written as a file, .npz, .safetensors or .parquet.
        layout: layout to write; by default that of the dump the container was made from, or that
            of such a file.
        force: replace a file, or a folder that holds nothing but a dump, once the new one is
            complete.
        progress: called with (batches done, total batches).

    Raises:
        LabelcodecError: the container is damaged, the folder may not be replaced, or the layout
            cannot represent the labels.
        OSError: a file cannot be read or written.
    """
    source, target = as_location(source), Path(target)
    with Reader([source]) as reader:
        reader.check_labels_held()
        origin = origin_of(reader.header, str(source))
        target_layout = layout or _own_layout(reader.header, origin, target)
        if target_layout is None:
            raise DumpError(f"{source}: it was not made from a dump; say which `layout` to write")
        if isinstance(source, Path) and real_path(target) in real_path(source).parents:
            raise DumpError(f"{target}: holds {source}, which is to be decoded; write elsewhere")
        files = write_dump(
            _with_progress(reader, progress),
            target,
            target_layout,
            origin.get("types", {}),
            reader.names,
            force=force,
        )
        return DecodeReport(files, is_lossy(reader.header, str(source)), target_layout)


def _own_layout(header: Header, origin: Mapping[str, Any], target: Path) -> str | None:
    """The layout of the source dump.

    It is LPQLD's if labels of images were reduced to top-k, and that of the target if this is a
    file of another layout.
    """
    own: str | None = origin.get("layout")
    if header.kind is None:
        reduced = header.k is not None and origin.get("k") is None
        return "lpqld" if reduced and own else own
    return own if own and is_file_of(own, target) else layout_of_file(target) or own


def is_lossy(header: Header, where: str) -> bool:
    """Whether a container holds less information than the dump it was made from.

    `where` names the container in error messages.
    """
    codec = registry.from_config(header.codec, header.config, where)
    origin = origin_of(header, where)
    fewer = "layout" in origin and origin.get("k") != header.k
    return codec.lossy or fewer or "lossy" in origin


def _with_progress(reader: Reader, progress: Progress | None) -> Iterator[LabelBatch]:
    for i, batch in enumerate(reader):
        yield batch
        if progress is not None:
            progress(i + 1, len(reader))
