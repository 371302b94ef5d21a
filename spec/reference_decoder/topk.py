"""The topk codec (SPEC, section 8)."""

from __future__ import annotations

from collections.abc import Callable
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
    """Labels of the topk codec [T-3 to T-23]."""
    classes, precision = header["classes"], header["labels"]["precision"]
    step = header["codec"]["config"].get("step")
    kind = "float16" if precision == "float16" and step is None else "float32"  # [T-3]
    need(9 in streams and 10 in streams, "T-4")
    k = header["labels"]["k"]
    need(samples * k <= 1 << 21, "T-5")
    labels: Arrays = {}
    if header["labels"].get("tail") == "floor":  # [B-27]
        need(11 in streams, "B-27")
        labels["label_floor"] = floats(streams[11], kind, samples)

    def read(index: bytes, values: bytes, rows: int, kept: int) -> tuple[Any, Any]:
        return read_group(index, values, rows, kept, (kind, classes, precision, step), tables)

    if 15 in streams:
        labels["label_count"] = read_counts(streams[15], samples, k)
        index, value = read_groups(streams, labels["label_count"], k, kind, read)
        pad(index, value, labels, header)
    else:
        index, value = read(streams[9], streams[10], samples, k)
    return labels | {"label_index": index, "label_value": value}


def read_group(
    index_data: bytes,
    value_data: bytes,
    samples: int,
    expected: int,
    types: tuple[str, int, str, Any],
    tables: dict[str, Any],
) -> tuple[Any, Any]:
    """(samples, k) classes and values of labels that keep the same number [T-4 to T-20]."""
    kind, classes, precision, step = types
    source = Bytes(index_data)
    form, k = source.byte(), source.varint()
    need(k == expected, "T-5")
    if form == 0:  # [T-6]
        index = whole_integers(source.rest(), samples * k).reshape(samples, k)
        need(value_data[:1] == b"\0" and index.min() >= 0 and index.max() < classes, "T-6")
        return index, floats(value_data[1:], kind, samples * k).reshape(samples, k)
    need(form in (1, 17) and k <= 4096, "T-7")
    levels, drop = read_levels(Bytes(value_data), samples, k, step is not None, tables["values"])
    ties = levels if form == 17 else [list(range(k, 0, -1)) for _ in levels]  # [T-12]
    members = read_set(source.take(source.varint()), samples, k, tables)
    index = arrange(Rans(source.rest(), samples * k), ties, members)
    if step is not None:  # [T-20]
        return index, (np.array(levels, np.int64) * float(step)).astype(np.float32)
    return index, from_bits(patterns_of(levels, WIDTH[precision] - drop, drop), precision)


def read_counts(data: bytes, samples: int, k: int) -> Any:
    """(samples,) numbers of kept classes [T-21]."""
    source = Bytes(data)
    need(source.varint() == k, "T-21")
    count = whole_integers(source.rest(), samples)
    need(count.min() >= 1 and count.max() <= k, "T-21")
    return count


def read_groups(
    streams: dict[int, bytes], count: Any, k: int, kind: str, read: Callable[..., tuple[Any, Any]]
) -> tuple[Any, Any]:
    """(samples, k) classes and values, zero behind those that are kept [T-22]."""
    index, value = np.zeros((len(count), k), np.int64), np.zeros((len(count), k), kind)
    sources = Bytes(streams[9]), Bytes(streams[10])
    for number in sorted(set(count.tolist())):
        rows = [row for row in range(len(count)) if count[row] == number]
        parts = [source.take(source.varint()) for source in sources]
        need(min(map(len, parts)) >= 2, "T-22")
        index[rows, :number], value[rows, :number] = read(*parts, len(rows), number)
    for source in sources:
        source.close()
    return index, value


def pad(index: Any, value: Any, labels: Arrays, header: dict[str, Any]) -> None:
    """Fill in the classes and values behind those that labels keep [T-23]."""
    k, classes = index.shape[1], header["classes"]
    kind = header["labels"].get("space"), header["labels"]["tail"]
    for row, count in enumerate(labels["label_count"].tolist()):
        kept = set(index[row, :count].tolist())
        index[row, count:] = [c for c in range(classes) if c not in kept][: k - count]
        if kind[1] == "floor":
            value[row, count:] = labels["label_floor"][row]
        elif kind[1] == "uniform" and count < k:
            kept_sum = 0.0
            for probability in value[row, :count].tolist():  # Python's own sum compensates
                kept_sum += probability
            value[row, count:] = (1 - kept_sum) / (classes - count)
        else:
            value[row, count:] = 0 if kind[0] == "probabilities" else -np.inf


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
