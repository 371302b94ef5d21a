"""Token sequences of a batch (SPEC, section 18)."""

from __future__ import annotations

import numpy as np

from .columns import fixed, floats, integers
from .primitives import Arrays, Bytes, inflate, need


def read_sequences(streams: dict[int, bytes], samples: int) -> Arrays:
    """Streams 12 to 14 [K-1 to K-6]."""
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
    if 13 in streams:
        tokens = floats(streams[13], "uint32", samples)
        need(tokens.max() < 1 << 31, "K-5")
        out["tokens"] = tokens.astype(np.int32)
    if 14 in streams:
        mask = Bytes(streams[14])
        out["loss_mask"] = np.array(fixed(mask, samples, 1), bool)  # [K-6]
        mask.close()
    return out
