"""Let a teacher label an image folder, straight into a container."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from labelcodec.augment.recipe import Recipe
from labelcodec.batch import LabelBatch
from labelcodec.codecs import registry
from labelcodec.errors import MismatchError
from labelcodec.header import Header
from labelcodec.image_names import cheap
from labelcodec.images import ImageListing, content_digest, fingerprint
from labelcodec.pipeline import threads
from labelcodec.pipeline.ahead import Ahead, Labelled, check_started, tables_of
from labelcodec.pipeline.distributed import Process, check_shared
from labelcodec.pipeline.labelling import Drawn, labelled
from labelcodec.pipeline.pruning import kept_batches
from labelcodec.pipeline.teacher import Teacher
from labelcodec.progress import Progress
from labelcodec.writer import Writer, fitting_places


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
    note: Callable[[str], None] = warnings.warn,
) -> RelabelReport:
    """Label an image folder. What batches hold depends on nothing but the arguments above `here`.

    Their last bits depend on the number of threads, too: a run that is gone on with on another
    number says so.

    The batches that tables are fitted to are labelled first, by all processes, and wait in
    `NAME.slc.fitting` beside the containers until these are whole.

    Args:
        teacher: who labels.
        listing: the images.
        target: the container; of several processes each writes `NAME-RANK-of-WORLD.slc`, in a
            folder that all of them see.
        recipe: what batches are drawn from.
        here: this process; the batches are shared out among all of them.
        epochs: T, as in `kept_batches`.
        keep: as in `kept_batches`.
        codec: a codec spec.
        interpolation: of resized crops.
        workers: processes that load images.
        resume: continue where a run stopped, if any did; the files are the same in the end.
        force: replace existing files.
        progress: called with the batches that this process has labelled and will in all.
        note: called with what the user should know, in the first process.

    Raises:
        LabelcodecError: an image, teacher, codec or destination that does not do. Batches labelled
            before are kept, to be resumed, and a note on the error says where.
    """
    if len(listing.classes) > teacher.classes:
        raise MismatchError(
            f"{listing.root}: has {len(listing.classes)} classes, the teacher {teacher.classes}"
        )
    numbers = kept_batches(recipe, epochs, keep)
    check_shared(len(numbers), here.world)
    own = numbers[here.rank :: here.world]
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
    labels = sum(recipe.samples(recipe.place(number)[1]) for number in numbers)
    sample = _sample(numbers, recipe, teacher.classes, codec)
    share = sample[here.rank :: here.world]
    total = len(share) + len(set(own) - set(sample))
    drawn = Drawn(listing, recipe, interpolation)

    def label(wanted: Sequence[int], last: int) -> Iterator[LabelBatch]:
        """Label batches, the last of which is this process's `last`-th of `total`."""
        for i, batch in enumerate(labelled(teacher, drawn, wanted, workers)):
            if progress is not None:
                progress(last - len(wanted) + i + 1, total)
            yield batch

    opened: AbstractContextManager[Writer | None] = nullcontext()
    if not (resume and path.exists()):
        names = listing.paths if cheap(listing.paths, labels) else None
        opened = Writer(
            path, header, codec, resume=resume, force=force, expected=labels, names=names
        )
    with Ahead(files, here.rank, header, resume=resume) as ahead:
        now = threads.count()
        if here.first and ahead.began not in (None, now):
            note(threads.another(path, ahead.began, now))
        with opened as writer:
            known = tables_of(path, header, codec, own) if writer is None else _tables(writer, own)
            tables = here.shared(known)
            if tables is None:
                ahead.write(share, partial(label, last=len(share)), force=force)
                here.wait()
                if here.first and writer is not None:
                    ready = ahead.read()
                    coder = writer.fit([ready[number] for number in sample])
                    tables = coder.side_information()
                tables = here.shared(tables)
            assert tables is not None
            if writer is not None:
                writer.adopt(tables)
                _fill(writer, own, ahead.read(), partial(label, last=total))
        here.wait()
    return RelabelReport(tuple(files), len(numbers), labels, path.stat().st_size)


def shard_paths(target: Path, world: int) -> list[Path]:
    """Where each of `world` processes writes."""
    if world == 1:
        return [target]
    stem = target.name.removesuffix(".slc")
    return [target.with_name(f"{stem}-{rank}-of-{world}.slc") for rank in range(world)]


def _tables(writer: Writer, own: Sequence[int]) -> bytes | None:
    """The tables of a file that is begun; None where they are not fitted yet."""
    check_started(writer, own)
    return None if writer.coder is None else writer.coder.side_information()


def _sample(numbers: Sequence[int], recipe: Recipe, classes: int, codec: str) -> list[int]:
    """The batches that tables are fitted to, whatever the number of processes."""
    size = recipe.batch * classes * np.dtype(np.float32).itemsize
    most = registry.parse(codec).fit_labels
    return [numbers[place] for place in fitting_places(len(numbers), recipe.batch, size, most)]


def _fill(
    writer: Writer,
    own: Sequence[int],
    ready: Labelled,
    label: Callable[[Sequence[int]], Iterator[LabelBatch]],
) -> None:
    """Write those of this process's batches that are not in the file yet, in order."""
    missing = [number for number in own if number not in writer.numbers]
    fresh = label([number for number in missing if number not in ready])
    for number in missing:
        writer.add(ready[number] if number in ready else next(fresh))
