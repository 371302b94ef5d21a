"""Devices, FIFOs and links, as what is read and as what is written."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import numpy as np
import pytest

import labelcodec
from labelcodec.container import RecordReader, RecordWriter
from labelcodec.errors import DataError, DumpError, FormatError, MismatchError
from labelcodec.files.atomic import atomic_file, refuse_existing
from labelcodec.files.regular import open_partial, read_regular, target_of
from labelcodec.formats.image_order import read_lists
from labelcodec.formats.safe_load import load
from labelcodec.images import content_digest, image_sizes, list_images

SPECIAL = ("fifo", "socket", "device", "folder")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system has no such files")
def test_a_file_that_says_it_is_empty():
    content = read_regular("/proc/self/maps", DumpError, "a label file")
    assert content.count(b"\n") > 20 and content.endswith(b"\n")


def test_a_system_that_reads_less_than_it_is_asked(tmp_path, monkeypatch):
    path, read = tmp_path / "file", os.read
    path.write_bytes(bytes(range(256)) * 20)
    monkeypatch.setattr(os, "read", lambda fd, size: read(fd, min(size, 1000)))
    assert read_regular(path, DumpError, "a label file") == path.read_bytes()


@pytest.fixture(params=SPECIAL)
def special(request, tmp_path):
    """Something that is no regular file, and its kind."""
    path = tmp_path / "special"
    if request.param == "fifo":
        os.mkfifo(path)
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            os.chdir(tmp_path)
            bound.bind("special")
    elif request.param == "device":
        path = Path("/dev/null")
    else:
        path.mkdir()
    yield path
    if request.param != "device":
        assert not stat.S_ISREG(path.stat().st_mode)  # it was not replaced


@pytest.fixture(autouse=True)
def same_folder(monkeypatch):
    monkeypatch.chdir(Path.cwd())


def test_nothing_special_is_read(special):
    with pytest.raises(DataError, match=r"is a (folder|FIFO|socket|device), expected a stone"):
        read_regular(special, DataError, "a stone")


@pytest.mark.parametrize("through_a_link", [False, True])
def test_readers_refuse_at_once(special, tmp_path, through_a_link):
    path = special
    if through_a_link:
        path = tmp_path / "link"
        path.symlink_to(special)
    for read, error in (
        (labelcodec.open, FormatError),
        (labelcodec.verify, None),
        (load, DumpError),
        (read_lists, DumpError),
    ):
        if error is None:
            assert "is a " in read(path).problems[0]
        else:
            with pytest.raises(error, match="is a "):
                read(path)


def test_images_that_are_none(tmp_path):
    (tmp_path / "cat").mkdir()
    os.mkfifo(tmp_path / "cat" / "1.png")
    listing = list_images(tmp_path)
    with pytest.raises(MismatchError, match="is a FIFO, expected an image"):
        content_digest(listing)
    with pytest.raises(MismatchError, match="is a FIFO, expected an image"):
        image_sizes(listing, np.arange(1))


@pytest.mark.parametrize("force", [False, True])
def test_nothing_special_is_replaced(special, force):
    with pytest.raises(MismatchError, match=r"is a (folder|FIFO|socket|device)"):
        refuse_existing(special, force)
    with pytest.raises(MismatchError, match=r"is a (folder|FIFO|socket|device)"):
        RecordWriter(special, {}, force=force)
    with pytest.raises(MismatchError), atomic_file(special):
        pass


def test_a_link_is_written_through(tmp_path):
    real, link = tmp_path / "there" / "real.slc", tmp_path / "link.slc"
    real.parent.mkdir()
    link.symlink_to(real)
    for force in (False, True):
        with RecordWriter(link, {"a": 1}, force=force) as writer:
            writer.add_section(b"S", b"")
        assert link.is_symlink() and not real.is_symlink() and len(RecordReader(link)) == 0
    with atomic_file(link) as file:
        file.write(b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert {path.name for path in tmp_path.rglob("*")} == {"there", "link.slc", "real.slc"}
    with pytest.raises(MismatchError, match="exists already"):
        RecordWriter(link, {})


def test_links_that_lead_nowhere(tmp_path):
    loop, dangling = tmp_path / "loop", tmp_path / "dangling"
    loop.symlink_to(loop)
    dangling.symlink_to(tmp_path / "target")
    with pytest.raises(MismatchError, match="leads nowhere"):
        target_of(loop)
    assert target_of(dangling) == tmp_path / "target"
    assert target_of(tmp_path / "new") == tmp_path / "new"


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder"])
def test_a_partial_file_is_never_something_else(tmp_path, kind):
    precious, partial = tmp_path / "precious", tmp_path / "a.slc.partial"
    precious.write_text("precious")
    if kind == "fifo":
        os.mkfifo(partial)
    elif kind == "folder":
        partial.mkdir()
    else:
        partial.symlink_to(precious if kind == "link" else tmp_path / "gone")
    for resume, force in ((False, False), (False, True), (True, False)):
        with pytest.raises(MismatchError):
            RecordWriter(tmp_path / "a.slc", {}, resume=resume, force=force)
    with (
        pytest.raises(MismatchError, match="a link, a folder or a device"),
        atomic_file(tmp_path / "a.slc"),
    ):
        pass
    assert (os.path.lexists(partial) and not partial.is_file()) or partial.is_symlink()
    assert precious.read_text() == "precious" and not (tmp_path / "gone").exists()
    assert not (tmp_path / "a.slc").exists()


def test_a_partial_file_that_cannot_be_opened_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_partial(tmp_path / "no folder" / "a.partial", os.O_RDWR | os.O_CREAT)
