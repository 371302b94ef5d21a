"""Hostile label sets: containers without a flaw around content that is wrong.

Every checksum, the index and the batch prefixes are right (`RecordWriter` writes them), so each
file gets as far as its content can. A case is a function that returns a `LabelSet`; `CASES` says
which error a reader must raise for it, and how much memory it may take in doing so.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zstandard

from labelcodec.codecs import columns, registry, streams
from labelcodec.codecs.batches import BatchCoder
from labelcodec.codecs.streams import Stream
from labelcodec.container import RecordWriter
from labelcodec.entropy import tables, varint
from labelcodec.errors import CorruptError, FormatError, LabelcodecError, UnsupportedError
from labelcodec.writer import prepare, with_codec
from tests.codecs.content import Recipe, batch

MIB = 1 << 20
TOPK = Recipe(samples=8, k=4, tail="zero", cutout="grid", magnitudes=("int64", "float16"))
DENSE = Recipe(samples=8)


@dataclass
class LabelSet:
    """A small valid set in the making; cases change it before `write`."""

    header: dict[str, Any]
    crop: dict[str, bytes]
    labels: dict[str, bytes]
    streams: dict[int, bytes]
    samples: int = 8
    payload: bytes | None = None  # instead of `streams`
    side: bytes | None = None  # instead of `crop` and `labels`
    names: bytes | None = None
    recipe: Recipe = field(default=TOPK)

    def write(self, path: Path) -> None:
        side = self.side
        if side is None:
            parts = {"crop": self.crop, "labels": self.labels}
            side = zstandard.compress(msgpack.packb(parts))
        payload = self.payload
        if payload is None:
            payload = streams.join(self.streams)  # type: ignore[arg-type]
        with RecordWriter(path, self.header) as writer:
            writer.add_section(b"S", side)
            if self.names is not None:
                writer.add_section(b"n", self.names)
            writer.add_batch(payload, side=0, samples=self.samples, number=0, epoch=0)


def valid(recipe: Recipe = TOPK, spec: str = "topk") -> LabelSet:
    codec = registry.parse(spec)
    prepared = prepare(batch(recipe), codec, True)
    coder = BatchCoder.fit(with_codec(recipe.header(), codec), [prepared])
    data = memoryview(coder.encode(prepared))
    parts: dict[int, bytes] = {int(n): bytes(part) for n, part in streams.split(data).items()}
    return LabelSet(
        coder.header.to_map(),
        coder.crops.dump(),
        coder.labels.dump(),
        parts,
        recipe.samples,
        recipe=recipe,
    )


def dense() -> LabelSet:
    return valid(DENSE, "dense")


def floors() -> LabelSet:
    return valid(DENSE, "topk:k=4,tail=floor")


Case = Callable[[], LabelSet]
CASES: dict[str, tuple[Case, type[LabelcodecError], int]] = {}


def _case(name: str, make: Case, error: type[LabelcodecError], memory: int = 16) -> None:
    assert name not in CASES
    CASES[name] = make, error, memory * MIB


# headers


def _with_header(base: Case, **change: Any) -> Case:
    def make() -> LabelSet:
        made = base()
        for path, value in change.items():
            keys = path.split("__")
            at = made.header
            for key in keys[:-1]:
                at = at[key]
            at[keys[-1]] = value
        return made

    return make


for _name, _change in {
    "classes_none": {"classes": 0},
    "classes_negative": {"classes": -1},
    "classes_huge": {"classes": 1 << 40},
    "classes_text": {"classes": "12"},
    "classes_yes": {"classes": True},
    "k_none": {"labels__k": 0},
    "k_above_classes": {"labels__k": 13},
    "k_float": {"labels__k": 4.0},
    "space_unknown": {"labels__space": "odds"},
    "space_list": {"labels__space": ["logits"]},
    "precision_unknown": {"labels__precision": "float8"},
    "tail_unknown": {"labels__tail": "long"},
    "labels_list": {"labels": [1]},
    "codec_text": {"codec": "topk"},
    "config_list": {"codec__config": []},
    "image_size_three": {"image_size": [1, 2, 3]},
    "image_size_text": {"image_size": ["a", "b"]},
    "images_text": {"images": "many"},
    "creator_missing": {"creator": None},
}.items():
    _case(f"header_{_name}", _with_header(valid, **_change), FormatError)

for _name, _change in {
    "name": {"codec__name": "zip"},
    "key": {"codec__config": {"depth": 3}},
    "infinite_k": {"codec__config": {"k": float("inf")}},
    "huge_k": {"codec__config": {"k": (1 << 64) - 1}},
    "negative_k": {"codec__config": {"k": -1}},
    "nan_step": {"codec__config": {"step": float("nan")}},
    "nested_step": {"codec__config": {"step": [[[]]]}},
    "tail": {"codec__config": {"tail": {"a": 1}}},
}.items():
    _case(f"codec_{_name}", _with_header(valid, **_change), UnsupportedError)

_case("topk_without_k", _with_header(valid, labels__k=None), CorruptError)
_case("topk_of_more_than_k", _with_header(valid, codec__config={"k": 9}), CorruptError)
_case("topk_of_another_k", _with_header(valid, labels__k=3), CorruptError)
_case("topk_of_other_classes", _with_header(valid, classes=13, labels__k=4), CorruptError)
_case("dense_of_other_precision", _with_header(dense, labels__precision="float32"), CorruptError)
_case("floor_missing", _with_header(valid, labels__tail="floor"), CorruptError)


def _dense_with_k() -> LabelSet:
    """A small k in the header hides that a batch has 2^36 values, stored in no bytes."""
    made = dense()
    classes = 1 << 20
    made.header["classes"], made.header["labels"]["k"] = classes, 1
    made.labels = {
        "order": b"",
        "precision": b"float16",
        "table": tables.dump(tables.fit(np.ones((1, 1), np.int64))),
        "symbols": columns.pack_ints(np.zeros(1, int)) * 2
        + columns.pack_ints(np.zeros(classes, int))
        + columns.pack_ints(np.zeros(1, int)),
    }
    rans = struct.pack("<32I", *[1 << 16] * 32)
    head = bytes([1, 7]) + varint.encode(len(rans)) + varint.encode(0)
    made.samples = 1 << 16
    made.streams = {1: columns.pack_ints(np.zeros(1, int)), 10: head + rans}
    return made


_case("dense_with_k", _dense_with_k, CorruptError)

# numbers of samples


def _samples(base: Case, samples: int) -> Case:
    def make() -> LabelSet:
        made = base()
        made.samples = samples
        return made

    return make


for _count in (7, 9, 1 << 16, (1 << 16) + 1, 1 << 20):
    _case(f"samples_{_count}", _samples(valid, _count), CorruptError)
    _case(f"dense_samples_{_count}", _samples(dense, _count), CorruptError, 64)


def _wide(classes: int, samples: int) -> Case:
    """More values than a batch may have, named by headers and index only."""

    def make() -> LabelSet:
        made = dense()
        made.header["classes"], made.samples = classes, samples
        return made

    return make


_case("dense_2_36_values", _wide(1 << 20, 1 << 16), CorruptError)
_case("dense_2_24_values", _wide(1 << 12, 1 << 12), CorruptError)


def _cells() -> LabelSet:
    """2^23 top-k cells: fewer than a batch's values, more than a reader holds."""
    made = valid()
    made.header["classes"] = 1 << 20
    made.header["labels"]["k"] = 1 << 10
    made.labels["order"] = b""
    made.samples = 1 << 13
    made.streams[9] = bytes([1]) + varint.encode(1 << 10) + made.streams[9][2:]
    return made


