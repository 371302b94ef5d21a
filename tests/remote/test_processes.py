"""Labels on a web server in forked and spawned processes, in loaders and in training order."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

import labelcodec
from labelcodec.errors import MismatchError
from labelcodec.pipeline.training import train
from labelcodec.pipeline.training_recipe import load_recipe
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.resident import ResidentLoader
from labelcodec.replay.tokens import TokenDataset
from tests.labelsets import batches, write
from tests.remote.same import assert_same, numbers
from tests.remote.server import Web, serving
from tests.replay import scene
from tests.replay.test_tokens import write as write_tokens
from tests.sequences import samples


@pytest.fixture
def web(content):
    with serving(Web({"/labels.slc": content})) as running:
        yield running


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return scene.folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory, images):
    target = tmp_path_factory.mktemp("pool") / "pool.slc"
    content = [scene.batch(i, [3, i % 12, 4, 1], [1, 0, 3, 2]) for i in range(24)]
    return scene.write(target, content, mix="cutmix", **scene.belongs(images))


@pytest.mark.parametrize("cache", [None, "blocks"])
def test_a_forked_process_reads_on_its_own(web, path, cache) -> None:
    with labelcodec.open(f"{web.url}/labels.slc", cache=cache) as reader:
        assert_same(reader, path, range(100))  # with threads and a connection that are not its own
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a child that hangs is killed
            status = 1
            try:
                assert_same(reader, path, range(300))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert_same(reader, path)


def test_a_spawned_process_reopens_the_same_file(web, path, content, tmp_path) -> None:
    with labelcodec.open(f"{web.url}/labels.slc") as reader:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(numbers, reader, [7, 250]).result() == [7, 250]
        sent = pickle.dumps(reader)
    web.files["/labels.slc"] = write(tmp_path / "other.slc", batches(range(100))).read_bytes()
    with pytest.raises(MismatchError, match="changed since it was opened: size and version"):
        pickle.loads(sent)


def test_threads_share_a_reader(web, path) -> None:
    with (
        labelcodec.open(f"{web.url}/labels.slc") as reader,
        ThreadPoolExecutor(8) as threads,
    ):
        parts = [range(first, 300, 8) for first in range(8)]
        list(threads.map(lambda part: assert_same(reader, path, part), parts))


@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "fork")])
def test_a_loader_reads_ahead_in_the_samplers_order(images, pool, workers, start) -> None:
    with serving(Web({"/pool.slc": pool.read_bytes()})) as web:
        local = ReplayDataset(pool, images, uint8=True)
        dataset = ReplayDataset(f"{web.url}/pool.slc", images, uint8=True)
        dataset.reader.shards.readers[0]._file().source.head = b""  # as if the file were larger
        order = BatchOrder(len(dataset), seed=3)
        context = None if start is None else multiprocessing.get_context(start)
        loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=order,
            num_workers=workers,
            multiprocessing_context=context,
        )
        order.set_epoch(1)
        for batch in order.counted(loader):
            expected = local[batch.position]
            assert type(batch.position) is int
            assert torch.equal(batch.images, expected.images)
            assert torch.equal(batch.labels.value, expected.labels.value)
        order.load_state_dict({**order.state_dict(), "batches_done": 20})
        assert len(list(order.counted(loader))) == 4


def test_a_resident_loader_serves_it(images, pool) -> None:
    with serving(Web({"/pool.slc": pool.read_bytes()})) as web:
        remote = labelcodec.open(f"{web.url}/pool.slc")
        order = BatchOrder(len(remote), seed=3)
        loader = ResidentLoader(ReplayDataset(remote, images, uint8=True), order)
        local = ResidentLoader(ReplayDataset(pool, images, uint8=True), BatchOrder(24, seed=3))
        for batch, expected in zip(order.counted(loader), local, strict=True):
            assert torch.equal(batch.images, expected.images)
            assert torch.equal(batch.labels.value, expected.labels.value)


def test_a_student_is_trained_as_from_the_file(tmp_path) -> None:
    example = Path(__file__).parents[2] / "examples" / "cifar10-ipc10"
    settings = replace(
        load_recipe("cifar10"), model="convnet", epochs=1, batches_per_epoch=2, calibrated=False
    )
    with serving(Web({"/labels.slc": (example / "labels.slc").read_bytes()})) as web:
        students = []
        for name, labels in (("here", example / "labels.slc"), ("far", f"{web.url}/labels.slc")):
            args = (labels, example / "images", settings, tmp_path / name)
            report = train(*args, device="cpu", workers=0)
            students.append(report.student.read_bytes())
    assert students[0] == students[1]


def test_labels_of_tokens(tmp_path) -> None:
    path = write_tokens(tmp_path / "tokens.slc", [samples.batch(number=i) for i in range(3)])
    with serving(Web({"/tokens.slc": path.read_bytes()})) as web:
        dataset, local = TokenDataset(f"{web.url}/tokens.slc"), TokenDataset(path)
        for batch in DataLoader(dataset, batch_size=None, sampler=BatchOrder(len(dataset))):
            assert torch.equal(batch.labels.value, local[batch.position].labels.value)
