from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, RandomSampler

from labelcodec.errors import ConfigError, MismatchError
from labelcodec.replay.batch_order import BatchOrder


def epoch_of(order: BatchOrder, epoch: int) -> list[int]:
    order.set_epoch(epoch)
    return list(order)


@given(st.integers(1, 40), st.integers(0, 2**40), st.integers(0, 500), st.integers(1, 5), st.data())
def test_ranks_share_a_draw_without_replacement(batches, seed, epoch, world, data) -> None:
    per_epoch = data.draw(st.none() | st.integers(1, batches))
    assume((per_epoch or batches) >= world)
    orders = [
        BatchOrder(batches, per_epoch=per_epoch, seed=seed, rank=rank, world=world)
        for rank in range(world)
    ]
    shares = [epoch_of(order, epoch) for order in orders]
    assert {len(share) for share in shares} == {len(orders[0])} == {(per_epoch or batches) // world}
    taken = [place for share in shares for place in share]
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(range(batches))
    again = BatchOrder(batches, per_epoch=per_epoch, seed=seed, world=world)
    assert epoch_of(again, epoch) == shares[0]
    one = BatchOrder(batches, per_epoch=per_epoch, seed=seed)
    together = np.stack(shares, axis=1).ravel().tolist()
    assert epoch_of(one, epoch)[: len(together)] == together


def test_epochs_and_seeds_differ() -> None:
    draws = {tuple(epoch_of(BatchOrder(30, seed=s), e)) for s in range(5) for e in range(5)}
    assert len(draws) == 25


def test_a_long_epoch_goes_through_the_pool_again() -> None:
    drawn = epoch_of(BatchOrder(4, per_epoch=10), 0)
    assert sorted(drawn[:4]) == sorted(drawn[4:8]) == [0, 1, 2, 3]
    assert len(set(drawn[8:])) == 2


def test_recorded_order_goes_on_where_it_ended() -> None:
    order = BatchOrder(5, per_epoch=3, order="recorded")
    assert [epoch_of(order, epoch) for epoch in range(3)] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]


STORED = st.lists(st.integers(1, 6), min_size=1, max_size=8)


