"""Every kind of source holds the same images: the same labels, batches and checks."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import labelcodec
from labelcodec.binding.class_map import as_class_map
from labelcodec.errors import LabelcodecWarning, MismatchError
from labelcodec.images import content_digest, fingerprint, image_sizes, list_images
from labelcodec.images.listing import ImageListing
from labelcodec.pipeline.evaluation import EvaluationImages
from labelcodec.readable_images import unreadable
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.image_source import ImageCache
from labelcodec.replay.resident import ResidentLoader
from tests.images import sources
from tests.pipeline import scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return scene.images(tmp_path_factory.mktemp("sources") / "images")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return scene.weights(tmp_path_factory.mktemp("weights") / "w.safetensors")


@pytest.fixture(params=sources.ALL)
def source(request, folder, tmp_path) -> Path:
    return sources.ALL[request.param](folder, tmp_path / "source")


def opened(source: Path) -> ImageListing:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelcodecWarning)  # what rounding does to floats
        return list_images(source)


def test_the_images_are_those_of_the_folder(folder, source) -> None:
    listing, whole = opened(source), list_images(folder)
    assert len(listing) == len(whole)
    assert listing.class_index.tolist() == whole.class_index.tolist()
    for index in range(len(whole)):
        assert np.array_equal(listing.pixels(index), whole.pixels(index))
    indices = np.array([3, 3, 0])
    assert image_sizes(listing, indices).tolist() == image_sizes(whole, indices).tolist()
    assert unreadable(listing) == {}
    again = pickle.loads(pickle.dumps(listing))
    assert np.array_equal(again.pixels(5), whole.pixels(5))


def test_what_has_the_names_of_the_folder_has_its_fingerprint(folder, tmp_path) -> None:
    whole = list_images(folder)
    for name, write in sources.NAMED.items():
        listing = list_images(write(folder, tmp_path / name))
        assert listing.is_named and listing.classes == whole.classes
        assert fingerprint(listing.paths) == fingerprint(whole.paths)
        assert content_digest(listing) == content_digest(whole)


def test_labels_of_a_source_are_those_of_the_folder(folder, source, weights, tmp_path) -> None:
    def labels(images: ImageListing, name: str) -> labelcodec.Reader:
        recipe = scene.drawn(folder, scale=(0.3, 1.0), mix="cutmix")
        teacher = scene.teacher(weights)
        scene.run(teacher, images, tmp_path / name, recipe, scene.ALONE, epochs=2)
        return labelcodec.open(tmp_path / name)

    listing, whole = opened(source), list_images(folder)
    with labels(listing, "source.slc") as own, labels(whole, "folder.slc") as theirs:
        assert len(own) == len(theirs) > 0
        for batch, other in zip(own, theirs, strict=True):
            assert np.array_equal(batch.labels.value, other.labels.value)
            assert np.array_equal(batch.image_index, other.image_index)
        assert own.header.image_classes == theirs.header.image_classes is not None
        assert own.header.pixels == theirs.header.pixels is not None
        assert (own.header.fingerprint is None) is not listing.is_named


def batches(dataset: ReplayDataset, workers: int = 0, start: str | None = None) -> list:
    context = start if workers else None
    loader = DataLoader(
        dataset, batch_size=None, num_workers=workers, multiprocessing_context=context
    )
    return [batch.images for batch in loader]


@pytest.mark.parametrize("labelled", ["folder", "source"])
def test_batches_of_a_source_are_those_of_the_folder(
    folder, source, labelled, weights, tmp_path
) -> None:
    """Labels of either train on both: bound by names or pixels, bit for bit the same batches."""
    listing, whole = opened(source), list_images(folder)
    recipe = scene.drawn(folder, scale=(0.3, 1.0), mix="cutmix")
    images = whole if labelled == "folder" else listing
    target = tmp_path / "a.slc"
    scene.run(scene.teacher(weights), images, target, recipe, scene.ALONE, epochs=1)
    notes: list[str] = []
    theirs = ReplayDataset(target, whole, uint8=True, note=notes.append)
    own = ReplayDataset(target, listing, uint8=True, note=notes.append)
    assert theirs.bound and own.bound
    assert np.array_equal(own.class_of_image, theirs.class_of_image)
    for batch, other in zip(batches(own), batches(theirs), strict=True):
        assert torch.equal(batch, other)
    is_told = content_digest(listing) != content_digest(whole)
    assert [note for note in notes if "known by the classes" in note] == notes
    assert bool(notes) == is_told


@pytest.mark.parametrize("kind", ["mtt", "parquet", "datasets", "tars"])
def test_a_source_is_resident(kind, folder, weights, tmp_path) -> None:
    target, whole = tmp_path / "a.slc", list_images(folder)
    recipe = scene.drawn(folder, scale=(0.3, 1.0), mix="cutmix")
    scene.run(scene.teacher(weights), whole, target, recipe, scene.ALONE, epochs=1)
    listing, notes = opened(sources.ALL[kind](folder, tmp_path / "source")), list[str]()
    loader = ResidentLoader(ReplayDataset(target, listing, note=notes.append))
    for batch, other in zip(loader, ReplayDataset(target, whole), strict=False):
        assert torch.equal(batch.images, other.images)


@pytest.mark.parametrize("kind", ["npy", "tars"])
def test_numbers_are_the_classes_of_labels_that_have_names(kind, folder, weights, tmp_path) -> None:
    whole, target, notes = list_images(folder), tmp_path / "a.slc", list[str]()
    names = as_class_map(list(whole.classes))
    recipe = scene.drawn(folder)
    teacher = scene.teacher(weights)
    scene.run(teacher, whole, target, recipe, scene.ALONE, epochs=1, class_map=names)
    listing = opened(sources.ALL[kind](folder, tmp_path / "source"))
    own = ReplayDataset(target, listing, note=notes.append)
    assert own.class_names == whole.classes
    assert own.class_of_image.tolist() == whole.class_index.tolist()
    other = tmp_path / "b.slc"  # and the other way round: the map names the classes, not the source
    scene.run(teacher, listing, other, recipe, scene.ALONE, epochs=1, class_map=names)
    assert ReplayDataset(other, folder, note=notes.append).class_names == whole.classes
    given = (scene.SIDE, scene.SIDE), "bilinear", True, scene.CLASSES
    assert (
        EvaluationImages(listing, *given, names=whole.classes).hard.tolist()
        == own.class_of_image.tolist()
    )


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["npy", "parquet", "datasets", "tars"])
def test_workers_read_a_source(kind, start, folder, weights, tmp_path) -> None:
    source = sources.ALL[kind](folder, tmp_path / "source")
    target = tmp_path / "a.slc"
    listing = opened(source)
    scene.run(scene.teacher(weights), listing, target, scene.drawn(folder), scene.ALONE, epochs=1)
    dataset = ReplayDataset(target, listing, uint8=True)
    alone = batches(dataset)  # what it has opened stays behind
    for batch, other in zip(batches(dataset, 1, start), alone, strict=True):
        assert torch.equal(batch, other)


def test_a_cache_of_a_source(folder, source, tmp_path) -> None:
    listing, whole = opened(source), list_images(folder)
    cache = ImageCache(tmp_path / "cache", listing)
    for index in range(len(whole)):
        assert np.array_equal(np.asarray(cache.image(index)), whole.pixels(index))
    ImageCache(tmp_path / "cache", opened(source), lambda *_: pytest.fail("decoded"))
    with pytest.raises(MismatchError, match="other images"):
        ImageCache(tmp_path / "cache", whole.take(np.arange(3)))


def test_evaluation_of_a_source(folder, source) -> None:
    given = (scene.SIDE, scene.SIDE), "bilinear", True, scene.CLASSES
    own, theirs = EvaluationImages(opened(source), *given), EvaluationImages(folder, *given)
    for (levels, hard), (other, class_) in zip(own, theirs, strict=True):
        assert torch.equal(levels, other) and hard == class_


@pytest.mark.parametrize("kind", ["npy", "parquet_unnamed", "tars"])
def test_other_images_are_refused(kind, folder, weights, tmp_path) -> None:
    target = tmp_path / "a.slc"
    recipe = scene.drawn(folder)
    whole = list_images(folder)
    scene.run(scene.teacher(weights), whole, target, recipe, scene.ALONE, epochs=1)
    other = scene.images(tmp_path / "other", seed=1)
    with pytest.raises(MismatchError, match="other content: the colours of the pictures differ"):
        ReplayDataset(target, sources.ALL[kind](other, tmp_path / "a"))
    more = scene.images(tmp_path / "more", count=scene.IMAGES + 1)
    with pytest.raises(MismatchError, match="it has 23 images, the labels 22"):
        ReplayDataset(target, sources.ALL[kind](more, tmp_path / "b"))


def test_labels_without_pixels_say_how_to_get_them(folder, weights, tmp_path) -> None:
    target = tmp_path / "a.slc"
    recipe = scene.drawn(folder)
    whole = list_images(folder)
    scene.run(scene.teacher(weights), whole, target, recipe, scene.ALONE, epochs=1)
    with labelcodec.open(target) as reader:
        old = replace(reader.header, pixels=None, image_classes=None)
        with labelcodec.Writer(tmp_path / "old.slc", old, "dense") as writer:
            for batch in reader:
                writer.add(batch)
    source = sources.npy(folder, tmp_path / "source")
    with pytest.raises(MismatchError, match="add them to the file with `labelcodec annotate`"):
        ReplayDataset(tmp_path / "old.slc", source)
    labelcodec.annotate(tmp_path / "old.slc", images=folder)
    notes: list[str] = []
    assert ReplayDataset(tmp_path / "old.slc", source, note=notes.append).bound


def test_images_in_another_order_are_refused(folder, weights, tmp_path) -> None:
    """Also where the sample of pixels would not tell."""
    target = tmp_path / "a.slc"
    whole = list_images(folder)
    scene.run(scene.teacher(weights), whole, target, scene.drawn(folder), scene.ALONE, epochs=1)
    order = np.random.default_rng(0).permutation(len(whole))
    pixels = sources.pixels_of(whole)
    np.savez(tmp_path / "set.npz", images=pixels[order], labels=whole.class_index[order])
    with pytest.raises(MismatchError, match="other classes, or are in another order"):
        ReplayDataset(target, tmp_path / "set.npz")
    swapped = np.arange(len(whole))
    swapped[:2] = 1, 0  # of one class
    np.savez(tmp_path / "two.npz", images=pixels[swapped], labels=whole.class_index)
    with pytest.raises(MismatchError, match="other content"):
        ReplayDataset(target, tmp_path / "two.npz")
