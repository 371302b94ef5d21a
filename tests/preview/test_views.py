"""What a view says of a batch is what the batch holds, and what replay makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import labelcodec
from labelcodec.batch import Labels
from labelcodec.preview.batch_view import softmax, view_batch
from labelcodec.preview.replayed import view_replayed
from labelcodec.preview.wording import facts, heading, mixing, title
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.soft_labels import to_tensors
from tests.preview.scene import labelled, levels
from tests.replay import scene


def test_a_view_with_pixels(tmp_path) -> None:
    dataset = labelled(tmp_path)
    recorded = dataset.reader[0]
    view = view_replayed(dataset, 0, 3)
    assert (view.number, view.length, len(view.samples)) == (3, 4, 3)
    assert (view.mix, view.box) == ("cutmix", (0, 4, 0, 8))
    for row, sample in enumerate(view.samples):
        own = recorded.image_index[row]
        partner = recorded.image_index[recorded.augmentation.mix.partner[row]]
        assert sample.name == dataset.listing.paths[own]
        assert sample.class_name == f"class{own // 4}"
        assert (sample.original == levels(own)).all() and sample.image_size == (8, 8)
        assert (sample.student[:4] == levels(partner)).all()
        assert (sample.student[4:] == levels(own)).all()
        assert list(sample.crop) == recorded.augmentation.crop.box[row].tolist()
        assert sample.is_flipped == bool(recorded.augmentation.flip[row])
        assert sample.partner == recorded.augmentation.mix.partner[row]


def test_the_student_is_what_the_dataset_serves(tmp_path) -> None:
    """Also for mixup, whose pixels are between those of two images."""
    dataset = labelled(tmp_path, mixed=False)
    batch = dataset.finish(dataset[0])
    view = view_replayed(dataset, 0, 9)
    students = torch.from_numpy(np.stack([sample.student for sample in view.samples]))
    assert torch.equal(students.permute(0, 3, 1, 2), torch.round(batch.images * 255).byte())
    assert mixing(view) == "" and view.samples[0].partner is None


@pytest.mark.parametrize(
    "labels",
    [
        Labels(7, np.random.default_rng(0).normal(size=(4, 7)).astype(np.float16)),
        Labels(7, np.array([[3, 2], [1, 1]], np.float16), np.array([[6, 0], [2, 3]]), tail="zero"),
        Labels(7, np.array([[0.5, 0.25]], np.float16), np.array([[6, 0]]), "probabilities",
               "uniform"),
        Labels(7, np.array([[0.5, 0.25]], np.float16), np.array([[6, 0]]), "probabilities", "zero"),
        Labels(7, np.array([[5, -np.inf, 1, 2, 0, 0, 0]], np.float32), precision="float32"),
    ],
)  # fmt: skip
def test_probabilities_are_those_of_training(labels) -> None:
    expected = to_tensors(labels).probabilities(1.0)
    assert torch.allclose(torch.from_numpy(softmax(labels)).float(), expected, atol=1e-6)


def test_the_top_classes_and_the_rest(tmp_path) -> None:
    names = ("a", "b", "", "d", "e")
    dataset = labelled(tmp_path, class_names=None)
    value = dataset.reader[0].labels.value[0].astype(np.float64)
    powers = np.exp(value - value.max()) / np.exp(value - value.max()).sum()
    sample = view_batch(dataset.reader, 0, 1, class_names=names).samples[0]
    best = np.argsort(-powers, kind="stable")
    assert [entry.name for entry in sample.top] == [names[c] or f"class {c}" for c in best]
    assert np.allclose([entry.probability for entry in sample.top], powers[best])
    assert sample.others == pytest.approx(0, abs=1e-12)
    assert sample.original is None and sample.class_name is None


def test_labels_without_softmax_are_told(tmp_path) -> None:
    batch = scene.batch(0, [0, 1])
    batch.labels.value[1, 2] = np.nan
    scene.write(tmp_path / "a.slc", [batch])
    with labelcodec.open(tmp_path / "a.slc") as reader:
        view = view_batch(reader, 0, 2)
    assert len(view.samples[0].top) == 5 and view.samples[1].top == ()
    assert "no softmax" in facts(view, view.samples[1])[-1]


def test_classes_that_a_label_left_out_are_not_shown(tmp_path) -> None:
    batch = scene.batch(0, [0, 1])
    value, index = np.array([[2, 1], [1, 1]], np.float32), np.array([[3, 4], [0, 2]])
    batch = replace(batch, labels=Labels(5, value, index, tail="zero", precision="float32"))
    scene.write(tmp_path / "a.slc", [batch], "topk:k=2", k=2, tail="zero")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        view = view_batch(reader, 0, 2)
    names = [{entry.name for entry in sample.top} for sample in view.samples]
    assert names == [{"class 3", "class 4"}, {"class 0", "class 2"}]


def test_words(tmp_path) -> None:
    view = view_replayed(labelled(tmp_path), 0, 2)
    assert heading(view) == "batch 3 of epoch 0: 4 samples, the first 2"
    assert mixing(view) == "cutmix, rows 0 to 4 and columns 0 to 8 of the partner"
    assert title(view.samples[1]) == "1: class1/005.png"
    top, left, height, width = map(int, view.samples[0].crop)
    said = facts(view, view.samples[0])
    assert said[:2] == ["folder: class0", f"crop {height} x {width} at {top}, {left} of 8 x 8"]
    assert "mixed with 1" in said


def test_a_label_without_a_softmax_is_shown(tmp_path) -> None:
    """What is wrong with it is just what people look for."""
    root = scene.folder(tmp_path / "images")
    batch = scene.batch(0, [1, 2, 3])
    batch.labels.value[1] = np.nan
    path = scene.write(tmp_path / "a.slc", [batch], **scene.belongs(root))
    view = view_replayed(ReplayDataset(path, root, uint8=True), 0, 3)
    assert [sample.student.shape for sample in view.samples] == [(8, 8, 3)] * 3
