"""The dense2 codec (SPEC, section 14)."""

from __future__ import annotations

import struct
from typing import Any

from .columns import fixed, floats, integers
from .dense import MANTISSA, WIDTH, from_bits
from .entropy import Coded, Rans, Tables
from .primitives import Arrays, Bits, Bytes, Row, need


def dense2_tables(parts: dict[str, bytes], classes: int) -> dict[str, Any]:
    """The parts `labels` of the side information [F-1, F-2]."""
    precision, table = parts["precision"].decode(), Tables(parts["table"])
    source = Bytes(parts["model"])
    rank, shift, edge = source.varint(), source.varint(), source.varint()
    top = (1 << WIDTH[precision] - 1 - MANTISSA[precision]) - 1
    need(rank <= 64 and rank * classes <= 1 << 24, "F-1")
    need(1 <= shift <= 24 and 1 <= edge < top, "F-1")
    need(len(table.starts) <= 64 and table.escape >= 1, "F-2")
    scales, means = integers(source, rank), integers(source, classes)
    thresholds, (first,) = integers(source, len(table.starts) - 1), integers(source, 1)
    source.close()
    need(all(1 <= scale <= 32767 for scale in scales), "F-1")
    need(all(abs(mean) <= 1 << 29 for mean in means), "F-1")
    need(all(abs(threshold) <= 1 << 12 for threshold in thresholds), "F-1")
    need(thresholds == sorted(set(thresholds)) and abs(first) <= 1 << 20, "F-1")
    need(len(parts["basis"]) == rank * classes, "F-2")
    entries = struct.unpack(f"{rank * classes}b", parts["basis"])
    return {
        "precision": precision,
        "shift": shift,
        "edge": edge,
        "top": top,
        "scales": scales,
        "means": means,
        "thresholds": thresholds,
        "first": first,
        "basis": [entries[j * classes : (j + 1) * classes] for j in range(rank)],
        "coefficients": Tables(parts["coefficients"], max(rank, 1)),
        "table": table,
    }


def predictions(coefficients: Row, tables: dict[str, Any]) -> Row:
    """Predicted values of a label in units [F-3]."""
    weights = [q * scale for q, scale in zip(coefficients, tables["scales"], strict=True)]
    need(all(abs(weight) <= 32767 for weight in weights), "F-3")
    return [
        mean + sum(w * row[c] for w, row in zip(weights, tables["basis"], strict=True))
        for c, mean in enumerate(tables["means"])
    ]


def value_in(cell: int, drop: int, gaps: Bits, low: Bits, tables: dict[str, Any]) -> int:
    """Bits of a value in this cell [F-5, F-10, F-11]."""
    mantissa, width = MANTISSA[tables["precision"]], WIDTH[tables["precision"]]
    number = cell if cell >= 0 else -1 - cell
    need(number < 1 << 21, "F-10")
    octave = number.bit_length() - 1
    if number == 0:
        while gaps.take(1) == 0:
            octave -= 1
        need(octave >= -16, "F-10")
    field = tables["edge"] + octave
    need(1 <= field < tables["top"], "F-10")
    inner = max(mantissa - max(octave, 0), 0)
    bits = number << inner >> max(octave - mantissa, 0) & (1 << mantissa) - 1
    bits |= low.take(max(inner - drop, 0)) << drop
    return (cell < 0) << width - 1 | field << mantissa | bits


def read_dense2(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: dict[str, Any]
) -> Arrays:
    """Labels of the dense2 codec [F-6 to F-9]."""
    need(10 in streams, "F-6")
    source, classes = Bytes(streams[10]), header["classes"]
    precision = header["labels"]["precision"]
    form, count = source.byte(), samples * classes
    need(form in (0, 1), "F-6")
    if form == 0:
        kind = "uint32" if WIDTH[precision] == 32 else "uint16"
        values = from_bits(floats(source.rest(), kind, count), precision)
        return {"label_value": values.reshape(samples, classes)}
    need(precision == tables["precision"], "F-6")
    drop = source.byte()
    need(drop <= MANTISSA[precision], "F-7")
    lengths = [source.varint() for _ in range(4)]
    need(lengths[2] <= count, "F-7")
    rank = len(tables["scales"])
    coded = Coded(source.take(lengths[0]), samples * rank)
    numbers = coded.take(tables["coefficients"], list(range(rank)) * samples)
    coded.close()
    coefficients = [v >> 1 ^ -(v & 1) for v in numbers]  # [F-8]
    rans = Rans(source.take(lengths[1]), count)
    escapes = fixed(source, lengths[2], WIDTH[precision])
    gaps, low = Bits(source.take(lengths[3])), Bits(source.rest())
    values, table, shift = [], tables["table"], tables["shift"]
    for sample in range(samples):
        for units in predictions(coefficients[sample * rank : (sample + 1) * rank], tables):
            context = sum(t <= units >> shift - 1 for t in tables["thresholds"])  # [F-4]
            symbol = rans.symbol(table, context)
            if symbol == table.escape:
                need(len(escapes) > 0, "F-9")
                values.append(escapes.pop(0))
            elif symbol == 0:
                values.append(0)
            else:
                cell = (units >> shift) + tables["first"] + symbol - 1
                values.append(value_in(cell, drop, gaps, low, tables))
    need(not escapes, "F-9")
    rans.close()
    gaps.close()  # [F-12]
    low.close()
    return {"label_value": from_bits(values, precision).reshape(samples, classes)}
