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
    if "kept" in parts:
        contexts |= {"kept": 32, "rests": 16, "masses": 33}
    loaded = {name: Tables(parts[name], count) for name, count in contexts.items()}
    return {"order": read_order(parts["order"], classes), **loaded}


def read_sampled(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: dict[str, Any]
) -> Arrays:
    """Labels of the sampled codec [A-1 to A-5]."""
    labels, config, classes = header["labels"], header["codec"]["config"], header["classes"]
    draws, keep = config.get("n", 50), config.get("keep", 0)
    stated = [labels.get(key) for key in ("space", "precision", "tail")]
    need(stated == ["probabilities", "float32", "zero"], "A-1")
    need(draws + keep == labels["k"] and 1 <= draws <= 4096 and 0 <= keep <= 64, "A-1")
    need(9 in streams and 10 in streams, "A-2")
    source = Bytes(streams[9])
    need(source.byte() == (keep > 0), "A-2")
    coded = Coded(source.take(source.varint()), samples)
    sizes = [size + (keep == 0) for size in coded.take(tables["sizes"], [0] * samples)]
    coded.close()
    need(max(sizes) <= min(draws, classes), "A-2")
    kept: list[list[int]] = [[]] * samples
    if keep:
        part = source.take(source.varint())
        kept = read_places(part, [keep] * samples, classes, tables["kept"])
    drawn = read_places(source.rest(), sizes, classes, tables["gaps"])
    source = Bytes(streams[10])
    masses: list[list[int]] = [[]] * samples
    if keep:
        masses = read_masses(source, sizes, keep, tables)
    contexts = [min(half_octave(size), 15) for size in sizes for _ in range(size - 1)]
    coded = Coded(source.rest(), len(contexts))
    counts = [1 + count for count in coded.take(tables["counts"], contexts)]
    coded.close()
    index = np.zeros((samples, keep + draws), np.int64)
    value = np.zeros((samples, keep + draws), np.float32)
    for sample in range(samples):
        need(not set(kept[sample]) & set(drawn[sample]), "A-3")
        own = [counts.pop(0) for _ in drawn[sample][1:]]
        if drawn[sample]:
            own.append(draws - sum(own))
            need(own[-1] >= 1, "A-4")
        rest = 65536 - sum(masses[sample])
        listed = ranked(masses[sample], kept[sample], tables["order"])
        value[sample, :keep] = [mass / 65536 for mass, _ in listed]
        listed += ranked(own, drawn[sample], tables["order"])
        shares = [count * rest / (65536 * draws) for count, _ in listed[keep:]]
        value[sample, keep : len(listed)] = shares
        stored = [label for _, label in listed]
        free = [label for label in range(keep + draws) if label not in stored]
        index[sample] = stored + free[: keep + draws - len(stored)]
    return {"label_index": index, "label_value": value}


def ranked(numbers: list[int], places: list[int], order: Any) -> list[tuple[int, int]]:
    """Numbers and classes at these positions, in falling order of number, then by class [A-1]."""
    pairs = [(number, int(order[place])) for number, place in zip(numbers, places, strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


def read_masses(
    source: Bytes, sizes: list[int], keep: int, tables: dict[str, Any]
) -> list[list[int]]:
    """Probabilities of the kept classes of each label, in 1 / 65536 [A-5]."""
    contexts = [min(half_octave(size), 15) for size in sizes if size]
    coded = Coded(source.take(source.varint()), len(contexts))
    rests = coded.take(tables["rests"], contexts)
    coded.close()
    left = [65536 - (1 + rests.pop(0) if size else 0) for size in sizes]
    need(min(left) >= 0, "A-5")
    contexts = [half_octave(max(mass, 1)) for mass in left for _ in range(keep - 1)]
    coded = Coded(source.take(source.varint()), len(contexts))
    values = coded.take(tables["masses"], contexts)
    coded.close()
    masses = []
    for total in left:
        own = [values.pop(0) for _ in range(keep - 1)]
        own.append(total - sum(own))
        need(own[-1] >= 0, "A-5")
        masses.append(own)
    return masses


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
