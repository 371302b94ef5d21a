from __future__ import annotations

import shutil

import pytest

import labelcodec
from labelcodec import Header, Writer
from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.replay.folder_check import check_folder
from tests.replay import scene


def labelled(tmp_path, names=None, **header):
    """The reader of a label set of the folder 'images'."""
    folder = scene.folder(tmp_path / "images")
    given = {"classes": 3, **scene.belongs(folder)} | header
    with Writer(tmp_path / "a.slc", Header(**given), "dense", names=names, force=True):
        pass
    return labelcodec.open(tmp_path / "a.slc")


def refused(reader, folder, *words: str) -> None:
    with pytest.raises(MismatchError) as caught:
        check_folder(reader, list_images(folder))
    assert all(word in str(caught.value) for word in (str(folder), "a.slc", *words))


def test_the_folder_itself_is_accepted(tmp_path) -> None:
    check_folder(labelled(tmp_path), list_images(tmp_path / "images"))


def test_other_images_of_the_same_names(tmp_path) -> None:
    reader = labelled(tmp_path)
    other = scene.folder(tmp_path / "other", side=scene.SIDE + 1)
    assert list_images(other).paths == list_images(tmp_path / "images").paths
    refused(reader, other, "same names, but other content")
    check_folder(labelled(tmp_path, content=None), list_images(other))


def test_a_copy_is_the_folder(tmp_path) -> None:
    reader = labelled(tmp_path)
    shutil.copytree(tmp_path / "images", tmp_path / "copy", copy_function=shutil.copyfile)
    check_folder(reader, list_images(tmp_path / "copy"))


def test_another_name_is_named(tmp_path) -> None:
    reader = labelled(tmp_path, list_images(scene.folder(tmp_path / "images")).paths)
    (tmp_path / "images/class1/006.png").rename(tmp_path / "images/class1/0060.png")
    refused(reader, tmp_path / "images", "class1/0060.png", "class1/006.png")


def test_without_names_the_listings_differ(tmp_path) -> None:
    reader = labelled(tmp_path)
    (tmp_path / "images/class1/006.png").rename(tmp_path / "images/class1/0060.png")
    refused(reader, tmp_path / "images", "other file names", "keep no names")


def test_names_of_other_files_are_not_told(tmp_path) -> None:
    """FKD's are those of its label files."""
    reader = labelled(tmp_path, names=[f"class/{i}.tar" for i in range(12)])
    (tmp_path / "images/class1/006.png").rename(tmp_path / "images/class1/0060.png")
    refused(reader, tmp_path / "images", "other file names")


@pytest.mark.parametrize("header", [{}, {"fingerprint": None}])
def test_too_few_images(tmp_path, header) -> None:
    reader = labelled(tmp_path, **header)
    (tmp_path / "images/class1/006.png").unlink()
    refused(reader, tmp_path / "images", "11 images", "12")


def test_too_many_images(tmp_path) -> None:
    reader = labelled(tmp_path)
    refused(reader, scene.folder(tmp_path / "more", 13), "13 images", "12")


def test_too_many_images_by_their_names(tmp_path) -> None:
    """Where the header does not say how many there are."""
    paths = list_images(scene.folder(tmp_path / "images")).paths
    reader = labelled(tmp_path, paths, images=None)
    refused(reader, scene.folder(tmp_path / "more", 13), "13 images", "12")
    refused(reader, scene.folder(tmp_path / "fewer", 11), "11 images", "12")


def test_more_classes_than_the_labels_have(tmp_path) -> None:
    refused(labelled(tmp_path, classes=2), tmp_path / "images", "3 classes", "2")


def test_fewer_classes_than_the_labels_have(tmp_path) -> None:
    check_folder(labelled(tmp_path, classes=1000), list_images(tmp_path / "images"))
