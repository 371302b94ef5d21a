"""Free memory, as machines of several kinds tell it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
import torch

from labelcodec import threads
from labelcodec.replay import free_memory
from labelcodec.replay.free_memory import free_device_memory, free_host_memory

PLENTY = 1 << 40


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch) -> Path:
    """A machine with a tebibyte, no limits and one process."""
    monkeypatch.setattr(free_memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(threads, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(threads, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    (tmp_path / "meminfo").write_text(f"MemTotal: 5 kB\nMemAvailable: {PLENTY >> 10} kB\n")
    return tmp_path


def test_what_the_machine_says() -> None:
    assert free_host_memory() == PLENTY
    assert free_device_memory(torch.device("cpu")) == PLENTY


def test_a_machine_without_meminfo(machine) -> None:
    """As macOS: half of its memory."""
    (machine / "meminfo").unlink()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert free_host_memory() == total // 2


def test_processes_share(monkeypatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert free_host_memory() == PLENTY // 4


@pytest.mark.parametrize(
    ("own", "limit", "used"),
    [
        ("0::/job/step", "memory.max", "memory.current"),
        ("5:memory:/job/step", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ],
)
def test_the_limit_of_a_cgroup_above(machine, own, limit, used) -> None:
    """Pages of files that can be given up are not in use."""
    (machine / "own").write_text(own + "\n")
    root = machine / "cgroup" / ("memory" if "memory:" in own else "")
    (root / "job/step").mkdir(parents=True)
    (root / "job" / limit).write_text("1000\n")
    (root / "job" / used).write_text("900\n")
    assert free_host_memory() == 100
    (root / "job/memory.stat").write_text("anon 5\ninactive_file 600\n")
    assert free_host_memory() == 700
    (root / "job" / limit).write_text("max\n")
    assert free_host_memory() == PLENTY


def test_the_limit_of_the_address_space(machine, monkeypatch) -> None:
    pages = machine / "statm"
    pages.write_text("10 5 1\n")
    monkeypatch.setattr(free_memory, "OWN_PAGES", pages)
    page = os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (30 * page, 30 * page))
    assert free_host_memory() == 20 * page
