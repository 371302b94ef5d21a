"""A dump that is incomplete or in no known layout is refused, with the file and what to do."""

from __future__ import annotations

import errno
import os
import shutil

import numpy as np
import pytest

from labelcodec.analysis.dump_files import dump_files
from labelcodec.errors import DumpError
from labelcodec.formats import open_dump
from labelcodec.formats.registry import detect
from labelcodec.images import list_images
from tests.formats.builders import (
    BATCH_SIDE,
    EPOCH_SIDE,
    ORDER_SIDE,
    epoch_dump,
    fkd_dump,
    flat_dump,
    hald_dump,
    image_folder,
    loader_order,
    read_all,
)


def test_missing_folder(tmp_path):
    with pytest.raises(DumpError, match="no such file or folder"):
        open_dump(tmp_path / "dump")
    with pytest.raises(DumpError, match="no such file or folder"):
        open_dump(tmp_path / "dump", layout="lpqld")


def test_empty_folder(tmp_path):
    with pytest.raises(DumpError, match=r"empty; expected epoch_N/batch_N\.tar"):
        open_dump(tmp_path)


def test_unknown_layout(tmp_path):
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(DumpError, match=r"found readme\.txt; expected epoch_N"):
        open_dump(tmp_path)
    with pytest.raises(DumpError, match="unknown layout 'rded'"):
        open_dump(tmp_path, layout="rded")


def test_mixture_of_layouts(sre2l):
    shutil.copy(sre2l / "epoch_0" / "batch_0.tar", sre2l / "batch_0.tar")
    with pytest.raises(DumpError, match="mixture"):
        open_dump(sre2l)


@pytest.mark.parametrize("build", [epoch_dump, flat_dump, hald_dump])
@pytest.mark.parametrize("suffix", [".tar", ".pt"])
def test_dump_deeper_down(tmp_path, build, suffix):
    """WMDD writes DATASET/EXP/epoch_N."""
    build(tmp_path / "a" / "dump", loader_order(40, 2), 16)
    for file in tmp_path.rglob("*.tar"):
        file.rename(file.with_suffix(suffix))
    with pytest.raises(DumpError, match=r"deeper down; pass .*a/dump$"):
        open_dump(tmp_path)


@pytest.mark.parametrize("name", ["epoch_1/batch_1.tar", "epoch_1/batch_2.tar", "epoch_1"])
@pytest.mark.parametrize("side", [None, EPOCH_SIDE])
def test_missing_batch_or_epoch(tmp_path, name, side):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16, side_file=side)
    path = root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DumpError, match=rf"{name} is missing"):
        open_dump(root)


@pytest.mark.parametrize("name", ["epoch_2", "epoch_2/batch_2.tar"])
def test_missing_at_the_end_of_a_listed_dump(lpld, name):
    shutil.rmtree(lpld / name) if name == "epoch_2" else (lpld / name).unlink()
    with pytest.raises(DumpError, match=rf"{name} is missing.*sampler_indices_epoch"):
        open_dump(lpld)


def test_surplus_batch(lpld):
    shutil.copy(lpld / "epoch_0" / "batch_0.tar", lpld / "epoch_2" / "batch_3.tar")
    with pytest.raises(DumpError, match=r"epoch_2/batch_3\.tar is unexpected"):
        open_dump(lpld)


@pytest.mark.parametrize("number", [0, 3, 5])
def test_missing_flat_batch(lpqld, number):
    (lpqld / f"batch_{number}.tar").unlink()
    with pytest.raises(DumpError, match=rf"batch_{number}\.tar is missing: sampler_indices_batch"):
        open_dump(lpqld)


def test_surplus_flat_batch(lpqld):
    shutil.copy(lpqld / "batch_0.tar", lpqld / "batch_9.tar")
    with pytest.raises(DumpError, match=r"batch_9\.tar is not named in"):
        open_dump(lpqld)


def test_a_file_where_an_epoch_should_be(sre2l):
    (sre2l / "epoch_3").write_text("")
    with pytest.raises(DumpError, match="epoch_3: unexpected file"):
        open_dump(sre2l)


@pytest.mark.parametrize("name", ["batch_01.tar", "batch_1.tar.bak", "batch_1 (copy).tar"])
def test_odd_names(lpqld, name):
    shutil.copy(lpqld / "batch_0.tar", lpqld / name)
    with pytest.raises(DumpError, match="unexpected file"):
        open_dump(lpqld)


def test_other_peoples_files_are_left_alone(lpqld):
    (lpqld / "log.txt").write_text("")
    (lpqld / ".DS_Store").write_text("")
    info = open_dump(lpqld).info
    assert info.files == 7
    assert info.bytes == sum(p.stat().st_size for p in [*lpqld.glob("*.tar"), lpqld / BATCH_SIDE])


def test_batches_sort_by_number(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 2), 2, side_file=ORDER_SIDE)
    batches = read_all(open_dump(root))
    assert [batch.number for batch in batches] == list(range(40))
    indices = np.concatenate([batch.image_index for batch in batches])
    assert indices.tolist() == np.concatenate(loader_order(40, 2)).tolist()


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    """Not passed over, as os.walk does: the dump would seem to have fewer files."""
    root = fkd_dump(tmp_path / "dump", "hard")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("n01"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for look in (detect, dump_files):
        with pytest.raises(PermissionError, match="n01"):
            look(root)
    with pytest.raises(PermissionError, match="n01"):
        list_images(image_folder(tmp_path / "images", 8))


def test_a_file_is_no_dump(tmp_path):
    (tmp_path / "batch_0.tar").write_bytes(b"x")
    with pytest.raises(DumpError, match="is a file, a dump is a folder"):
        open_dump(tmp_path / "batch_0.tar")
