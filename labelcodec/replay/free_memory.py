"""Free memory of a device or of the host."""

from __future__ import annotations

import os
from pathlib import Path

import torch

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def free_device_memory(device: torch.device) -> int:
    """Free bytes of a CUDA device; of the host for devices that share its memory."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    return free_host_memory()


def free_host_memory() -> int:
    """Bytes that a new process could use on this machine, within the limit of its cgroup.

    Under torchrun the share of each process of the machine.
    """
    free = [_available(), *_left_in_cgroup()]
    processes = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return min(free) // (int(processes) if processes.isdecimal() and int(processes) else 1)


def _available() -> int:
    """Available bytes of the machine; without /proc/meminfo, its free pages."""
    try:
        lines = MEMINFO.read_text().splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return 1024 * int(kibibytes)
    except (OSError, StopIteration, ValueError, IndexError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _left_in_cgroup() -> list[int]:
    """What the limit of the process's cgroup leaves, if it has one (version 2, mounted as root)."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
        return [max(0, limit - int((CGROUP / "memory.current").read_text()))]
    except (OSError, ValueError):  # no cgroup of its own, or "max"
        return []
