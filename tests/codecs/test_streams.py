from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.augmentation.flip import FLIP
from labelcodec.codecs.components import COLOURS, COMPONENTS, IMAGE_INDEX, STREAMS, join, split
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError, UnsupportedError

parts = st.dictionaries(st.sampled_from(list(STREAMS.values())), st.binary(max_size=200))


def directory(*entries: tuple[int, int], data: bytes = b"") -> memoryview:
    rows = b"".join(bytes([number]) + varint.encode(length) for number, length in entries)
    return memoryview(bytes([len(entries)]) + rows + data)


@given(parts)
def test_round_trip(parts):
    assert split(memoryview(join(parts))) == parts


def test_bytes():
    joined = join({FLIP: b"ab", IMAGE_INDEX: b"c"})
    assert joined == b"\x02\x01\x01\x03\x02cab"


def test_unknown_optional_streams_are_skipped():
    data = directory((1, 1), (128, 2), (255, 0), data=b"axx")
    assert split(data) == {IMAGE_INDEX: b"a"}


@pytest.mark.parametrize("number", [17, 127])
def test_unknown_critical_stream(number):
    with pytest.raises(UnsupportedError, match=f"stream {number} is not known"):
        split(directory((number, 0)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (memoryview(b""), "without a stream directory"),
        (memoryview(b"\x02\x01\x00"), "runs past its batch"),
        (memoryview(b"\x01\x01\x80"), "past the end"),
        (directory((1, 0), (1, 0)), "stream 1 comes after stream 1"),
        (directory((3, 0), (1, 0)), "stream 1 comes after stream 3"),
        (directory((0, 0)), "stream 0 comes after stream 0"),
        (directory((1, 2), data=b"a"), "do not fill"),
        (directory((1, 2), data=b"abc"), "do not fill"),
        (directory((1, (1 << 63) - 1), (2, (1 << 63) - 1), data=b"a"), "do not fill"),
    ],
)
def test_directory_lies(data, message):
    with pytest.raises(CorruptError, match=message):
        split(data)


def test_components():
    assert len(COMPONENTS) == len(set(COMPONENTS)) == 16
    assert all(re.fullmatch("#[0-9a-f]{6}", COLOURS[component]) for component in COMPONENTS)


def test_a_stream_is_its_number_and_survives_pickling():
    for number, stream in STREAMS.items():
        assert stream == number == pickle.loads(pickle.dumps(stream))
        assert pickle.loads(pickle.dumps(stream)).component == stream.component
    assert COMPONENTS[-2:] == ("side information", "framing and index")
