from __future__ import annotations

import os
from pathlib import Path

import pytest

from labelcodec.errors import MismatchError
from labelcodec.files import locks


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT)


@pytest.mark.parametrize("left", [True, False])
def test_what_a_fork_keeps_locked(tmp_path, left: bool) -> None:
    fd = locks.lock(opened(tmp_path / "a"), tmp_path / "a")
    (begun, begin), (ended, end) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        if left:
            locks.leave_to_parent()
        os.write(begin, b".")
        os.close(end)
        os.read(ended, 1)
        os._exit(0)
    os.read(begun, 1)
    locks.unlock(fd)
    try:
        if left:
            locks.unlock(locks.lock(opened(tmp_path / "a"), tmp_path / "a"))
        else:
            with pytest.raises(MismatchError, match="a: another process is writing it"):
                locks.lock(opened(tmp_path / "a"), tmp_path / "a")
    finally:
        os.close(end)
        os.waitpid(child, 0)


def test_what_is_open_again_is_not_locked(tmp_path) -> None:
    """A descriptor's number is used again after it was closed."""
    fd = locks.lock(opened(tmp_path / "a"), tmp_path / "a")
    locks.unlock(fd)
    assert opened(tmp_path / "a") == fd
    locks.leave_to_parent()
    os.close(fd)


@pytest.mark.parametrize("finished", ["renamed", "removed", "replaced"])
def test_a_file_that_its_writer_has_finished_is_not_locked(tmp_path, finished: str) -> None:
    """Opened while another process held it, which ends between the opening and the lock."""
    path = tmp_path / "a"
    fd = opened(path)
    if finished == "removed":
        path.unlink()
    else:
        path.rename(tmp_path / "b")
    if finished == "replaced":
        path.touch()
    with pytest.raises(MismatchError, match="a: another process has just finished or replaced it"):
        locks.lock(fd, path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
