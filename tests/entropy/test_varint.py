from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import varint
from labelcodec.errors import CorruptError

MOST = (1 << 63) - 1


@given(st.integers(0, MOST), st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip(value, before, behind):
    data = varint.encode(value)
    assert varint.decode(before + data + behind, len(before)) == (value, len(before + data))


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (MOST, "ffffffffffffffff7f")],
)
def test_bytes(value, data):
    assert varint.encode(value).hex() == data


@pytest.mark.parametrize("value", [-1, MOST + 1])
def test_out_of_range(value):
    with pytest.raises(ValueError, match=str(value)):
        varint.encode(value)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 8])
def test_cut(data):
    with pytest.raises(CorruptError, match="past the end"):
        varint.decode(data, 0)


def test_start_behind_the_end():
    with pytest.raises(CorruptError, match="past the end"):
        varint.decode(b"\0", 7)


def test_too_long():
    with pytest.raises(CorruptError, match="longer than 9 bytes"):
        varint.decode(b"\x80" * 9 + b"\0", 0)


@given(st.integers(-(1 << 62), (1 << 62) - 1))
def test_zigzag(value):
    assert varint.unzigzag(varint.zigzag(value)) == value


def test_zigzag_order():
    assert [varint.zigzag(value) for value in (0, -1, 1, -2, 2)] == [0, 1, 2, 3, 4]
