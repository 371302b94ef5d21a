"""Let a teacher label an image folder, straight into a container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.distributed as dist

from labelcodec.augment.recipe import Recipe
from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.container import RecordReader
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.header import Header
from labelcodec.images import ImageListing, content_digest, fingerprint
from labelcodec.names import cheap
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.labelling import Drawn, labelled
from labelcodec.pipeline.pruning import kept_batches
from labelcodec.pipeline.teacher import Teacher
from labelcodec.progress import Progress
from labelcodec.writer import Writer, fitting_places, with_codec


@dataclass(frozen=True)
class RelabelReport:
    """What a run wrote.

    Attributes:
        files: the containers, one a process.
        batches: in all of them.
        labels: in all of them.
        bytes: of the file this process wrote.
    """

    files: tuple[Path, ...]
    batches: int
    labels: int
    bytes: int


def relabel(
    teacher: Teacher,
    listing: ImageListing,
    target: Path,
    recipe: Recipe,
    here: Process,
    *,
    epochs: int,
    keep: float = 1.0,
    codec: str = "dense",
    interpolation: str = "bilinear",
    workers: int = 0,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> RelabelReport:
    """Label an image folder. What batches hold depends on nothing but the arguments above `here`.

    Args:
        teacher: who labels.
        listing: the images.
        target: the container; of several processes each writes `NAME-RANK-of-WORLD.slc`.
        recipe: what batches are drawn from.
        here: this process; the batches are shared out among all of them.
        epochs: T, as in `kept_batches`.
        keep: as in `kept_batches`.
        codec: a codec spec.
        interpolation: of resized crops.
        workers: processes that load images.
        resume: continue where a run stopped, if any did; the files are the same in the end.
        force: replace existing files.
        progress: called with this process's batches done and in all.

    Raises:
        LabelcodecError: an image, teacher, codec or destination that does not do. What was
            labelled before is kept, to be resumed.
    """
    if len(listing.classes) > teacher.classes:
        raise MismatchError(
            f"{listing.root}: has {len(listing.classes)} classes, the teacher {teacher.classes}"
        )
    numbers = kept_batches(recipe, epochs, keep)
    own = numbers[here.rank :: here.world]
    if not own:
        raise ConfigError(f"{len(numbers)} batches for {here.world} processes")
    header = Header(
        classes=teacher.classes,
        precision=teacher.precision,
        images=len(listing),
        image_size=recipe.size,
        fingerprint=fingerprint(listing.paths),
        content=content_digest(listing),
        teacher=teacher.facts,
        interpolation=interpolation,
        normalisation=teacher.normalisation,
        mix=recipe.mix,
        epochs=epochs,
        recipe=recipe,
    )
    files = shard_paths(target, here.world)
    path = files[here.rank]
    path.parent.mkdir(parents=True, exist_ok=True)
    total = sum(recipe.samples(recipe.place(number)[1]) for number in numbers)
    if resume and path.exists():
        _shared(_tables(path, header, codec, own), here)
    else:
        drawn = Drawn(listing, recipe, interpolation)
        names = listing.paths if cheap(listing.paths, total) else None
        with Writer(
            path, header, codec, resume=resume, force=force, expected=total, names=names
        ) as writer:
            if others := writer.numbers - set(own):
                raise MismatchError(f"{path}: was started with batch {min(others)}, not wanted now")
            ready = _fit(writer, teacher, drawn, numbers, here, workers, progress)
            _fill(writer, teacher, drawn, own, ready, workers, progress)
    return RelabelReport(tuple(files), len(numbers), total, path.stat().st_size)


def shard_paths(target: Path, world: int) -> list[Path]:
    """Where each of `world` processes writes."""
    if world == 1:
        return [target]
    stem = target.name.removesuffix(".slc")
    return [target.with_name(f"{stem}-{rank}-of-{world}.slc") for rank in range(world)]


def _fit(
    writer: Writer,
    teacher: Teacher,
    drawn: Drawn,
    numbers: Sequence[int],
    here: Process,
    workers: int,
    progress: Progress | None,
) -> dict[int, LabelBatch]:
    """Give all files the same tables: the first process fits them, the others take them over.

    Returns:
        The batches that were labelled for it, by number.
    """
    ready: dict[int, LabelBatch] = {}
    if here.first and writer.coder is None:
        recipe = drawn.recipe
        size = recipe.batch * teacher.classes * np.dtype(np.float32).itemsize
        places = fitting_places(len(numbers), recipe.batch, size, writer.codec.fit_labels)
        sample = [numbers[place] for place in places]
        share = -(-len(numbers) // here.world)
        for batch in labelled(teacher, drawn, sample, workers):
            ready[batch.number] = batch
            if progress is not None:
                progress(min(len(ready), share), share)
        writer.fit(list(ready.values()))
    own = None if writer.coder is None else writer.coder.side_information()
    writer.adopt(_shared(own, here))
    return ready


def _shared(tables: bytes | None, here: Process) -> bytes:
    """The tables of the first process, which has some."""
    given = [tables]
    if here.world > 1:
        dist.broadcast_object_list(given, 0)
    assert given[0] is not None
    return given[0]


def _tables(path: Path, header: Header, codec: str, own: Sequence[int]) -> bytes:
    """The tables of a file that this process has finished before.

    Raises:
        MismatchError: it is not what this run would write.
    """
    with RecordReader(path) as found:
        wanted = with_codec(header, registry.parse(codec)).to_map()
        if found.header != wanted or found.index.number.tolist() != list(own):
            raise MismatchError(f"{path}: exists already and is of another run")
        return found.side(0)


def _fill(
    writer: Writer,
    teacher: Teacher,
    drawn: Drawn,
    own: Sequence[int],
    ready: dict[int, LabelBatch],
    workers: int,
    progress: Progress | None,
) -> None:
    """Label and write those of this process's batches that are not in the file yet."""
    missing = [number for number in own if number not in writer.numbers]
    fresh = labelled(teacher, drawn, [n for n in missing if n not in ready], workers)
    known = len(own) - len([number for number in missing if number not in ready])
    for number in missing:
        if number in ready:
            writer.add(ready.pop(number))
            continue
        writer.add(next(fresh))
        known += 1
        if progress is not None:
            progress(known, len(own))
