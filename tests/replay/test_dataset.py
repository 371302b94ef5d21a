from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import labelcodec
from labelcodec import Header, Writer
from labelcodec.augmentation.parts import Augmentation
from labelcodec.batch import LabelBatch, Labels
from labelcodec.errors import ConfigError, DataError, LabelcodecError, MismatchError
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.loading import iterate_loader
from labelcodec.replay.normalisation import normalise
from labelcodec.replay.replay_batch import CompactArrays
from tests.replay import scene

WORKERS = [(0, None), (2, "fork")]
NORMALISATION = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return scene.folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory, images) -> Path:
    """Four batches of which three start with the same image."""
    content = [
        scene.batch(0, [3, 1, 4, 1], [1, 0, 3, 2]),
        scene.batch(1, [3, 9, 2, 6], [3, 2, 1, 0]),
        scene.batch(5, [3, 5, 8, 9], [0, 0, 0, 0]),
        scene.batch(9, [7, 3], [1, 0]),
    ]
    path = tmp_path_factory.mktemp("labels") / "a.slc"
    return scene.write(path, content, mix="cutmix", **scene.belongs(images))


def loader_of(dataset: ReplayDataset, workers: int, start: str | None, **options) -> DataLoader:
    context = None if start is None else multiprocessing.get_context(start)
    given = {"num_workers": workers, "multiprocessing_context": context, **options}
    return DataLoader(dataset, batch_size=None, **given)


@pytest.mark.parametrize(
    ("workers", "start", "cached"),
    [(0, None, False), (0, None, True), (2, "fork", False), (2, "fork", True), (2, "spawn", True)],
)
def test_a_stock_loader_serves_it(tmp_path, images, pool, workers, start, cached) -> None:
    cache = tmp_path / "cache" if cached else None
    dataset = ReplayDataset(pool, images, uint8=True, cache=cache)
    order = BatchOrder(len(dataset), seed=2)
    loader = loader_of(dataset, workers, start, sampler=order)
    found = [dataset.finish(one) for one in loader]
    assert [one.position for one in found] == list(order)
    assert {pair for one in found for pair in scene.check(one)} == {
        (number, sample) for number in (0, 1, 5, 9) for sample in range(2 if number == 9 else 4)
    }


def test_images_and_classes(images, pool) -> None:
    dataset = ReplayDataset(pool, images)
    grey = ReplayDataset(pool, images, uint8=True)
    assert len(dataset) == 4
    assert dataset.classes == scene.CLASSES
    one, raw = dataset[1], grey[1]
    assert len(one) == 4
    assert one.mix is None
    assert one.images.shape == (4, 3, scene.SIDE, scene.SIDE)
    assert raw.images.dtype == torch.uint8
    assert raw.mix is not None
    assert one.hard.tolist() == raw.hard.tolist() == [0, 2, 0, 1]
    assert torch.equal(grey.finish(raw).images, one.images)
    upper = normalise(raw.images[[3, 2, 1, 0], :, :4], scene.AS_THEY_ARE)
    assert torch.equal(one.images[:, :, :4], upper)


def test_partners_have_their_own_classes(images, pool) -> None:
    """The upper half of each image is its partner's, whose class folder is its own."""
    dataset, raw = ReplayDataset(pool, images), ReplayDataset(pool, images, uint8=True)
    partners = raw[1].mix.partner
    for batch in (dataset[1], raw[1], raw.finish(raw[1])):
        assert batch.partner_hard.tolist() == [int(batch.hard[row]) for row in partners]
        assert batch.partner_share == 0.5
    part = dataset[1].rows(slice(1, 3))
    assert part.partner_hard.tolist() == dataset[1].partner_hard.tolist()[1:3]
    assert part.partner_share == 0.5


def test_batches_that_are_not_mixed_have_no_partners(tmp_path, images) -> None:
    path = scene.write(tmp_path / "a.slc", [scene.batch(0, [1, 2, 3])], **scene.belongs(images))
    for batch in (ReplayDataset(path, images)[0], ReplayDataset(path, images, uint8=True)[0]):
        assert batch.partner_hard is None
        assert batch.partner_share == 0
    assert ReplayDataset(path, images)[0].rows(slice(0, 1)).partner_hard is None


def test_finishing_twice_changes_nothing(images, pool) -> None:
    dataset = ReplayDataset(pool, images, uint8=True)
    once = dataset.finish(dataset[0])
    kept = once.images.clone()
    assert torch.equal(dataset.finish(once).images, kept)


def test_an_unfinished_batch_cannot_be_cut(images, pool) -> None:
    dataset = ReplayDataset(pool, images, uint8=True)
    with pytest.raises(DataError, match="finished"):
        dataset[0].rows(slice(0, 2))
    part = dataset.finish(dataset[0]).rows(slice(1, 3))
    assert scene.check(part) == {(0, 1), (0, 2)}


