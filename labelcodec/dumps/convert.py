"""Dump to container and back."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.batch import LabelBatch, Labels
from labelcodec.codecs import registry, values
from labelcodec.codecs.batches import BatchCoder
from labelcodec.codecs.interface import Codec
from labelcodec.dumps import Dump, DumpInfo, open_dump, write_dump
from labelcodec.errors import DumpError
from labelcodec.header import Header
from labelcodec.images import fingerprint, list_images
from labelcodec.reader import Reader
from labelcodec.writer import FIT_BYTES, Writer, prepare

Progress = Callable[[int, int], None]
CHUNK = 8  # batches a worker is sent at once
WAITING_PER_WORKER = 2  # chunks in flight


@dataclass(frozen=True, eq=False)
class EncodeReport:
    """What encoding did.

    Attributes:
        info: the dump.
        header: the container's header.
        batches: batches in the container.
        bytes: size of the container.
        chosen: what fitting the codec chose and reached, see `Coder.chosen`.
        notes: sentences the user should read.
    """

    info: DumpInfo
    header: Header
    batches: int
    bytes: int
    chosen: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DecodeReport:
    """What decoding did.

    Attributes:
        files: files written.
        lossy: the container does not hold all that its source held.
        layout: layout of the dump written.
    """

    files: int
    lossy: bool
    layout: str


def encode(
    source: Path,
    target: Path,
    *,
    codec: str | None = None,
    layout: str | None = None,
    images: Path | None = None,
    image_order: Path | None = None,
    loader_seed: int | None = None,
    label_type: str | None = None,
    classes: int | None = None,
    epochs: int | None = None,
    workers: int = 1,
    allow_nonfinite: bool = False,
    force: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> EncodeReport:
    """Turn a dump into a container; memory does not grow with the dump.

    Args:
        source: the dump's folder; it is only read.
        target: the container to make.
        codec: a codec spec; by default the labels are stored bit for bit as they are.
        layout: as in `open_dump`.
        images: as in `open_dump`.
        image_order: as in `open_dump`.
        loader_seed: as in `open_dump`.
        label_type: as in `open_dump`.
        classes: as in `open_dump`.
        epochs: T, the epochs the student will train for, where batches were pruned.
        workers: processes that read and encode.
        allow_nonfinite: store NaN and infinite values with codecs that would refuse them.
        force: replace an existing container.
        resume: continue where a killed run stopped; the file is the same in the end.
        progress: called with batches done and batches in all.

    Raises:
        LabelcodecError: a bad dump, codec spec or destination; nothing is left half-written.
    """
    dump = open_dump(
        source,
        layout=layout,
        images=images,
        image_order=image_order,
        loader_seed=loader_seed,
        label_type=label_type,
        classes=classes,
    )
    info = dump.info
    chosen = registry.parse(codec or ("dense" if info.k is None else "topk"))
    header = _header(info, images, epochs)
    target.parent.mkdir(parents=True, exist_ok=True)
    nonfinite = 0
    with Writer(
        target,
        header,
        chosen,
        force=force,
        resume=resume,
        names=info.names,
        allow_nonfinite=allow_nonfinite,
        expected=info.samples,
    ) as writer:
        coder = writer.coder or writer.fit(_fitting_sample(dump, chosen.fit_labels))
        done = len(writer.numbers)  # a resumed file has the first ones: they were added in order
        todo = range(done, len(dump))
        for encoded in _encoded(dump, coder, chosen, allow_nonfinite, todo, workers):
            writer.add_encoded(encoded.payload, encoded.batch)
            nonfinite += encoded.nonfinite
            done += 1
            if progress is not None:
                progress(done, len(dump))
    notes = [f"image order: {info.image_order}"]
    if info.classes_guessed:
        notes.append(f"nothing in the dump says how many classes there are: took {info.classes}")
    if nonfinite:
        notes.append(f"{nonfinite} batches hold NaN or infinite values, kept as they are")
    size = target.stat().st_size
    reached = coder.labels.chosen()
    return EncodeReport(info, writer.header, len(dump), size, reached, tuple(notes))


def decode(
    source: Path,
    target: Path,
    *,
    layout: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> DecodeReport:
    """Turn a container back into a dump.

    Args:
        source: the container.
        target: the dump's folder; must not exist or be empty, unless `force`.
        layout: whose layout; by default that of the dump the container was made from.
        force: replace the folder once the new dump is complete.
        progress: called with batches done and batches in all.

    Raises:
        LabelcodecError: a bad container, or a layout that cannot hold these labels.
    """
    with Reader([source]) as reader:
        origin = reader.header.source or {}
        wanted = layout or _own_layout(reader.header)
        if wanted is None:
            raise DumpError(f"{source}: it was not made from a dump; say which --layout to write")
        replaced = force and target.is_dir() and any(target.iterdir())
        if replaced:
            target = target.resolve()
            _check_replaceable(target, source)
        folder = target.with_name(f"{target.name}.new") if replaced else target
        files = write_dump(
            _with_progress(reader, progress), folder, wanted, origin.get("types", {}), reader.names
        )
        if replaced:
            old = target.with_name(f"{target.name}.old")
            target.rename(old)
            folder.rename(target)
            shutil.rmtree(old)
        return DecodeReport(files, is_lossy(reader.header), wanted)


def _check_replaceable(target: Path, source: Path) -> None:
    """Only a dump may be replaced: label files and their lists, and not the container itself."""
    for path in target.rglob("*"):
        if path.is_file() and (path.suffix not in (".tar", ".json") or path.samefile(source)):
            raise DumpError(
                f"{target}: holds {path.name}, which is not part of a dump; nothing was replaced"
            )


def _own_layout(header: Header) -> str | None:
    """The source's layout; LPQLD's where top-k labels were made of a layout of full ones."""
    origin = header.source or {}
    made_topk = header.k is not None and origin.get("k") is None
    return "lpqld" if made_topk and "layout" in origin else origin.get("layout")


def is_lossy(header: Header) -> bool:
    """Whether the container holds less than the dump it was made from."""
    codec = registry.from_config(header.codec, header.config, "header")
    origin = header.source or {}
    return codec.lossy or ("layout" in origin and origin.get("k") != header.k)


def _header(info: DumpInfo, images: Path | None, epochs: int | None) -> Header:
    listing = list_images(images) if images is not None else None
    return Header(
        classes=info.classes,
        space=info.space,
        precision=info.precision,
        tail=info.tail,
        k=info.k,
        images=len(listing) if listing is not None else info.images,
        fingerprint=fingerprint(listing.paths) if listing is not None else None,
        mix=info.mix,
        epochs=epochs,
        source={
            "layout": info.layout,
            "bytes": info.bytes,
            "files": info.files,
            "k": info.k,
            "image_order": info.image_order,
            "types": dict(info.types),
        },
    )


def _fitting_sample(dump: Dump, most: int) -> list[LabelBatch]:
    """Batches spread evenly over the dump, of `most` labels or what memory holds."""
    if not len(dump):
        return []
    first = dump.read(0)
    size = first.labels.value.nbytes
    wanted = min(most // len(first), FIT_BYTES // max(size, 1), len(dump))
    places = np.unique(np.linspace(0, len(dump) - 1, max(wanted, 1)).astype(int))
    return [first if i == 0 else dump.read(i) for i in places.tolist()]


@dataclass(frozen=True, eq=False)
class _Encoded:
    """An encoded batch; `batch` has no labels any more."""

    payload: bytes
    batch: LabelBatch
    nonfinite: bool


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker needs, sent to it once."""

    dump: Dump
    header: Header
    side: bytes
    codec: Codec
    allow_nonfinite: bool


