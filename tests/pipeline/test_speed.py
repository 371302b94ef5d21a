"""Speed and waiting, by a clock of the test's own."""

from __future__ import annotations

import pytest

from labelcodec.pipeline import speed
from labelcodec.pipeline.speed import Speed, Stopwatch


class Clock:
    """Seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(speed, "time", clock)
    return clock


def test_waiting_is_the_time_until_a_batch_is_there(clock) -> None:
    def batches():
        for number in range(3):
            clock.now += 2.0
            yield number
        clock.now += 4.0  # until it is known that there is none

    stopwatch = Stopwatch()
    for _ in stopwatch.watched(batches()):
        clock.now += 5.0
    clock.now += 15.0
    assert stopwatch.speed(80) == Speed(images_per_second=2.0, waiting=0.25)


def test_waiting_for_an_error_counts(clock) -> None:
    def broken():
        clock.now += 1.0
        raise OSError
        yield

    stopwatch = Stopwatch()
    with pytest.raises(OSError):
        next(stopwatch.watched(broken()))
    clock.now += 1.0
    assert stopwatch.speed(4) == Speed(2.0, 0.5)
