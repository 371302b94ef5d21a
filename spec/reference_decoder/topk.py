"""The topk codec (SPEC, section 8)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import floats, whole_integers
from .dense import WIDTH, from_bits, read_order
from .entropy import Coded, Rans, Tables, half_octave
from .primitives import Arrays, Bytes, Row, need


def topk_tables(parts: dict[str, bytes], classes: int) -> dict[str, Any]:
    """The parts `labels` of the side information [S-3]."""
    sets, values = Tables(parts["set"], 17), Tables(parts["values"], 33)
    return {"order": read_order(parts["order"], classes), "set": sets, "values": values}


def read_topk(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: dict[str, Any]
) -> Arrays:
    """Labels of the topk codec [T-3 to T-20]."""
    classes, precision = header["classes"], header["labels"]["precision"]
    step = header["codec"]["config"].get("step")
    kind = "float16" if precision == "float16" and step is None else "float32"  # [T-3]
    need(9 in streams and 10 in streams, "T-4")
    source = Bytes(streams[9])
    form, k = source.byte(), source.varint()
    need(k == header["labels"]["k"] and samples * k <= 1 << 21, "T-5")
    if form == 0:  # [T-6]
        index = whole_integers(source.rest(), samples * k).reshape(samples, k)
        need(streams[10][:1] == b"\0" and index.min() >= 0 and index.max() < classes, "T-6")
        value = floats(streams[10][1:], kind, samples * k).reshape(samples, k)
    else:
        need(form in (1, 17) and k <= 4096, "T-7")
        levels, drop = read_levels(
            Bytes(streams[10]), samples, k, step is not None, tables["values"]
        )
        ties = levels if form == 17 else [list(range(k, 0, -1)) for _ in levels]  # [T-12]
        members = read_set(source.take(source.varint()), samples, k, tables)
        index = arrange(Rans(source.rest(), samples * k), ties, members)
        if step is not None:  # [T-20]
            value = (np.array(levels, np.int64) * float(step)).astype(np.float32)
        else:
            value = from_bits(patterns_of(levels, WIDTH[precision] - drop, drop), precision)
    labels = {"label_index": index, "label_value": value}
    if header["labels"].get("tail") == "floor":  # [B-27]
        need(11 in streams, "B-27")
        labels["label_floor"] = floats(streams[11], kind, samples)
    return labels


def read_set(data: bytes, samples: int, k: int, tables: dict[str, Any]) -> list[Row]:
    """(samples, k) classes in order of position [T-8 to T-10]."""
    coded, order = Coded(data, samples * k), tables["order"]
    gaps: list[Row] = [[] for _ in range(samples)]
    position = [-1] * samples
    members: list[Row] = [[] for _ in range(samples)]
    for i in range(k):
        for row in range(samples):
            before = gaps[row]
            context = 16  # [T-9]
            if i > 0:
                context = min(half_octave(before[-1] + before[max(i - 2, 0)] + 1), 15)
            (gap,) = coded.take(tables["set"], [context])
            position[row] += gap + 1
            need(position[row] < len(order), "T-10")
            before.append(gap)
            members[row].append(order[position[row]])
    coded.close()
    return members


def arrange(rans: Rans, levels: list[Row], members: list[Row]) -> Any:
    """(samples, k) classes by rank [T-13 to T-15]."""
    index = []
    for level, row in zip(levels, members, strict=True):
        left = list(level)
        classes_of: dict[int, Row] = {value: [] for value in level}
        for member in row:
            place = ((rans.slot() + 1) * len(left) - 1) // 4096
            low, count = left.index(left[place]), left.count(left[place])
            start = low * 4096 // len(left)
            rans.advance(start, (low + count) * 4096 // len(left) - start)
            classes_of[left.pop(low)].append(member)
        index.append([c for value in dict.fromkeys(level) for c in sorted(classes_of[value])])
    rans.close()
    return np.array(index, np.int64)


def read_levels(
    source: Bytes, samples: int, k: int, signed: bool, table: Tables
) -> tuple[list[Row], int]:
    """(samples, k) levels and the zero bits cut off [T-16 to T-18]."""
    form, drop = source.byte(), source.byte()
    need(form in (1, 2) and drop < 32, "T-16")
    if form == 2:
        level = source.signed()
        source.close()
        return [[level] * k for _ in range(samples)], drop
    contexts = [0] + [1 + half_octave(rank) for rank in range(1, k)]
    coded = Coded(source.rest(), samples * k)
    columns = [coded.take(table, [context] * samples) for context in contexts]
    coded.close()
    levels = []
    for first, *falls in zip(*columns, strict=True):
        row = [(first >> 1 if first % 2 == 0 else -(first + 1 >> 1)) if signed else first]
        for fall in falls:
            row.append(row[-1] - fall)
        levels.append(row)
    return levels, drop


def patterns_of(levels: list[Row], width: int, drop: int) -> Any:
    """Bit patterns of levels [T-19]."""
    need(width > 0 and all(0 <= x < 1 << width for row in levels for x in row), "T-19")
    top = 1 << width - 1
    return [[(x - top if x >= top else 2 * top - 1 - x) << drop for x in row] for row in levels]
