"""A resident loader yields the batches of a stock loader."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from labelcodec import Crop, Labels, RandAugment
from labelcodec.augmentation.randaugment import NONE
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.images import image_sizes, list_images
from labelcodec.pipeline.rebatch import StepSize, rebatch
from labelcodec.replay import image_pool, resident
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.replay_batch import ReplayBatch
from labelcodec.replay.resident import ResidentLoader
from tests.replay import scene


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Images of several sizes; the grey levels of `scene` and noise in a corner of some."""
    root = scene.folder(tmp_path_factory.mktemp("images"))
    rng = np.random.default_rng(0)
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        noise = rng.integers(0, 256, (9 + number % 3 * 4, 20 - number % 2 * 7, 3), np.uint8)
        Image.fromarray(noise).save(path)
    return root


def recorded(number: int, index: list[int], sizes: np.ndarray, partner=None, **parts):
    """A batch of `scene` with boxes within images of these sizes."""
    rng = np.random.default_rng(number)
    size = sizes[index]
    extent = rng.integers(1, size + 1)
    box = np.concatenate([rng.integers(0, size - extent + 1), extent], axis=1)
    batch = scene.batch(number, index, partner)
    crop = Crop(box.astype(np.int32), size.astype(np.int32))
    return replace(batch, augmentation=replace(batch.augmentation, crop=crop, **parts))


def sizes_of(images: Path) -> np.ndarray:
    listing = list_images(images)
    return image_sizes(listing, np.arange(len(listing)))


@pytest.fixture(scope="module")
def labels(tmp_path_factory, images) -> Path:
    sizes = sizes_of(images)
    batches = [
        recorded(0, [3, 1, 4, 1], sizes, [1, 0, 3, 2]),
        recorded(1, [3, 9, 2, 6], sizes, [3, 2, 1, 0]),
        recorded(5, [3, 5, 8, 9], sizes, [0, 0, 0, 0]),
        recorded(9, [7, 3], sizes, [1, 0]),
    ]
    path = tmp_path_factory.mktemp("labels") / "a.slc"
    return scene.write(path, batches, mix="cutmix", **scene.belongs(images))


def assert_equal(batch: ReplayBatch, expected: ReplayBatch) -> None:
    assert batch.position == expected.position
    assert batch.mix is expected.mix is None
    assert batch.partner_share == expected.partner_share
    for tensor, other in zip(batch.tensors(), expected.tensors(), strict=True):
        assert tensor.dtype == other.dtype
        assert tensor.stride() == other.stride()  # on which a convolution's last bits depend
        assert torch.equal(tensor, other)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_batches_of_a_stock_loader(images, labels, threads, interpolation) -> None:
    dataset = ReplayDataset(labels, images, interpolation=interpolation)
    order, other = (BatchOrder(len(dataset), per_epoch=6, seed=4) for _ in range(2))
    loader = ResidentLoader(dataset, order, threads=threads)
    stock = DataLoader(dataset, batch_size=None, sampler=other)
    assert len(loader) == len(stock) == 6
    for epoch in range(2):
        order.set_epoch(epoch)
        other.set_epoch(epoch)
        for batch, expected in zip(order.counted(loader), stock, strict=True):
            assert_equal(batch, expected)


def test_compact_labels_are_expanded(tmp_path, images) -> None:
    rng = np.random.default_rng(0)
    sizes, batches = sizes_of(images), []
    for number in range(4):
        batch = recorded(number, [5, 1, 7, 2, 4, 9], sizes)
        value = rng.normal(size=(6, 30)).astype(np.float16)
        batches.append(replace(batch, labels=Labels(30, value, precision="float16")))
    path = scene.write(tmp_path / "a.slc", batches, "transform:bytes=20", **scene.belongs(images))
    dataset = ReplayDataset(path, images)
    for batch, expected in zip(ResidentLoader(dataset), dataset, strict=False):
        assert_equal(batch, expected)


def test_a_pass_resumes_after_the_batches_trained_on(images, labels) -> None:
    dataset = ReplayDataset(labels, images)
    order = BatchOrder(len(dataset), per_epoch=9, seed=4)
    whole = [batch.position for batch in ResidentLoader(dataset, order)]
    order = BatchOrder(len(dataset), per_epoch=9, seed=4)
    counted = order.counted(ResidentLoader(dataset, order, threads=3))
    begun = [next(counted).position for _ in range(4)]
    state = order.state_dict()
    counted.close()
    later = BatchOrder(len(dataset), per_epoch=9, seed=4)
    later.load_state_dict(state)
    rest = [batch.position for batch in later.counted(ResidentLoader(dataset, later))]
    assert begun + rest == whole


def test_ranks_share_the_batches_and_steps_have_any_size(images, labels) -> None:
    dataset = ReplayDataset(labels, images)
    seen = []
    for rank in range(2):
        order = BatchOrder(len(dataset), order="recorded", rank=rank, world=2)
        for parts in rebatch(ResidentLoader(dataset, order), StepSize(3)):
            seen += [value for part in parts for value in part.labels.value[:, :2].tolist()]
    assert sorted(seen) == sorted(
        row for batch in dataset for row in batch.labels.value[:, :2].tolist()
    )


def test_closing_a_pass_ends_its_threads(images, labels) -> None:
    before = threading.active_count()
    passes = iter(ResidentLoader(ReplayDataset(labels, images), [0] * 50, threads=2))
    next(passes)
    assert threading.active_count() > before
    passes.close()
    assert threading.active_count() == before


