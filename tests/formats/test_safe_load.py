"""Nothing in a dump is ever run, and every bad file says so in one line."""

from __future__ import annotations

import errno
import os
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.formats import open_dump
from labelcodec.formats.safe_load import load
from tests.formats.builders import (
    bare_pickle,
    epoch_dump,
    loader_order,
    malicious,
    old_numpy,
    read_all,
)


@pytest.mark.parametrize("build", [malicious, bare_pickle])
def test_malicious_pickle_does_not_run(tmp_path, build):
    file, marker = tmp_path / "batch_0.tar", tmp_path / "marker"
    build(file, marker)
    with pytest.raises(UnsafeError, match=r"batch_0\.tar.*posix\.system") as caught:
        load(file)
    assert not marker.exists()
    assert "\n" not in str(caught.value)


def test_the_attack_works_on_a_plain_unpickler(tmp_path):
    malicious(tmp_path / "a.tar", tmp_path / "marker")
    torch.load(tmp_path / "a.tar", weights_only=False)
    assert (tmp_path / "marker").exists()


def test_opening_a_malicious_dump_does_not_run_it(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 2), 16)
    malicious(root / "epoch_0" / "batch_0.tar", tmp_path / "marker")
    with pytest.raises(UnsafeError):
        open_dump(root)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ([Fraction(1, 2)], "fractions.Fraction"),
        ([np.array([{}], dtype=object)], "numpy dtype 'O8'"),
        ([np.array(["a"])], "numpy dtype 'U1'"),
        ([print], "print"),
    ],
)
def test_anything_but_numbers_is_refused(tmp_path, content, name):
    torch.save(content, tmp_path / "a.tar")
    with pytest.raises(UnsafeError, match=name):
        load(tmp_path / "a.tar")


def test_numpy_content_old_and_new(tmp_path):
    content = [np.arange(3, dtype=np.float16), np.float64(0.25), np.int64(7), np.array([True])]
    torch.save(content, tmp_path / "a.tar")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = load(tmp_path / "a.tar")
        old_numpy(tmp_path / "a.tar")
        old = load(tmp_path / "a.tar")
    for loaded in (new, old):
        for got, want in zip(loaded, content, strict=True):
            assert got.dtype == want.dtype and (got == want).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated: it is empty"),
        (b"hello world" * 100, "not a file that torch.save wrote"),
        (b"PK\x03\x04" + b"\0" * 200, "truncated: its zip directory"),
    ],
)
def test_not_a_torch_file(tmp_path, content, reason):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DumpError, match=rf"a\.tar: {reason}") as caught:
        load(tmp_path / "a.tar")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0.01, 0.5, 0.99])
def test_truncated(tmp_path, cut):
    file = tmp_path / "a.tar"
    torch.save([torch.zeros(1000)], file)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * cut)])
    with pytest.raises(DumpError, match=r"a\.tar: truncated"):
        load(file)


def test_missing(tmp_path):
    with pytest.raises(DumpError, match=r"a\.tar: the file is missing"):
        load(tmp_path / "a.tar")


def test_what_cannot_be_opened_is_not_called_damaged(tmp_path, monkeypatch):
    (tmp_path / "a.tar").mkdir()
    with pytest.raises(DumpError, match=r"a\.tar: is a folder"):
        load(tmp_path / "a.tar")

    def forbidden(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (tmp_path / "b.tar").touch()
    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(PermissionError, match=r"Permission denied: .*b\.tar"):
        load(tmp_path / "b.tar")


def test_a_dump_of_pickle_protocol_4_is_read(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)
    before = read_all(open_dump(root))
    for file in root.rglob("*.tar"):
        torch.save(torch.load(file, weights_only=False), file, pickle_protocol=4)
    for old, new in zip(before, read_all(open_dump(root)), strict=True):
        assert np.array_equal(old.labels.value, new.labels.value)
        assert np.array_equal(old.augmentation.crop.box, new.augmentation.crop.box)
