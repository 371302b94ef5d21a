"""How many threads or worker processes to use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from labelcodec.errors import ConfigError

VARIABLE = "LABELCODEC_THREADS"
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
MOST_WORKERS, MOST_THREADS = 1024, 4096


def thread_count(threads: int | None = None) -> int:
    """Number of threads to use: `threads`, else LABELCODEC_THREADS, else the usable CPUs.

    Raises:
        ConfigError: `threads` or the variable is not a whole number from 1 to 4096.
    """
    bounds = f"a whole number from 1 to {MOST_THREADS} is needed"
    if threads is not None:
        if not 1 <= threads <= MOST_THREADS:
            raise ConfigError(f"`threads` is {threads}: {bounds}")
        return threads
    text = os.environ.get(VARIABLE)
    if not text:
        return usable_cpus()
    is_number = text.isascii() and text.isdecimal() and len(text) <= 6
    if not (is_number and 1 <= int(text) <= MOST_THREADS):
        raise ConfigError(f"{VARIABLE}={text[:20]}: {bounds}")
    return int(text)


def worker_count(workers: int, batches: int) -> int:
    """Number of processes that load so many batches: `workers`, and no more than batches.

    Raises:
        ConfigError: `workers` is negative, or more than a machine can start.
    """
    if not 0 <= workers <= MOST_WORKERS:
        raise ConfigError(f"`workers` is {workers}: a number from 0 to {MOST_WORKERS} is needed")
    return min(workers, batches)


def usable_cpus() -> int:
    """CPUs that this process may use, by its affinity and its cgroup's quota; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(cpus, _quota()))


def _quota() -> int:
    """CPUs that the cgroups of this process allow, rounded up; 2^20 if they set no limit."""
    return min([1 << 20, *(limit for level in cgroup_levels("cpu") for limit in _limit(level))])


def cgroup_levels(controller: str) -> Iterator[Path]:
    """Folders of this process's cgroup and those above it, of either version.

    Args:
        controller: 'cpu', 'memory', ...
    """
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        folder = root / path.lstrip("/")
        for level in (folder, *folder.parents):
            yield level
            if level == root:
                break


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