CODECS = {
    "dense": (None, None),
    "topk:k=3": (None, None),
    "topk:k=2": (3, "floor"),
    "transform:bytes=6": (None, None),
}


def test_hard_classes_are_those_of_the_labels(tmp_path, images) -> None:
    """Recorded, or by a class map; the two must not contradict each other."""
    names = ("class2", "", "class0", "class1", "")
    told = {"class_names": names, **scene.belongs(images)}
    recorded = scene.write(tmp_path / "a.slc", [scene.batch(0, [0, 11, 5])], **told)
    plain = scene.write(tmp_path / "b.slc", [scene.batch(0, [0, 11, 5])], **scene.belongs(images))
    classes = {"class2": 0, "class0": 2, "class1": 3}
    assert ReplayDataset(recorded, images)[0].hard.tolist() == [2, 0, 3]
    assert ReplayDataset(plain, images, class_map=classes)[0].hard.tolist() == [2, 0, 3]
    assert ReplayDataset(plain, images)[0].hard.tolist() == [0, 2, 1]
    with pytest.raises(MismatchError, match="was recorded with class names"):
        ReplayDataset(recorded, images, class_map=["class0", "class1", "class2"])


def labelled(number: int, k: int | None, tail: str | None) -> LabelBatch:
    """A batch of 8 samples with random logits of 20 classes."""
    rng = np.random.default_rng(number)
    value = rng.normal(size=(8, 4)) @ np.random.default_rng(0).normal(size=(4, 20)) * 2
    value = value.astype(np.float16)
    index = floor = None
    if k is not None:
        index, floor = np.argsort(-value, axis=1)[:, :k], value.min(axis=1)
        value = np.take_along_axis(value, index, axis=1)
    labels = Labels(20, value, index, tail=tail, floor=floor)
    return LabelBatch(number, 0, rng.integers(0, 12, 8), Augmentation(), labels)


@pytest.mark.parametrize(("workers", "start"), WORKERS)
@pytest.mark.parametrize("codec", CODECS)
def test_labels_are_those_of_the_file(tmp_path, images, codec, workers, start) -> None:
    k, tail = CODECS[codec]
    known = {"normalisation": scene.AS_THEY_ARE, **scene.belongs(images)}
    header = Header(20, k=k, tail=tail, image_size=(scene.SIDE, scene.SIDE), **known)
    with Writer(tmp_path / "a.slc", header, codec) as writer:
        for number in range(40):
            writer.add(labelled(number, k, tail))
    grey = ReplayDataset(tmp_path / "a.slc", images, uint8=True)
    plain = ReplayDataset(tmp_path / "a.slc", images)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        for i, one in enumerate(loader_of(grey, workers, start)):
            assert isinstance(one.labels, CompactArrays) == codec.startswith("transform")
            expected = reader[i].labels.dense()
            assert np.array_equal(grey.finish(one).labels.logits().numpy(), expected)
            assert np.array_equal(plain[i].labels.logits().numpy(), expected)
            if i == 3:
                break


def test_shards_are_one_set(tmp_path, images) -> None:
    for i in range(2):
        scene.write(tmp_path / f"s-{i}.slc", [scene.batch(i, [i, 5]), scene.batch(i + 2, [2])])
    dataset = ReplayDataset(str(tmp_path / "s-*.slc"), images)
    assert [{number for number, _ in scene.check(dataset[i])} for i in range(4)] == [
        {0}, {1}, {2}, {3}
    ]  # fmt: skip


@pytest.mark.parametrize(("workers", "start"), WORKERS)
def test_an_index_out_of_the_folder(tmp_path, images, workers, start) -> None:
    """Where the header says nothing of images, only the batch can tell."""
    path = scene.write(tmp_path / "a.slc", [scene.batch(7, [1, 12])])
    dataset = ReplayDataset(path, images)
    with pytest.raises(MismatchError) as caught:
        list(iterate_loader(loader_of(dataset, workers, start)))
    assert str(caught.value) == f"batch 7: image 12, but {images} has 12 images"


@pytest.mark.parametrize(("workers", "start"), WORKERS)
@pytest.mark.parametrize("damage", ["missing", "corrupt", "other size"])
def test_images_that_do_not_do(tmp_path, workers, start, damage) -> None:
    images = scene.folder(tmp_path / "images")
    path = scene.write(tmp_path / "a.slc", [scene.batch(7, [1, 2])])
    dataset = ReplayDataset(path, images)
    bad = images / "class0/002.png"
    if damage == "missing":
        bad.unlink()
    elif damage == "corrupt":
        bad.write_bytes(bad.read_bytes()[:40])
    else:
        scene.Image.new("RGB", (9, 8)).save(bad)
    with pytest.raises(LabelcodecError) as caught:
        list(iterate_loader(loader_of(dataset, workers, start)))
    message = str(caught.value)
    assert message.startswith("batch 7: ")
    assert message.count("002.png") == 1
    assert not multiprocessing.active_children()  # workers do not wait for the error to go
    assert "\n" not in message


