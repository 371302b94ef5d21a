from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import labelcodec
from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.pipeline.label_check import enlargement_notes
from labelcodec.pipeline.relabelling import relabel
from labelcodec.pipeline.training import train
from tests.pipeline import scene

PLAIN = {
    "image_size": scene.SIDE, "normalisation": scene.NORMALISATION, "device": "cpu", "epochs": 4,
    "batch_size": 4, "mix": None, "scale": None,
}  # fmt: skip


class Colours(nn.Module):
    """Names the nearest of the scene's colours, in an order of its own."""

    def __init__(self, order, output=lambda logits: logits) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = scene.still(len(order))
        scene.recognise_colours(model[0], model[3], len(order))
        self.model, self.order, self.output = model, list(order), output

    def forward(self, images):
        return self.output(self.model(images)[:, self.order])


def run(tmp_path: Path, teacher: nn.Module, **more):
    notes: list[str] = []
    folder = scene.images(tmp_path / "images")
    report = relabel(folder, tmp_path / "a.slc", teacher, note=notes.append, **(PLAIN | more))
    return report, notes


def test_a_good_teacher_is_told_nothing_and_the_share_is_recorded(tmp_path) -> None:
    report, notes = run(tmp_path, Colours(range(6)))
    assert notes == []
    with labelcodec.open(tmp_path / "a.slc") as reader:
        own = list_images(tmp_path / "images").class_index
        hits = [own[b.image_index] == b.labels.dense().argmax(axis=1) for b in reader]
        assert reader.header.agreement == report.agreement
    assert report.agreement.labels == sum(map(len, hits)) == 88
    assert report.agreement.agreeing == int(np.concatenate(hits).sum()) > 50


def test_another_order_of_classes_is_told_and_a_class_map_mends_it(tmp_path) -> None:
    order = [3, 0, 4, 1, 5, 2]  # the teacher's class i is folder order[i]
    report, (note,) = run(tmp_path, Colours(order))
    assert "classes or images are in another order" in note
    assert report.agreement.share < 0.2
    names = [f"class{i:02}" for i in order]
    report, notes = run(tmp_path, Colours(order), class_map=names, force=True)
    assert notes == []
    assert report.agreement.share > 0.5
    assert labelcodec.open(tmp_path / "a.slc").header.class_names == tuple(names)


def test_a_student_learns_the_teachers_order_and_is_evaluated_in_it(tmp_path) -> None:
    """Of ten classes the folder has three."""
    folder = scene.images(tmp_path / "images", classes=3)
    where = {"class02": 3, "class01": 5, "class00": 7}
    lost: list[str] = []
    teacher = Colours(range(3), spread)
    given = {**PLAIN, "classes": 10, "class_map": where, "note": lost.append}
    relabel(folder, tmp_path / "a.slc", teacher, **given)
    assert lost == []
    recipe = scene.settings(epochs=30, loss="cosine")  # takes the class of every image, too
    report = train(
        tmp_path / "a.slc", folder, recipe, tmp_path / "run", device="cpu",
        validate=scene.images(tmp_path / "validation", classes=3, seed=5),
    )  # fmt: skip
    assert report.agreement.share > 0.5
    assert report.scores is not None
    assert report.scores.top1 > 0.7


def spread(logits):
    """Logits of ten classes, of which those that the folder lacks are far below the others."""
    full = torch.full((len(logits), 10), -20.0)
    full[:, [7, 5, 3]] = logits
    return full


def test_a_teacher_that_does_not_see_the_images_as_it_should(tmp_path) -> None:
    other = {"mean": [0.99, 0.99, 0.99], "std": [0.001, 0.001, 0.001]}
    _, (note,) = run(tmp_path, Colours(range(6)), normalisation=other)
    assert "check `image_size` and `normalisation`" in note


def test_probabilities_are_told(tmp_path) -> None:
    _, (note,) = run(tmp_path, Colours(range(6), lambda logits: logits.softmax(1)))
    assert note.startswith("the teacher returns probabilities")


def test_images_smaller_than_the_input_are_told() -> None:
    sizes = np.array([[32, 32], [32, 40], [500, 500]], np.int32)
    (note,) = enlargement_notes(sizes, (224, 224), "images")
    assert note.startswith("images: the images, most of 32 x 40 pixels, are enlarged")
    assert enlargement_notes(sizes, (32, 32), "images") == ()
    assert enlargement_notes(np.array([[500, 100]], np.int32), (224, 224), "images") == ()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_images_of_more_bits_are_refused(tmp_path, mode) -> None:
    folder = scene.images(tmp_path / "images")
    name = next(folder.rglob("*.png"))
    name.unlink()
    wide = Image.new("F", (scene.SIDE, scene.SIDE), 3000.0).convert(mode)
    wide.save(name.with_suffix(".tiff"))
    with pytest.raises(MismatchError, match=r"more than 8 bits per pixel .* convert it to 8 bits"):
        run(tmp_path, Colours(range(6)))


def test_a_hidden_folder_that_becomes_a_class_is_told(tmp_path) -> None:
    folder = scene.images(tmp_path / "images")
    (folder / ".ipynb_checkpoints").mkdir()
    next(folder.rglob("*.png")).rename(folder / ".ipynb_checkpoints/copy.png")
    _, notes = run(tmp_path, Colours(range(7)))
    assert (
        "the hidden folder '.ipynb_checkpoints' holds an image and is listed as class 0" in notes[0]
    )
