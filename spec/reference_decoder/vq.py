"""The vq codec (SPEC, section 15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .entropy import Coded, Tables
from .matrix import matrix
from .prediction import Means, predictions, read_means
from .primitives import Arrays, Bytes, Row, need
from .transform import Frame, check_reached, logits, read_frame


@dataclass(frozen=True)
class VqTables:
    """The tables of 15.1."""

    frame: Frame
    codewords: list[list[Row]]  # by code of a label
    codes: Tables
    means: Means | None


def vq_tables(parts: dict[str, bytes], classes: int) -> VqTables:
    """The tables of 15.1 [VQ-2 to VQ-4]."""
    frame = read_frame(parts, classes)
    rank = len(frame.scale)
    source = Bytes(parts["codebooks"])
    codes, size = source.varint(), source.varint()
    need(1 <= codes <= 256 and 1 <= size <= 4096 and codes * size * rank <= 1 << 24, "VQ-3")
    columns = matrix(source, codes * size, rank)
    rows = [list(row) for row in zip(*columns, strict=True)]
    check_reached(parts)
    return VqTables(
        frame,
        [rows[first : first + size] for first in range(0, codes * size, size)],
        Tables(parts["codes"], codes),
        read_means(parts, rank),
    )


def read_vq(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: VqTables, batch: Arrays
) -> Arrays:
    """Labels of the vq codec [VQ-1, VQ-5 to VQ-7]; `batch` is the rest of it."""
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
        sums = [
            [a + b for a, b in zip(total, book[code], strict=True)]
            for total, code in zip(sums, codes, strict=True)
        ]
    coded.close()
    if tables.means:
        known = predictions(batch, tables.means)
        pairs = zip(sums, known, strict=True)
        sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairs]
    most = (1 << 15) - 1
    limited = [[int(max(min(x, most), -most)) for x in total] for total in sums]
    value = [logits(coefficients, [], [], tables.frame) for coefficients in limited]
    return {"label_value": np.array(value, np.float32) * np.float32(2.0**-tables.frame.point)}