_case("topk_2_23_cells", _cells, CorruptError)

# side information


def _side(data: bytes) -> Case:
    def make() -> LabelSet:
        made = valid()
        made.side = data
        return made

    return make


def _long_list() -> LabelSet:
    """Thirty million empty maps in 32 MiB, in a frame of some kilobytes."""
    count = 1 << 25
    made = valid()
    made.side = zstandard.compress(b"\xdd" + struct.pack(">I", count) + b"\x80" * count)
    return made


def _bomb() -> LabelSet:
    made = valid()
    made.side = zstandard.compress(bytes(1 << 29))
    return made


def _large_part() -> LabelSet:
    made = valid()
    made.labels["order"] = bytes((1 << 26) - 5000)
    return made


_case("side_empty", _side(b""), CorruptError)
_case("side_no_frame", _side(b"tables"), CorruptError)
_case("side_list", _side(zstandard.compress(msgpack.packb([1, 2]))), CorruptError)
_case("side_deep", _side(zstandard.compress(b"\x81\xa1a" * 100_000 + b"\x80")), CorruptError)
_case("side_bomb", _bomb, CorruptError)
_case("side_long_list", _long_list, CorruptError, 48)
_case("side_large_part", _large_part, CorruptError, 200)


def _part(base: Case, group: str, part: str, data: bytes) -> Case:
    def make() -> LabelSet:
        made = base()
        getattr(made, group)[part] = data
        return made

    return make


