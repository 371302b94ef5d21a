from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from PIL import Image

import labelcodec
from labelcodec import Header, Writer
from labelcodec.binding.folder import folder_fields
from labelcodec.errors import MismatchError
from labelcodec.folder_check import bind_folder
from labelcodec.images import list_images
from tests.replay import scene


def labelled(tmp_path, names=None, **header):
    """The reader of a label set of the folder 'images'."""
    folder = scene.folder(tmp_path / "images")
    given = {"classes": 3, **scene.belongs(folder)} | header
    with Writer(tmp_path / "a.slc", Header(**given), "dense", names=names, force=True):
        pass
    return labelcodec.open(tmp_path / "a.slc")


def fields_of(folder):
    listing = list_images(folder)
    return folder_fields(listing, listing.class_index)


def refused(reader, folder, *words: str) -> None:
    with pytest.raises(MismatchError) as caught:
        bind_folder(reader, list_images(folder))
    assert all(word in str(caught.value) for word in (str(folder), "a.slc", *words))


def test_the_folder_itself_is_accepted(tmp_path) -> None:
    bind_folder(labelled(tmp_path), list_images(tmp_path / "images"))


def test_other_images_of_the_same_names(tmp_path) -> None:
    reader = labelled(tmp_path)
    other = scene.folder(tmp_path / "other", side=scene.SIDE + 1)
    assert list_images(other).paths == list_images(tmp_path / "images").paths
    refused(reader, other, "same names, but other content")
    bind_folder(labelled(tmp_path, content=None), list_images(other))


def test_a_copy_is_the_folder(tmp_path) -> None:
    reader = labelled(tmp_path)
    shutil.copytree(tmp_path / "images", tmp_path / "copy", copy_function=shutil.copyfile)
    bind_folder(reader, list_images(tmp_path / "copy"))


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
    bind_folder(labelled(tmp_path, classes=1000), list_images(tmp_path / "images"))


def test_a_dump_with_files_missing_meets_its_own_images(tmp_path) -> None:
    """FKD's labels bring the names of their files: a folder with more images is no other folder."""
    folder = scene.folder(tmp_path / "images")
    paths = list_images(folder).paths
    names = [path.replace(".png", ".tar") for path in paths if not path.endswith("004.png")]
    reader = labelled(tmp_path, names, fingerprint=None, content=None, images=11)
    found = bind_folder(reader, list_images(folder))
    assert list(found.listing.paths) == [path for path in paths if not path.endswith("004.png")]
    assert found.bound
    assert found.notes == (f"{folder}: 1 of its 12 images has no labels",)
    (folder / "class1/006.png").unlink()
    with pytest.raises(MismatchError, match=r"it has no image for class1/006\.tar"):
        bind_folder(reader, list_images(folder))


def test_labels_that_keep_no_names_tell_of_further_images(tmp_path) -> None:
    reader = labelled(tmp_path, fingerprint=None, content=None)
    found = bind_folder(reader, list_images(tmp_path / "images"))
    assert (found.bound, found.notes) == (False, ())
    more = bind_folder(reader, list_images(scene.folder(tmp_path / "more", 13)))
    assert "has 13 images, the labels refer to 12" in more.notes[0]


def saved_again(folder, target, suffix, **options):
    """A copy of a folder with every image saved anew."""
    for path in list_images(folder).paths:
        place = (target / path).with_suffix(suffix)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.open(folder / path).save(place, **options)
    return list_images(target)


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_images_saved_again_without_loss(tmp_path, suffix) -> None:
    folder = pictures(tmp_path / "pictures")
    reader = labelled(tmp_path, **fields_of(folder))
    how = {"compress_level": 0} if suffix == ".png" else {}
    copy = saved_again(folder, tmp_path / "copy", suffix, **how)
    found = bind_folder(reader, copy)
    assert found.listing.paths == copy.paths
    assert found.notes == (f"{copy.root}: the images were saved again without loss",)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_saved_again_with_a_loss(tmp_path, suffix) -> None:
    """Of the same names, or with another extension."""
    folder = pictures(tmp_path / "pictures")
    reader = labelled(tmp_path, **fields_of(folder))
    copy = saved_again(folder, tmp_path / "copy", ".jpg", quality=40)
    for path in copy.paths:
        (copy.root / path).rename((copy.root / path).with_suffix(suffix))
    copy = list_images(copy.root)
    with pytest.raises(
        MismatchError, match=r"differ by up to \d\.\d of 255 .*allow_changed_images"
    ):
        bind_folder(reader, copy)
    (note,) = bind_folder(reader, copy, allow_changed_images=True).notes
    assert re.search(r"images were changed: the colours .* differ by up to \d\.\d of 255", note)


def test_other_pictures_of_the_same_names(tmp_path) -> None:
    folder = pictures(tmp_path / "pictures")
    reader = labelled(tmp_path, **fields_of(folder))
    other = list_images(pictures(tmp_path / "other", seed=1))
    with pytest.raises(MismatchError, match=r"grey levels; they are other pictures"):
        bind_folder(reader, other)


def test_labels_without_pixels_cannot_measure_a_change(tmp_path) -> None:
    reader = labelled(tmp_path)
    other = list_images(scene.folder(tmp_path / "other", side=scene.SIDE + 1))
    (note,) = bind_folder(reader, other, allow_changed_images=True).notes
    assert "keep no pixels" in note


def pictures(path, seed=0):
    """Twelve smooth pictures, as JPEG keeps them, of the names of `scene.folder`."""
    rng = np.random.default_rng(seed)
    for index in range(12):
        place = path / f"class{index // 4}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8))
        coarse.resize((32, 32), Image.Resampling.BICUBIC).save(place / f"{index:03}.png")
    return path


def test_images_besides_those_with_labels_are_told_by_name(tmp_path) -> None:
    """As where images that could not be read were left out."""
    names = list_images(scene.folder(tmp_path / "images")).paths
    unnamed = labelled(tmp_path)
    reader = labelled(tmp_path, names)
    shutil.copy(tmp_path / "images/class1/006.png", tmp_path / "images/class0/more.png")
    listing = list_images(tmp_path / "images")
    folder = bind_folder(reader, listing)
    assert folder.bound and folder.listing.paths == names
    assert "1 of its 13 images has no labels" in folder.notes[0]
    with pytest.raises(MismatchError, match="it has 13 images, the labels 12"):
        bind_folder(unnamed, listing)
    (tmp_path / "images/class1/006.png").rename(tmp_path / "images/class0/other.png")
    with pytest.raises(MismatchError, match=r"no image for class1/006\.png"):
        bind_folder(reader, list_images(tmp_path / "images"))
