"""Labels of tokens are written as one file, complete or absent."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

import labelcodec
from labelcodec.errors import DumpError, MismatchError
from labelcodec.formats.single_file import only_file
from labelcodec.transcode import decode, encode
from tests.cli.call import call
from tests.formats.builders import epoch_dump, loader_order
from tests.formats.token_sources import CLASSES, assert_same, columns, folder


@pytest.fixture
def labels(tmp_path):
    encode(folder(columns(), tmp_path / "source"), tmp_path / "a.slc", classes=CLASSES)
    return tmp_path / "a.slc"


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".NPZ"])
def test_arrays_come_back_in_one_file(labels, tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    done = decode(labels, target := tmp_path / f"copy{suffix}")
    assert (done.layout, done.files) == ("arrays", 1)
    if suffix == ".npz":
        with np.load(target) as arrays:
            assert_same(dict(arrays), columns())
    encode(target, tmp_path / "b.slc", classes=CLASSES)
    assert labelcodec.compare(labels, tmp_path / "b.slc").identical
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["source", "a.slc", "b.slc", target.name]
    )


def test_a_table_in_one_file(labels, tmp_path):
    pytest.importorskip("pyarrow")
    done = decode(labels, tmp_path / "copy.parquet")
    assert (done.layout, done.files) == ("parquet", 1)
    encode(tmp_path / "copy.parquet", tmp_path / "b.slc", classes=CLASSES)
    assert labelcodec.compare(labels, tmp_path / "b.slc").identical


def test_a_layout_that_writes_no_such_file_makes_no_folder_of_its_name(labels, tmp_path):
    with pytest.raises(
        DumpError, match=r"layout arrays is written as a folder; leave \.parquet out"
    ):
        decode(labels, tmp_path / "copy.parquet", layout="arrays")
    assert not (tmp_path / "copy.parquet").exists()


def test_what_a_killed_process_left_is_cleared(labels, tmp_path):
    left = tmp_path / ".copy.npz.partial"
    left.mkdir()
    (left / "index.npy").write_bytes(b"half")
    decode(labels, tmp_path / "copy.npz")
    assert not left.exists()
    with np.load(tmp_path / "copy.npz") as arrays:
        assert_same(dict(arrays), columns())


def test_folders_on_the_way_are_made(labels, tmp_path):
    decode(labels, tmp_path / "new/deep/copy.npz")
    assert (tmp_path / "new/deep/copy.npz").is_file()


def test_a_file_is_replaced_by_force_alone(labels, tmp_path):
    target = tmp_path / "copy.npz"
    target.write_bytes(b"mine")
    with pytest.raises(MismatchError, match="exists already"):
        decode(labels, target)
    assert target.read_bytes() == b"mine"
    decode(labels, target, force=True)
    with np.load(target) as arrays:
        assert_same(dict(arrays), columns())


def test_labels_of_images_are_no_arrays(tmp_path):
    encode(epoch_dump(tmp_path / "dump", loader_order(20, 3), 6), tmp_path / "a.slc")
    with pytest.raises(DumpError, match="token sequences"):
        decode(tmp_path / "a.slc", tmp_path / "copy.npz", layout="arrays")
    with pytest.raises(DumpError, match="layout sre2l is written as a folder"):
        decode(tmp_path / "a.slc", tmp_path / "copy.npz")
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


def test_several_files_are_not_one(tmp_path):
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DumpError, match=r"as a\.pt, b\.pt, not as one \.pt file: name a folder"):
        only_file(tmp_path, ".pt")


def test_command(labels, tmp_path, capsys):
    done = call(capsys, "decode", labels, tmp_path / "copy.npz")
    assert done.status == 0 and "1 file in layout arrays" in done.out
    again = call(capsys, "decode", labels, tmp_path / "copy.npz")
    assert again.status != 0 and "pass --force" in again.err
