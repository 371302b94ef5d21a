"""The golden files, one function each: it writes the file and says what must come out of it.

A function's name is the file's name and its docstring what the file shows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spec.vector_cases import (
    augmentation,
    container,
    dense,
    dense2,
    draws,
    header,
    kept_counts,
    order,
    projector,
    recipe,
    replay,
    sampled,
    seeds,
    sequences,
    topk,
    transform,
    vq,
)
from spec.vector_cases.content import Content

Case = Callable[[Path], Content]

FOLDERS = {
    "v1.0": {
        "dense": dense.CASES,
        "topk": topk.CASES,
        "transform": transform.CASES,
        "augmentation": augmentation.CASES,
        "container": container.CASES,
        "recipe": recipe.CASES,
    },
    "v1.1": {"dense2": dense2.CASES, "order": order.CASES},
    "v1.2": {
        "header": header.CASES,
        "kept-counts": kept_counts.CASES,
        "projector": projector.CASES,
        "sampled": sampled.CASES,
        "seeds": seeds.CASES,
        "sequences": sequences.CASES,
        "vq": vq.CASES,
    },
}
CASES: dict[str, dict[str, Case]] = {
    version: {
        f"{folder}/{case.__name__.replace('_', '-')}": case
        for folder, cases in folders.items()
        for case in cases
    }
    for version, folders in FOLDERS.items()
}
# Values without a file: the name of their JSON file, and what it holds.
VALUES: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "v1.0": ("draws.json", draws.draws),
    "v1.1": ("draws.json", order.draws),
    "v1.2": ("replay.json", replay.replays),
}

# Encoding again may give other bytes: zstd frames depend on zstd's version, and what a decoder
# skipped is gone.
NOT_DETERMINISTIC = frozenset(
    {
        "dense/tables-of-another-type",
        "dense2/tables-of-another-type",
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
