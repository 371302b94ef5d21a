from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import labelcodec
from labelcodec import Header, Labels, Writer
from labelcodec.annotation import Facts, annotate
from labelcodec.container import RecordReader, RecordWriter
from labelcodec.errors import (
    ConfigError,
    CorruptError,
    DataError,
    FormatError,
    LabelcodecWarning,
    MismatchError,
)
from labelcodec.images import list_images
from tests.replay import scene

NORMALISATION = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}


@pytest.fixture
def images(tmp_path) -> Path:
    return scene.folder(tmp_path / "images")


def knowing(folder: Path, path: Path, numbers=range(4), names=None, **header) -> Path:
    """A label set whose top classes are those of the folder."""
    listing = list_images(folder)
    with Writer(path, Header(scene.CLASSES, images=12, **header), "dense", names=names) as writer:
        for number in numbers:
            batch = scene.batch(number, range(12))
            value = 9 * np.eye(scene.CLASSES, dtype=np.float16)[listing.class_index]
            writer.add(replace(batch, labels=Labels(scene.CLASSES, value)))
    return path


def records(path: Path) -> list[tuple[bytes, bytes]]:
    """Tag and payload of every record but the header, in file order."""
    with RecordReader(path) as reader:
        index = reader.index
        batches = [(int(index.offset[i]), b"B", reader.batch(i)[1]) for i in range(len(reader))]
        parts = [(part.offset, part.tag, reader.section(part)) for part in index.sections[1:]]
        return [(tag, bytes(data)) for _, tag, data in sorted([*batches, *parts])]


def test_facts_are_added_and_nothing_else_changes(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc", names=list_images(images).paths)
    os.chmod(path, 0o640)
    before, stored = records(path), labelcodec.open(path).header
    report = annotate(
        path, image_size=224, interpolation="bicubic", normalisation=NORMALISATION,
        teacher="resnet18", license="CC0", note="for tests",
    )  # fmt: skip
    expected = replace(
        stored, image_size=(224, 224), interpolation="bicubic", normalisation=NORMALISATION,
        teacher={"name": "resnet18"}, license="CC0", note="for tests",
    )  # fmt: skip
    assert labelcodec.open(path).header == report.header == expected
    assert (report.files, report.notes) == ((path,), ())
    assert records(path) == before
    assert labelcodec.verify(path).sound
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.slc", "images"]


def test_records_that_nobody_knows_keep_their_place(tmp_path) -> None:
    path = tmp_path / "a.slc"
    header = Header(4, extra={"later": [1, 2.5]}).to_map()
    with RecordWriter(path, header) as writer:
        writer.add_section(b"x", b"unknown")
        writer.add_batch(b"abc", side=1, samples=2, number=7, epoch=0)
        writer.add_section(b"S", b"first")
        writer.add_batch(b"de", side=0, samples=1, number=3, epoch=1)
        writer.add_section(b"S", b"second")
        writer.add_section(b"z", b"")
    before = records(path)
    annotate(path, note="text")
    assert records(path) == before
    with RecordReader(path) as reader:
        assert reader.header == header | {"note": "text"}
        reader.verify()


def test_what_is_known_already_changes_no_file(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc", image_size=(8, 8))
    before = path.stat()
    assert annotate(path, image_size=(8, 8)).files == ()
    assert path.stat() == before


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"image_size": 9}, r"image size is \(8, 8\), not \(9, 9\)"),
        ({"normalisation": {"mean": [0] * 3, "std": [1] * 3}}, r"normalisation is .*, not .*"),
        ({"teacher": "other"}, "teacher is resnet, not other"),
        ({"interpolation": "bicubic"}, "interpolation is bilinear, not bicubic"),
    ],
)
def test_what_is_recorded_is_only_replaced_by_force(tmp_path, images, facts, message) -> None:
    path = knowing(
        images, tmp_path / "a.slc", image_size=(8, 8), normalisation=NORMALISATION,
        teacher={"name": "resnet", "sha256": "ab"}, interpolation="bilinear",
    )  # fmt: skip
    with pytest.raises(MismatchError, match=rf"a\.slc: says that {message}; pass `force=True`"):
        annotate(path, **facts)
    assert annotate(path, force=True, **facts).files == (path,)
    assert labelcodec.open(path).header.teacher["sha256"] == "ab"


