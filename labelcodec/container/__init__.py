"""The container: records <-> bytes. It knows no torch and no label semantics."""

from __future__ import annotations

from labelcodec.container.index import Index, Section
from labelcodec.container.merge import merge
from labelcodec.container.reader import RecordReader
from labelcodec.container.repair import RepairReport, repair, would_save
from labelcodec.container.scan import Scan, scan
from labelcodec.container.shards import SetIndex, Shards
from labelcodec.container.writer import RecordWriter

__all__ = [
    "Index",
    "RecordReader",
    "RecordWriter",
    "RepairReport",
    "Scan",
    "Section",
    "SetIndex",
    "Shards",
    "merge",
    "repair",
    "scan",
    "would_save",
]
