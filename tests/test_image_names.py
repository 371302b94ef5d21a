from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from labelcodec import image_names
from labelcodec.errors import CorruptError, DataError
from labelcodec.image_names import cheap, pack_names, unpack_names

NAME = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1)


@given(st.lists(NAME, max_size=20))
def test_there_and_back(given_: list[str]) -> None:
    assert unpack_names(pack_names(given_), "a.slc") == tuple(given_)


def test_limits_hold_in_both_directions(monkeypatch) -> None:
    many, long = pack_names(["a", "b", "c"]), pack_names(["a" * 9])
    monkeypatch.setattr(image_names, "MAX_NAMES", 2)
    monkeypatch.setattr(image_names, "MAX_BYTES", 8)
    for one in (["a", "b", "c"], ["a" * 9]):
        with pytest.raises(DataError, match="at most 2 of 8 bytes"):
            pack_names(one)
    with pytest.raises(CorruptError, match=r"a\.slc: more than 2 image names"):
        unpack_names(many, "a.slc")
    with pytest.raises(CorruptError, match=r"a\.slc: 9 bytes of image names"):
        unpack_names(long, "a.slc")


def test_names_are_cheap_where_labels_are_many() -> None:
    given_ = ["a/1.png", "a/2.png"]
    enough = len(pack_names(given_)) * 20
    assert cheap(given_, enough)
    assert not cheap(given_, enough - 1)
    assert not cheap(["a\n"], 10**9)


def test_a_size_that_is_not_declared(monkeypatch) -> None:
    stream = zstandard.ZstdCompressor(write_content_size=False)
    with pytest.raises(CorruptError, match="bytes of image names"):
        unpack_names(stream.compress(b"a\nb"), "a.slc")
