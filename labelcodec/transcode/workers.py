"""Reading and encoding of batches, in this process or in worker processes."""

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
from labelcodec.codecs import float_bits
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.interface import Codec
from labelcodec.header import Header
from labelcodec.writer import prepare

CHUNK = 8  # batches per task
WAITING_PER_WORKER = 2  # tasks in flight per worker
_NO_LABELS = Labels(1, np.zeros((0, 1), np.float16))


class Batches(Protocol):
    """Source of batches. Picklable, so that worker processes can read from it."""

    def __len__(self) -> int:
        """Number of batches."""

    def read(self, i: int) -> LabelBatch:
        """Batch i."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """An encoded batch.

    Attributes:
        payload: the encoded bytes.
        batch: the batch without its labels.
        nonfinite: whether the labels held NaN or infinite values.
    """

    payload: bytes
    batch: LabelBatch
    nonfinite: bool


@dataclass(frozen=True, eq=False)
class _Job:
    """State of a worker, sent to it once."""

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
    """Read and encode the batches at the positions `todo`, in order.

    Args:
        source: the batches, by position.
        coder: codec with its tables.
        codec: the codec's configuration.
        allow_nonfinite: store NaN and infinities that the codec would refuse.
        todo: positions of the batches.
        workers: number of processes; 0 for this one.

    Raises:
        LabelcodecError: a batch is invalid, or the codec cannot store its labels.
        ChildProcessError: a worker process died.
    """
    if workers <= 1 or len(todo) <= 1:
        for i in todo:
            yield _encode_one(source, coder, codec, allow_nonfinite, i)
        return
    job = _Job(source, coder.header, coder.side_information(), codec, allow_nonfinite)
    # spawn, not fork: threads of libraries do not survive a fork
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(job,))
    waiting: deque[Future[list[Encoded]]] = deque()
    try:
        for first in range(todo.start, todo.stop, CHUNK):
            with _interrupts_held():  # the pool may start processes in `submit`
                waiting.append(pool.submit(_work, range(first, min(first + CHUNK, todo.stop))))
            if len(waiting) > WAITING_PER_WORKER * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise ChildProcessError(
            "a worker process died, possibly out of memory; try fewer `workers`"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Block SIGINT; processes started meanwhile inherit the mask, so only the parent handles it."""
    # Started later, with the first process, the tracker would unblock SIGINT.
    resource_tracker.ensure_running()
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
    nonfinite = not float_bits.all_finite(batch.labels.value)
    return Encoded(payload, replace(batch, labels=_NO_LABELS), nonfinite)


_worker: list[tuple[Batches, BatchCoder, Codec, bool]] = []  # state of this worker process


def _start_worker(job: _Job) -> None:
    threading.Thread(target=_follow_parent, daemon=True).start()
    coder = BatchCoder.from_side_information(job.header, job.side, "side information")
    _worker.append((job.source, coder, job.codec, job.allow_nonfinite))


def _follow_parent() -> None:
    """Exit when the parent does: a pool's workers would outlive a killed parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _work(part: range) -> list[Encoded]:
    return [_encode_one(*_worker[0], i) for i in part]
