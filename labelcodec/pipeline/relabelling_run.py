"""A run of relabelling: shares of processes, what an interrupted run left, tables, batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.batch import LabelBatch
from labelcodec.binding.agreement import Agreement
from labelcodec.binding.class_map import ClassMap, folder_classes
from labelcodec.binding.folder import class_names, folder_fields
from labelcodec.codecs import fit_progress
from labelcodec.container.paths import shard_paths
from labelcodec.header import Header
from labelcodec.image_names import cheap
from labelcodec.images import ImageListing
from labelcodec.pipeline import threads
from labelcodec.pipeline.distributed import Process, check_shared
from labelcodec.pipeline.earlier_run import EarlierRun
from labelcodec.pipeline.first_batches import compared_batches, fitting_batches
from labelcodec.pipeline.fitting_cache import CachedBatches, FittingCache, check_started, tables_of
from labelcodec.pipeline.label_check import check_labels
from labelcodec.pipeline.pruning import kept_batches
from labelcodec.pipeline.seeded_batches import SeededBatches, label_batches
from labelcodec.pipeline.teacher import Teacher
from labelcodec.progress import Progress
from labelcodec.reader import Reader
from labelcodec.wording import counted
from labelcodec.writer import Writer


@dataclass(frozen=True)
class RelabelReport:
    """Result of a relabelling run.

    Attributes:
        files: the containers, one per process.
        batches: number of batches in all of them.
        labels: number of labels in all of them.
        bytes: size of the container that this process wrote.
        chosen: settings that fitting the codec selected and the rate and distortion it measured,
            see `Coder.chosen`; empty for codecs that select none.
        agreement: how many labels, of a sample, name the class of their image's folder first; None
            for a file that an earlier version began.
    """

    files: tuple[Path, ...]
    batches: int
    labels: int
    bytes: int
    chosen: Mapping[str, Any] = field(default_factory=dict)
    agreement: Agreement | None = None


def relabel_listing(
    teacher: Teacher,
    listing: ImageListing,
    target: Path,
    recipe: AugmentationSpec,
    this_process: Process,
    *,
    epochs: int,
    class_map: ClassMap | None = None,
    keep: float = 1.0,
    codec: str = "dense",
    interpolation: str = "bilinear",
    workers: int = 0,
    resume: bool = False,
    force: bool = False,
    keep_names: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> RelabelReport:
    """Label an image folder with a loaded teacher.

    The labels do not depend on the number of processes. Their last bits depend on the number of
    threads: resuming a run with another number gives a note.

    The batches to which tables are fitted are labelled first, by all processes, and are kept in
    `NAME.slc.fitting` beside each container until the containers are complete.

    Args:
        teacher: the teacher.
        listing: the image folder.
        target: the container; with several processes each writes `NAME-RANK-of-WORLD.slc`, in a
            folder that all of them see.
        recipe: the augmentation spec that batches are drawn from.
        this_process: this process, which labels its share of the batches.
        epochs: T, as in `kept_batches`.
        class_map: the teacher's classes; None if the sorted class folders are the first ones.
        keep: as in `kept_batches`.
        codec: a codec spec.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        workers: processes that load images.
        resume: continue an interrupted run, if there is one; the resulting files are the same.
        force: replace existing files.
        keep_names: store the images' names whatever they cost; else only where they cost little.
        progress: called with (batches labelled, total batches of this process, activity): after
            each batch, and when tables are about to be fitted.
        note: called in the first process with notes for the user.

    Raises:
        LabelcodecError: as in `relabel`. Batches labelled so far are kept for resuming, and a note
            on the error says where.
    """
    root = str(listing.root)
    numbers = kept_batches(recipe, epochs, keep)
    check_shared(len(numbers), this_process.world)
    own = numbers[this_process.rank :: this_process.world]
    labels = sum(recipe.samples(recipe.place(number)[1]) for number in numbers)
    named_classes = class_names(listing.classes, class_map, teacher.classes, labels, root)
    own_class = folder_classes(
        listing.classes, named_classes, teacher.classes, root, "the teacher"
    )[listing.class_index]
    header = relabel_header(
        teacher, listing, own_class, recipe, named_classes, interpolation, epochs
    )
    files = shard_paths(target, this_process.world)
    path = files[this_process.rank]
    path.parent.mkdir(parents=True, exist_ok=True)
    sample = fitting_batches(numbers, recipe, teacher.classes, codec)
    share = sample[this_process.rank :: this_process.world]
    total = len(share) + len(set(own) - set(sample))
    seeded_batches = SeededBatches(listing, recipe, interpolation)

    def label(batch_numbers: Sequence[int], last: int) -> Iterator[LabelBatch]:
        """Label batches; the last of them is number `last` of `total` for this process."""
        due = [number for number in batch_numbers if number not in earlier]
        labelled = label_batches(teacher, seeded_batches, due, workers)
        for i, number in enumerate(batch_numbers):
            batch = earlier[number] if number in earlier else next(labelled)
            if progress is not None:
                progress(last - len(batch_numbers) + i + 1, total)
            yield batch

    is_first = this_process.first
    earlier = EarlierRun(target, files, header, codec, resume=resume, first=is_first)
    opened: AbstractContextManager[Writer | None] = nullcontext()
    if not (resume and path.exists()):
        is_cheap = listing.is_named and cheap(listing.paths, labels)
        names = listing.paths if keep_names or is_cheap else None
        opened = Writer(
            path, header, codec, resume=resume, force=force, expected=labels, names=names
        )
    with earlier, FittingCache(files, this_process.rank, header, resume=resume) as cache:
        if earlier.paths and is_first:
            note(
                f"{earlier.paths[0]}: is left of a run on another number of processes; taken over "
                f"from it: {counted(len(earlier), 'batch')}"
            )
        thread_count = threads.thread_count()
        if is_first and cache.started_threads not in (None, thread_count):
            note(threads.thread_change_note(path, cache.started_threads, thread_count))
        with opened as writer:
            if writer is None:
                tables = this_process.shared(tables_of(path, header, codec, own))
            else:
                tables = this_process.shared(_stored_tables(writer, own, earlier))
            if tables is None:
                cache.write(share, partial(label, last=len(share)), force=force)
                this_process.wait()
                cached = cache.read()
                compared = [cached[number] for number in compared_batches(sample, recipe)]
                measured, notes = check_labels(compared, own_class, recipe.size, root)
                for line in notes if is_first else ():
                    note(line)
                if writer is not None:
                    writer.record_agreement(measured)
                if is_first and writer is not None:
                    if progress is not None:
                        progress(len(share), total, f"fitting {writer.codec.name} to a sample")
                    with fit_progress.shown(progress, writer.codec.name):
                        coder = writer.fit([cached[number] for number in sample])
                    for line in coder.labels.notes():
                        note(line)
                    tables = coder.side_information()
                tables = this_process.shared(tables)
            assert tables is not None
            if writer is not None:
                writer.adopt(tables)
                _fill(writer, own, cache.read(), earlier, partial(label, last=total))
        this_process.wait()
        if is_first:
            earlier.remove()
    with Reader([path]) as reader:
        chosen, agreement = next(iter(reader.chosen()), {}), reader.header.agreement
    return RelabelReport(tuple(files), len(numbers), labels, path.stat().st_size, chosen, agreement)


def relabel_header(
    teacher: Teacher,
    listing: ImageListing,
    label_class: NDArray[np.int64],
    recipe: AugmentationSpec,
    named_classes: tuple[str, ...] | None,
    interpolation: str,
    epochs: int,
) -> Header:
    """Header of the labels that a teacher gives the images of a folder.

    Args:
        teacher: the teacher.
        listing: the images.
        label_class: (N,) class of the labels that each image has.
        recipe: the augmentation spec.
        named_classes: names of its classes; None if they are the first class folders.
        interpolation: 'bilinear' or 'bicubic' resizing of crops.
        epochs: T, number of epochs the student will train for.
    """
    return Header(
        classes=teacher.classes,
        precision=teacher.precision,
        image_size=recipe.size,
        **folder_fields(listing, label_class),
        class_names=named_classes,
        teacher=teacher.facts,
        interpolation=interpolation,
        normalisation=teacher.normalisation,
        mix=recipe.mix,
        epochs=epochs,
        recipe=recipe,
    )


def _stored_tables(writer: Writer, own: Sequence[int], earlier: EarlierRun) -> bytes | None:
    """Tables of a partial file or else of an earlier run; None if they are not fitted yet."""
    check_started(writer, own)
    if writer.coder is not None:
        return writer.coder.side_information()
    if earlier.tables is not None and earlier.agreement is not None:
        writer.record_agreement(earlier.agreement)
    return earlier.tables


def _fill(
    writer: Writer,
    own: Sequence[int],
    cached: CachedBatches,
    earlier: EarlierRun,
    label: Callable[[Sequence[int]], Iterator[LabelBatch]],
) -> None:
    """Write this process's batches that are not in the file yet, in order."""
    missing = [number for number in own if number not in writer.numbers]
    labelled = label(
        [number for number in missing if number not in cached and not earlier.has_stored(number)]
    )
    for number in missing:
        if earlier.has_stored(number):
            writer.add_encoded(earlier.stored(number))
        else:
            writer.add(cached[number] if number in cached else next(labelled))