def _numbers(*values: int) -> bytes:
    return b"".join(map(varint.encode, values))


_TABLES = {
    "empty": b"",
    "contexts_huge": _numbers(1 << 60, 4),
    "symbols_huge": _numbers(17, 1 << 60),
    "row_huge": _numbers(17, 125, 0, 1 << 62),
    "sum": _numbers(17, 125, 0, 2, 4000, 96),
    "cut": _numbers(17, 125, 0, 1, 4000),
    "one_context": _numbers(1, 125, 0, 0),
    "most_contexts": _numbers(1024, 256) + bytes(2048),
}
for _name, _data in _TABLES.items():
    _case(f"topk_set_{_name}", _part(valid, "labels", "set", _data), CorruptError)
    _case(f"topk_values_{_name}", _part(valid, "labels", "values", _data), CorruptError)
    _case(f"crop_height_{_name}", _part(valid, "crop", "height", _data), CorruptError)
    _case(f"crop_width_{_name}", _part(valid, "crop", "width", _data), CorruptError)
    _case(f"dense_table_{_name}", _part(dense, "labels", "table", _data), CorruptError)

_ORDERS = {
    "twice": columns.pack_ints(np.zeros(12, int)),
    "outside": columns.pack_ints(np.arange(12) + 1),
    "far_outside": columns.pack_ints(np.array([*range(11), 1 << 61])),
    "short": columns.pack_ints(np.arange(5)),
    "long": columns.pack_ints(np.arange(40)),
}
for _name, _data in _ORDERS.items():
    _case(f"topk_order_{_name}", _part(valid, "labels", "order", _data), CorruptError)
    _case(f"dense_order_{_name}", _part(dense, "labels", "order", _data), CorruptError)

for _name, _data in {
    "none": b"\0\0",
    "huge": _numbers(1 << 24, 1 << 24),
    "beyond": _numbers(1 << 62, 1),
    "other": _numbers(1, 1),
}.items():
    _case(f"crop_size_{_name}", _part(valid, "crop", "size", _data), CorruptError)

_case("dense_precision", _part(dense, "labels", "precision", b"float64"), CorruptError)


def _symbols(**change: Any) -> Case:
    """Dense tables whose numbers are others."""

    def make() -> LabelSet:
        made = dense()
        count = tables.load(made.labels["table"]).escape
        numbers: dict[str, Any] = {
            "known": np.arange(count),
            "places": np.zeros(count, int),
            "mean": np.zeros(12, int),
            "base": np.zeros(1, int),
        }
        for name, value in change.items():
            numbers[name] = numbers[name] * 0 + value
        made.labels["symbols"] = b"".join(map(columns.pack_ints, numbers.values()))
        return made

    return make


for _name, _change in {
    "known_above": {"known": 512},
    "known_far_above": {"known": 1 << 61},
    "known_negative": {"known": -1},
    "places": {"places": 1 << 60},
    "places_negative": {"places": -(1 << 60)},
    "mean": {"mean": (1 << 25) + 1},
    "base": {"base": 1 << 61},
    "base_negative": {"base": -(1 << 61)},
}.items():
    _case(f"dense_{_name}", _symbols(**_change), CorruptError)

# names


def _names(text: bytes, *, declared: bool = True) -> Case:
    def make() -> LabelSet:
        made = valid()
        made.names = zstandard.ZstdCompressor(write_content_size=declared).compress(text)
        return made

    return make


