"""Steps of a run, also on another number of processes than it was started on."""

from __future__ import annotations

import pytest

from labelcodec.errors import MismatchError
from labelcodec.pipeline.rebatch import StepSize, rebatch, step_size


class Recorded(list[int]):
    """A batch that is cut as a `ReplayBatch` is."""

    def rows(self, chosen: slice) -> Recorded:
        return Recorded(self[chosen])


BATCHES = [Recorded(range(4)), Recorded(range(4, 7)), Recorded([7]), Recorded([8, 9])]


@pytest.mark.parametrize(
    ("size", "steps"),
    [
        (StepSize(None), [[4], [3], [1], [2]]),
        (StepSize(None, 2), [[4, 3], [1, 2]]),
        (StepSize(None, 3), [[4, 3, 1], [2]]),
        (StepSize(5), [[4, 1], [2, 1, 2]]),
        (StepSize(3), [[3], [1, 2], [1, 1, 1], [1]]),
        (StepSize(100), [[4, 3, 1, 2]]),
    ],
)
def test_every_sample_is_in_one_step(size, steps):
    made = list(rebatch(BATCHES, size))
    assert [list(map(len, parts)) for parts in made] == steps
    assert [value for parts in made for part in parts for value in part] == list(range(10))


@pytest.mark.parametrize(
    ("batch_size", "started", "processes", "share"),
    [
        (None, 1, 1, StepSize(None)),
        (None, 4, 2, StepSize(None, 2)),
        (64, 2, 4, StepSize(32)),
        (64, 3, 2, StepSize(96)),
    ],
)
def test_steps_are_as_large_on_any_number_of_processes(batch_size, started, processes, share):
    assert step_size(batch_size, started, processes) == share


@pytest.mark.parametrize(("batch_size", "started", "processes"), [(None, 2, 3), (10, 1, 4)])
def test_steps_that_cannot_be_shared_out(batch_size, started, processes):
    with pytest.raises(MismatchError, match=f"started on {started} process.*go on with"):
        step_size(batch_size, started, processes)
