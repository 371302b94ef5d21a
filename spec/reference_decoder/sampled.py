"""The sampled codec (SPEC, section 19)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dense import read_order
from .entropy import Coded, Tables, half_octave
from .primitives import Arrays, Bytes, need


def sampled_tables(parts: dict[str, bytes], classes: int) -> dict[str, Any]:
    """The parts `labels` of the side information [19.1]."""
    contexts = {"sizes": 1, "gaps": 32, "counts": 16}
    loaded = {name: Tables(parts[name], count) for name, count in contexts.items()}
    return {"order": read_order(parts["order"], classes), **loaded}


def read_sampled(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: dict[str, Any]
) -> Arrays:
    """Labels of the sampled codec [A-1 to A-4]."""
    labels, draws = header["labels"], header["labels"]["k"]
    stated = [labels.get(key) for key in ("space", "precision", "tail")]
    need(stated == ["probabilities", "float32", "zero"], "A-1")
    need(header["codec"]["config"].get("n", 50) == draws <= 4096, "A-1")
    need(9 in streams and 10 in streams, "A-2")
    source = Bytes(streams[9])
    need(source.byte() == 0, "A-2")
    coded = Coded(source.take(source.varint()), samples)
    sizes = [1 + size for size in coded.take(tables["sizes"], [0] * samples)]
    coded.close()
    need(max(sizes) <= min(draws, header["classes"]), "A-2")
    places = read_places(source.rest(), sizes, header["classes"], tables["gaps"])
    contexts = [min(half_octave(size), 15) for size in sizes for _ in range(size - 1)]
    coded = Coded(streams[10], len(contexts))
    counts = [1 + count for count in coded.take(tables["counts"], contexts)]
    coded.close()
    index, value = np.zeros((samples, draws), np.int64), np.zeros((samples, draws), np.float32)
    for sample, own in enumerate(places):
        drawn = [counts.pop(0) for _ in own[1:]]
        drawn.append(draws - sum(drawn))
        need(drawn[-1] >= 1, "A-4")
        classes = [int(tables["order"][place]) for place in own]
        ranked = sorted(zip(drawn, classes, strict=True), key=lambda pair: (-pair[0], pair[1]))
        free = [label for label in range(draws) if label not in classes]
        index[sample] = [label for _, label in ranked] + free[: draws - len(own)]
        value[sample, : len(own)] = [count / draws for count, _ in ranked]
    return {"label_index": index, "label_value": value}


def read_places(data: bytes, sizes: list[int], classes: int, gaps: Tables) -> list[list[int]]:
    """Positions in the class order of each label's classes [A-3]."""
    contexts = [
        min(half_octave(size - nth), 15) + 16 * (nth == 0) for size in sizes for nth in range(size)
    ]
    coded = Coded(data, len(contexts))
    values = coded.take(gaps, contexts)
    coded.close()
    places: list[list[int]] = []
    for size in sizes:
        position, own = -1, []
        for _ in range(size):
            position += values.pop(0) + 1
            own.append(position)
        need(position < classes, "A-3")
        places.append(own)
    return places
