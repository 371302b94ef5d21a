"""FKD: label types, image names, and files that do not fit."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats import open_dump
from tests.formats.builders import (
    edit,
    fkd_dump,
    read_all,
)


def test_only_the_user_knows_ms_from_mr(tmp_path):
    root = fkd_dump(tmp_path / "dump", "MS")
    with pytest.raises(DumpError, match="pass `label_type`, MS or MR"):
        open_dump(root)
    with pytest.raises(DumpError, match="not hard's"):
        open_dump(root, label_type="hard")
    with pytest.raises(DumpError, match="unknown label type 'soft'"):
        open_dump(root, label_type="soft")


def test_halved_classes(tmp_path):
    root = fkd_dump(tmp_path / "dump", "MR", half=True)
    assert open_dump(root, label_type="MR", classes=2048).info.classes == 2048
    with pytest.raises(DumpError, match="exact below 2049 only"):
        open_dump(root, label_type="MR", classes=10450)


def test_fkd_and_its_image_folder(tmp_path):
    root = fkd_dump(tmp_path / "dump", "hard")
    folder = tmp_path / "images" / "train"
    for name in ("n01/b.png", "n01/a.x.png", "n02/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 250)).save(folder / name)
    dump = open_dump(root, images=folder, classes=12)
    assert dump.info.names == ("train/n01/a.tar", "train/n01/b.tar", "train/n02/a.tar")
    assert dump.read(0).augmentation.crop is not None

    shutil.copy(folder / "n01/b.png", folder / "n01/a.y.png")
    with pytest.raises(
        DumpError, match=r"a\.x\.png and n01/a\.y\.png .* share the label file n01/a"
    ):
        open_dump(root, images=folder, classes=12)
    (folder / "n01/a.y.png").rename(folder / "n01/c.png")
    with pytest.raises(DumpError, match=r"no label file for n01/c\.png"):
        open_dump(root, images=folder, classes=12)
    (folder / "n01/c.png").unlink()
    (folder / "n02/a.png").rename(folder / "n02/b.png")
    with pytest.raises(DumpError, match=r"train/n02/a\.tar belongs to no image"):
        open_dump(root, images=folder, classes=12)


def test_names_in_another_unicode_form(tmp_path):
    root = fkd_dump(tmp_path / "dump", "hard", names=("n01/e\u0301.tar", "n01/f.tar"))
    folder = tmp_path / "images"
    (folder / "n01").mkdir(parents=True)
    for name in ("\u00e9.png", "f.png"):
        Image.new("RGB", (300, 250)).save(folder / "n01" / name)
    dump = open_dump(root, images=folder, classes=12)
    assert dump.info.names == ("n01/f.tar", "n01/e\u0301.tar")  # in the folder's order


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:2], "FKD's list"),
        (lambda x: [x[0].astype(np.float64), *x[1:]], "coords is numpy.float64"),
        (lambda x: [x[0], x[1], x[2].astype(np.int32)], "label is numpy.int32, in the first"),
        (lambda x: [x[0], x[1], x[2][:-1]], r"label has shape \(3,\)"),
        (lambda x: [x[0], x[1], torch.from_numpy(x[2])], "label is tensor.int64, in the first"),
        (lambda x: [x[0], x[1], x[2] - 100], "sample 0 has class -"),
    ],
)
def test_content_of_an_fkd_file(tmp_path, change, message):
    root = fkd_dump(tmp_path / "dump", "hard")
    dump = open_dump(root)
    edit(root / "train/n01/b.tar", change)
    with pytest.raises(DumpError, match=rf"n01/b\.tar: .*{message}"):
        read_all(dump)


@pytest.mark.parametrize(
    ("value", "message"),
    [(1.5, "not a whole"), (-0.0, "not a whole"), (np.nan, "outside"), (1e30, "outside")],
)
def test_class_that_is_no_class(tmp_path, value, message):
    root = fkd_dump(tmp_path / "dump", "smoothing")
    edit(root / "train/n01/a.tar", lambda x: x[2].__setitem__((0, 0), value))
    with pytest.raises(DumpError, match=f"has a class .*{message}"):
        open_dump(root)


def test_more_classes_than_a_label_set_has(tmp_path):
    with pytest.raises(ConfigError, match=r"`classes=2000000` is more than 1048576"):
        open_dump(fkd_dump(tmp_path / "dump", "hard"), classes=2_000_000)
