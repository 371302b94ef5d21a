"""The image order of torch's sampler, drawn without torch."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.augmentation.sampler_order import (
    CHECKPOINT,
    GENERATOR,
    MAX_WORDS,
    EpochPermutations,
    SamplerOrder,
    permutations_of,
)
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.errors import ConfigError, FormatError, UnsupportedError

ORDER = SamplerOrder(42, images=37, batch=10, batches=4, permutations=2)


def by_torch(seed: int, images: int, per_epoch: int, epochs: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        torch.randperm(images, generator=generator).tolist() for _ in range(epochs * per_epoch)
    ]
    return drawn[::per_epoch]


@given(st.integers(0, 2**64 - 1), st.integers(1, 700), st.integers(1, 2))
def test_permutations_are_those_of_torch(seed, images, per_epoch):
    permutations = EpochPermutations(seed, images, per_epoch)
    for epoch, expected in enumerate(by_torch(seed, images, per_epoch, 4)):
        assert permutations.of_epoch(epoch).tolist() == expected


@pytest.mark.parametrize("images", [1 << 16, (1 << 16) + 1, 300_000])
def test_many_images(images):
    """More words than a checkpoint is apart, and more images than 16 bits number."""
    expected = by_torch(7, images, 2, 3)
    for epoch in (2, 0, 1):
        permutations_of.cache_clear()
        assert permutations_of(7, images, 2).of_epoch(epoch).tolist() == expected[epoch]


@given(st.lists(st.integers(0, 900), min_size=1, max_size=6))
def test_epochs_in_any_order(epochs):
    """Epochs lie in, before and between checkpoints of the generator."""
    drawn = by_torch(3, 500, 2, 901)
    permutations = EpochPermutations(3, 500, 2)
    for epoch in epochs:
        assert permutations.of_epoch(epoch).tolist() == drawn[epoch]
    assert len(permutations._states) <= 900 * 2 * 499 // CHECKPOINT + 2


def test_the_sampler_draws_two_permutations_an_epoch():
    generator = torch.Generator().manual_seed(42)
    sampler = torch.utils.data.RandomSampler(range(37), generator=generator)
    for epoch in range(3):
        batches = [ORDER.image_index(4 * epoch + place, epoch) for place in range(4)]
        assert [len(batch) for batch in batches] == [10, 10, 10, 7]
        assert np.concatenate(batches).tolist() == list(sampler)


def test_a_loader_that_drops_the_last_batch():
    order = replace(ORDER, batches=3)
    assert np.array_equal(order.image_index(5, 1), ORDER.image_index(6, 1))
    assert order.image_index(3, 0) is None


@pytest.mark.parametrize(
    ("number", "epoch"), [(4, 0), (3, 1), (0, 1), (2**63 - 1, 0), (4 * 2**40, 2**40)]
)
def test_batches_that_there_are_not(number, epoch):
    assert ORDER.image_index(number, epoch) is None


def test_late_epochs_are_not_drawn():
    last = MAX_WORDS // (2 * 36)
    assert ORDER.image_index(4 * (last + 1), last + 1) is None


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1}, {"seed": 2**64}, {"images": 0}, {"images": 2**24 + 1}, {"batch": 0},
        {"batch": 2**16 + 1}, {"batches": 0}, {"batches": 5}, {"permutations": 0},
        {"permutations": 3}, {"seed": True}, {"images": 37.0},
    ],
)  # fmt: skip
def test_values_out_of_range(change):
    with pytest.raises(ConfigError, match=min(change)):
        replace(ORDER, **change)
    with pytest.raises(FormatError, match=f"file: .*{min(change)}"):
        SamplerOrder.from_map({**ORDER.to_map(), **change}, "file")


def test_the_map():
    assert SamplerOrder.from_map(ORDER.to_map(), "file") == ORDER
    with pytest.raises(UnsupportedError, match="key 'window'"):
        SamplerOrder.from_map({**ORDER.to_map(), "window": 3}, "file")
    with pytest.raises(FormatError, match="batches"):
        SamplerOrder.from_map({k: v for k, v in ORDER.to_map().items() if k != "batches"}, "file")


def test_a_reader_of_version_1_0_refuses_the_recipe():
    """It knows one kind of recipe only."""
    with pytest.raises(UnsupportedError, match=f"key|{GENERATOR}"):
        AugmentationSpec.from_map(ORDER.to_map(), "file")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_inherits_no_lock():
    permutations = permutations_of(42, 37, 2)
    with permutations._lock:
        child = os.fork()
        if child == 0:
            os._exit(len(permutations_of(42, 37, 2).of_epoch(1)))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 37


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_in_mid_draw_does_not_shift_later_epochs(monkeypatch, error):
    """The generator has moved on, and nobody knows how far."""
    expected = EpochPermutations(42, 5000, 2).of_epoch(60)
    orders = EpochPermutations(42, 5000, 2)
    orders.of_epoch(3)

    class Interrupted:
        def __init__(self, words):
            self.words, self.calls = words, 0

        def random_raw(self, count):
            drawn = self.words.random_raw(count)
            self.calls += 1
            if self.calls == 2:
                raise error
            return drawn

        @property
        def state(self):
            return self.words.state

        @state.setter
        def state(self, value):
            self.words.state = value

    monkeypatch.setattr(orders, "_words", Interrupted(orders._words))
    with pytest.raises(error):
        orders.of_epoch(60)
    assert (orders.of_epoch(60) == expected).all()