@given(STORED, st.integers(0, 2**40), st.integers(1, 3), st.integers(0, 3))
def test_stored_epochs_are_drawn_whole(lengths, seed: int, world: int, passes: int) -> None:
    """All of them before any again, whatever their numbers, and shared by the ranks."""
    assume(min(lengths) >= world)
    numbers = [3 * epoch + 1 for epoch, length in enumerate(lengths) for _ in range(length)]
    batches = len(numbers)
    stops = np.cumsum(lengths).tolist()
    whole = [list(range(stop - n, stop)) for stop, n in zip(stops, lengths, strict=True)]
    alone = BatchOrder(batches, order="epoch", epochs=numbers, seed=seed)
    first = passes * len(lengths)
    drawn = [epoch_of(alone, epoch) for epoch in range(first, first + len(lengths))]
    assert sorted(drawn) == whole
    assert [alone.batches_in(first + i) for i in range(len(drawn))] == list(map(len, drawn))
    ranks = [
        BatchOrder(batches, order="epoch", epochs=numbers, seed=seed, rank=rank, world=world)
        for rank in range(world)
    ]
    for number, positions in enumerate(drawn):
        shares = [epoch_of(order, first + number) for order in ranks]
        assert {len(order) for order in ranks} == {len(positions) // world}
        together = np.stack(shares, axis=1).ravel().tolist()
        assert together == positions[: len(positions) // world * world]


def test_batches_of_an_epoch_need_not_be_adjacent() -> None:
    order = BatchOrder(5, order="epoch", epochs=[4, 0, 4, 0, 4])
    assert sorted(epoch_of(order, epoch) for epoch in (0, 1)) == [[0, 2, 4], [1, 3]]


def test_seeds_draw_other_epochs() -> None:
    def drawn(seed: int) -> tuple[int, ...]:
        order = BatchOrder(20, order="epoch", epochs=range(20), seed=seed)
        return tuple(epoch_of(order, epoch)[0] for epoch in range(40))

    draws = {drawn(seed) for seed in range(5)}
    assert len(draws) == 5
    assert drawn(3) in draws
    assert all(one[:20] != one[20:] for one in draws)


def test_a_stored_epoch_is_resumed_in_its_middle() -> None:
    numbers = [0] * 3 + [1] * 7

    def order_of(seed: int) -> BatchOrder:
        return BatchOrder(10, order="epoch", epochs=numbers, seed=seed)

    seed = next(seed for seed in range(9) if len(order_of(seed)) == 7)
    state = order_of(seed).state_dict() | {"batches_done": 5}
    again = order_of(seed)
    again.load_state_dict(state)
    assert list(again) == [8, 9]
    with pytest.raises(MismatchError, match="3 batches per epoch cannot resume after 5"):
        again.load_state_dict(state | {"epoch": 1})
    with pytest.raises(MismatchError, match="'per_epoch' is"):
        BatchOrder(10, order="epoch", epochs=[0] * 7 + [1] * 3, seed=seed).load_state_dict(state)


class Numbers(Dataset[int]):
    def __getitem__(self, position: int) -> int:
        return position


def loader_of(order: BatchOrder, workers: int = 0) -> DataLoader[int]:
    return DataLoader(Numbers(), batch_size=None, sampler=order, num_workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stops", [[3], [3, 5], [9], [10]])
def test_goes_on_in_mid_epoch(workers: int, stops: list[int]) -> None:
    """As the README's loop does; workers have fetched beyond what was trained on."""
    whole = [epoch_of(BatchOrder(20, seed=3, rank=1, world=2), epoch) for epoch in range(3)]
    state, trained = None, []
    for stop in [*stops, 99]:
        order = BatchOrder(20, seed=3, rank=1, world=2)
        loader = loader_of(order, workers)
        if state is not None:
            order.load_state_dict(state)
            assert len(loader) == 10 - state["batches_done"] // 2
        for epoch in range(order.epoch, 3):
            order.set_epoch(epoch)
            for place in order.counted(loader):
                trained.append(int(place))
                state = order.state_dict()
                if epoch == 1 and state["batches_done"] == 2 * stop:
                    break
            else:
                assert order.state_dict()["batches_done"] == 2 * len(loader) == 20
                continue
            break
    assert trained == [place for one in whole for place in one]


def test_a_resumed_position_ends_with_its_pass() -> None:
    order = BatchOrder(10)
    order.load_state_dict(BatchOrder(10).state_dict() | {"batches_done": 7})
    loader = loader_of(order)
    whole = epoch_of(BatchOrder(10), 0)
    assert [len(loader), list(loader)] == [3, whole[7:]]
    assert [len(loader), list(loader)] == [10, whole]


def test_another_epoch_starts_at_its_start() -> None:
    order = BatchOrder(10)
    order.load_state_dict(order.state_dict() | {"epoch": 4, "batches_done": 7})
    order.set_epoch(4)
    assert len(order) == 3
    order.set_epoch(5)
    assert epoch_of(order, 5) == epoch_of(BatchOrder(10), 5)


def test_a_pass_that_was_not_counted_has_no_state() -> None:
    order = BatchOrder(10)
    next(iter(loader_of(order)))
    with pytest.raises(ConfigError, match=r"loop over order\.counted"):
        order.state_dict()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"seed": 9}, "'seed' is 9 there and 0 now"),
        ({"seed": 9, "batches": 8}, "'batches' is 8 there and 10 now, and 'seed' differ"),
        ({"batches_done": 11}, "11"),
    ],
)
def test_another_orders_state_is_refused(change, what: str) -> None:
    order = BatchOrder(10)
    with pytest.raises(MismatchError, match=what):
        order.load_state_dict(order.state_dict() | change)
    with pytest.raises(MismatchError, match="'batches' is none there and 10 now"):
        order.load_state_dict({})


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"batches": 0}, "order of 0 batches"),
        ({"batches": 3, "rank": 2, "world": 2}, "for rank 2 of 2"),
        ({"batches": 3, "world": 4}, "3 batches per epoch for 4 processes"),
        ({"batches": 3, "per_epoch": 0}, "0 batches per epoch"),
        ({"batches": 3, "order": "random"}, "no 'random' order"),
        ({"batches": 3, "seed": -1}, "seed -1 of an order"),
        ({"batches": 3, "order": "epoch"}, "needs the stored epochs of the 3 batches as `epochs`"),
        ({"batches": 3, "order": "epoch", "epochs": [0, 0]}, "stored epochs of the 3 batches"),
        ({"batches": 1, "order": "epoch", "epochs": [0], "per_epoch": 1}, "and no `per_epoch`"),
        (
            {"batches": 3, "order": "epoch", "epochs": [0, 0, 1], "world": 2},
            "1 batch per epoch for 2 processes",
        ),
    ],
)
def test_impossible_orders(given, what) -> None:
    with pytest.raises(ConfigError, match=what):
        BatchOrder(**given)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 4), st.data())
