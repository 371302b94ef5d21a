"""The projector codec: its tables, and what they compute (SPEC, section 16)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .primitives import Arrays, Bytes, need, unpack_map

KEYS = {"name", "sha256", "classes", "features", "height", "width", "mean", "std"}


def matrix(source: Bytes, form: int, rows: int, columns: int) -> Any:
    """(rows, columns) binary32 values [PJ-4]."""
    if form == 0:
        values = np.frombuffer(source.take(2 * rows * columns), "<f2").astype(np.float32)
    else:
        scales = np.frombuffer(source.take(4 * rows), "<f4")
        need(bool((scales >= 0).all()), "PJ-4")
        entries = np.frombuffer(source.take(rows * columns), "i1").astype(np.float32)
        values = entries * np.repeat(scales, columns)
    need(bool(np.isfinite(values).all()), "PJ-4")
    return values.reshape(rows, columns)


def encoder_facts(data: bytes) -> dict[str, Any]:
    """The part `encoder` [PJ-2]."""
    need(len(data) <= 4096, "PJ-2")
    facts = unpack_map(data, "PJ-2")
    need(set(facts) == KEYS, "PJ-2")
    need(all(isinstance(facts[key], str) for key in ("name", "sha256", "features")), "PJ-2")
    need(len(facts["sha256"]) == 64 and set(facts["sha256"]) <= set("0123456789abcdef"), "PJ-2")
    for key, most in (("classes", 1 << 20), ("height", 4096), ("width", 4096)):
        need(type(facts[key]) is int and 1 <= facts[key] <= most, "PJ-2")
    for key in ("mean", "std"):
        need(len(facts[key]) == 3 and all(type(x) in (int, float) for x in facts[key]), "PJ-2")
        need(all(math.isfinite(x) and abs(x) < 1e30 for x in facts[key]), "PJ-2")
    need(min(facts["std"]) > 0, "PJ-2")
    return facts


def projector_tables(parts: dict[str, bytes], classes: int) -> dict[str, Any]:
    """The parts `labels` of the side information [PJ-2 to PJ-7]."""
    facts = encoder_facts(parts["encoder"])
    source, entries = Bytes(parts["factors"]), 0
    form = source.byte()
    need(form in (0, 1), "PJ-4")
    layers = []
    count = source.varint()
    need(count <= 4096, "PJ-5")
    for _ in range(count):
        length = source.varint()
        need(1 <= length <= 512, "PJ-5")
        name = source.take(length).decode()
        outputs, inner, rank = source.varint(), source.varint(), source.varint()
        need(1 <= outputs <= 1 << 24 and 1 <= inner <= 1 << 24, "PJ-5")
        need(1 <= rank <= min(1024, outputs, inner), "PJ-5")
        entries += rank * (outputs + inner)
        need(entries <= 1 << 25, "PJ-4")
        down = matrix(source, form, rank, inner)
        layers.append((name, down, matrix(source, form, rank, outputs)))
    source.close()
    need(len({name for name, _, _ in layers}) == count, "PJ-5")
    source = Bytes(parts["head"])
    form, features, rank = source.byte(), source.varint(), source.varint()
    need(form in (0, 1), "PJ-4")
    need(1 <= features <= 1 << 24 and rank <= min(1024, classes, features), "PJ-6")
    need(classes * features <= 1 << 26, "PJ-6")
    entries += rank * (classes + features) if rank else classes * features
    need(entries <= 1 << 25, "PJ-4")
    sides = [(rank, classes), (rank, features)] if rank else [(classes, features)]
    head = [matrix(source, form, *side) for side in sides]
    bias = np.frombuffer(source.take(4 * classes), "<f4")
    source.close()
    need(bool(np.isfinite(bias).all()), "PJ-6")
    need(len(parts["probe"]) == 4 * min(classes, 16), "PJ-7")
    probe = np.frombuffer(parts["probe"], "<f4")
    need(bool(np.isfinite(probe).all()), "PJ-7")
    if "reached" in parts:
        numbers = Bytes(parts["reached"])
        need(all(map(math.isfinite, numbers.unpack("Q7d"))), "PJ-7")
        numbers.close()
    return {"encoder": facts, "layers": layers, "head": head, "bias": bias, "probe": probe}


def read_projector(
    streams: dict[int, bytes], samples: int, header: dict[str, Any], tables: dict[str, Any]
) -> Arrays:
    """What a file says of the labels of any batch: the tables that they are computed with."""
    need(header["labels"]["space"] == "logits", "section 16")
    need(not {"k", "tail"} & header["labels"].keys(), "section 16")
    need(not streams.keys() & {9, 10, 11}, "PJ-8")
    out: Arrays = {
        "head_weight": head_weight(tables).astype(np.float32),
        "head_bias": tables["bias"],
        "probe": tables["probe"],
    }
    for name, down, up in tables["layers"]:
        out |= {f"{name}.down": down, f"{name}.up": up}
    return out


def head_weight(tables: dict[str, Any]) -> Any:
    """(C, d) weight of the head in binary64 [PJ-6]."""
    head = [factor.astype(np.float64) for factor in tables["head"]]
    return head[0] if len(head) == 1 else head[0].T @ head[1]


def updated(weight: Any, name: str, tables: dict[str, Any]) -> Any:
    """The weight of a layer in binary64 with its update [PJ-5]."""
    factors = {layer: (down, up) for layer, down, up in tables["layers"]}
    down, up = (factor.astype(np.float64) for factor in factors[name])
    outputs = weight.shape[0]
    need(up.shape[1] == outputs and down.shape[1] * outputs == weight.size, "PJ-5")
    return weight + (up.T @ down).reshape(weight.shape)


def logits(features: Any, tables: dict[str, Any]) -> Any:
    """(B, C) labels in binary64 of (B, d) features [PJ-9]."""
    return features @ head_weight(tables).T + tables["bias"].astype(np.float64)


def probe_image(height: int, width: int) -> Any:
    """(3, height, width) inputs in 0..1 of the probe [PJ-10]."""
    k, i, j = np.ogrid[:3, :height, :width]
    return (7 * i + 11 * j + 13 * k + i * j) % 256 / 255
