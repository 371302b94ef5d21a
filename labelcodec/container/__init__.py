"""The container: a file of records with an index, checksums, resuming and repair (SPEC, section 3).

It depends on neither torch nor the meaning of labels.
"""

from __future__ import annotations

from labelcodec.container.index import Index, Section
from labelcodec.container.merging import merge
from labelcodec.container.reader import RecordReader
from labelcodec.container.record_scan import Scan, scan
from labelcodec.container.repairing import RepairReport, repair, would_save
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
