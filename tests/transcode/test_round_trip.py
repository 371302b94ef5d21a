"""open_dump -> read -> write_dump gives every tensor back."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.formats import open_dump, write_dump
from labelcodec.formats.interface import Dump
from labelcodec.validation import validate
from tests.formats.builders import (
    LPQLD,
    Recipe,
    epoch_dump,
    fkd_dump,
    flat_dump,
    loader_order,
    old_numpy,
    same_dumps,
)


def every_batch(dump: Dump):
    for i in range(len(dump)):
        batch = dump.read(i)
        validate(batch)
        yield batch


def copied(dump: Dump, target: Path) -> Path:
    info = dump.info
    types = msgpack.unpackb(msgpack.packb(dict(info.types)))
    files = write_dump(every_batch(dump), target, info.layout, types, info.names)
    assert files == sum(path.is_file() for path in target.rglob("*"))
    return target


recipes = st.builds(
    Recipe,
    classes=st.sampled_from([5, 12]),
    side=st.sampled_from([(224, 224), (375, 500), (64, 64), None]),
    coords=st.sampled_from(["float32", "float16"]),
    values=st.sampled_from(["float16", "float32", "bfloat16"]),
    mix=st.sampled_from(["cutmix", "mixup", None]),
    ratio=st.sampled_from(["float", "numpy.float64", "tensor.float32"]),
    box=st.sampled_from(["numpy.int64", "int", "tensor.uint8", "tensor.int64"]),
    mix_index=st.sampled_from(["int64", "uint8"]),
)


@settings(max_examples=25, deadline=None)
@given(recipes, st.integers(1, 9), st.integers(0, 2))
def test_sre2l(tmp_path_factory, recipe, batch, operations):
    root = tmp_path_factory.mktemp("dump")
    recipe = replace(recipe, operations=operations)
    epoch_dump(root, loader_order(20, 3), batch, recipe, "image_order.json")
    dump = open_dump(root)
    assert dump.info.layout == "sre2l" and dump.info.samples == 60
    assert same_dumps(root, copied(dump, root.parent / f"{root.name}-copy"))


@settings(max_examples=25, deadline=None)
@given(recipes, st.integers(3, 9), st.integers(1, 6), st.booleans())
def test_lpld_that_stops_early(tmp_path_factory, recipe, batch, stop, cutout):
    root = tmp_path_factory.mktemp("dump")
    recipe = replace(recipe, cutout=cutout)
    side = "sampler_indices_epoch.json"
    epoch_dump(root, loader_order(20, 3), batch, recipe, side, drop_last=True, stop=stop)
    dump = open_dump(root)
    assert dump.info.layout == "lpld" and len(dump) <= stop
    copy = copied(dump, root.parent / f"{root.name}-copy")
    assert same_dumps(root, copy)
    assert json.loads((copy / side).read_text()) == json.loads((root / side).read_text())


@settings(max_examples=30, deadline=None)
@given(
    recipes,
    st.integers(1, 9),
    st.sampled_from([None, 1, 4]),
    st.integers(0, 3),
    st.booleans(),
)
def test_lpqld(tmp_path_factory, recipe, batch, k, operations, cutout):
    root = tmp_path_factory.mktemp("dump")
    recipe = replace(recipe, k=k, operations=0 if cutout else operations, cutout=cutout)
    flat_dump(root, loader_order(20, 2), batch, recipe)
    dump = open_dump(root)
    assert (dump.info.k, dump.info.mix) == (k, recipe.mix)
    assert dump.info.tail == (None if k is None else "zero")
    assert [batch.epoch for batch in every_batch(dump)] == sorted([0, 1] * (len(dump) // 2))
    copy = copied(dump, root.parent / f"{root.name}-copy")
    assert same_dumps(root, copy)
    side = "sampler_indices_batch.json"
    assert json.loads((copy / side).read_text()) == json.loads((root / side).read_text())


@pytest.mark.parametrize("label_type", ["hard", "smoothing", "MS", "MR"])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("tensors", [False, True])
def test_fkd(tmp_path, label_type, half, tensors):
    root = fkd_dump(tmp_path / "dump", label_type, half, tensors=tensors)
    dump = open_dump(root, label_type=label_type)
    assert (dump.info.classes, dump.info.classes_guessed) == (1000, True)
    assert dump.info.tail == ("uniform" if label_type in ("smoothing", "MS") else "zero")
    assert dump.info.names == ("train/n01/a.tar", "train/n01/b.tar", "train/n02/a.tar")
    assert [batch.image_index.tolist() for batch in every_batch(dump)] == [
        [i] * 4 for i in range(3)
    ]
    assert same_dumps(root, copied(dump, tmp_path / "copy"))


def test_hard_labels_have_the_value_one(tmp_path):
    labels = open_dump(fkd_dump(tmp_path / "dump", "hard")).read(0).labels
    assert labels.value.tolist() == [[1.0]] * 4 and labels.space == "probabilities"


def test_pixels_with_true_sizes_unknown(tmp_path):
    recipe = Recipe(side=(333, 500))
    root = epoch_dump(tmp_path / "dump", loader_order(40, 1), 40, recipe, "image_order.json")
    crop = open_dump(root).read(0).augmentation.crop
    assert crop.size[0].tolist() == [333, 500] and crop.box.dtype == np.int32


def test_fractions_of_no_size_are_kept(tmp_path):
    recipe = Recipe(side=None)
    root = epoch_dump(tmp_path / "dump", loader_order(40, 1), 40, recipe, "image_order.json")
    crop = open_dump(root).read(0).augmentation.crop
    assert crop.size is None and crop.box.dtype == np.float32


def test_files_of_old_numpy(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(20, 2), 8, side_file="image_order.json")
    for file in root.rglob("*.tar"):
        old_numpy(file)
    assert b"numpy.core.multiarray" in (root / "epoch_0/batch_0.tar").read_bytes()
    assert len(list(every_batch(open_dump(root)))) == 6


def test_a_dump_can_be_sent_to_a_worker(tmp_path):
    root = epoch_dump(tmp_path / "dump", loader_order(40, 3), 16)
    dump = open_dump(root)
    sent = pickle.dumps(dump)
    assert len(sent) < 3000
    other = pickle.loads(sent)
    for i in (8, 0, 4):
        assert (other.read(i).image_index == dump.read(i).image_index).all()


def test_sre2l_gets_an_order_file_when_its_loader_would_draw_another(tmp_path):
    shuffled = loader_order(40, 2, seed=7)
    root = epoch_dump(tmp_path / "a", shuffled, 16, side_file="image_order.json")
    copy = copied(open_dump(root), tmp_path / "b")
    assert json.loads((copy / "image_order.json").read_text()) == shuffled
    (root / "image_order.json").rename(tmp_path / "order.json")
    elsewhere = copied(open_dump(root, image_order=tmp_path / "order.json"), tmp_path / "e")
    assert json.loads((elsewhere / "image_order.json").read_text()) == shuffled
    derived = epoch_dump(tmp_path / "c", loader_order(40, 2), 16)
    assert not (copied(open_dump(derived), tmp_path / "d") / "image_order.json").exists()


def test_conversion_uses_the_targets_own_types(tmp_path):
    root = epoch_dump(tmp_path / "a", loader_order(40, 3), 16)
    dump = open_dump(root)
    write_dump(every_batch(dump), tmp_path / "b", "lpqld", dump.info.types)
    converted = open_dump(tmp_path / "b")
    assert converted.info.types["coords"] == "tensor.float16"
    assert converted.info.types["box"] == converted.info.types["mix_index"] == "tensor.uint8"
    for i, batch in enumerate(every_batch(converted)):
        source = dump.read(i)
        assert (batch.image_index == source.image_index).all() and batch.epoch == source.epoch
        assert (batch.augmentation.crop.box == source.augmentation.crop.box).all()
        assert batch.augmentation.mix.box == source.augmentation.mix.box
        assert (batch.labels.value == source.labels.value).all()
    write_dump(every_batch(converted), tmp_path / "c", "lpld", converted.info.types)
    assert same_dumps(root, tmp_path / "c")


def test_top_k_of_a_dense_dump_fits_only_lpqld(tmp_path):
    top_k = open_dump(flat_dump(tmp_path / "a", loader_order(40, 2), 16, LPQLD))
    with pytest.raises(Exception, match="sre2l cannot hold top-k labels"):
        write_dump(every_batch(top_k), tmp_path / "b", "sre2l", top_k.info.types)
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
