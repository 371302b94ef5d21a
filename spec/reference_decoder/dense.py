"""The dense codec (SPEC, section 7)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import fixed, floats, integers, whole_integers
from .entropy import Rans, Tables
from .primitives import Arrays, Bytes, Row, need

WIDTH = {"float16": 16, "bfloat16": 16, "float32": 32}
MANTISSA = {"float16": 10, "bfloat16": 7, "float32": 23}


def from_bits(patterns: Any, precision: str) -> Any:
    """Values of bit patterns [D-1]."""
    bits = np.array(patterns, np.uint32)
    if precision == "float16":
        return bits.astype(np.uint16).view(np.float16)
    return (bits << 16 if precision == "bfloat16" else bits).view(np.float32)


def read_order(data: bytes, classes: int) -> Row:
    """Class at each position [T-1, T-2]."""
    if not data:
        return list(range(classes))
    if data[0] == 1:
        source = Bytes(data[1:])
        count = source.varint()
        need(1 <= count <= classes, "T-1")
        listed = integers(source, count)
        source.close()
        first = set(listed)
        order: Row = listed + [label for label in range(classes) if label not in first]
    else:
        order = whole_integers(data, classes).tolist()
    need(sorted(order) == list(range(classes)), "T-2")
    return order


def dense_tables(parts: dict[str, bytes], classes: int) -> dict[str, Any]:
    """The parts `labels` of the side information [S-3, D-2 to D-4]."""
    precision, table = parts["precision"].decode(), Tables(parts["table"])
    source = Bytes(parts["symbols"])
    known, places = integers(source, table.escape), integers(source, table.escape)
    mean, (base,) = integers(source, classes), integers(source, 1)
    source.close()
    width = WIDTH[precision] - MANTISSA[precision] + 3
    need(len(set(known)) == len(known), "D-3")
    need(all(0 <= pattern < 1 << width for pattern in known), "D-3")
    need(all(abs(number) <= 1 << 25 for number in (*places, *mean, base)), "D-4")
    return {
        "precision": precision,
        "order": read_order(parts["order"], classes),
        "table": table,
        "known": known,
        "place_of": dict(zip(known, places, strict=True)),
        "mean": mean,
        "base": base,
    }


def read_dense(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: dict[str, Any]
) -> Arrays:
    """Labels of the dense codec [D-5 to D-12]."""
    need(10 in streams, "D-5")
    classes, precision = header["classes"], header["labels"]["precision"]
    source = Bytes(streams[10])
    form = source.byte()
    if form == 0:  # [D-6]
        storage = "uint16" if WIDTH[precision] == 16 else "uint32"
        plain = floats(source.rest(), storage, samples * classes)
        return {"label_value": from_bits(plain, precision).reshape(samples, classes)}
    need(form == 1 and tables["precision"] == precision, "D-7")
    order, table, mean, place_of = (tables[key] for key in ("order", "table", "mean", "place_of"))
    shift = MANTISSA[precision] - 3
    drop, length, escapes = source.byte(), source.varint(), source.varint()  # [D-8]
    need(drop <= shift and escapes <= samples * classes, "D-8")
    rans = Rans(source.take(length), samples * classes)
    escaped = fixed(source, escapes, WIDTH[precision] - shift)
    low = np.array(fixed(source, samples * classes, shift - drop), np.uint32)
    source.close()
    high = np.zeros((samples, classes), np.uint32)
    history = [[0, 0, 0, 0] for _ in range(samples)]
    for c in range(classes):  # [D-9]
        for row in range(samples):
            r1, r2, r3, r4 = history[row]
            predicted = mean[c] + (10 * r1 + 5 * r2 + 3 * r3 + 2 * r4 >> 5)  # [D-10]
            context = min(max(predicted - tables["base"] >> 5, 0), len(table.starts) - 1)
            symbol = rans.symbol(table, context)
            need(symbol != table.escape or len(escaped) > 0, "D-11")
            pattern = escaped.pop(0) if symbol == table.escape else tables["known"][symbol]
            residual = place_of[pattern] - mean[c] if pattern in place_of else 0
            history[row] = [residual, r1, r2, r3]
            high[row, order[c]] = pattern
    rans.close()
    need(not escaped, "D-11")
    lowest = np.empty_like(high)
    lowest[:, order] = low.reshape(samples, classes) << drop  # [D-12]
    return {"label_value": from_bits(high << shift | lowest, precision)}
