"""The map over worker processes: order, failures, and what becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from labelcodec.errors import DataError
from labelcodec.workers import ordered_map, pool, process, shared_buffers


@pytest.fixture
def early(monkeypatch):
    """Workers are started after two items."""
    monkeypatch.setattr(pool, "WATCHED", 0)
    monkeypatch.setattr(pool, "WORTHWHILE", 1e-9)


@pytest.fixture
def at_once(early, monkeypatch):
    """Workers share what is left after two items."""
    monkeypatch.setattr(pool._Pool, "ready", lambda own: True)


def process_of(i: int) -> tuple[int, int]:
    return i, os.getpid()


def fail_from(first: int, error: type[Exception], i: int) -> int:
    if i >= first:
        raise error(f"item {i}")
    return i


def log(file: Path, i: int) -> int:
    with file.open("a") as opened:
        opened.write(f"{i}\n")
    return i


def slowly(i: int) -> tuple[int, int]:
    time.sleep(0.001)
    return process_of(i)


def slow(i: int) -> int:
    time.sleep(0.02)
    return i


def die(caller: int, i: int) -> int:
    if i > 20 and os.getpid() != caller:
        os.kill(os.getpid(), signal.SIGKILL)
    return slow(i)


def shout(i: int) -> int:
    print("a plug-in prints", i)
    return i


@pytest.mark.parametrize("count", [2, 3])
def test_results_come_in_order(at_once, count):
    results = list(ordered_map(slowly, range(100), count))
    assert [i for i, _ in results] == list(range(100))
    assert results[0][1] == results[1][1] == os.getpid()
    processes = {pid for _, pid in results[2:]}
    assert os.getpid() in processes and 2 <= len(processes) <= count


def test_one_process_is_the_callers_own(at_once):
    assert {pid for _, pid in ordered_map(process_of, range(30), 1)} == {os.getpid()}


def test_little_work_starts_no_process():
    assert {pid for _, pid in ordered_map(process_of, range(1000), 4)} == {os.getpid()}


def test_the_caller_works_until_the_workers_are_ready(monkeypatch):
    monkeypatch.setattr(pool, "WATCHED", 0)
    monkeypatch.setattr(pool, "WORTHWHILE", 1e-9)
    polls = iter([False] * 5)
    monkeypatch.setattr(pool._Pool, "ready", lambda own: next(polls, True))
    own = [pid == os.getpid() for _, pid in ordered_map(process_of, range(40), 2)]
    assert own[:7] == [True] * 7 and not all(own[7:])


def test_work_that_cannot_be_sent_stays_here(at_once):
    assert set(ordered_map(lambda i: os.getpid(), range(30), 2)) == {os.getpid()}


@pytest.mark.parametrize(
    ("refusing", "error"),
    [
        ((os, "ftruncate"), OSError),
        ((subprocess, "Popen"), OSError),
        ((process.WorkerProcess, "_send"), process.NotStartedError),  # it has ended already
    ],
)
def test_a_system_without_room_for_workers(at_once, monkeypatch, refusing, error):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(*refusing, refuse)
    assert {pid for _, pid in ordered_map(process_of, range(30), 2)} == {os.getpid()}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("error", [DataError, OSError, ZeroDivisionError])
def test_the_first_failure_is_raised_after_what_precedes_it(at_once, count, error):
    results = ordered_map(partial(fail_from, 21, error), range(60), count)
    assert [next(results) for _ in range(21)] == list(range(21))
    with pytest.raises(error, match="item 21"):
        next(results)


def fail_in_a_worker(caller: int, i: int) -> int:
    if os.getpid() != caller:
        raise ZeroDivisionError(f"item {i}")
    return slow(i)


def test_an_error_of_a_worker_says_where_it_was_raised(at_once):
    with pytest.raises(ZeroDivisionError, match="item") as raised:
        list(ordered_map(partial(fail_in_a_worker, os.getpid()), range(60), 2))
    assert "in a worker process" in raised.value.__notes__[0]
    assert "fail_in_a_worker" in raised.value.__notes__[0]


def test_few_items_are_in_flight(at_once, tmp_path):
    file = tmp_path / "log"
    results = ordered_map(partial(log, file), range(10_000), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.2)
    results.close()
    assert len(file.read_text().split()) <= 2 + pool.CHUNK * (2 * pool.AHEAD + 1)


def test_a_slow_consumer_holds_the_workers_up(at_once, tmp_path):
    file = tmp_path / "log"
    for i in ordered_map(partial(log, file), range(300), 2):
        time.sleep(0.001)
        computed = len(file.read_text().split())
        assert computed - i <= pool.CHUNK * (2 * pool.AHEAD + 1)


def refuse_to_be_loaded(message: str) -> None:
    raise ValueError(message)


class Unloadable:
    """What cannot be loaded again."""

    def __reduce__(self):
        return refuse_to_be_loaded, ("not here",)


def unloadable(caller: int, i: int) -> object:
    return slow(i) if os.getpid() == caller else Unloadable()


def test_a_reply_that_cannot_be_loaded_is_an_error(at_once):
    with pytest.raises(ValueError, match="not here"):
        list(ordered_map(partial(unloadable, os.getpid()), range(60), 2))


def test_few_long_items_are_for_all_processes(at_once):
    processes = {pid for _, pid in ordered_map(slowly, range(12), 3)}
    assert len(processes) == 3


def array_of(i: int) -> tuple[str, np.ndarray]:
    return "x" * i, np.full(100_000, i)


def test_results_that_are_kept_stay_what_they_are(at_once):
    """Arrays come in shared memory, which is used again for those that nobody keeps."""
    before = len(os.listdir("/dev/fd"))
    results = list(ordered_map(array_of, range(400), 2))
    assert all((array == i).all() and array.flags.aligned for i, (_, array) in enumerate(results))
    assert len(os.listdir("/dev/fd")) < before + 2 * shared_buffers.HELD


def test_a_worker_that_dies_is_an_error(at_once):
    with pytest.raises(ChildProcessError, match=r"status -9.*fewer `threads`"):
        list(ordered_map(partial(die, os.getpid()), range(100), 2))


def test_what_a_worker_prints_is_not_a_reply(at_once, capfd):
    assert list(ordered_map(shout, range(30), 2)) == list(range(30))
    assert "a plug-in prints" in capfd.readouterr().err


def test_a_function_that_no_worker_can_load(early, monkeypatch):
    monkeypatch.setattr(slowly, "__module__", "tests.no_such_module")
    monkeypatch.setitem(sys.modules, "tests.no_such_module", sys.modules[__name__])
    assert {pid for _, pid in ordered_map(slowly, range(1000), 2)} == {os.getpid()}


def end_unless(caller: int) -> EndsWorkers:
    if os.getpid() != caller:
        os._exit(3)
    return EndsWorkers()


class EndsWorkers:
    """A function that ends every other process that loads it."""

    def __call__(self, i: int) -> tuple[int, int]:
        return slowly(i)

    def __reduce__(self):
        return end_unless, (os.getpid(),)


def test_a_worker_that_dies_as_it_starts(early):
    assert {pid for _, pid in ordered_map(EndsWorkers(), range(1000), 2)} == {os.getpid()}


def test_paths_that_are_none(at_once, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [tmp_path, "", *sys.path])
    assert len({pid for _, pid in ordered_map(slowly, range(40), 2)}) == 2


class PeculiarError(Exception):
    """An error that pickle does not load again."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("peculiar")