def _encode_one(
    dump: Dump, coder: BatchCoder, codec: Codec, allow_nonfinite: bool, i: int
) -> _Encoded:
    batch = prepare(dump.read(i), codec, allow_nonfinite)
    payload = coder.encode(batch)
    nonfinite = not values.all_finite(batch.labels.value)
    return _Encoded(payload, replace(batch, labels=_NO_LABELS), nonfinite)


_NO_LABELS = Labels(1, np.zeros((0, 1), np.float16))


def _encoded(
    dump: Dump,
    coder: BatchCoder,
    codec: Codec,
    allow_nonfinite: bool,
    todo: range,
    workers: int,
) -> Iterator[_Encoded]:
    """The batches to do, encoded, in order."""
    if workers <= 1 or len(todo) <= 1:
        for i in todo:
            yield _encode_one(dump, coder, codec, allow_nonfinite, i)
        return
    job = _Job(dump, coder.header, coder.side_information(), codec, allow_nonfinite)
    # spawned, not forked: torch's threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(job,))
    waiting: deque[Future[list[_Encoded]]] = deque()
    try:
        for first in range(todo.start, todo.stop, CHUNK):
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


_worker: list[tuple[Dump, BatchCoder, Codec, bool]] = []  # what a worker process works with


def _start_worker(job: _Job) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_follow_parent, daemon=True).start()
    torch.set_num_threads(1)
    coder = BatchCoder.load(job.header, job.side, "side information")
    _worker.append((job.dump, coder, job.codec, job.allow_nonfinite))


def _follow_parent() -> None:
    """End with the parent: a pool's workers outlive a parent that is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _work(part: range) -> list[_Encoded]:
    return [_encode_one(*_worker[0], i) for i in part]


def _with_progress(reader: Reader, progress: Progress | None) -> Iterator[LabelBatch]:
    for i, batch in enumerate(reader):
        yield batch
        if progress is not None:
            progress(i + 1, len(reader))
