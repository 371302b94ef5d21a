"""One reader in several threads and processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import labelcodec
from labelcodec.container import RecordReader
from labelcodec.errors import MismatchError
from tests.container.sample import build, payload, read
from tests.labelsets import batches, write

COUNT = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build(tmp_path / "a.slc", range(COUNT))
    return tmp_path / "a.slc"


EXPECTED = [(0, payload(number)) for number in range(COUNT)]


def test_threads(path: Path) -> None:
    positions = list(range(COUNT)) * 20
    with RecordReader(path) as reader, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: read(reader, i), positions)) == EXPECTED * 20


def test_threads_open_a_pickled_reader_once(path: Path) -> None:
    with RecordReader(path) as reader:
        copy = pickle.loads(pickle.dumps(reader))
    before = len(os.listdir("/proc/self/fd"))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: read(copy, i), range(COUNT))) == EXPECTED
    assert len(os.listdir("/proc/self/fd")) == before + 1
    copy.close()


def test_spawned_workers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    context = multiprocessing.get_context("spawn")
    with RecordReader("a.slc") as reader, ProcessPoolExecutor(1, mp_context=context) as pool:
        results = pool.map(read, [reader] * COUNT, range(COUNT), chunksize=COUNT)
        assert list(results) == EXPECTED


def test_forked_process_shares_the_open_file(path: Path) -> None:
    with RecordReader(path) as reader:
        path.unlink()  # only the inherited descriptor still reaches it
        child = os.fork()
        if child == 0:
            good = all(read(reader, i) == EXPECTED[i] for i in range(COUNT))
            os._exit(0 if good else 1)
        for _ in range(20):
            assert [read(reader, i) for i in range(COUNT)] == EXPECTED
        assert os.waitpid(child, 0)[1] == 0


def test_pickle_keeps_path_and_identity_only(path: Path) -> None:
    with RecordReader(path) as reader:
        assert len(pickle.dumps(reader)) < 300 + len(str(path))


@pytest.mark.parametrize("change", ["content", "time"])
def test_changed_file_is_refused(path: Path, change: str) -> None:
    with RecordReader(path) as reader:
        state = pickle.dumps(reader)
    if change == "content":
        path.unlink()
        build(path, range(COUNT - 1))
    else:
        os.utime(path, ns=(0, 0))
    copy = pickle.loads(state)
    with pytest.raises(MismatchError, match="changed since it was opened"):
        copy.batch(0)


MANY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
import labelcodec
with labelcodec.open(sys.argv[1]) as reader:
    assert len(reader) == 140
    assert [batch.number for batch in reader] == list(range(140))
"""


def test_more_shards_than_files_may_be_open(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("labelcodec.container.shards.HELD_OPEN", 0)
    for number in range(140):
        write(tmp_path / f"s-{number:03}.slc", batches([number]))
    pattern = str(tmp_path / "s-*.slc")
    subprocess.run([sys.executable, "-c", MANY, pattern], check=True, timeout=60)
    with labelcodec.open(pattern) as reader:
        copy = pickle.loads(pickle.dumps(reader))
        assert copy[139].number == reader[139].number == 139
        write(tmp_path / "s-139.slc", batches([139, 140]), force=True)
        with pytest.raises(MismatchError, match=r"s-139\.slc: changed since it was opened"):
            reader[139]
