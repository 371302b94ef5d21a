"""The image folder as torchvision lists it."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.images import content_digest, fingerprint, image_sizes, list_images
from labelcodec.images import folder as folder_module
from labelcodec.images import listing as listing_module

FILES = ("b/2.png", "b/10.png", "a/z.JPEG", "a/sub/x.webp", "a/B.png", "c/1.bmp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for i, name in enumerate(FILES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10 + i, 20 + i)).save(root / name)
    (root / "a" / "notes.txt").write_text("")
    (root / "loose.png").write_bytes(b"")
    return root


def test_order_and_classes(folder):
    listing = list_images(folder)
    assert listing.paths == (
        "a/B.png",
        "a/z.JPEG",
        "a/sub/x.webp",
        "b/10.png",
        "b/2.png",
        "c/1.bmp",
    )
    assert listing.classes == ("a", "b", "c") and len(listing) == 6
    assert listing.class_index.tolist() == [0, 0, 0, 1, 1, 2]


def test_agrees_with_torchvision(folder):
    datasets = pytest.importorskip("torchvision.datasets")
    theirs = datasets.ImageFolder(str(folder))
    listing = list_images(folder)
    assert [str(folder / path) for path in listing.paths] == [path for path, _ in theirs.samples]
    assert listing.class_index.tolist() == theirs.targets


def test_fingerprint_depends_on_names_and_order():
    assert fingerprint(["a/1", "b/2"]) == hashlib.sha256(b"a/1\nb/2\n").hexdigest()
    assert fingerprint(["b/2", "a/1"]) != fingerprint(["a/1", "b/2"])
    assert fingerprint(["ü/1"]) == hashlib.sha256("ü/1\n".encode()).hexdigest()


def spoilt(path: Path) -> None:
    """Another last byte; the size stays."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_content_is_sizes_and_the_bytes_of_some(folder, monkeypatch):
    listing = list_images(folder)
    files = [(folder / name).read_bytes() for name in listing.paths]
    sizes = b"".join(len(data).to_bytes(8, "little") for data in files)
    assert content_digest(listing) == hashlib.sha256(sizes + b"".join(files)).hexdigest()
    monkeypatch.setattr(listing_module, "CONTENT_FILES", 4)
    some = b"".join(files[i] for i in (0, 1, 3, 4))
    known = content_digest(listing)
    assert known == hashlib.sha256(sizes + some).hexdigest()
    spoilt(folder / listing.paths[2])
    assert content_digest(listing) == known
    spoilt(folder / listing.paths[3])
    assert content_digest(listing) != known


def test_sizes_are_height_and_width_and_read_once(folder, monkeypatch):
    listing = list_images(folder)
    read = []
    real = folder_module.header_size
    monkeypatch.setattr(
        folder_module, "header_size", lambda path, where: read.append(path) or real(path, where)
    )
    indices = np.array([4, 4, 0])
    told = []
    sizes = image_sizes(listing, indices, lambda *step: told.append(step))
    assert sizes.tolist() == [[20, 10], [20, 10], [24, 14]]
    assert told == [(1, 3), (2, 3), (3, 3)]
    before = len(read)
    assert image_sizes(listing, indices).dtype == np.int32
    assert len(read) == before and {path.name for path in read} == {"2.png", "B.png"}
    assert image_sizes(pickle.loads(pickle.dumps(listing)), indices)[0].tolist() == [20, 10]


def test_sizes_of_a_broken_image(folder):
    listing = list_images(folder)
    (folder / "b" / "10.png").write_bytes(b"no image")
    with pytest.raises(MismatchError, match=r"10\.png: cannot read"):
        image_sizes(listing, np.array([3]))
    (folder / "b" / "10.png").unlink()
    with pytest.raises(MismatchError, match=r"10\.png: cannot read"):
        image_sizes(listing, np.array([3]))


def test_nothing_to_list(tmp_path):
    with pytest.raises(MismatchError, match="no such image folder"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(MismatchError, match="no images"):
        list_images(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(MismatchError, match="no image in this class folder"):
        list_images(tmp_path)