def peculiar(caller: int, i: int) -> int:
    if os.getpid() != caller:
        raise PeculiarError(1, 2)
    return slow(i)


def no_pickle(caller: int, i: int) -> object:
    return slow(i) if os.getpid() == caller else lambda: i


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [(peculiar, RuntimeError, "peculiar"), (no_pickle, Exception, "pickle")],
)
def test_what_cannot_be_sent_back_is_an_error(at_once, function, error, message):
    with pytest.raises(error, match=message):
        list(ordered_map(partial(function, os.getpid()), range(60), 2))


_ABANDONED = """
from labelcodec.workers import pool
from tests.workers.test_pool import slow
pool.WATCHED, pool.WORTHWHILE = 0, 1e-9
for i in pool.ordered_map(slow, range(100_000), 3):
    if i == 30:
        print(*[worker.pid for worker in POOLS[0]._workers], flush=True)
"""
_WITH_POOLS = """
POOLS = []
from labelcodec.workers import pool
enter = pool._Pool.__enter__
pool._Pool.__enter__ = lambda own: POOLS.append(own) or enter(own)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_caller(signum):
    script = _WITH_POOLS + _ABANDONED
    root = Path(__file__).resolve().parents[2]
    caller = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
    )
    assert caller.stdout is not None
    pids = [int(pid) for pid in caller.stdout.readline().split()]
    assert len(pids) == 2
    caller.send_signal(signum)
    caller.wait(20)
    caller.stdout.close()
    for _ in range(100):
        if not any(map(_runs, pids)):
            return
        time.sleep(0.1)
    pytest.fail("a worker outlived its caller")


def _runs(pid: int) -> bool:
    """Whether a process exists and is not a zombie that nobody has waited for."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text() if Path("/proc").is_dir() else ""
        os.kill(pid, 0)
    except OSError:
        return False
    return ") Z " not in status
