"""The golden files, one function each: it writes the file and says what must come out of it.

A function's name is the file's name and its docstring what the file shows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spec.vector_cases import augmentation, container, dense, recipe, topk, transform
from spec.vector_cases.content import Content

Case = Callable[[Path], Content]

FOLDERS = {
    "dense": dense.CASES,
    "topk": topk.CASES,
    "transform": transform.CASES,
    "augmentation": augmentation.CASES,
    "container": container.CASES,
    "recipe": recipe.CASES,
}
CASES: dict[str, Case] = {
    f"{folder}/{case.__name__.replace('_', '-')}": case
    for folder, cases in FOLDERS.items()
    for case in cases
}

# Encoding again may give other bytes: zstd frames depend on zstd's version, and what a decoder
# skipped is gone.
NOT_DETERMINISTIC = frozenset(
    {
        "dense/tables-of-another-type",
        "topk/duplicates",
        "topk/rising-values",
        "topk/floor",
        "topk/step-floor",
        "topk/step-plain",
        "augmentation/crop-fractions-half",
        "augmentation/crop-fractions-single",
        "augmentation/cutout-raw",
        "augmentation/randaugment",
        "augmentation/everything",
        "container/optional-stream",
    }
)