def test_a_cache_is_used_in_place(tmp_path, images, labels) -> None:
    dataset = ReplayDataset(labels, images, cache=tmp_path / "cache")
    cached = (tmp_path / "cache").read_bytes()
    loader = ResidentLoader(dataset)
    assert loader.place == "host"
    for batch, expected in zip(loader, ReplayDataset(labels, images), strict=False):
        assert_equal(batch, expected)
    assert (tmp_path / "cache").read_bytes() == cached


def test_randaugment_runs_in_pillow(tmp_path, images) -> None:
    rng = np.random.default_rng(1)
    operations = rng.integers(0, 15, (6, 2))
    magnitude = np.where(operations < 3, NONE, 1.0).astype(np.float32)
    drawn = RandAugment(operations, np.zeros((6, 2), np.float32), magnitude, ("float32",) * 2)
    batch = recorded(0, [5, 1, 7, 2, 4, 9], sizes_of(images), randaugment=drawn)
    path = scene.write(tmp_path / "a.slc", [batch])
    dataset = ReplayDataset(path, images)
    (resident_batch,) = ResidentLoader(dataset)
    assert_equal(resident_batch, dataset[0])


def test_images_are_decoded_in_groups(monkeypatch, images, labels) -> None:
    """And copied to where they stay; here both are the host's memory."""
    monkeypatch.setattr(image_pool, "AT_ONCE", 1000)
    reports = []
    dataset = ReplayDataset(labels, images)
    loader = ResidentLoader(dataset, progress=lambda *told: reports.append(told))
    assert reports[-1] == (12, 12, "decoding images")
    for batch, expected in zip(loader, dataset, strict=False):
        assert_equal(batch, expected)


def test_a_batch_of_images_is_packed(images, labels) -> None:
    """As where images stay in host memory and batches are copied to an accelerator."""
    dataset = ReplayDataset(labels, images)
    loader = ResidentLoader(dataset)
    recorded_batch = dataset.reader[1]
    taken = loader.images.take(recorded_batch.image_index)
    packed = loader._uploaded(list(resident._arrays(taken)))
    assert packed.size.tolist() == taken.size.tolist()
    for start, other, (height, width) in zip(
        packed.start, taken.start, taken.size.tolist(), strict=True
    ):
        count = 3 * height * width
        own = packed.pixels[start : start + count]
        assert torch.equal(own, taken.pixels[other : other + count])


def test_no_room_for_the_images(monkeypatch, images, labels) -> None:
    dataset = ReplayDataset(labels, images)
    monkeypatch.setattr(image_pool, "free_host_memory", lambda: 100)
    with pytest.raises(ConfigError, match=r"the images take .* MB decoded.*`workers`"):
        ResidentLoader(dataset)
    assert ResidentLoader(dataset, place="host").place == "host"  # as the caller wants


def test_an_allocation_that_fails(monkeypatch, images, labels) -> None:
    def full(*_, **__) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(image_pool.torch, "empty", full)
    with pytest.raises(ConfigError, match="the images take"):
        image_pool.load_pool(list_images(images), None, torch.device("cpu"), "host")


def test_no_such_device_or_place(images, labels) -> None:
    dataset = ReplayDataset(labels, images)
    for device in ("cuda:99", "quantum"):
        with pytest.raises(ConfigError, match=f"device '{device}'"):
            ResidentLoader(dataset, device=device)
    with pytest.raises(ConfigError, match="not 'disk'"):
        ResidentLoader(dataset, place="disk")


def test_where_images_stay(monkeypatch) -> None:
    monkeypatch.setattr(image_pool, "free_host_memory", lambda: 100)
    monkeypatch.setattr(image_pool, "free_device_memory", lambda device: 60)
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert [image_pool.place_for(total, gpu) for total in (30, 31, 50, 51)] == [
        "device",
        "host",
        "host",
        None,
    ]
    assert [image_pool.place_for(total, cpu) for total in (30, 51)] == ["host", None]
    on_host = [image_pool.place_for(total, gpu, on_host=True) for total in (30, 51)]
    assert on_host == ["host", None]
    mapped = [image_pool.place_for(99, device, is_mapped=True) for device in (cpu, gpu)]
    assert mapped == ["host", None]


def test_a_changed_folder(tmp_path, images, labels) -> None:
    root = scene.folder(tmp_path / "images", side=8)
    dataset = ReplayDataset(scene.write(tmp_path / "a.slc", [scene.batch(0, [1, 2])]), root)
    loader = ResidentLoader(dataset)  # knows the sizes
    Image.new("RGB", (9, 9)).save(sorted(root.rglob("*.png"))[3])
    with pytest.raises(MismatchError, match=r"003.png: is 9 x 9 pixels, its header said 8 x 8"):
        ResidentLoader(dataset)
    sorted(root.rglob("*.png"))[2].write_bytes(b"no image")
    with pytest.raises(MismatchError, match="cannot read"):
        ResidentLoader(dataset)
    assert len(list(loader)) == 1  # decoded before


def test_damage_is_reported_with_its_batch(tmp_path, images) -> None:
    sizes = sizes_of(images)
    other = recorded(3, [0, 1], sizes + 1)
    path = scene.write(tmp_path / "a.slc", [recorded(0, [0, 1], sizes), other])
    passes = iter(ResidentLoader(ReplayDataset(path, images)))
    next(passes)
    with pytest.raises(MismatchError, match="batch 3: "):
        next(passes)
    bad = replace(recorded(0, [0, 1], sizes))
    bad.labels.value[1] = np.nan
    path = scene.write(tmp_path / "b.slc", [bad])
    with pytest.raises(DataError, match="batch 0: the label of sample 1 has NaN"):
        list(ResidentLoader(ReplayDataset(path, images)))
