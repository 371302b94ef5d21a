"""A small dump of every layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.formats.builders import (
    EPOCH_SIDE,
    ORDER_SIDE,
    Recipe,
    epoch_dump,
    fkd_dump,
    flat_dump,
    loader_order,
)

ORDER = loader_order(20, 3)
Build = Callable[[Path], Path]
FULL = Recipe(coords="float16", mix_index="uint8", box="tensor.uint8", k=None)

DUMPS: dict[str, Build] = {
    "sre2l": lambda root: epoch_dump(root, ORDER, 6),
    "sre2l mixup single": lambda root: epoch_dump(
        root, ORDER, 6, Recipe(mix="mixup", values="float32", ratio="tensor.float32")
    ),
    "sre2l unmixed bfloat16": lambda root: epoch_dump(
        root, ORDER, 6, Recipe(mix=None, values="bfloat16", side=(333, 500)), ORDER_SIDE
    ),
    "lpld": lambda root: epoch_dump(root, ORDER, 6, side_file=EPOCH_SIDE, stop=5),
    "lpqld topk": lambda root: flat_dump(root, ORDER, 6),
    "lpqld full": lambda root: flat_dump(root, ORDER, 6, FULL),
    "lpqld randaugment": lambda root: flat_dump(root, ORDER, 6, Recipe(k=4, operations=3)),
    "lpqld cutout": lambda root: flat_dump(root, ORDER, 6, Recipe(k=4, cutout=True, side=None)),
    "fkd hard": lambda root: fkd_dump(root, "hard"),
    "fkd smoothing half": lambda root: fkd_dump(root, "smoothing", half=True),
    "fkd MS": lambda root: fkd_dump(root, "MS"),
    "fkd MR half": lambda root: fkd_dump(root, "MR", half=True, tensors=True),
}
