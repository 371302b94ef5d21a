"""Token sequences of a batch (SPEC, section 18)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import fixed, floats, integers
from .entropy import Coded, Tables
from .primitives import Arrays, Bytes, inflate, need


def read_sequences(streams: dict[int, bytes], samples: int) -> Arrays:
    """Streams 12 and 14 [K-1 to K-4, K-6]."""
    need(12 in streams and all(number > 8 and number != 16 for number in streams), "K-1")
    source = Bytes(streams[12])
    count, has = source.varint(), source.byte()
    need(1 <= count <= samples and has < 8, "K-2")
    names = ["number", "length", "start"] + (["prompt"] if has & 2 else [])
    columns = {name: np.array(integers(source, count), np.int64) for name in names}
    need(all(column.min() >= 0 for column in columns.values()), "K-2")
    length = columns["length"]
    need(length.min() >= 1 and sum(length.tolist()) == samples, "K-2")
    out: Arrays = {"image_index": np.repeat(columns.pop("number"), length)}
    out |= {f"sequence_{name}": column for name, column in columns.items()}
    if has & 1:
        digests = np.frombuffer(source.take(32 * count), np.uint8)  # [K-3]
        out["sequence_digest"] = digests.reshape(count, 32)
    if has & 4:
        text = inflate(source.rest(), 0, 1 << 24).decode().split("\n")
        need(len(text) == count, "K-4")
        out["sequence_names"] = np.array(text, np.str_)
    source.close()
    if 14 in streams:
        mask = Bytes(streams[14])
        out["loss_mask"] = np.array(fixed(mask, samples, 1), bool)  # [K-6]
        mask.close()
    return out


def read_tokens(data: bytes, shift: int, batch: Arrays) -> Any:
    """Token ids of a batch whose labels are decoded [K-5, K-7]."""
    length = batch["sequence_length"].tolist()
    nth = [position for positions in length for position in range(positions)]
    if data[0] != 2:
        tokens = floats(data, "uint32", len(nth)).tolist()
    else:
        need("label_index" in batch, "K-5")
        classes = batch["label_index"].tolist()
        labels = [i - shift if nth[i] >= shift else None for i in range(len(nth))]
        source = Bytes(data[1:])
        table = Tables(source.take(source.varint()), 1)
        count = len(nth) - labels.count(None)
        need(count > 0, "K-7")
        coded = Coded(source.take(source.varint()), count)
        ranks = coded.take(table, [0] * count)
        coded.close()
        tokens = []
        for label in labels:
            rank = None if label is None else ranks.pop(0)
            need(rank is None or rank <= len(classes[0]), "K-7")
            listed = rank is not None and rank < len(classes[0])
            tokens.append(classes[label][rank] if listed else None)
        rest = floats(source.rest(), "uint32", tokens.count(None)).tolist()
        tokens = [rest.pop(0) if token is None else token for token in tokens]
    need(max(tokens) < 1 << 31, "K-5")
    return np.array(tokens, np.int32)
