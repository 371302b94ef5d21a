"""A page of what a label set says: a batch, the bytes it takes, header and index."""

from __future__ import annotations

from pathlib import Path

from labelcodec.analysis.description import describe_batch, describe_set
from labelcodec.errors import NeedsImagesError
from labelcodec.preview.batch_view import view_batch
from labelcodec.preview.page import (
    batch_section,
    bytes_section,
    flat,
    table_section,
    write_page,
)
from labelcodec.reader import Reader


def write_inspection(reader: Reader, position: int, most: int, target: Path) -> None:
    """Write the page of a label set.

    Args:
        reader: the label set.
        position: position of the batch that is shown, if there are batches.
        most: largest number of its samples that are shown.
        target: the page; an existing file is replaced.

    Raises:
        LabelcodecError: the batch is damaged.
        OSError: the page cannot be written.
    """
    description = describe_set(reader)
    sections = []
    if len(reader):
        try:
            sections.append(batch_section(view_batch(reader, position, most)))
        except NeedsImagesError as error:
            sections.append(table_section("Labels", [("not shown", error)]))
        batch = describe_batch(reader, position)
        sections.append(bytes_section("Bytes of the batch", batch["components"]))
    files = [("files", ", ".join(description["files"]))]
    rows = [*files, *flat(description["header"]), *flat(description["index"], "index ")]
    sections.append(table_section("Label set", rows))
    write_page(target, reader.paths[0].name, sections)
