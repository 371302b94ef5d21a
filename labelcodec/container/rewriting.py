"""Another header for a finished container; all other records are copied as they are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from labelcodec.container import layout
from labelcodec.container.paths import annotated_of
from labelcodec.container.reader import RecordReader
from labelcodec.container.writer import RecordWriter
from labelcodec.errors import MismatchError
from labelcodec.files.atomic import publish
from labelcodec.files.regular import real_path


def rewrite_header(reader: RecordReader, header: dict[str, Any]) -> None:
    """Replace a container by one with another header and the same records.

    The new container is written beside the old one and renamed when it is complete. Side
    information, batches and sections, also those that this library does not know, keep their order
    and their bytes.

    Args:
        reader: the open container; it still reads the old one afterwards.
        header: the new header map.

    Raises:
        DataError: the header cannot be stored.
        MismatchError: the container is not a file of this machine.
        CorruptError: a record is damaged; the container is left as it is.
        OSError: the new container cannot be written.
    """
    if not isinstance(reader.path, Path):
        raise MismatchError(f"{reader.path}: is not on this machine, where it could be changed")
    path = real_path(reader.path)
    target = annotated_of(path)
    index = reader.index
    sections = {part.offset: part for part in index.sections if part.tag != layout.HEADER}
    batches = {offset: i for i, offset in enumerate(index.offset.tolist())}
    writer = RecordWriter(target, header, force=True)
    try:
        for offset in sorted([*sections, *batches]):
            if offset in batches:
                _copy_batch(reader, batches[offset], writer)
                continue
            tag, payload = sections[offset].tag, reader.section(sections[offset])
            side = tag == layout.SIDE_INFORMATION
            writer.add_section(tag, payload[layout.SIDE.size :] if side else payload)
        writer.close()
    except BaseException:
        writer.abort(keep=False)
        raise
    shutil.copymode(path, target)
    publish(target, path, force=True)


def _copy_batch(reader: RecordReader, position: int, writer: RecordWriter) -> None:
    side, payload = reader.batch(position)
    index = reader.index
    writer.add_batch(
        payload,
        side=side,
        samples=int(index.samples[position]),
        number=int(index.number[position]),
        epoch=int(index.epoch[position]),
    )
