"""Reads and encodes batches, here or in several processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from typing import Protocol

import numpy as np

from labelcodec.batch import LabelBatch, Labels
from labelcodec.codecs import values
from labelcodec.codecs.batches import BatchCoder
from labelcodec.codecs.interface import Codec
from labelcodec.header import Header
from labelcodec.writer import prepare

CHUNK = 8  # batches a worker is sent at once
WAITING_PER_WORKER = 2  # chunks in flight
_NO_LABELS = Labels(1, np.zeros((0, 1), np.float16))


class Batches(Protocol):
    """What is encoded. It can be pickled, so that worker processes can read from it."""

    def __len__(self) -> int:
        """Number of batches."""

    def read(self, i: int) -> LabelBatch:
        """Batch i."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """An encoded batch; `batch` has no labels any more."""

    payload: bytes
    batch: LabelBatch
    nonfinite: bool


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker needs, sent to it once."""

    source: Batches
    header: Header
    side: bytes
    codec: Codec
    allow_nonfinite: bool


def encoded(
    source: Batches,
    coder: BatchCoder,
    codec: Codec,
    allow_nonfinite: bool,
    todo: range,
    workers: int,
) -> Iterator[Encoded]:
    """The batches to do, encoded, in order.

    Raises:
        LabelcodecError: a bad file, or labels that the codec cannot store.
        ChildProcessError: a worker died.
    """
    if workers <= 1 or len(todo) <= 1:
        for i in todo:
            yield _encode_one(source, coder, codec, allow_nonfinite, i)
        return
    job = _Job(source, coder.header, coder.side_information(), codec, allow_nonfinite)
    # spawned, not forked: torch's threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(job,))
    waiting: deque[Future[list[Encoded]]] = deque()
    try:
        for first in range(todo.start, todo.stop, CHUNK):
            with _interrupts_held():  # here the pool starts its processes
                waiting.append(pool.submit(_work, range(first, min(first + CHUNK, todo.stop))))
            if len(waiting) > WAITING_PER_WORKER * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise ChildProcessError(
            "a worker process died, perhaps for lack of memory; try fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits; processes started meanwhile never get it: the parent decides what it means."""
    resource_tracker.ensure_running()  # to start it with the first process would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _encode_one(
    source: Batches, coder: BatchCoder, codec: Codec, allow_nonfinite: bool, i: int
) -> Encoded:
    batch = prepare(source.read(i), codec, allow_nonfinite)
    payload = coder.encode(batch)
    nonfinite = not values.all_finite(batch.labels.value)
    return Encoded(payload, replace(batch, labels=_NO_LABELS), nonfinite)


_worker: list[tuple[Batches, BatchCoder, Codec, bool]] = []  # what a worker process works with


def _start_worker(job: _Job) -> None:
    import torch

    threading.Thread(target=_follow_parent, daemon=True).start()
    torch.set_num_threads(1)
    coder = BatchCoder.load(job.header, job.side, "side information")
    _worker.append((job.source, coder, job.codec, job.allow_nonfinite))


def _follow_parent() -> None:
    """End with the parent: a pool's workers outlive a parent that is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _work(part: range) -> list[Encoded]:
    return [_encode_one(*_worker[0], i) for i in part]
