"""No label ever meets another batch's images."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from labelcodec.pipeline.rebatch import StepSize, rebatch
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from tests.replay import scene

IMAGES = 12


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return scene.folder(tmp_path_factory.mktemp("images"), IMAGES)


@st.composite
def batches(draw: st.DrawFn, number: int):
    """Few images, so that batches start with the same one; batches of any size, mixed or not."""
    index = draw(
        st.lists(st.integers(0, draw(st.sampled_from([0, 2, 11]))), min_size=1, max_size=5)
    )
    partners = st.lists(st.integers(0, len(index) - 1), min_size=len(index), max_size=len(index))
    return scene.batch(number, index, draw(st.none() | partners))


@st.composite
def pools(draw: st.DrawFn):
    numbers = draw(st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True))
    return [draw(batches(number)) for number in sorted(numbers)]


@pytest.mark.filterwarnings("ignore:the labels are probabilities")  # whole numbers, by chance
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_labels_meet_their_own_images(images, data) -> None:
    pool = data.draw(pools())
    sizes = {one.number: len(one) for one in pool}
    with tempfile.TemporaryDirectory() as folder:
        mixed = "cutmix" if any(one.augmentation.mix for one in pool) else None
        path = scene.write(Path(folder) / "a.slc", pool, mix=mixed, **scene.belongs(images))
        dataset = ReplayDataset(path, images, uint8=data.draw(st.booleans()))
        world = data.draw(st.integers(1, len(pool)))
        arguments = {
            "per_epoch": data.draw(st.none() | st.integers(world, 2 * len(pool))),
            "order": data.draw(st.sampled_from(["pool", "recorded"])),
            "seed": data.draw(st.integers(0, 9)),
        }
        effective = data.draw(st.none() | st.integers(1, 9))
        seen: list[tuple[int, int]] = []
        for rank in range(world):
            order = BatchOrder(len(dataset), rank=rank, world=world, **arguments)
            loader = DataLoader(dataset, batch_size=None, sampler=order)
            order.set_epoch(data.draw(st.integers(0, 3)) if world == 1 else 1)
            steps = list(rebatch(map(dataset.finish, loader), StepSize(effective)))
            for parts in steps:
                for part in parts:
                    seen += scene.check(part)
            if effective is not None:
                lengths = [sum(map(len, parts)) for parts in steps]
                assert lengths[:-1] == [effective] * (len(steps) - 1)
                assert 0 < lengths[-1] <= effective
        if (arguments["per_epoch"] or 0) <= len(pool):
            assert len(seen) == len(set(seen))
        if arguments["per_epoch"] is None and world == 1:
            assert len(seen) == sum(sizes.values())
