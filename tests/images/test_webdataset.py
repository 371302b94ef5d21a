"""Tars: how samples are read, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.readable_images import unreadable
from tests.images.sources import write_tar


def png(level: int, extension: str = "png") -> bytes:
    file = io.BytesIO()
    image = Image.new("RGB", (4, 3), (level,) * 3)
    image.save(file, {"jpg": "jpeg"}.get(extension, extension))
    return file.getvalue()


def refused(source: Path, *words: str) -> None:
    with pytest.raises(MismatchError) as caught:
        list_images(source)
    assert all(word in str(caught.value) for word in words), caught.value


def levels(source: Path) -> list[int]:
    listing = list_images(source)
    return [int(listing.pixels(i)[0, 0, 0]) for i in range(len(listing))]


def test_samples_are_ordered_by_class_and_key(tmp_path) -> None:
    files = {"b.png": png(1), "b.cls": b"1\n", "a.png": png(2), "a.cls": b"1", "c.webp": png(
        3, "webp"), "c.cls": b"0", "README.md": b"", ".hidden": b""}  # fmt: skip
    listing = list_images(write_tar(tmp_path / "a.tar", files))
    assert listing.paths == ("0/c.webp", "1/a.png", "1/b.png")
    assert listing.class_index.tolist() == [0, 1, 1] and listing.classes == ("0", "1")
    assert levels(tmp_path / "a.tar") == [3, 2, 1]
    assert listing.where(1) == f"{tmp_path / 'a.tar'}: a.png"


def test_a_json_file_of_no_image_says_no_classes(tmp_path) -> None:
    """Such as the recipe beside recovered images."""
    files = {"images/recipe.json": b"{}", "images/dog/a.png": png(1), "images/cat/b.png": png(2)}
    listing = list_images(write_tar(tmp_path / "a.tar", files))
    assert listing.paths == ("cat/b.png", "dog/a.png")


@pytest.mark.parametrize("key", ["cls", "label", "target"])
def test_classes_in_json(tmp_path, key) -> None:
    files = {"a.png": png(1), "a.json": json.dumps({"x": 0, key: "dog"}).encode(),
             "b.png": png(2), "b.json": json.dumps({key: "cat"}).encode()}  # fmt: skip
    listing = list_images(write_tar(tmp_path / "a.tar", files))
    assert listing.classes == ("cat", "dog") and listing.paths == ("cat/b.png", "dog/a.png")
    assert listing.is_named


def test_shards_that_number_their_samples_anew(tmp_path) -> None:
    for shard in range(2):
        files = {"0.png": png(shard), "0.cls": b"0", "1.png": png(shard + 5), "1.cls": b"0"}
        write_tar(tmp_path / f"s-{shard:03}.tar", files)
    listing = list_images(tmp_path / "s-{000..001}.tar")
    assert listing.paths == ("0/s-000/0.png", "0/s-000/1.png", "0/s-001/0.png", "0/s-001/1.png")
    assert levels(tmp_path) == levels(tmp_path / "s-*.tar") == [0, 5, 1, 6]
    refused(tmp_path / "s-{000..002}.tar", "s-002.tar: there is no such shard")
    refused(tmp_path / "s-{2..1}.tar", "no files")
    refused(tmp_path / "s-{0..99999999}.tar", "more than")
    refused(tmp_path / "t-*.tar", "no such image folder")


def test_a_folder_in_a_tar_with_dots_in_names(tmp_path) -> None:
    files = {"x/b/1.5.JPEG": png(1, "jpg"), "./x/a/1.2.png": png(2), "x/b/1.4.JPEG": png(3, "jpg")}
    listing = list_images(write_tar(tmp_path / "a.tar", files))
    assert listing.paths == ("a/1.2.png", "b/1.4.JPEG", "b/1.5.JPEG")


def test_class_folders_beside_a_tar_are_an_image_folder(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "a/1.png")
    write_tar(tmp_path / "a.tar", {"b/1.png": png(1)})
    assert list_images(tmp_path).paths == ("a/1.png",)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.png": png(1), "a.cls": b"0", "b.png": png(1)}, "b has no class"),
        ({"a.png": png(1), "b.png": png(1)}, "nothing says its class"),
        ({"a.png": png(1), "a.jpg": png(1, "jpg"), "a.cls": b"0"}, "a has several images"),
        ({"a.png": png(1), "a.cls": b"-3"}, "a.png: its class is -3"),
        ({"a.png": png(1), "a.cls": b""}, "a.cls: does not say a class"),
        ({"a.png": png(1), "a.cls": b"\xff"}, "a.cls: is no text"),
        ({"a.png": png(1), "a.json": b"{"}, "a.json: is no text"),
        ({"a.png": png(1), "a.json": b"[" * 9999}, "a.json: is no text"),
        ({"a.png": png(1), "a.json": b'{"label": 1.5}'}, "does not say a class"),
        ({"a.png": png(1), "a.json": b'{"label": true}'}, "does not say a class"),
        ({"a.png": png(1), "a.cls": b"0", "b.png": png(1), "b.cls": b"x"}, "numbers in some"),
        ({"a.png": png(1), "a.cls": bytes(2 << 20)}, "which no class takes"),
        ({"a.cls": b"0"}, "no images"),
        ({}, "no images"),
    ],
)
def test_samples_that_are_refused(tmp_path, files, words) -> None:
    refused(write_tar(tmp_path / "a.tar", files), words, "a.tar")


def test_a_name_twice(tmp_path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for level in (1, 2):
            info = tarfile.TarInfo("a/1.png")
            info.size = len(png(level))
            archive.addfile(info, io.BytesIO(png(level)))
    refused(path, "holds a/1.png twice")


def test_links_and_devices(tmp_path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            info = tarfile.TarInfo("a/1.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        refused(tmp_path / "a.tar", "a/1.png is a link or a device")


def test_truncated_and_compressed(tmp_path) -> None:
    """A tar without its end may lack images: it is refused wherever it was cut."""
    files = {f"{i}.{kind}": data for i in range(3) for kind, data in
             (("png", png(i)), ("cls", b"0"))}  # fmt: skip
    path = write_tar(tmp_path / "a.tar", files)
    whole = path.read_bytes()
    end = whole.rindex(b"\0ustar") // 512 * 512 + 1024  # behind the last member
    for cut in (*range(0, end, 200), end):
        path.write_bytes(whole[:cut])
        refused(path, str(path))
    path.write_bytes(whole[: end + 512])
    assert len(list_images(path)) == 3
    path.write_bytes(gzip.compress(whole))
    refused(path, "compressed")
    path.write_bytes(b"hello")
    refused(path, "not a tar")


def test_a_damaged_byte(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a/1.png": png(1), "b/2.png": png(2)})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, 3072, 300).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ rng.integers(1, 256)]) + whole[at + 1 :])
        try:
            listing = list_images(path)
            unreadable(listing)
            for i in range(len(listing)):
                listing.pixels(i)
        except MismatchError as error:
            assert str(path) in str(error)


def test_an_image_that_cannot_be_decoded_is_named(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a/1.png": png(1)[:40], "a/2.jpg": b"hello"})
    listing = list_images(path)
    problems = unreadable(listing)
    assert list(problems) == [0, 1] and "0x" not in problems[1]
    with pytest.raises(MismatchError, match=r"a\.tar: a/2\.jpg: cannot read this image"):
        listing.image(1)


def test_a_tar_that_became_shorter(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a/1.png": png(1)})
    listing = list_images(path)
    os.truncate(path, 520)
    with pytest.raises(MismatchError, match=r"truncated: a/1\.png is cut off"):
        listing.image(0)


def test_a_fifo_is_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.tar")
    refused(tmp_path / "a.tar", "is a FIFO")
