from __future__ import annotations

import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.replay.image_source import MAGIC, ImageCache, ImageFiles
from tests.replay import scene


@pytest.fixture
def images(tmp_path) -> Path:
    """Images of several sizes and modes."""
    folder = scene.folder(tmp_path / "images", 6)
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    Image.fromarray(noise[..., 0]).save(folder / "class0/grey.png")
    Image.fromarray(noise).save(folder / "class1/alpha.png")
    return folder


def agree(cache: ImageCache, listing) -> None:
    files = ImageFiles(listing)
    for index in range(len(listing)):
        assert np.array_equal(np.asarray(cache.image(index)), np.asarray(files.image(index)))


def test_cached_images_are_those_of_the_files(tmp_path, images) -> None:
    listing, seen = list_images(images), []
    cache = ImageCache(tmp_path / "deep/pixels", listing, lambda *step: seen.append(step))
    assert seen == [(i + 1, len(listing)) for i in range(len(listing))]
    agree(cache, listing)
    agree(pickle.loads(pickle.dumps(cache)), listing)
    assert sorted(os.listdir(tmp_path / "deep")) == ["pixels"]


def test_a_cache_is_used_again(tmp_path, images) -> None:
    ImageCache(tmp_path / "pixels", list_images(images))
    before = os.stat(tmp_path / "pixels").st_ino
    again = ImageCache(tmp_path / "pixels", list_images(images), lambda *_: pytest.fail("decoded"))
    agree(again, list_images(images))
    assert os.stat(tmp_path / "pixels").st_ino == before


def test_a_cache_of_other_images_is_refused(tmp_path, images) -> None:
    ImageCache(tmp_path / "pixels", list_images(images))
    other = list_images(scene.folder(tmp_path / "other", 6))
    with pytest.raises(MismatchError, match=r"pixels: caches other images .*remove it"):
        ImageCache(tmp_path / "pixels", other)


def test_a_cache_of_images_that_have_changed_is_refused(tmp_path, images) -> None:
    ImageCache(tmp_path / "pixels", list_images(images))
    Image.new("RGB", (8, 8), (9, 9, 9)).save(images / "class0/000.png")
    with pytest.raises(MismatchError, match="they have changed"):
        ImageCache(tmp_path / "pixels", list_images(images))


@pytest.mark.parametrize(
    "text", [b"precious", b"", MAGIC, MAGIC + b"{}\n", MAGIC + b'{"images": 3, "sizes": "x"}']
)
def test_other_files_are_not_overwritten(tmp_path, images, text) -> None:
    (tmp_path / "labels.slc").write_bytes(text)
    with pytest.raises(MismatchError, match="not a cache"):
        ImageCache(tmp_path / "labels.slc", list_images(images))
    assert (tmp_path / "labels.slc").read_bytes() == text


def test_files_of_like_names_are_left_alone(tmp_path, images) -> None:
    (tmp_path / "mine.json").write_text("precious")
    ImageCache(tmp_path / "mine", list_images(images))
    assert (tmp_path / "mine.json").read_text() == "precious"


def test_a_folder_is_no_cache(tmp_path, images) -> None:
    with pytest.raises(MismatchError, match="is a folder, expected a cache of images"):
        ImageCache(images, list_images(images))


def test_a_cache_that_cannot_be_filled_leaves_nothing(tmp_path, images) -> None:
    (images / "class1/alpha.png").write_bytes((images / "class1/alpha.png").read_bytes()[:60])
    with pytest.raises(MismatchError, match=r"alpha\.png"):
        ImageCache(tmp_path / "new/pixels", list_images(images))
    assert os.listdir(tmp_path / "new") == []


def test_a_truncated_cache_is_refused(tmp_path, images) -> None:
    ImageCache(tmp_path / "pixels", list_images(images))
    os.truncate(tmp_path / "pixels", 700)
    with pytest.raises(MismatchError, match="has 700 bytes, expected"):
        ImageCache(tmp_path / "pixels", list_images(images))


def test_a_cache_that_was_cut_short_is_made_again(tmp_path, images) -> None:
    (tmp_path / "pixels.partial").write_bytes(b"x" * 10_000)
    agree(ImageCache(tmp_path / "pixels", list_images(images)), list_images(images))


def test_processes_make_one_cache(tmp_path, images) -> None:
    context = multiprocessing.get_context("fork")
    listing = list_images(images)

    def counted(done: int, total: int) -> None:
        with (tmp_path / "decoded").open("a") as file:
            file.write(f"{done}\n")

    given = tmp_path / "p", listing, counted
    workers = [context.Process(target=ImageCache, args=given) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len((tmp_path / "decoded").read_text().splitlines()) == len(listing)
    agree(ImageCache(tmp_path / "p", listing), listing)


def test_a_missing_image(images) -> None:
    listing = list_images(images)
    (images / "class0/000.png").unlink()
    with pytest.raises(MismatchError, match=r"000\.png: cannot read"):
        ImageFiles(listing).image(0)


def test_damaged_images(images) -> None:
    """Pillow has many ways of saying so; every one is ours in the end."""
    path = images / "class0/000.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    listing = list_images(images)
    refused = 0
    for at in range(0, len(whole), 7):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            try:
                ImageFiles(listing).image(0)
            except MismatchError as error:
                assert "000.png" in str(error)
                refused += 1
    assert refused > len(whole) // 7  # half of them are cut short


def test_a_cache_is_a_file(tmp_path) -> None:
    os.mkfifo(tmp_path / "cache")
    with pytest.raises(MismatchError, match="is a FIFO, expected a cache of images"):
        ImageCache(tmp_path / "cache", list_images(scene.folder(tmp_path / "images")))
