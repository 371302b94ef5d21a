from __future__ import annotations

import os

import pytest

from labelcodec.files.atomic import atomic_file


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_an_error_leaves_the_old_file_alone(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_it_is_on_disk_before_it_has_the_name(tmp_path, monkeypatch) -> None:
    path, synced = tmp_path / "a", []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append((os.fstat(fd).st_size, path.exists()))
    )
    with atomic_file(path) as file:
        file.write(b"new")
    assert synced[0] == (3, False)


def test_an_error_of_the_disk_names_the_file(tmp_path) -> None:
    with pytest.raises(OSError, match=r"a\.partial"), atomic_file(tmp_path / "a"):
        raise OSError(28, "No space left on device")
