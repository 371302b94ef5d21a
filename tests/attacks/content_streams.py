"""Hostile label sets: the streams of a batch, and their directory."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import partial

import numpy as np
import zstandard

from labelcodec.augmentation.crop import CROP
from labelcodec.augmentation.cutout import CUTOUT
from labelcodec.augmentation.flip import FLIP
from labelcodec.augmentation.mix import MIX_BOX, MIX_INDEX, MIX_RATIO
from labelcodec.augmentation.randaugment import RANDAUGMENT
from labelcodec.augmentation.seeds import SEEDS
from labelcodec.codecs.components import IMAGE_INDEX, LABEL_FLOOR, LABEL_INDEX, LABEL_VALUES, Stream
from labelcodec.entropy import packing, tables, varint
from labelcodec.errors import CorruptError, UnsupportedError
from tests.attacks.labelset import Case, Cases, LabelSet, add, dense, floors, valid

CASES: Cases = {}
_case = partial(add, CASES)

# the stream directory


def _payload(data: bytes) -> Case:
    def make() -> LabelSet:
        made = valid()
        made.payload = data
        return made

    return make


_case("directory_none", _payload(b""), CorruptError)
_case("directory_cut", _payload(b"\xff\x01"), CorruptError)
_case("directory_length", _payload(b"\x01\x01" + varint.encode((1 << 63) - 1)), CorruptError)
_case("directory_sum", _payload(b"\x02\x01\x02\x02\x02abc"), CorruptError)
_case("directory_order", _payload(b"\x02\x02\0\x01\0"), CorruptError)
_case("directory_twice", _payload(b"\x02\x01\0\x01\0"), CorruptError)
_case("directory_zero", _payload(b"\x01\0\0"), CorruptError)
_case("directory_nothing", _payload(b"\0"), CorruptError)
_case("stream_unknown", _payload(b"\x01\x7f\0"), UnsupportedError)
_case("sequences_of_images", _payload(b"\x01\x0c\0"), CorruptError)


# streams


def _stream(base: Case, number: int, data: bytes | None) -> Case:
    def make() -> LabelSet:
        made = base()
        if data is None:
            del made.streams[number]
        else:
            made.streams[number] = data
        return made

    return make


def _floats(declared: int) -> bytes:
    return b"\x01" + zstandard.compress(bytes(declared))


def _lying(holds: int, declared: int) -> bytes:
    """A zstd frame of `holds` zeros that declares another size, both of four bytes."""
    basis = zstandard.compress(bytes(holds))
    size = struct.pack("<I", holds)
    assert size in basis[4:12]
    return b"\x01" + basis.replace(size, struct.pack("<I", declared), 1)


def _ints(*values: int) -> bytes:
    return packing.pack_ints(np.array(values))


_WIDE = {"width_63": b"\0\x3f" + bytes(99), "width_255": b"\0\xff" + bytes(99)}
_STREAMS: Mapping[Stream, dict[str, bytes | None]] = {
    IMAGE_INDEX: {
        "missing": None,
        "negative": _ints(*range(-1, 7)),
        "short": _ints(*range(0, 999, 333)),
        "long": _ints(*range(8)) + b"\0",
        **_WIDE,
    },
    CROP: {
        "empty": b"",
        "form": b"\x07",
        "side_0": b"\x01" + _ints(*[0] * 16) + bytes(99),
        "side_huge": b"\x01" + _ints(*[1 << 24] * 16) + bytes(99),
        "side_beyond_32_bits": b"\x01" + _ints(*[(1 << 32) + 5] * 16) + bytes(99),
        "length": b"\0" + varint.encode(1 << 62),
        "zeros": b"\0\x04" + bytes(99),
        "ones": b"\0\x14" + b"\xff" * 99,
        "fractions_short": b"\x02\0" + bytes(127),
        "fractions_bomb": b"\x02" + _floats(1 << 28),
        "fractions_lie": b"\x02" + _lying(1 << 22, 128 << 10),
    },
    FLIP: {"empty": b"", "long": bytes(2)},
    MIX_INDEX: {
        "empty": b"",
        "form": b"\x02\0\0",
        "digits_short": b"\0\0",
        "digits_above": b"\0\xff\xff",
        "digits_long": b"\0\0\0\0",
        "outside": b"\x01" + _ints(*range(1, 9)),
        "negative": b"\x01" + _ints(*range(-1, 7)),
        **{name: b"\x01" + data for name, data in _WIDE.items()},
    },
    MIX_RATIO: {"missing": None, "empty": b"", "long": bytes(9)},
    MIX_BOX: {"empty": b"", "short": b"\0\x08abc", "long": _ints(1, 2, 3, 4) + b"\0"},
    CUTOUT: {
        "empty": b"",
        "form": b"\x02" + bytes(99),
        "grid_0": b"\x01\0\0" + bytes(14),
        "short": b"\x01\x01\0" + bytes(13),
        "long": b"\x01\x01\0" + bytes(15),
        "bomb": b"\0" + _floats(1 << 28),
        "lie": b"\0" + _lying(1 << 22, 224 << 10),
    },
    SEEDS: {"empty": b"", "short": bytes(31), "long": bytes(33)},
    RANDAUGMENT: {
        "empty": b"",
        "none": b"\0" + bytes(99),
        "many": b"\xff" + bytes(9999),
        "types": b"\x01\x01\x09" + bytes(99),
        "lengths": b"\x01\x01\x01" + struct.pack("<III", 2, 1 << 31, 1 << 31) + b"\0\0",
        "bomb": b"\x01\x01\x01" + struct.pack("<III", 2, len(_floats(1 << 28)), 0) + b"\0\0"
        + _floats(1 << 28),
    },
    LABEL_INDEX: {
        "missing": None,
        "empty": b"",
        "form": b"\x02\x04" + bytes(99),
        "k_0": b"\x01\0" + bytes(99),
        "k_huge": b"\x01" + varint.encode(1 << 62) + bytes(99),
        "k_above_classes": b"\x01\x0d" + bytes(99),
        "length": b"\x01\x04" + varint.encode(1 << 62),
        "rans_length": b"\x01\x04\x63" + varint.encode(1 << 62) + bytes(200),
        "odd": b"\x01\x04\x08\x07" + bytes(99),
        "zeros": b"\x01\x04\x09\x04" + bytes(99),
        "ones": b"\x01\x04\x63\x28" + b"\xff" * 198,
        "plain_alone": b"\0\x04" + _ints(*[0] * 32),
    },
    LABEL_VALUES: {
        "missing": None,
        "empty": b"",
        "form": b"\x03\0\0",
        "drop": b"\x01\x20" + bytes(99),
        "drop_all": b"\x02\x10\0",
        "level_huge": b"\x02\0" + varint.encode((1 << 63) - 1),
        "level_negative": b"\x02\0\x01",
        "level_above": b"\x02\0" + varint.encode(2 << 16),
        "zeros": b"\x01\0\x04" + bytes(99),
        "ones": b"\x01\0\x44" + b"\xff" * 99,
        "length": b"\x01\0" + varint.encode(1 << 62),
        "plain_alone": b"\0\0" + bytes(64),
    },
}  # fmt: skip
for _number, _cases in _STREAMS.items():
    for _name, _bytes in _cases.items():
        _label = f"{_number.component.replace(' ', '_')}_{_name}"
        _case(_label, _stream(valid, _number, _bytes), CorruptError)

_DENSE = {
    "missing": None,
    "empty": b"",
    "form": b"\x02\0",
    "drop": b"\x01\x08\x04\0" + bytes(200),
    "count": b"\x01\x07\x04" + varint.encode(97) + bytes(200),
    "count_huge": b"\x01\x07\x04" + varint.encode(1 << 62) + bytes(200),
    "length": b"\x01\x07" + varint.encode(1 << 62) + b"\0",
    "zeros": b"\x01\x07\x04\0" + bytes(4),
    "escapes": b"\x01\x07\x04\x60" + bytes(4 + 108),
    "ones": b"\x01\x07\x64\x60" + b"\xff" * (100 + 108),
    "plain_short": b"\0\0" + bytes(191),
    "plain_bomb": b"\0" + _floats(1 << 28),
    "plain_lie": b"\0" + _lying(1 << 22, 192 << 10),
}
for _name, _bytes in _DENSE.items():
    _case(f"dense_values_{_name}", _stream(dense, LABEL_VALUES, _bytes), CorruptError)

for _name, _bytes in {
    "missing": None,
    "short": b"\0" + bytes(15),
    "bomb": _floats(1 << 28),
}.items():
    _case(f"label_floor_{_name}", _stream(floors, LABEL_FLOOR, _bytes), CorruptError)


def _plain(*classes: int) -> Case:
    def make() -> LabelSet:
        made = valid()
        made.streams[9] = b"\0\x04" + _ints(*classes)
        made.streams[10] = b"\0\0" + bytes(64)
        return made

    return make


_case("topk_class_outside", _plain(*[12] * 32), CorruptError)
_case("topk_class_negative", _plain(*[-1] * 32), CorruptError)
_case("topk_class_far_outside", _plain(*[1 << 61] * 32), CorruptError)


def slow() -> LabelSet:
    """Dear to decode for its few hundred bytes: 128 labels of 4096 equal values."""
    classes, samples = 1 << 12, 1 << 7
    table = tables.fit(np.tile(np.arange(124) == 0, (17, 1)).astype(np.int64))
    made = valid()
    made.header["classes"], made.header["labels"]["k"] = classes, classes
    made.labels["order"], made.labels["set"] = b"", tables.to_bytes(table)
    made.samples = samples
    zeros = np.zeros(samples * classes, int)
    from labelcodec.entropy import coding

    member = coding.encode_values(zeros, zeros, table)
    arranged = struct.pack("<32I", *[1 << 16] * 32)
    index = bytes([0x11]) + varint.encode(classes) + varint.encode(len(member)) + member + arranged
    made.streams = {1: _ints(0), 9: index, 10: b"\x02\0" + varint.encode(2 << 15)}
    return made
