"""Analysis of label sets: sizes by component, compression rates, fidelity, comparison."""

from __future__ import annotations

from labelcodec.analysis.breakdown import Breakdown, StreamCost
from labelcodec.analysis.comparison import Comparison, LabelSet, compare_sets
from labelcodec.analysis.dump_table import DumpTable, dump_table
from labelcodec.analysis.fidelity import Fidelity

__all__ = [
    "Breakdown",
    "Comparison",
    "DumpTable",
    "Fidelity",
    "LabelSet",
    "StreamCost",
    "compare_sets",
    "dump_table",
]
