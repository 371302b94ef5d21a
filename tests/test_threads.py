"""How many threads or worker processes there are."""

from __future__ import annotations

import os

import pytest

from labelcodec import threads
from labelcodec.errors import ConfigError
from labelcodec.threads import MOST_WORKERS, thread_count, usable_cpus, worker_count


def test_an_argument_goes_before_the_variable(monkeypatch):
    monkeypatch.setenv("LABELCODEC_THREADS", "3")
    assert thread_count() == 3 and thread_count(2) == 2
    monkeypatch.setenv("LABELCODEC_THREADS", "")
    assert thread_count() == usable_cpus()


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²", "٣", "4097", "9" * 5000])
def test_a_variable_that_is_no_number(monkeypatch, text):
    monkeypatch.setenv("LABELCODEC_THREADS", text)
    with pytest.raises(ConfigError, match="whole number"):
        thread_count()


@pytest.mark.parametrize("count", [0, -1, 4097, 10**30])
def test_a_number_of_threads_that_no_machine_starts(count):
    with pytest.raises(ConfigError, match=f"`threads` is {count}: a whole number from 1 to 4096"):
        thread_count(count)


def test_no_more_processes_than_batches():
    assert worker_count(0, 5) == 0 and worker_count(2, 5) == 2
    assert worker_count(MOST_WORKERS, 5) == 5 and worker_count(2, 0) == 0


@pytest.mark.parametrize("workers", [-1, MOST_WORKERS + 1, 10**9, 10**30])
def test_a_number_of_processes_that_no_machine_starts(workers):
    with pytest.raises(ConfigError, match=f"`workers` is {workers}: a number from 0 to 1024"):
        worker_count(workers, 5)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_affinity():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("line", "files", "cpus"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ("0::/a\n", {"cpu.max": "max 100000", "a/cpu.max": "100000 100000"}, 1),
        ("0::/a\n", {"a/cpu.max": "1000 100000"}, 1),
        ("0::/\n", {}, 64),
        (
            "3:cpu,cpuacct:/job\n0::/\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "300000",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            },
            3,
        ),
        ("3:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1"}, 64),
        ("4:memory:/job\n", {"memory/job/cpu.max": "100000 100000"}, 64),
    ],
)
def test_quotas(monkeypatch, tmp_path, line, files, cpus):
    """Of cgroup v2 and v1: the smallest quota on the way up, in whole CPUs."""
    (tmp_path / "self").write_text(line)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    monkeypatch.setattr(threads, "OWN_CGROUPS", tmp_path / "self")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert usable_cpus() == cpus