_case("names_bomb", _names(bytes((1 << 26) + 1)), CorruptError)
_case("names_many", _names(b"\n" * (1 << 26)), CorruptError, 200)
_case("names_undeclared", _names(b"a\nb", declared=False), CorruptError)


def _names_no_frame() -> LabelSet:
    made = valid()
    made.names = b"names"
    return made


_case("names_no_frame", _names_no_frame, CorruptError)

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
_case("stream_unknown", _payload(b"\x01\x0c\0"), UnsupportedError)


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
    frame = zstandard.compress(bytes(holds))
    size = struct.pack("<I", holds)
    assert size in frame[4:12]
    return b"\x01" + frame.replace(size, struct.pack("<I", declared), 1)


def _ints(*values: int) -> bytes:
    return columns.pack_ints(np.array(values))


_WIDE = {"width_63": b"\0\x3f" + bytes(99), "width_255": b"\0\xff" + bytes(99)}
_STREAMS: Mapping[Stream, dict[str, bytes | None]] = {
    Stream.IMAGE_INDEX: {
        "missing": None,
        "negative": _ints(*range(-1, 7)),
        "short": _ints(*range(0, 999, 333)),
        "long": _ints(*range(8)) + b"\0",
        **_WIDE,
    },
    Stream.CROP: {
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
    Stream.FLIP: {"empty": b"", "long": bytes(2)},
    Stream.MIX_INDEX: {
        "empty": b"",
        "form": b"\x02\0\0",
        "digits_short": b"\0\0",
        "digits_above": b"\0\xff\xff",
        "digits_long": b"\0\0\0\0",
        "outside": b"\x01" + _ints(*range(1, 9)),
        "negative": b"\x01" + _ints(*range(-1, 7)),
        **{name: b"\x01" + data for name, data in _WIDE.items()},
    },
    Stream.MIX_RATIO: {"missing": None, "empty": b"", "long": bytes(9)},
    Stream.MIX_BOX: {"empty": b"", "short": b"\0\x08abc", "long": _ints(1, 2, 3, 4) + b"\0"},
    Stream.CUTOUT: {
        "empty": b"",
        "form": b"\x02" + bytes(99),
        "grid_0": b"\x01\0\0" + bytes(14),
        "short": b"\x01\x01\0" + bytes(13),
        "long": b"\x01\x01\0" + bytes(15),
        "bomb": b"\0" + _floats(1 << 28),
        "lie": b"\0" + _lying(1 << 22, 224 << 10),
    },
    Stream.RANDAUGMENT: {
        "empty": b"",
        "none": b"\0" + bytes(99),
        "many": b"\xff" + bytes(9999),
        "types": b"\x01\x01\x09" + bytes(99),
        "lengths": b"\x01\x01\x01" + struct.pack("<III", 2, 1 << 31, 1 << 31) + b"\0\0",
        "bomb": b"\x01\x01\x01" + struct.pack("<III", 2, len(_floats(1 << 28)), 0) + b"\0\0"
        + _floats(1 << 28),
    },
    Stream.LABEL_INDEX: {
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
    Stream.LABEL_VALUES: {
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
        _label = f"{_number.name.lower()}_{_name}"
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
    _case(f"dense_values_{_name}", _stream(dense, Stream.LABEL_VALUES, _bytes), CorruptError)

for _name, _bytes in {
    "missing": None,
    "short": b"\0" + bytes(15),
    "bomb": _floats(1 << 28),
}.items():
    _case(f"label_floor_{_name}", _stream(floors, Stream.LABEL_FLOOR, _bytes), CorruptError)


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
    made.labels["order"], made.labels["set"] = b"", tables.dump(table)
    made.samples = samples
    zeros = np.zeros(samples * classes, int)
    from labelcodec.entropy import coding

    member = coding.encode_symbols(coding.tokenise(zeros, zeros), table)
    arranged = struct.pack("<32I", *[1 << 16] * 32)
    index = bytes([0x11]) + varint.encode(classes) + varint.encode(len(member)) + member + arranged
    made.streams = {1: _ints(0), 9: index, 10: b"\x02\0" + varint.encode(2 << 15)}
    return made
