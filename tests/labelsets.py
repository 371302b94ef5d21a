"""Label sets written through the public API, for tests of what reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.writer import Writer
from tests.codecs.content import Recipe, batch

TOPK = Recipe(samples=20, k=4, tail="zero")
NAMES = tuple(f"n{i % 7:02}/{i}.png" for i in range(30))


def batches(numbers: Iterable[int], recipe: Recipe = TOPK) -> list[LabelBatch]:
    return [batch(recipe, number, number // 3) for number in numbers]


def write(
    path: Path,
    content: Sequence[LabelBatch],
    recipe: Recipe = TOPK,
    codec: str = "topk",
    header: dict[str, Any] | None = None,
    **options: Any,
) -> Path:
    made = replace(recipe.header(), **(header or {}))
    with Writer(path, made, codec, allow_nonfinite=True, **options) as writer:
        for one in content:
            writer.add(one)
    return path
