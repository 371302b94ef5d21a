from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.entropy import packing, varint
from labelcodec.errors import CorruptError, DataError

HALF = 1 << 61
integers = st.lists(st.integers(-5, 5), max_size=40) | st.lists(
    st.integers(-HALF, HALF - 1), max_size=9
)


def ints(data: bytes, count: int):
    values, rest = packing.unpack_ints(memoryview(data), count)
    return values.tolist(), bytes(rest)


@settings(deadline=None)
@given(integers, st.binary(max_size=3))
def test_integers(values, behind):
    data = packing.pack_ints(np.array(values, np.int64))
    assert ints(data + behind, len(values)) == (values, behind)
    if values:
        assert packing.pack_few_ints(values) == data


def test_integers_to_the_byte():
    assert packing.pack_ints(np.array([7, 7, 7])) == b"\x0e\x00"
    assert packing.pack_ints(np.array([-1, 2, 0, 1])) == b"\x01\x02\x9c"


@pytest.mark.parametrize(
    "values", [[-(1 << 62), 1 << 62], [(1 << 63) - 1] * 2, [-(1 << 63), -(1 << 63)]]
)
def test_too_wide(values):
    with pytest.raises(DataError, match="too wide a range"):
        packing.pack_ints(np.array(values, np.int64))
    with pytest.raises(DataError, match="too wide a range"):
        packing.pack_few_ints(values)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "past the end"),
        (b"\0", "impossible width"),
        (b"\0\x3f" + bytes(99), "impossible width"),
        (b"\0\xff" + bytes(99), "impossible width"),
        (b"\0\x08\x01\x02", "too short"),
    ],
)
def test_malformed_integers(data, message):
    with pytest.raises(CorruptError, match=message):
        ints(data, 3)


@pytest.mark.parametrize("low", [(1 << 63) - 1, (1 << 63) - 2])
def test_furthest_integers(low):
    """The lowest and highest first value there can be, and values as far above as can be."""
    data = varint.encode(low) + bytes([62]) + b"\xff" * 24
    assert ints(data, 3)[0] == [varint.unzigzag(low) + (1 << 62) - 1] * 3


floats = st.sampled_from(["float16", "float32", "uint16", "uint32"]).flatmap(
    lambda name: st.tuples(st.just(name), st.binary(max_size=160), st.booleans())
)


@settings(deadline=None)
@given(floats)
def test_floats(case):
    name, raw, flat = case
    raw = raw[: len(raw) // 4 * 4]
    values = np.frombuffer(bytes(len(raw)) if flat else raw, name)
    data = packing.pack_floats(values)
    found = packing.unpack_floats(memoryview(data), name, len(values))
    assert found.dtype == name and found.tobytes() == values.tobytes()
    assert len(data) <= 1 + values.nbytes


def test_floats_to_the_byte():
    """Byte planes, lowest bytes first."""
    values = np.array([1.0, -2.5], np.float16)
    assert packing.pack_floats(values) == b"\0\0\0\x3c\xc1"


def test_floats_are_compressed_where_it_pays():
    data = packing.pack_floats(np.ones(500, np.float32))
    assert data[0] == packing.COMPRESSED and len(data) < 60


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "unknown form"),
        (b"\x02" + bytes(8), "unknown form"),
        (b"\0" + bytes(7), "7 bytes, expected 8"),
        (b"\0" + bytes(9), "9 bytes, expected 8"),
        (b"\x01", "frame is broken"),
        (b"\x01garbage!", "frame is broken"),
        (b"\x01" + zstandard.compress(bytes(9)), "declares 9 bytes, expected 8"),
        (b"\x01" + zstandard.compress(bytes(1 << 30)), "declares 1073741824 bytes"),
        (b"\x01" + zstandard.compress(bytes(8))[:-1], "frame is broken"),
        (b"\x01" + zstandard.compress(bytes(8)) + b"\0", "frame is broken"),
        (
            b"\x01" + zstandard.ZstdCompressor(write_content_size=False).compress(bytes(8)),
            "declares -1 bytes",
        ),
    ],
)
def test_malformed_floats(data, message):
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match=message):
            packing.unpack_floats(memoryview(data), "float32", 2)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_that_lies_about_its_size():
    """Declares eight bytes and holds a million."""
    frame = bytearray(zstandard.compress(bytes(1 << 20)))
    assert frame[5:9] == (1 << 20).to_bytes(4, "little")
    frame[5:9] = (8).to_bytes(4, "little")
    with pytest.raises(CorruptError, match="frame is broken"):
        packing.decompress(bytes(frame), 8)


def test_nothing():
    assert packing.decompress(zstandard.compress(b""), 0) == b""
    assert ints(packing.pack_ints(np.zeros(0, np.int64)), 0) == ([], b"")
