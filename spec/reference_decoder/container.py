"""Records, index, header and image names (SPEC, sections 3 and 4)."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .primitives import Bytes, Row, inflate, need, unpack_map

LIMITS = {b"H": 1 << 20, b"n": 64 << 20}
KNOWN = (b"H", b"S", b"B", b"I", b"n")


class Container:
    """The records of a file, through its index.

    Any minor version is read [C-3, V-1, V-2]. The index is found through the trailer [C-9].
    """

    def __init__(self, path: str | Path) -> None:
        self.data = data = Path(path).read_bytes()
        need(len(data) >= 32 and data[:8] == b"\x89SLC\r\n\x1a\n", "C-1")
        need(struct.unpack("<H", data[8:10])[0] == 1, "C-2")
        start, size, crc, end = Bytes(data[-20:]).unpack("QII4s")
        need(end == b"SLC\x1a", "C-10")
        need(zlib.crc32(data[:12] + data[-20:-8]) == crc, "C-11")
        need(start + size == len(data) - 20, "C-12")
        self.sections, self.batches = self.read_index(self.record(start, size, b"I"), start)
        self.sides = [part for part in self.sections if part[0] == b"S"]

    def record(self, offset: int, size: int, tag: bytes) -> bytes:
        """Payload of a record [C-4, C-5, C-7, G-9]."""
        need(offset >= 12 and size >= 9 and offset + size <= len(self.data) - 20, "C-4")
        frame = self.data[offset : offset + size]
        found, length, crc = struct.unpack("<cII", frame[:9])
        need(found == tag and length == size - 9, "C-4")
        need(length <= LIMITS.get(tag, 256 << 20), "C-7")
        need(zlib.crc32(frame[:5] + frame[9:]) == crc, "C-5")
        return frame[9:]

    def read_index(self, payload: bytes, start: int) -> tuple[list[Any], list[Row]]:
        """Sections (tag, offset, size) and rows of the index's columns."""
        index = unpack_map(payload, "I-1")
        need({"sections", "count", "batches"} <= index.keys(), "I-1")
        sections = [(bytes([tag]), offset, size) for tag, offset, size in index["sections"]]
        count = index["count"]
        need(count <= start // 14, "I-4")
        table = np.frombuffer(inflate(index["batches"], 40 * count, 40 * count), "<i8")  # [I-2]
        batches = table.reshape(5, count).cumsum(axis=1).T.tolist()  # [I-3]
        tags = [tag for tag, _, _ in sections]
        need(tags[:1] == [b"H"] and tags.count(b"H") == 1, "C-8")
        need(tags.count(b"n") <= 1 and b"B" not in tags and b"I" not in tags, "I-5")
        need(len(sections) <= 1 << 16, "I-5")
        for tag in tags:
            need(tag in KNOWN or tag.islower(), "C-6")
        for part in (sections, batches):
            offsets = [row[0] if part is batches else row[1] for row in part]
            need(offsets == sorted(offsets), "I-6")
        spans = [(row[0], row[1]) for row in batches] + [(part[1], part[2]) for part in sections]
        position = 12
        for offset, size in sorted(spans):
            need(offset == position and size >= 9, "I-7")
            position += size
        need(position == start, "I-7")
        need(all(row[1] >= 14 for row in batches), "I-7")
        need(all(1 <= row[2] <= 1 << 20 and min(row[3:]) >= 0 for row in batches), "I-8")
        need(len({row[3] for row in batches}) == count, "I-9")
        return sections, batches

    def side(self, number: int) -> bytes:
        """Side information `number` [C-13, C-14]."""
        need(number < len(self.sides), "C-14")
        tag, offset, size = self.sides[number]
        data = Bytes(self.record(offset, size, tag))
        need(data.unpack("H") == (number,), "C-13")
        return data.rest()

    def batch(self, row: Row) -> tuple[int, bytes]:
        """Side number and content of the batch with this row of the index [C-15]."""
        data = Bytes(self.record(row[0], row[1], b"B"))
        (side,) = data.unpack("H")
        need([data.varint(), data.varint(), data.varint()] == row[2:], "C-15")
        return side, data.rest()

    def section(self, wanted: bytes) -> bytes | None:
        """Payload of the first section with this tag."""
        for tag, offset, size in self.sections:
            if tag == wanted:
                return self.record(offset, size, tag)
        return None


REQUIRED = {"classes": int, "labels": dict, "codec": dict, "creator": str, "version": str}
OPTIONAL = {
    "images": int,
    "image_size": list,
    "fingerprint": str,
    "content": str,
    "teacher": dict,
    "interpolation": str,
    "normalisation": dict,
    "mix": str,
    "epochs": int,
    "recipe": dict,
    "source": dict,
    "stems": str,
    "image_classes": str,
    "pixels": dict,
    "class_names": list,
    "agreement": dict,
    "license": str,
    "note": str,
    "kind": str,
    "shift": int,
    "temperature": float,
    "tokenizer": dict,
}
QUALITIES = {"tv1", "tv2", "tv4", "kl1", "kl2", "kl4"}
CONFIG = {
    "dense": set(),
    "sampled": {"n", "seed", "keep"},
    "dense2": {"rank"},
    "projector": {"rank", "head", "precision"},
    "topk": {"k", "step", "tail"},
    "transform": {"rank", "step", "peaks", "bytes"} | QUALITIES,
    "vq": {"method", "codes", "codewords", "width", "hidden", "tau", "seed", "bytes"} | QUALITIES,
}


def read_header(payload: bytes) -> dict[str, Any]:
    """The header map [H-1 to H-10]."""
    header = unpack_map(payload, "H-1")
    for key, kind in REQUIRED.items():
        need(type(header.get(key)) is kind, "H-1")
    for key, kind in OPTIONAL.items():
        need(type(header.get(key)) in (kind, type(None)), "H-2")
    labels, codec, k = header["labels"], header["codec"], header["labels"].get("k")
    need(1 <= header["classes"] <= 1 << 20, "H-3")
    need(labels["space"] in ("logits", "probabilities"), "H-4")
    need(labels["precision"] in ("float16", "bfloat16", "float32"), "H-4")
    need(labels.get("tail") in (None, "zero", "uniform", "floor"), "H-4")
    need(k is None or (type(k) is int and 1 <= k <= header["classes"]), "H-5")
    need((k is None) == (codec["name"] not in ("topk", "sampled")), "H-5")
    need(codec["config"].get("k") in (None, k), "H-5")
    need(k is None or labels.get("tail") is not None, "H-5")
    names = header.get("class_names")
    if names is not None:
        need(len(names) == header["classes"] and {*map(type, names)} == {str}, "H-7")
        need(all(names.count(name) == 1 for name in names if name), "H-7")
    if header.get("agreement") is not None:
        counts = [header["agreement"].get(key) for key in ("labels", "agreeing")]
        need([*map(type, counts)] == [int, int] and 0 <= counts[1] <= counts[0], "H-8")
    if header.get("pixels") is not None:
        digest, colours = (header["pixels"].get(key) for key in ("digest", "colours"))
        need(type(digest) is str and type(colours) is bytes, "H-9")
        need(len(colours) % 48 == 0 and len(colours) <= 16 * 48, "H-9")
    need(header.get("kind") in (None, "tokens"), "H-10")
    need(header.get("shift") in (None, 0, 1), "H-10")
    temperature = header.get("temperature")
    need(temperature is None or 0 < temperature < float("inf"), "H-10")
    need(codec["name"] in CONFIG and codec["config"].keys() <= CONFIG[codec["name"]], "H-6")
    return header


def read_names(payload: bytes | None) -> list[str] | None:
    """Image names in order of image index [C-16]."""
    if payload is None:
        return None
    text = inflate(payload, 0, 1 << 26).decode("utf-8")
    need(text.count("\n") < 1 << 21, "C-16")
    return text.split("\n") if text else []
