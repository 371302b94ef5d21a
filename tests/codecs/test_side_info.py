from __future__ import annotations

import tracemalloc

import msgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs import side_info
from labelcodec.errors import CorruptError

groups = st.dictionaries(st.text(max_size=5), st.binary(max_size=50), max_size=8)


@given(groups, groups)
def test_round_trip(crop, labels):
    parts = {"crop": crop, "labels": labels}
    assert side_info.unpack(side_info.pack(parts), "file") == parts


def packed(content: object) -> bytes:
    return zstandard.compress(msgpack.packb(content))


def nested(count: int, value: bytes) -> bytes:
    """A map of so many keys that all have this value."""
    return bytes([0xDE, 0, count]) + b"".join(b"\xa2%02d" % i + value for i in range(count))


BOMB = 1 << 25
GOOD = {"crop": {"a": b""}, "labels": {}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no frame",
        zstandard.compress(b""),
        zstandard.ZstdCompressor(write_content_size=False).compress(msgpack.packb(GOOD)),
        zstandard.compress(msgpack.packb(GOOD) + b"\0"),
        zstandard.compress(msgpack.packb(GOOD)[:-1]),
        side_info.pack(GOOD) + b"\0",
        packed([GOOD]),
        packed({"crop": {}}),
        packed({"crop": {}, "labels": {"a": 1}}),
        packed({"crop": {}, "labels": {"a": "text"}}),
        packed({"crop": {}, "labels": b""}),
        packed({"crop": {}, "labels": {1: b""}}),
        packed({"crop": {}, "labels": {"a": msgpack.ExtType(1, b"x")}}),
        packed({"crop": {}, "labels": {str(i): b"" for i in range(65)}}),
        packed({"crop": {str(i): {} for i in range(60)}, "labels": {}}),
        zstandard.compress(bytes(side_info.MAX_BYTES + 1)),
        zstandard.compress(b"\xdd" + BOMB.to_bytes(4, "big") + b"\x80" * BOMB),
        zstandard.compress(b"\xdd" + BOMB.to_bytes(4, "big") + b"\xc0" * BOMB),
        zstandard.compress(b"\x81\xa1a" * (1 << 20) + b"\x80"),
        zstandard.compress(nested(4, nested(64, nested(64, nested(64, b"\x80"))))),
    ],
    ids=range(21),
)
def test_malformed(data):
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match=r"file: |zstd frame"):
            side_info.unpack(data, "file")
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
