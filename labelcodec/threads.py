"""Threads: how many to use, and a map over them whose results come in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from labelcodec.errors import ConfigError

VARIABLE = "LABELCODEC_THREADS"
AHEAD = 4  # items in flight per thread
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_count(threads: int | None = None) -> int:
    """Number of threads to use: `threads`, else LABELCODEC_THREADS, else the usable CPUs.

    Raises:
        ConfigError: `threads` or the variable is not a whole number of 1 or more.
    """
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"`threads` is {threads}: a whole number of 1 or more is needed")
        return threads
    text = os.environ.get(VARIABLE)
    if not text:
        return usable_cpus()
    if not (text.isascii() and text.isdecimal() and len(text) <= 6) or int(text) < 1:
        raise ConfigError(f"{VARIABLE}={text[:20]}: a whole number of 1 or more is needed")
    return int(text)


def usable_cpus() -> int:
    """CPUs that this process may use, by its affinity and its cgroup's quota; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(cpus, _quota()))


def _quota() -> int:
    """CPUs that the cgroups of this process allow, rounded up; 2^20 if they set no limit."""
    allowed = [1 << 20]
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return allowed[0]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        folder = root / path.lstrip("/")
        for level in (folder, *folder.parents):
            allowed += _limit(level)
            if level == root:
                break
    return min(allowed)


def _limit(folder: Path) -> list[int]:
    """The CPUs that one cgroup allows, if it has a limit (cgroup v2, then v1)."""
    try:
        if (file := folder / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return [-(-int(quota) // int(period))] if int(quota) > 0 else []
    except (OSError, ValueError):  # no such file, or "max"
        return []


def ordered_map(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int | None = None
) -> Iterator[Result]:
    """Results of `function`, in the order of the items, whatever the number of threads.

    A few items per thread are in flight, so that memory stays bounded. The kernels, zstd and reads
    release the interpreter's lock, which is what makes threads pay.

    Args:
        function: called once per item, from any thread.
        items: its arguments.
        threads: as in `thread_count`; one thread is the caller's own.

    Raises:
        Exception: what `function` raised, for the first item that it failed for.
    """
    count = min(thread_count(threads), len(items))
    if count <= 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(count, thread_name_prefix="labelcodec")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