def test_license_and_note_are_replaced(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc", license="old", note="old")
    annotate(path, license="new", note="new")
    header = labelcodec.open(path).header
    assert (header.license, header.note) == ("new", "new")


def test_labels_are_bound_to_their_images(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc")
    report = annotate(path, images=images)
    header = labelcodec.open(path).header
    assert (header.agreement.labels, header.agreement.agreeing) == (48, 48)
    assert {name: getattr(header, name) for name in ("images", "fingerprint", "content")} == (
        scene.belongs(images)
    )
    assert report.notes == ()
    other = scene.folder(tmp_path / "other", side=9)
    with pytest.raises(MismatchError, match="says that content is"):
        annotate(path, images=other)


def test_another_order_of_the_classes_is_told(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc")
    (note,) = annotate(path, images=images, class_map=["class2", "class0", "class1"]).notes
    assert "0.0 % of 48 labels, near chance" in note
    assert "`class_map`" in note


def test_the_classes_of_the_teacher(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc")
    annotate(path, class_map={"class1": 0, "class0": 1, "class2": 4})
    names = ("class1", "class0", "", "", "class2")
    assert labelcodec.open(path).header.class_names == names
    with pytest.raises(MismatchError, match="names its classes otherwise"):
        annotate(path, class_map={"class0": 0})
    annotate(path, class_map={"class0": 0}, force=True)
    assert labelcodec.open(path).header.class_names == ("class0", "", "", "", "")


def test_shards_and_what_an_interrupt_left(tmp_path, images) -> None:
    for i in range(2):
        knowing(images, tmp_path / f"s-{i}.slc", [i])
    pattern = str(tmp_path / "s-*.slc")
    annotate(tmp_path / "s-0.slc", image_size=8, images=images)
    with pytest.raises(MismatchError, match="header differs"):
        labelcodec.open(pattern)
    assert annotate(pattern, image_size=8, images=images).files == (tmp_path / "s-1.slc",)
    with labelcodec.open(pattern) as reader:
        assert reader.header.agreement.labels == 24  # of both


class TestShardsOfARelabelling:
    """NAME-RANK-of-WORLD.slc: a set whose headers differ could not be opened."""

    @pytest.fixture
    def shards(self, tmp_path, images) -> list[Path]:
        return [knowing(images, tmp_path / f"a-{i}-of-3.slc", [i]) for i in range(3)]

    def test_all_of_them(self, shards, tmp_path) -> None:
        pattern = str(tmp_path / "a-*-of-3.slc")
        assert annotate(pattern, image_size=8).files == tuple(shards)
        assert annotate(shards, note="text").files == tuple(shards)
        with labelcodec.open(pattern) as reader:
            assert (reader.header.image_size, reader.header.note) == ((8, 8), "text")

    @pytest.mark.parametrize("given", [[0], [0, 2]])
    def test_some_of_them(self, shards, given) -> None:
        before = [path.read_bytes() for path in shards]
        with pytest.raises(MismatchError, match=r"of 3 shards .*a-1-of-3.*'a-\*-of-3\.slc'"):
            annotate([shards[i] for i in given], image_size=8)
        assert [path.read_bytes() for path in shards] == before

    def test_those_that_are_elsewhere(self, shards) -> None:
        shards[0].unlink()
        with pytest.warns(LabelcodecWarning, match="2 of 3 shards of its label set are here"):
            assert annotate(shards[1:], image_size=8).files == tuple(shards[1:])

    def test_by_another_path(self, shards, tmp_path) -> None:
        (tmp_path / "elsewhere").symlink_to(tmp_path)
        again = [tmp_path / "elsewhere" / path.name for path in shards]
        assert len(annotate([shards[0], *again[1:]], image_size=8).files) == 3

    def test_one_that_says_otherwise_keeps_all_as_they_are(self, tmp_path, images) -> None:
        paths = [
            knowing(images, tmp_path / f"b-{i}-of-2.slc", [i], image_size=(8 + i,) * 2)
            for i in range(2)
        ]
        before = [path.read_bytes() for path in paths]
        with pytest.raises(MismatchError, match=r"b-1-of-2\.slc: says that image size"):
            annotate(paths, image_size=8, note="text")
        assert [path.read_bytes() for path in paths] == before

    @pytest.mark.parametrize("name", ["a-0-of-1.slc", "a-3-of-3.slc", "a-0-of-2.old", "0-of-2.slc"])
    def test_other_names(self, tmp_path, images, name) -> None:
        path = knowing(images, tmp_path / name)
        knowing(images, tmp_path / "a-1-of-2.slc")
        assert annotate(path, note="text").files == (path,)


def test_a_damaged_file_stays_as_it_is(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc")
    data = bytearray(path.read_bytes())
    with RecordReader(path) as reader:
        data[int(reader.index.offset[2]) + 12] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="checksum"):
        annotate(path, note="text")
    assert path.read_bytes() == data
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.slc", "images"]


def test_a_recipe_must_agree(tmp_path, images) -> None:
    from labelcodec.augmentation.spec import AugmentationSpec

    spec = AugmentationSpec(0, 12, 4, (8, 8), (8, 8))
    with Writer(tmp_path / "a.slc", Header(5, images=12, recipe=spec), "dense"):
        pass
    with pytest.raises(FormatError, match="'image_size' is"):
        annotate(tmp_path / "a.slc", image_size=9)


@pytest.mark.parametrize(
    ("facts", "error", "message"),
    [
        ({}, ConfigError, "nothing to add"),
        ({"image_size": 0}, ConfigError, "`image_size` is 0"),
        ({"interpolation": "nearest"}, ConfigError, "'bilinear' or 'bicubic'"),
        ({"normalisation": {"mean": [0] * 3}}, DataError, "'std' is None"),
        ({"note": "x" * (1 << 20)}, DataError, "the header takes"),
    ],
)
def test_what_cannot_be_added(tmp_path, images, facts, error, message) -> None:
    path = knowing(images, tmp_path / "a.slc")
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        annotate(path, **facts)
    assert path.read_bytes() == before


def test_a_link_stays_a_link(tmp_path, images) -> None:
    path = knowing(images, tmp_path / "a.slc")
    (tmp_path / "link.slc").symlink_to(path)
    annotate(tmp_path / "link.slc", note="text")
    assert (tmp_path / "link.slc").is_symlink()
    assert labelcodec.open(path).header.note == "text"


def test_facts_of_nothing_change_nothing() -> None:
    assert Facts().added_to(Header(3), "a.slc") == Header(3)
