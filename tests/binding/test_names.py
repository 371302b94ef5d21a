from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from labelcodec.binding.names import matched, reordered, spellings, stem, stem_digest
from labelcodec.errors import MismatchError
from labelcodec.images import fingerprint, list_images

NAMES = ("caf\u00e9", "cafz", "cafe", "zo\u00eb")


def folder(path, names, files=("a.png", "\u00e9.png", "f.png")):
    for name in names:
        (path / name).mkdir(parents=True)
        for file in files:
            (path / name / file).write_bytes(b"x")
    return list_images(path)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_one_name_in_two_spellings(tmp_path, form, other) -> None:
    """Sorted, the spellings put names in other places: the images keep those of the labels."""
    labels = folder(tmp_path / "a", [unicodedata.normalize(form, name) for name in NAMES])
    files = [unicodedata.normalize(other, file) for file in ("a.png", "\u00e9.png", "f.png")]
    copied = folder(
        tmp_path / "b", [unicodedata.normalize(other, name) for name in NAMES],
        files,
    )  # fmt: skip
    wanted = [unicodedata.normalize("NFC", path) for path in _in(form, labels.paths)]
    digest = fingerprint(_in(form, labels.paths))
    found = next(listing for listing, names in spellings(copied) if fingerprint(names) == digest)
    assert [unicodedata.normalize("NFC", path) for path in found.paths] == wanted
    for path, index in zip(found.paths, found.class_index, strict=True):
        assert path.startswith(found.classes[index] + "/")
        assert (found.root / path).exists()


def _in(form, paths):
    """Names as a computer lists them that spells them in this form."""
    spelled = [unicodedata.normalize(form, path) for path in paths]
    return sorted(spelled, key=lambda path: tuple(path.split("/")))


def test_stems() -> None:
    assert stem("n01/a.b.JPEG") == "n01/a.b"
    assert stem("n.01/a") == "n.01/a"
    assert stem("n01/.hidden") == "n01/.hidden"
    assert stem_digest(["cafe\u0301/1.png"]) == stem_digest(["caf\u00e9/1.jpg"])
    assert stem_digest(["a/1.png"]) != stem_digest(["a/2.png"])


def test_images_by_their_names(tmp_path) -> None:
    listing = folder(tmp_path / "a", ["x", "y"])
    found = matched(["y/f.png", "x/a.png", "y/e\u0301.png"], listing, "labels")
    assert found.paths == ("y/f.png", "x/a.png", "y/\u00e9.png")
    assert found.class_index.tolist() == [1, 0, 1]
    assert found.classes == ("x", "y")


def test_images_by_the_names_of_label_files(tmp_path) -> None:
    listing = folder(tmp_path / "a", ["x", "y"], ["1.JPEG", "2.b.JPEG", "3.JPEG"])
    found = matched(["imagenet/train/y/2.tar", "imagenet/train/x/3.tar"], listing, "labels")
    assert found.paths == ("y/2.b.JPEG", "x/3.JPEG")
    with pytest.raises(MismatchError, match=r"it has no image for z/1\.tar"):
        matched(["x/3.tar", "z/1.tar"], listing, "labels")
    both = folder(tmp_path / "b", ["x"], ["1.a.png", "1.b.png"])
    with pytest.raises(MismatchError, match=r"it has several images for x/1\.tar"):
        matched(["x/1.tar"], both, "labels")


def test_a_part_of_a_listing(tmp_path) -> None:
    listing = folder(tmp_path / "a", ["x", "y"])
    part = reordered(listing, [5, 0])
    assert (part.paths, len(part)) == (("y/\u00e9.png", "x/a.png"), 2)
    assert np.array_equal(part.class_index, [1, 0])


def test_names_with_dots_and_in_both_spellings(tmp_path) -> None:
    files = ("X.JPEG", "X.v2.JPEG", "img.0001.png", "img.0002.png")
    listing = folder(tmp_path / "a", ["n"], files)
    labels = ["dump/n/X.tar", "dump/n/img.0002.tar", "n/X.v2.tar", "n/img.0001.tar"]
    found = matched(labels, listing, "labels")
    assert [path.partition("/")[2] for path in found.paths] == [files[i] for i in (0, 3, 1, 2)]
    listing = folder(tmp_path / "b", ["n"], ("\u00e9.png", "e\u0301.png"))
    for paths in (listing.paths, listing.paths[::-1]):
        assert matched(paths, listing, "labels").paths == paths
