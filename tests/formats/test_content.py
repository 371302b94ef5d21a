"""Image indices and tensors that do not fit are refused, naming the file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from labelcodec.demo.roundtrip import FIXTURE
from labelcodec.errors import DumpError, MismatchError
from labelcodec.formats import open_dump
from tests.formats.builders import (
    BATCH_SIDE,
    EPOCH_SIDE,
    LPQLD,
    edit,
    epoch_dump,
    flat_dump,
    image_folder,
    loader_order,
    read_all,
)


def test_side_file_of_lpqld_missing(lpqld):
    (lpqld / BATCH_SIDE).unlink()
    with pytest.raises(DumpError, match=rf"{BATCH_SIDE} is missing"):
        open_dump(lpqld)


def test_side_file_of_lpld_missing(sre2l):
    with pytest.raises(DumpError, match=rf"{EPOCH_SIDE} is missing"):
        open_dump(sre2l, layout="lpld")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "not a JSON file"),
        ("3", "expected lists"),
        ('{"a": [1]}', "'a' is not the number"),
        ('{"01": [1]}', "'01' is not the number"),
        ('{"-1": [1]}', "'-1' is not the number"),
        (f'{{"{"9" * 5000}": [1]}}', f"key '{'9' * 40}' is not the number"),
        (f"[[{'9' * 5000}]]", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ('{"0": ["1"]}', "entry 0 is not a list"),
        ('{"0": [1.5]}', "entry 0 is not a list"),
        ('{"0": [[1]]}', "entry 0 is not a list"),
        ('{"0": []}', "entry 0 is not a list"),
        ('{"0": [-3]}', "image index -3"),
    ],
)
def test_bad_side_file(lpqld, content, message):
    (lpqld / BATCH_SIDE).write_text(content)
    with pytest.raises(DumpError, match=rf"{BATCH_SIDE}.*{message}"):
        open_dump(lpqld)


def test_indices_and_tensors_differ_in_length(lpqld):
    side = json.loads((lpqld / BATCH_SIDE).read_text())
    side["1"].pop()
    (lpqld / BATCH_SIDE).write_text(json.dumps(side))
    with pytest.raises(DumpError, match=r"batch_1\.tar: holds 16 samples, the image order has 15"):
        read_all(open_dump(lpqld))


def test_index_beyond_the_image_folder(lpqld, tmp_path):
    folder = image_folder(tmp_path / "images", 39)
    with pytest.raises(DumpError, match=r"image index 39, but the image folder has 39"):
        open_dump(lpqld, images=folder)


def test_image_folder_of_another_size(sre2l, tmp_path):
    with pytest.raises(DumpError, match="labels for 40 images, the image folder has 41"):
        open_dump(sre2l, images=image_folder(tmp_path / "images", 41))
    with pytest.raises(MismatchError, match="no such image folder"):
        open_dump(sre2l, images=tmp_path / "nowhere")


def test_order_file_overrides(tmp_path):
    sre2l = epoch_dump(tmp_path / "dump", [list(range(40))] * 3, 16)
    file = tmp_path / "order.json"
    for content in (
        [list(range(40))] * 3,
        {str(epoch): list(range(40)) for epoch in range(3)},
        {
            str(3 * e + b): list(range(16 * b, min(16 * b + 16, 40)))
            for e in range(3)
            for b in range(3)
        },
    ):
        file.write_text(json.dumps(content))
        dump = open_dump(sre2l, image_order=file)
        assert dump.read(4).image_index.tolist() == list(range(16, 32))
        assert "order.json" in dump.info.image_order
    file.write_text(json.dumps([list(range(40))] * 2))
    with pytest.raises(DumpError, match=r"epoch_2/batch_0\.tar is unexpected"):
        open_dump(sre2l, image_order=file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:5], "list of 5 parts"),
        (lambda x: {"a": 1}, "holds a dict"),
        (
            lambda x: [x[0].half(), *x[1:]],
            "coords is tensor.float16, in the first .* tensor.float32",
        ),
        (lambda x: [*x[:5], x[5].float()], "values is tensor.float32, in the first"),
        (lambda x: [x[0].double(), *x[1:]], "coords is tensor.float64, expected"),
        (lambda x: [x[0], x[1].long(), *x[2:]], "flip is tensor.int64, expected tensor.bool"),
        (lambda x: [x[0].numpy(), *x[1:]], "coords is numpy.float32, in the first"),
        (lambda x: [x[0], x[1][:-1], *x[2:]], r"flip has shape \(15,\), expected \(16\)"),
        (lambda x: [*x[:5], x[5][:-1]], r"values has shape \(15, 12\)"),
        (lambda x: [*x[:5], x[5][:, :-1]], "labels have 11 values, the first batch 12"),
        (lambda x: [*x[:2], None, None, None, x[5]], "mix_index is absent, in the first"),
        (lambda x: [*x[:2], None, *x[3:]], "mix ratio or box but no mix index"),
        (lambda x: [*x[:2], x[2] + 1, *x[3:]], r"mix index must lie in 0\.\.15"),
        (lambda x: [*x[:3], "a", *x[4:]], "mix ratio is str"),
        (lambda x: [*x[:3], 1, *x[4:]], "mix ratio is int"),
        (lambda x: [*x[:4], x[4][:3], x[5]], "not a list of 4"),
        (lambda x: [*x[:4], [*x[4][:3], 5], x[5]], "box mixes int and numpy.int64"),
        (lambda x: [*x[:4], [int(e) for e in x[4]], x[5]], "box is int, in the first"),
        (lambda x: [*x[:4], [float(e) for e in x[4]], x[5]], "mix box is float"),
        (lambda x: [*x[:5], torch.zeros(1, 1).half().expand(16, 12)], "not a plain tensor"),
        (lambda x: [p[:0] if torch.is_tensor(p) else p for p in x], "holds 0 samples"),
        (lambda x: [*x[:2], [[x[2]]], *x[2:]], "not a list of .op, decision"),
    ],
)
def test_content_of_a_batch(lpld, change, message):
    edit(lpld / "epoch_1" / "batch_1.tar", change)
    with pytest.raises(DumpError, match=rf"epoch_1/batch_1\.tar: .*{message}"):
        read_all(open_dump(lpld))


def test_wrapped_mix_partners(tmp_path):
    recipe = replace(LPQLD, mix_index="uint8")
    whole = flat_dump(tmp_path / "a", loader_order(256, 2), 256, recipe)
    assert max(batch.augmentation.mix.partner.max() for batch in read_all(open_dump(whole))) == 255
    wrapped = flat_dump(tmp_path / "b", loader_order(257, 2), 257, recipe)
    with pytest.raises(DumpError, match=r"batch_0\.tar: has 257 samples .* partners are lost"):
        open_dump(wrapped)


def test_top_k_class_outside(lpqld):
    def change(content):
        content[-1][3, 1] = 12

    edit(lpqld / "batch_2.tar", change)
    assert open_dump(lpqld).info.classes == 1000
    dump = open_dump(lpqld, classes=12)
    assert (dump.info.classes, dump.info.classes_guessed) == (12, False)
    with pytest.raises(DumpError, match=r"batch_2\.tar: sample 3 has class 12, outside 0\.\.11"):
        read_all(dump)
    with pytest.raises(DumpError, match="pass the number of classes"):
        open_dump(lpqld, classes=5)


def test_negative_top_k_class(lpqld):
    edit(lpqld / "batch_2.tar", lambda x: x[-1].__setitem__((5, 0), -1))
    with pytest.raises(DumpError, match=r"batch_2\.tar: sample 5 has class -1, outside"):
        read_all(open_dump(lpqld))


@pytest.mark.parametrize(("largest", "guess"), [(999, 1000), (1000, 10450), (10450, 21841)])
def test_guessed_classes(lpqld, largest, guess):
    edit(lpqld / "batch_0.tar", lambda x: x[-1].__setitem__((0, 0), largest))
    info = open_dump(lpqld).info
    assert (info.classes, info.classes_guessed) == (guess, True)


def test_classes_come_from_the_image_folder(lpqld, tmp_path):
    info = open_dump(lpqld, images=image_folder(tmp_path / "images", 40, classes=20)).info
    assert (info.classes, info.classes_guessed, info.images) == (20, False, 40)


def test_dense_width_is_the_class_count(sre2l):
    with pytest.raises(DumpError, match="labels have 12 classes, not 10"):
        open_dump(sre2l, classes=10)


def test_a_real_mix_box_takes_the_area_that_the_ratio_says():
    """The dump's list is (row, column) of one corner, then of the other; borders clip the box."""
    for batch in read_all(open_dump(FIXTURE)):
        row0, row1, column0, column1 = batch.augmentation.mix.box
        area = (row1 - row0) * (column1 - column0) / 224**2
        inside = row0 > 0 and row1 < 224 and column0 > 0 and column1 < 224
        asked = 1 - batch.augmentation.mix.ratio
        assert 0 < area <= asked
        assert not inside or area == pytest.approx(asked, abs=0.02)
