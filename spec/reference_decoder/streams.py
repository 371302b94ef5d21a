"""The streams of a batch other than the labels (SPEC, section 5)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from .columns import fixed, floats, integers, whole_integers
from .entropy import Coded, Tables, digits, token_of
from .primitives import Arrays, Bits, Bytes, need


def split_streams(data: bytes) -> dict[int, bytes]:
    """The streams of a batch [B-2 to B-5]."""
    source = Bytes(data)
    directory = [(source.byte(), source.varint()) for _ in range(source.byte())]
    numbers = [number for number, _ in directory]
    need(numbers == sorted(set(numbers)) and 0 not in numbers, "B-3")
    need(all(number <= 16 or number >= 128 for number in numbers), "B-5")
    streams = {number: source.take(length) for number, length in directory}
    source.close()
    return streams


def crop_tables(parts: dict[str, bytes]) -> dict[str, Any]:
    """The parts `crop` of the side information [S-3]."""
    source = Bytes(parts["size"])
    size = [source.varint(), source.varint()]
    source.close()
    need(all(0 < side < 1 << 24 for side in size), "S-3")
    height, width = Tables(parts["height"], 1), Tables(parts["width"], 124)
    return {"height": height, "width": width, "size": size}


def read_crop(data: bytes, samples: int, tables: dict[str, Any]) -> Arrays:
    """Crop boxes [B-11 to B-15]."""
    form, precision = data[0] & ~16, "float16" if data[0] & 16 else "float32"
    need(form <= 2, "B-11")
    if form == 2:
        box = floats(data[1:], precision, 4 * samples).reshape(samples, 4)
        return {"crop_box": box, "crop_precision": np.array(precision)}
    source = Bytes(data[1:])
    size = integers(source, 2 * samples) if form == 1 else tables["size"] * samples
    need(all(0 < side < 1 << 24 for side in size), "B-13")
    coded = Coded(source.rest(), 2 * samples)
    height = coded.take(tables["height"], [0] * samples)
    width = coded.take(tables["width"], [token_of(value) for value in height])
    coded.rans.close()
    room = []
    for i in range(samples):
        need(1 <= height[i] <= size[2 * i] and 1 <= width[i] <= size[2 * i + 1], "B-14")
        room += [size[2 * i] - height[i] + 1, size[2 * i + 1] - width[i] + 1]
    place = digits(coded.bits, room)
    coded.bits.close()
    box = np.array([place[::2], place[1::2], height, width], np.int32).T
    sides = np.array(size, np.int32).reshape(samples, 2)
    return {"crop_box": box, "crop_size": sides, "crop_precision": np.array(precision)}


def read_flip(data: bytes, samples: int) -> Any:
    """Flips [B-16]."""
    source = Bytes(data)
    values = fixed(source, samples, 1)
    source.close()
    return np.array(values, bool)


def read_partner(data: bytes, samples: int) -> Any:
    """Mix partners [B-17, B-18]."""
    need(data[:1] in (b"\0", b"\1"), "B-17")
    if data[0] == 1:
        partner = whole_integers(data[1:], samples)
        need(partner.min() >= 0 and partner.max() < samples, "B-18")
        return partner
    bits, left = Bits(data[1:]), list(range(samples))
    code = digits(bits, list(range(samples, 0, -1)))  # [E-14]
    bits.close()
    return np.array([left.pop(digit) for digit in code], np.int64)


def read_mix(streams: dict[int, bytes], samples: int) -> Arrays:
    """Partners, ratio and box [B-19 to B-21]."""
    need((4 in streams) == (5 in streams) and (4 in streams or 6 not in streams), "B-19")
    if 4 not in streams:
        return {}
    need(len(streams[5]) == 8, "B-20")
    mix: Arrays = {"mix_partner": read_partner(streams[4], samples)}
    mix["mix_ratio"] = np.array(struct.unpack("<d", streams[5])[0])
    mix["mix_kind"] = np.array("cutmix" if 6 in streams else "mixup")
    if 6 in streams:
        mix["mix_box"] = whole_integers(streams[6], 4)  # [B-21]
    return mix


def read_cutout(data: bytes, samples: int) -> Any:
    """Cutout boxes and colours [B-22, B-23]."""
    need(data[:1] in (b"\0", b"\1"), "B-22")
    if data[0] == 0:
        return floats(data[1:], "float32", 7 * samples).reshape(samples, 7)
    source = Bytes(data[1:])
    (grid,) = source.unpack("H")
    need(grid > 0, "B-23")
    table = np.array([integers(source, samples) for _ in range(7)], np.float64).T
    source.close()
    table[:, :4] /= grid  # in double precision, then rounded once
    return table.astype(np.float32)


def read_seeds(data: bytes, samples: int) -> Any:
    """Seeds of another project's augmentations [B-28]."""
    need(len(data) == 4 * samples, "B-28")
    return np.frombuffer(data, "<i4").astype(np.int32)


def read_randaugment(data: bytes, samples: int) -> Arrays:
    """RandAugment's draws [B-24 to B-26]."""
    names = ["int64", "float16", "float32"]
    source = Bytes(data)
    count = source.byte()
    need(1 <= count <= 16, "B-24")
    kinds = list(source.take(1 + count))
    need(max(kinds) <= 2 and kinds[0] > 0, "B-25")
    lengths = source.unpack(f"{count + 2}I")
    parts = [source.take(length) for length in lengths]
    source.close()
    decision = floats(parts[1], names[kinds[0]], samples * count).reshape(count, samples).T
    magnitude = np.zeros((samples, count), np.float32)
    for column, (kind, part) in enumerate(zip(kinds[1:], parts[2:], strict=True)):
        whole = kind == 0
        magnitude[:, column] = (
            whole_integers(part, samples) if whole else floats(part, names[kind], samples)
        )
    return {
        "randaugment_op": whole_integers(parts[0], samples * count).reshape(samples, count),
        "randaugment_decision": np.ascontiguousarray(decision),
        "randaugment_magnitude": magnitude,
        "randaugment_dtypes": np.array([names[kind] for kind in kinds[1:]]),
    }
