"""A small dump of every layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.formats.builders import (
    EPOCH_SIDE,
    ORDER_SIDE,
    Recipe,
    changed,
    edit,
    epoch_dump,
    fkd_dump,
    flat_dump,
    hald_dump,
    loader_order,
    with_images,
    with_patches,
)

ORDER = loader_order(20, 3)
OTHER = [np.random.default_rng(epoch).permutation(20).tolist() for epoch in range(3)]
Build = Callable[[Path], Path]
FULL = Recipe(coords="float16", mix_index="uint8", box="tensor.uint8", k=None)


def tuples(root: Path) -> Path:
    """The same dump with tuples in place of lists."""
    for file in root.rglob("*.tar"):
        edit(file, tuple)
    return root


DUMPS: dict[str, Build] = {
    "sre2l": lambda root: epoch_dump(root, ORDER, 6),
    "sre2l mixup single": lambda root: epoch_dump(
        root, ORDER, 6, Recipe(mix="mixup", values="float32", ratio="tensor.float32")
    ),
    "sre2l unmixed bfloat16": lambda root: epoch_dump(
        root, ORDER, 6, Recipe(mix=None, values="bfloat16", side=(333, 500)), ORDER_SIDE
    ),
    "sre2l recorded images": lambda root: changed(
        epoch_dump(root, OTHER, 6), with_images, OTHER, 6
    ),
    "sre2l patches": lambda root: changed(epoch_dump(root, OTHER, 6), with_patches, OTHER, 6),
    "sre2l tuples": lambda root: changed(
        epoch_dump(root, ORDER, 6), lambda x, _: (*x[:4], tuple(x[4]), x[5]), ORDER, 6
    ),
    "sre2l array box": lambda root: changed(
        epoch_dump(root, ORDER, 6), lambda x, _: [*x[:4], np.array(x[4]), x[5]], ORDER, 6
    ),
    "sre2l float64": lambda root: changed(
        epoch_dump(root, ORDER, 6), lambda x, _: [*x[:5], x[5].double()], ORDER, 6
    ),
    "sre2l arrays": lambda root: changed(
        epoch_dump(root, ORDER, 6),
        lambda x, _: [*(part.numpy() for part in x[:3]), *x[3:5], x[5].numpy()],
        ORDER,
        6,
    ),
    "sre2l probabilities": lambda root: changed(
        epoch_dump(root, ORDER, 6), lambda x, _: [*x[:5], x[5].softmax(dim=1)], ORDER, 6
    ),
    "hald": lambda root: hald_dump(root, OTHER, 6),
    "lpld": lambda root: epoch_dump(root, ORDER, 6, side_file=EPOCH_SIDE, stop=5),
    "lpqld topk": lambda root: flat_dump(root, ORDER, 6),
    "lpqld full": lambda root: flat_dump(root, ORDER, 6, FULL),
    "lpqld randaugment": lambda root: flat_dump(root, ORDER, 6, Recipe(k=4, operations=3)),
    "lpqld cutout": lambda root: flat_dump(root, ORDER, 6, Recipe(k=4, cutout=True, side=None)),
    "fkd hard": lambda root: fkd_dump(root, "hard"),
    "fkd smoothing half": lambda root: fkd_dump(root, "smoothing", half=True),
    "fkd MS tuples": lambda root: tuples(fkd_dump(root, "MS")),
    "fkd MS": lambda root: fkd_dump(root, "MS"),
    "fkd MR half": lambda root: fkd_dump(root, "MR", half=True, tensors=True),
}
