"""The vq codec (SPEC, section 15)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from .columns import integers
from .entropy import Coded, Tables
from .matrix import matrix
from .prediction import Means, predictions, read_means
from .primitives import Arrays, Bytes, Row, need
from .transform import Frame, check_reached, logits, read_frame


@dataclass(frozen=True)
class Network:
    """The hidden layer of 15.4."""

    shift: int
    scale: Row
    bias: Row
    weights: list[list[Row]]  # by code of a label, by entry of a codeword


@dataclass(frozen=True)
class VqTables:
    """The tables of 15.1."""

    frame: Frame
    codewords: list[list[Row]]  # by code of a label
    network: Network | None
    codes: Tables
    means: Means | None


def vq_tables(parts: dict[str, bytes], classes: int) -> VqTables:
    """The tables of 15.1 [VQ-2 to VQ-4, VQ-8]."""
    frame = read_frame(parts, classes)
    rank = len(frame.scale)
    read = _network if "network" in parts else _codebooks
    books, network = read(parts, rank, classes)
    check_reached(parts)
    stored = parts.get("tau", struct.pack("<d", 1))
    need(len(stored) == 8, "VQ-4")
    (tau,) = struct.unpack("<d", stored)
    need(0.1 <= tau <= 100, "VQ-4")
    return VqTables(
        frame, books, network, Tables(parts["codes"], len(books)), read_means(parts, rank)
    )


def _codebooks(parts: dict[str, bytes], rank: int, _: int) -> tuple[list[list[Row]], None]:
    """The part `codebooks` [VQ-3]."""
    source = Bytes(parts["codebooks"])
    codes, size = source.varint(), source.varint()
    need(1 <= codes <= 256 and 1 <= size <= 4096 and codes * size * rank <= 1 << 24, "VQ-3")
    rows = _rows(source, codes * size, rank)
    return [rows[first : first + size] for first in range(0, codes * size, size)], None


def _network(parts: dict[str, bytes], rank: int, classes: int) -> tuple[list[list[Row]], Network]:
    """The parts `network` and `encoder` [VQ-8, VQ-10]; each code has the same codebook."""
    source = Bytes(parts["network"])
    codes, size, width, shift = (source.varint() for _ in range(4))
    need(
        1 <= codes <= 256 and 1 <= size <= 4096 and 1 <= width <= 1024 and 1 <= shift <= 40, "VQ-8"
    )
    need(width * max(size, codes * rank) <= 1 << 24, "VQ-8")
    scale, bias = integers(source, rank), integers(source, rank)
    need(all(0 < x < 1 << 31 for x in scale), "VQ-8")
    book = _rows(Bytes(source.take(source.varint())), size, width)
    weights = _rows(source, codes * width, rank)
    largest = [max(map(abs, column)) for column in zip(*book, strict=True)] * codes
    for j in range(rank):
        reach = sum(most * abs(row[j]) for most, row in zip(largest, weights, strict=True))
        need(scale[j] * reach + abs(bias[j]) < 1 << 52, "VQ-8")
    need("means" not in parts, "VQ-8")
    if "encoder" in parts:
        _check_encoder(Bytes(parts["encoder"]), classes, codes * width)
    rows = [weights[first : first + width] for first in range(0, codes * width, width)]
    return [book] * codes, Network(shift, scale, bias, rows)


def _check_encoder(source: Bytes, classes: int, outputs: int) -> None:
    """The part `encoder` [VQ-10]."""
    hidden = source.varint()
    need(1 <= hidden <= 1024 and hidden * max(classes, outputs) <= 1 << 24, "VQ-10")
    for rows, columns in ((classes, hidden), (hidden, outputs)):
        matrix(Bytes(source.take(source.varint())), rows, columns)
        need(bool(np.isfinite(source.unpack(f"{2 * columns}f")).all()), "VQ-10")
    source.close()


def _rows(source: Bytes, rows: int, columns: int) -> list[Row]:
    return [list(row) for row in zip(*matrix(source, rows, columns), strict=True)]


def read_vq(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: VqTables, batch: Arrays
) -> Arrays:
    """Labels of the vq codec [VQ-1, VQ-5 to VQ-7, VQ-9]; `batch` is the rest of it."""
    need(not {"k", "tail"} & header["labels"].keys(), "VQ-1")
    need(header["labels"]["space"] == "logits", "VQ-1")
    need(10 in streams, "VQ-5")
    rank, books = len(tables.frame.scale), tables.codewords
    need(samples * max(rank, len(books)) <= 1 << 23, "VQ-5")
    coded = Coded(streams[10], samples * len(books))
    sums = [[0] * rank for _ in range(samples)]
    for position, book in enumerate(books):
        codes = coded.take(tables.codes, [position] * samples)
        need(all(code < len(book) for code in codes), "VQ-5")
        for total, code in zip(sums, codes, strict=True):
            add = book[code]
            if tables.network:
                pairs = list(zip(add, tables.network.weights[position], strict=True))
                add = [sum(entry * row[j] for entry, row in pairs) for j in range(rank)]
            total[:] = [a + b for a, b in zip(total, add, strict=True)]
    coded.close()
    if tables.network:  # [VQ-9]
        net = tables.network
        half = 1 << net.shift - 1
        lines = list(zip(net.scale, net.bias, strict=True))
        sums = [
            [max(b + half + a * x >> net.shift, 0) for x, (a, b) in zip(total, lines, strict=True)]
            for total in sums
        ]
    if tables.means:
        known = predictions(batch, tables.means)
        pairs = zip(sums, known, strict=True)
        sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairs]
    most = (1 << 15) - 1
    limited = [[int(max(min(x, most), -most)) for x in total] for total in sums]
    value = [logits(coefficients, [], [], tables.frame) for coefficients in limited]
    return {"label_value": np.array(value, np.float32) * np.float32(2.0**-tables.frame.point)}
