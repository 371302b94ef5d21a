"""What `encode` says of the images and of how the labels were made, and what replay makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Writer
from labelcodec.errors import LabelcodecWarning, MismatchError
from labelcodec.folder_check import bind_folder
from labelcodec.images import list_images
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.transcode import encode, recode
from tests.formats import builders

IMAGES = 24  # of as many classes, each label's top class being that of its image
FACTS = {
    "image_size": 224, "interpolation": "bicubic", "teacher": "resnet18", "license": "CC0",
    "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3}, "note": "for tests",
}  # fmt: skip


@pytest.fixture
def images(tmp_path) -> Path:
    return builders.image_folder(tmp_path / "images", IMAGES, IMAGES)


@pytest.fixture
def dump(tmp_path) -> Path:
    recipe = builders.Recipe(classes=IMAGES, mix=None)
    return builders.epoch_dump(tmp_path / "dump", builders.loader_order(IMAGES, 3), 8, recipe)


def test_the_share_is_recorded_and_kept_by_recode(tmp_path, dump, images) -> None:
    report = encode(dump, tmp_path / "a.slc", images=images)
    assert report.header.agreement.to_map() == {"labels": 72, "agreeing": 72}
    recode(tmp_path / "a.slc", tmp_path / "b.slc", "topk:k=2")
    with labelcodec.open(tmp_path / "b.slc") as reader:
        assert reader.header.agreement == report.header.agreement
        assert bind_folder(reader, list_images(images)).bound


def test_one_image_too_many_is_told(tmp_path, dump, images) -> None:
    """Labels that are not bound to images take any folder with as many images or more."""
    encode(dump, tmp_path / "a.slc", **FACTS)
    notes: list[str] = []
    ReplayDataset(tmp_path / "a.slc", images, note=notes.append)
    assert notes == []
    (images / "n00/0000.png").write_bytes((images / "n00/000.png").read_bytes())
    ReplayDataset(tmp_path / "a.slc", images, note=notes.append)
    assert "has 25 images, the labels refer to 24" in notes[0]
    assert "near chance" in notes[1]


def test_another_order_of_the_images_is_told_at_encode(tmp_path, dump, images) -> None:
    names = sorted(path.name for path in images.iterdir())
    (images / names[0]).rename(images / "last")
    notes = encode(dump, tmp_path / "a.slc", images=images).notes
    assert not any("near chance" in note for note in notes)  # one image per class: order is all
    mapped = encode(
        dump, tmp_path / "b.slc", images=images, class_map=[*names[1:], "last"][::-1]
    )  # fmt: skip
    assert any("near chance" in note for note in mapped.notes)
    assert mapped.header.class_names[0] == "last"


def test_how_the_labels_were_made_is_recorded(tmp_path, dump, images) -> None:
    header = encode(dump, tmp_path / "a.slc", images=images, **FACTS).header
    assert header.image_size == (224, 224)
    assert header.teacher == {"name": "resnet18"}
    for name in ("interpolation", "normalisation", "license", "note"):
        assert getattr(header, name) == FACTS[name]
    dataset = ReplayDataset(tmp_path / "a.slc", images)
    assert (dataset.size, dataset.normalisation) == ((224, 224), FACTS["normalisation"])


def test_what_the_file_does_not_say_is_told(tmp_path, dump, images) -> None:
    told = " ".join(encode(dump, tmp_path / "a.slc").notes)
    assert "the labels are not bound to images" in told
    assert "pass `image_size`, `normalisation`, `interpolation`" in told
    told = " ".join(encode(dump, tmp_path / "b.slc", images=images, **FACTS).notes)
    assert "bound to images" not in told
    assert "does not say" not in told


def test_classes_in_text_order_and_hidden_folders_are_told(tmp_path, dump, images) -> None:
    for i, path in enumerate(sorted(images.iterdir())):
        path.rename(images / str(i))
    notes = encode(dump, tmp_path / "a.slc", images=images).notes
    assert any("class 2 is folder '10'" in note for note in notes)
    (images / "3").rename(images / ".3")
    notes = encode(dump, tmp_path / "b.slc", images=images).notes
    assert any("the hidden folder '.3'" in note for note in notes)


def test_a_partial_fkd_dump_trains_on_its_own_images(tmp_path) -> None:
    images = builders.image_folder(tmp_path / "images", 6, 3)
    listing = list_images(images)
    names = tuple(path.replace(".png", ".tar") for path in listing.paths)
    dump = builders.fkd_dump(tmp_path / "dump", "MS", names=names)
    next(dump.rglob("*.tar")).unlink()
    report = encode(dump, tmp_path / "a.slc", label_type="MS", classes=12)
    assert not any("not bound to images" in note for note in report.notes)  # they are, by name
    with labelcodec.open(tmp_path / "a.slc") as reader:
        bound = bind_folder(reader, listing)
        for name, path in zip(reader.names, bound.listing.paths, strict=True):
            assert name.partition(".")[0] == path.partition(".")[0]
    assert "1 of its 6 images has no labels" in bound.notes[0]


def test_a_resumed_encode_is_uninterrupted(tmp_path, dump, images, monkeypatch) -> None:
    def stop(done: int, total: int, doing: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    given = {"images": images, "class_map": sorted(path.name for path in images.iterdir()), **FACTS}
    encode(dump, tmp_path / "whole.slc", **given)
    with pytest.raises(KeyboardInterrupt):
        encode(dump, tmp_path / "a.slc", progress=stop, **given)
    with pytest.raises(MismatchError, match="'note' is 'for tests' there and 'other' now"):
        encode(dump, tmp_path / "a.slc", resume=True, **{**given, "note": "other"})
    encode(dump, tmp_path / "a.slc", resume=True, **given)
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


def test_a_writer_warns_of_probabilities_called_logits(tmp_path) -> None:
    value = np.full((4, 5), 0.2, np.float16)
    batch = LabelBatch(0, 0, np.arange(4), Augmentation(), Labels(5, value))
    with (
        pytest.warns(LabelcodecWarning, match="the labels are probabilities"),
        Writer(tmp_path / "a.slc", Header(5), "dense") as writer,
    ):
        writer.add(batch)
    named = LabelBatch(0, 0, np.arange(4), Augmentation(), Labels(5, value, space="probabilities"))
    with Writer(tmp_path / "b.slc", Header(5, space="probabilities"), "dense") as writer:
        writer.add(named)
