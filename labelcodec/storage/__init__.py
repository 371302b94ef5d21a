"""What labels cost and what they are worth: bytes, rates, fidelity."""

from __future__ import annotations

from labelcodec.storage.breakdown import Breakdown, StreamCost, breakdown
from labelcodec.storage.compare import Comparison, LabelSet, compare_sets
from labelcodec.storage.dump_table import DumpTable, dump_table
from labelcodec.storage.fidelity import Fidelity
from labelcodec.storage.plot import plot

__all__ = [
    "Breakdown",
    "Comparison",
    "DumpTable",
    "Fidelity",
    "LabelSet",
    "StreamCost",
    "breakdown",
    "compare_sets",
    "dump_table",
    "plot",
]
