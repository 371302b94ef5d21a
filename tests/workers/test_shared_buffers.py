"""Bytes that two processes share: places, and when they are free again."""

from __future__ import annotations

import os

import pytest

from labelcodec.workers import shared_buffers
from labelcodec.workers.shared_buffers import SharedBuffers, layout, shared_file


@pytest.fixture(params=["memory", "disk"])
def file(request, monkeypatch):
    """A shared file; on disk, as where the system has none in memory."""
    if request.param == "disk":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    with shared_file() as opened:
        yield opened


@pytest.fixture
def ends(file):
    """The buffers as the reader and as the writer has them."""
    with os.fdopen(os.dup(file.fileno()), "r+b", 0) as other:
        yield SharedBuffers(file), SharedBuffers(other)


def test_what_one_end_writes_the_other_reads(ends):
    reader, writer = ends
    first, second = reader.take(), reader.take()
    size = writer.write(first, [b"abc", memoryview(b"de"), b""])
    spans = list(layout([3, 2, 0]))
    assert all(start % 64 == 0 for start, _ in spans) and size == spans[-1][1]
    content = reader.view(first, size)
    assert [bytes(content[start:stop]) for start, stop in spans] == [b"abc", b"de", b""]
    assert reader.write(second, [b"xyz"]) == 3
    assert writer.read(second, 3) == b"xyz"


def test_a_place_is_free_when_no_view_of_it_is_left(ends):
    reader, writer = ends
    place = reader.take()
    writer.write(place, [b"0123456789"])
    view = reader.view(place, 10)
    part = view[2:5]
    del view
    assert reader.take() != place
    assert bytes(part) == b"234"
    del part
    assert reader.take() == place


def test_a_mapping_grows_and_old_views_stay(ends):
    reader, writer = ends
    place, other = reader.take(), reader.take()
    writer.write(place, [b"small"])
    small = reader.view(place, 5)
    size = 3 * shared_buffers._GRANULE + 1
    writer.write(other, [bytes(size - 1) + b"!"])
    assert reader.view(other, size)[-1] == ord("!")
    writer.write(other, [b"less"])
    assert bytes(reader.view(other, 4)) == b"less" and bytes(small) == b"small"


def test_few_places_are_held(ends):
    """Each that is held costs a mapping, and a descriptor."""
    reader, writer = ends
    views = []
    for i in range(100):
        place = reader.take()
        writer.write(place, [bytes([i])])
        views.append(reader.view(place, 1))
    assert [view[0] for view in views] == list(range(100))
    assert reader.take() <= shared_buffers.HELD