def test_other_mistakes_of_a_loader_are_left_alone() -> None:
    def broken():
        yield 1
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        list(iterate_loader(broken()))


def test_a_worker_that_is_killed() -> None:
    def killed():
        yield 1
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    with pytest.raises(ChildProcessError, match="worker process died"):
        list(iterate_loader(killed()))


def test_an_empty_container(tmp_path, images) -> None:
    dataset = ReplayDataset(scene.write(tmp_path / "a.slc", []), images)
    assert len(dataset) == 0
    with pytest.raises(LabelcodecError, match="0 batches"):
        BatchOrder(len(dataset))
    with pytest.raises(IndexError):
        dataset[0]


def test_the_size_of_the_input(tmp_path, images) -> None:
    path = scene.write(tmp_path / "a.slc", [scene.batch(0, [1])], image_size=None)
    with pytest.raises(DataError, match=r"a\.slc: does not say the size"):
        ReplayDataset(path, images)
    assert ReplayDataset(path, images, image_size=(6, 4))[0].images.shape == (1, 3, 6, 4)


def test_a_recorded_size_cannot_be_changed(images, pool) -> None:
    with pytest.raises(MismatchError, match=r"recorded with image size \(8, 8\), not \(9, 8\)"):
        ReplayDataset(pool, images, image_size=(9, 8))


def test_other_settings_than_the_recorded_ones(tmp_path, images) -> None:
    said = {"normalisation": NORMALISATION, "interpolation": "bicubic"}
    path = scene.write(tmp_path / "a.slc", [scene.batch(0, [1])], **said)
    dataset = ReplayDataset(path, images, **said)
    same = {key: tuple(numbers) for key, numbers in NORMALISATION.items()}
    assert ReplayDataset(path, images, normalisation=same).normalisation == NORMALISATION
    assert (dataset.normalisation, dataset.interpolation) == (NORMALISATION, "bicubic")
    with pytest.raises(MismatchError, match="with interpolation bicubic, not bilinear"):
        ReplayDataset(path, images, interpolation="bilinear")
    with pytest.raises(MismatchError, match="with normalisation"):
        ReplayDataset(path, images, normalisation=NORMALISATION | {"mean": [0, 0, 0]})


def test_a_normalisation_is_looked_at_first(images, pool) -> None:
    with pytest.raises(DataError, match="'std' is None"):
        ReplayDataset(pool, images, normalisation={"mean": [0.5, 0.5, 0.5]})


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_that_makes_batches_of_batches(images, pool, workers) -> None:
    dataset = ReplayDataset(pool, images)
    with pytest.raises(ConfigError, match=r"DataLoader\(dataset, batch_size=None\)$"):
        next(iterate_loader(DataLoader(dataset, batch_size=4, num_workers=workers)))


def test_another_folder(tmp_path, pool) -> None:
    other = scene.folder(tmp_path / "other", 12, classes=4)
    with pytest.raises(MismatchError, match="not the folder"):
        ReplayDataset(pool, other)


def test_labels_that_cannot_be_trained_on_are_named(tmp_path, images) -> None:
    bad = labelled(1, None, None)
    bad.labels.value[5, 3] = np.nan
    known = {"normalisation": scene.AS_THEY_ARE, **scene.belongs(images)}
    header = Header(20, image_size=(scene.SIDE, scene.SIDE), **known)
    with Writer(tmp_path / "a.slc", header, "dense") as w:
        w.add(labelled(0, None, None))
        w.add(bad)
    dataset = ReplayDataset(tmp_path / "a.slc", images)
    assert len(dataset[0]) == 8
    with pytest.raises(DataError, match="batch 1: the label of sample 5 has NaN or infinite"):
        dataset[1]


class Unsendable(torch.Tensor):
    """What a full /dev/shm makes of a tensor: it cannot be sent to another process."""

    def __reduce_ex__(self, protocol):
        raise OSError(28, "No space left on device")


class Lost(ReplayDataset):
    """Its second batch cannot be sent."""

    def __getitem__(self, position):
        batch = super().__getitem__(position)
        if position == 1:
            return Unsendable()
        return batch


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_batch_that_cannot_be_sent_ends_in_an_error(images, pool, start) -> None:
    """Not in a loader that waits for ever, not even a stock one."""
    loader = loader_of(Lost(pool, images), 2, start)
    with pytest.raises(RuntimeError, match=r"DataLoader worker .*exited unexpectedly"):
        list(loader)
    with pytest.raises(ChildProcessError, match=r"/dev/shm.*fewer `workers`"):
        list(iterate_loader(loader))
