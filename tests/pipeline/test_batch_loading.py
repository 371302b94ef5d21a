"""A run keeps its images in memory if they fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from labelcodec.pipeline import batch_loading
from labelcodec.pipeline.batch_loading import BatchLoading
from labelcodec.replay import image_pool
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.resident import ResidentLoader
from tests.pipeline import scene


def loading(world: Path, workers: int | None, notes: list[str], **more: Path) -> BatchLoading:
    dataset = ReplayDataset(world / "labels.slc", world / "images", uint8=True, **more)
    order = BatchOrder(len(dataset), per_epoch=5, seed=3)
    return BatchLoading(dataset, order, workers, scene.ALONE, None, notes.append)


def test_memory_and_workers_give_the_same_batches(monkeypatch, world) -> None:
    notes: list[str] = []
    resident = loading(world, None, notes)
    assert isinstance(resident._loader, ResidentLoader)
    expected = list(resident.epoch())
    assert notes == []
    with monkeypatch.context() as patch:
        patch.setattr(batch_loading, "place_of", lambda *_: None)
        fallback = loading(world, None, notes)
        others = [list(fallback.epoch())]
    assert not isinstance(fallback._loader, ResidentLoader)
    others += [list(loading(world, workers, notes).epoch()) for workers in (0, 2)]
    assert len(notes) == 1
    assert "decoded again in every epoch" in notes[0]
    assert notes[0].endswith("pass `workers`, and a `cache` on disk")
    for batches in others:
        for batch, other in zip(batches, expected, strict=True):
            assert batch.position == other.position
            for tensor, same in zip(batch.tensors(), other.tensors(), strict=True):
                assert torch.equal(tensor, same)


def test_images_that_fit_one_process_alone(monkeypatch, world) -> None:
    """All processes then load them, so that all take equally long."""
    notes: list[str] = []
    apart = loading(world, None, notes)

    class Second:
        world, rank, device = 2, 1, torch.device("cpu")

        def sums(self, *numbers: int) -> list[int]:
            return list(numbers)

    object.__setattr__(apart, "process", Second())
    assert not isinstance(apart._loader, ResidentLoader)
    assert len(notes) == 1


def test_a_cache_needs_no_memory_on_the_cpu(monkeypatch, tmp_path, world) -> None:
    monkeypatch.setattr(image_pool, "free_host_memory", lambda: 0)
    notes: list[str] = []
    cached = loading(world, None, notes, cache=tmp_path / "cache")
    assert isinstance(cached._loader, ResidentLoader)
    assert not isinstance(loading(world, None, notes)._loader, ResidentLoader)
    assert len(notes) == 1


@pytest.mark.parametrize("workers", [None, 0])
def test_nothing_is_loaded_before_the_first_epoch(monkeypatch, world, workers) -> None:
    monkeypatch.setattr(batch_loading, "ResidentLoader", None)
    monkeypatch.setattr(batch_loading, "DataLoader", None)
    loading(world, workers, [])