def test_a_state_resumes_on_another_number_of_ranks(batches, before, after, data) -> None:
    """All batches of the epoch but a remainder that cannot be shared out, each once."""
    assume(batches >= max(before, after))
    done = data.draw(st.integers(0, batches // before))
    whole = epoch_of(BatchOrder(batches, seed=1), 2)
    states = []
    for rank in range(before):
        order = BatchOrder(batches, seed=1, rank=rank, world=before)
        order.set_epoch(2)
        counted = order.counted(loader_of(order))
        own = [next(counted) for _ in range(done)]
        assert own == whole[rank::before][:done]
        states.append(order.state_dict() if done else {**order.state_dict()})
    assert all(state == states[0] for state in states)
    shares = []
    for rank in range(after):
        order = BatchOrder(batches, seed=1, rank=rank, world=after)
        order.load_state_dict(states[0])
        shares.append([int(position) for position in loader_of(order)])
    together = np.array(shares).T.ravel().tolist()
    rest = whole[done * before :]
    assert together == rest[: len(rest) // after * after]


@dataclass
class Batch:
    position: int


class Recorded(Dataset[Batch]):
    def __getitem__(self, position: int) -> Batch:
        time.sleep(0.05 * (position % 2))
        return Batch(position)

    def __len__(self) -> int:
        return 12


class Unlike:
    """What a user may get wrong, or a library do: loaders without the order."""

    def forgotten(order: BatchOrder) -> DataLoader[Batch]:
        return DataLoader(Recorded(), batch_size=None)

    def shuffled(order: BatchOrder) -> DataLoader[Batch]:
        return DataLoader(Recorded(), batch_size=None, sampler=RandomSampler(Recorded()))

    def out_of_order(order: BatchOrder) -> DataLoader[Batch]:
        return DataLoader(Recorded(), None, sampler=order, num_workers=2, in_order=False)

    def shared_out(order: BatchOrder) -> list[Batch]:
        return [*DataLoader(Recorded(), batch_size=None, sampler=order)][::2]

    def cut(order: BatchOrder) -> list[Batch]:
        return [*DataLoader(Recorded(), batch_size=None, sampler=order)][:-1]

    def twice(order: BatchOrder) -> list[Batch]:
        return [*DataLoader(Recorded(), batch_size=None, sampler=order)] * 2


@pytest.mark.parametrize("what", [name for name in vars(Unlike) if not name.startswith("_")])
def test_a_loader_that_does_not_keep_the_order_is_refused(what: str) -> None:
    order = BatchOrder(12, seed=1)
    with pytest.raises(
        ConfigError, match=r"of this order. Use DataLoader\(dataset, batch_size=None"
    ):
        list(order.counted(vars(Unlike)[what](order)))


@pytest.mark.parametrize(
    ("workers", "start", "persistent"),
    [
        (0, None, False), (2, "fork", False), (2, "fork", True), (1, "forkserver", False),
        (1, "spawn", True),
    ],
)  # fmt: skip
def test_loaders_that_keep_it(workers: int, start: str | None, persistent: bool) -> None:
    options = {"multiprocessing_context": start, "persistent_workers": persistent}
    order = BatchOrder(12, seed=1)
    loader = DataLoader(Recorded(), None, sampler=order, num_workers=workers, **options)
    for epoch in range(2):
        order.set_epoch(epoch)
        expected = epoch_of(BatchOrder(12, seed=1), epoch)
        assert [batch.position for batch in order.counted(loader)] == expected


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("world", [1, 2])
def test_accelerate_replaces_the_sampler_and_is_refused(world: int) -> None:
    prepare = pytest.importorskip("accelerate.data_loader").prepare_data_loader
    order = BatchOrder(12, seed=1, rank=world - 1, world=world)
    loader = DataLoader(Recorded(), batch_size=None, sampler=order)
    with pytest.raises(ConfigError, match="without a library that replaces its sampler"):
        list(order.counted(prepare(loader, num_processes=world, process_index=world - 1)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_torchdata_resumes_without_workers_and_is_refused_with_workers() -> None:
    """Its workers save the sampler's state as they fetch, which is not what was trained on."""
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    order = BatchOrder(12, seed=1)
    with pytest.raises(ConfigError, match="with a plain DataLoader"):
        next(order.counted(stateful(Recorded(), None, sampler=order, num_workers=2)))
    order = BatchOrder(12, seed=1)
    loader = stateful(Recorded(), batch_size=None, sampler=order)
    trained, state = [], {}
    for batch in order.counted(loader):
        trained.append(batch.position)
        if len(trained) == 5:
            state = order.state_dict()
            break
    order = BatchOrder(12, seed=1)
    order.load_state_dict(state)
    rest = order.counted(stateful(Recorded(), batch_size=None, sampler=order))
    assert trained + [batch.position for batch in rest] == epoch_of(BatchOrder(12, seed=1), 0)
