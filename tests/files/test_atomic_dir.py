"""A dump appears whole or not at all, and nothing but a dump makes room for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labelcodec.errors import DumpError, MismatchError
from labelcodec.files.atomic_dir import atomic_folder


def fill(folder: Path, text: str, force: bool = False) -> None:
    with atomic_folder(folder, force) as new:
        (new / "batch_0.tar").write_text(text)


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_complete_or_absent(tmp_path):
    with pytest.raises(ValueError), atomic_folder(tmp_path / "a" / "b", False) as new:
        (new / "batch_0.tar").write_text("half")
        assert not (tmp_path / "a" / "b").exists()
        raise ValueError
    assert tree(tmp_path) == ["a"]
    fill(tmp_path / "a" / "b", "whole")
    assert tree(tmp_path) == ["a", "a/b", "a/b/batch_0.tar"]


def test_an_old_dump_stays_until_the_new_one_is_complete(tmp_path):
    fill(tmp_path / "a", "old")
    with pytest.raises(DumpError, match=r"not empty.*force=True"):
        fill(tmp_path / "a", "new")
    with pytest.raises(ValueError), atomic_folder(tmp_path / "a", True):
        assert (tmp_path / "a" / "batch_0.tar").read_text() == "old"
        raise ValueError
    assert (tmp_path / "a" / "batch_0.tar").read_text() == "old"
    fill(tmp_path / "a", "new", force=True)
    assert (tmp_path / "a" / "batch_0.tar").read_text() == "new"
    assert tree(tmp_path) == ["a", "a/batch_0.tar"]


def test_the_current_folder_and_those_above(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    for here in (Path(), Path("."), Path(".."), tmp_path / "a"):
        for force in (False, True):
            with pytest.raises(DumpError, match="you are in this folder"):
                fill(here, "new", force)
    assert Path.cwd() == tmp_path / "a"


@pytest.mark.parametrize("there", ["nothing", "empty", "dump"])
def test_a_symbolic_link_stays(tmp_path, there):
    real, link = tmp_path / "disk" / "real", tmp_path / "link"
    real.parent.mkdir()
    link.symlink_to(real)
    if there == "empty":
        real.mkdir()
    elif there == "dump":
        fill(real, "old")
    fill(link, "new", force=there == "dump")
    assert link.is_symlink() and (real / "batch_0.tar").read_text() == "new"
    assert os.listdir(real.parent) == ["real"]


class TestKilled:
    """What a killed process left behind is finished or cleared away."""

    def test_while_it_wrote(self, tmp_path):
        left = tmp_path / ".a.partial" / "epoch_0"
        left.mkdir(parents=True)
        (left / "batch_7.tar").write_text("half")
        fill(tmp_path / "a", "new")
        assert tree(tmp_path) == ["a", "a/batch_0.tar"]

    def test_between_putting_aside_and_putting_in_place(self, tmp_path):
        fill(tmp_path / ".a.old", "old")
        with pytest.raises(DumpError, match="not empty"):
            fill(tmp_path / "a", "new")
        assert (tmp_path / "a" / "batch_0.tar").read_text() == "old"
        fill(tmp_path / "a", "new", force=True)
        assert (tmp_path / "a" / "batch_0.tar").read_text() == "new"
        assert tree(tmp_path) == ["a", "a/batch_0.tar"]

    def test_while_it_removed_the_old_one(self, tmp_path):
        fill(tmp_path / "a", "newer")
        fill(tmp_path / ".a.old", "old")
        fill(tmp_path / "a", "newest", force=True)
        assert tree(tmp_path) == ["a", "a/batch_0.tar"]

    @pytest.mark.parametrize("name", [".a.partial", ".a.old"])
    def test_but_nothing_else_of_that_name(self, tmp_path, name):
        fill(tmp_path / "a", "old") if name == ".a.old" else None
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("mine")
        with pytest.raises(DumpError, match=r"thesis\.tex"):
            fill(tmp_path / "a", "new", force=True)
        assert (tmp_path / name / "thesis.tex").read_text() == "mine"


def test_two_at_once(tmp_path):
    with atomic_folder(tmp_path / "a", False) as new:
        (new / "batch_0.tar").write_text("first")
        with pytest.raises(MismatchError, match="another process is writing it"):
            fill(tmp_path / "a", "second")
    assert (tmp_path / "a" / "batch_0.tar").read_text() == "first"
