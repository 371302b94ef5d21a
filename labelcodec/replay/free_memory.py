"""Free memory of a device or of the host."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from labelcodec.threads import cgroup_levels

MEMINFO = Path("/proc/meminfo")
OWN_PAGES = Path("/proc/self/statm")
MACS_SHARE = 0.5  # of the memory of a machine that does not say what is available


def free_device_memory(device: torch.device) -> int:
    """Free bytes of a CUDA device; of the host for devices that share its memory."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    return free_host_memory()


def free_host_memory() -> int:
    """Bytes that this process could use, within the limits of its cgroups and its own.

    Under torchrun the share of each process of the machine.
    """
    free = [_available(), *_left_in_cgroups()]
    processes = os.environ.get("LOCAL_WORLD_SIZE", "1")
    share = min(free) // (int(processes) if processes.isdecimal() and int(processes) else 1)
    return min([share, *_left_in_address_space()])


def _available() -> int:
    """Available bytes of the machine; half of all where it does not say, as on macOS."""
    try:
        lines = MEMINFO.read_text().splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return 1024 * int(kibibytes)
    except (OSError, StopIteration, ValueError, IndexError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return int(MACS_SHARE * total)


def _left_in_cgroups() -> list[int]:
    """What the limits of this process's cgroups leave, pages of files not counted as used."""
    left = []
    for level in cgroup_levels("memory"):
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            try:
                most, current = (int((level / name).read_text()) for name in (limit, used))
            except (OSError, ValueError):  # the other version, or "max"
                continue
            left.append(max(0, most - current + _file_pages(level)))
    return left


def _file_pages(level: Path) -> int:
    """Bytes of a cgroup's file pages that are given up when memory is short."""
    try:
        lines = (level / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, StopIteration, ValueError, IndexError):
        return 0


def _left_in_address_space() -> list[int]:
    """What `ulimit -v` leaves, if it is set."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(OWN_PAGES.read_text().split()[0])
    except (ImportError, OSError, ValueError, IndexError):
        return []
    if most == resource.RLIM_INFINITY:
        return []
    return [max(0, most - pages * os.sysconf("SC_PAGE_SIZE"))]
