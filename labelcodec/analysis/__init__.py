"""Analysis of label sets: sizes by component, compression rates, fidelity, comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelcodec.lazy import lazy_attributes

if TYPE_CHECKING:
    from labelcodec.analysis.breakdown import Breakdown, StreamCost
    from labelcodec.analysis.comparison import Comparison, LabelSet, compare_sets
    from labelcodec.analysis.dump_table import DumpTable
    from labelcodec.analysis.fidelity import Fidelity

__all__ = [
    "Breakdown",
    "Comparison",
    "DumpTable",
    "Fidelity",
    "LabelSet",
    "StreamCost",
    "compare_sets",
]

_MODULES = {
    "Breakdown": "breakdown",
    "Comparison": "comparison",
    "DumpTable": "dump_table",
    "Fidelity": "fidelity",
    "LabelSet": "comparison",
    "StreamCost": "breakdown",
    "compare_sets": "comparison",
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
