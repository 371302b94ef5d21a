"""The golden files of every released version, and how to compare what comes out of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
VERSIONS = sorted(path.parent for path in VECTORS.glob("*/manifest.json"))
ENTRIES = [
    {**entry, "path": folder / entry["file"], "expected": folder / entry["expected"]}
    for folder in VERSIONS
    for entry in json.loads((folder / "manifest.json").read_text())
]
NAMES = [f"{entry['path'].parents[1].name}/{entry['file']}" for entry in ENTRIES]


def expected(entry: dict[str, Any]) -> dict[str, Any]:
    with np.load(entry["expected"]) as arrays:
        return dict(arrays)


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The same arrays bit for bit, in dtype and in shape."""
    assert sorted(found) == sorted(wanted)
    for name, array in wanted.items():
        other = np.asarray(found[name])
        assert (name, other.dtype, other.shape) == (name, array.dtype, array.shape)
        assert other.tobytes() == array.tobytes(), name
