"""Token-level labels as arrays, and the files that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = 300
LENGTHS = (5, 1, 12, 3)
Columns = dict[str, NDArray[Any]]


def columns(
    each: tuple[int, ...] = LENGTHS, k: int | None = 4, dtype: str = "float32", **more: Any
) -> Columns:
    """Arrays of sequences of these lengths, of all names but `tail`.

    `more` replaces an array or, where it is None, removes it.
    """
    rng = np.random.default_rng(len(each))
    positions = sum(each)
    arrays: Columns = {}
    if k is None:
        arrays["logits"] = rng.normal(size=(positions, CLASSES)).astype(dtype)
    else:
        order = np.argsort(rng.random((positions, CLASSES)), axis=1)
        arrays["index"] = order[:, :k].astype(np.int32)
        arrays["value"] = -np.sort(rng.gamma(1.0, 2.0, (positions, k)), axis=1).astype(dtype)
    arrays["lengths"] = np.array(each, np.int64)
    arrays["tokens"] = rng.integers(0, CLASSES, positions)
    arrays["mask"] = rng.random(positions) < 0.5
    return {name: array for name, array in {**arrays, **more}.items() if array is not None}


def folder(arrays: Columns, root: Path) -> Path:
    """A folder of .npy files."""
    root.mkdir()
    for name, array in arrays.items():
        np.save(root / f"{name}.npy", array)
    return root


def read_folder(root: Path) -> Columns:
    """The arrays of a folder."""
    return {path.stem: np.load(path) for path in sorted(root.glob("*.npy"))}


def assert_same(arrays: Columns, expected: Columns) -> None:
    """The same names, dtypes, shapes and bits."""
    assert sorted(arrays) == sorted(expected)
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype, name
        assert arrays[name].shape == array.shape, name
        assert arrays[name].tobytes() == np.ascontiguousarray(array).tobytes(), name
