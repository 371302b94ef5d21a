"""Let a teacher label an image folder, straight into a container."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset

from labelcodec.augment.recipe import Recipe
from labelcodec.augment.seeded import draw
from labelcodec.batch import LabelBatch
from labelcodec.errors import ConfigError
from labelcodec.header import Header
from labelcodec.images import ImageListing, fingerprint
from labelcodec.pipeline.distributed import Process
from labelcodec.pipeline.teacher import Teacher
from labelcodec.replay.loading import load_batch
from labelcodec.replay.pixels import Files
from labelcodec.writer import Writer, fitting_places

Progress = Callable[[int, int], None]


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


def kept_batches(recipe: Recipe, epochs: int, keep: float) -> list[int]:
    """Numbers of the batches to label.

    Args:
        recipe: what batches are drawn from.
        epochs: T, epochs the student will train for.
        keep: share of their batches, above 0 and up to 1. Below 1 the incomplete last batch of
            every epoch is left out and the first so many of the others are kept, as LPQLD prunes.

    Raises:
        ConfigError: nothing would be kept.
    """
    if epochs < 1 or not 0 < keep <= 1:
        raise ConfigError(f"{epochs} epochs of which {keep:g} are kept: allowed are 1.. and 0..1")
    if keep == 1:
        return list(range(epochs * recipe.batches))
    whole = recipe.images // recipe.batch
    wanted = round(keep * epochs * whole)
    if not wanted:
        raise ConfigError(f"keep={keep:g} of {epochs * whole} whole batches leaves none")
    return [n // whole * recipe.batches + n % whole for n in range(wanted)]


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
        resume: continue where a killed run stopped; the files are the same in the end.
        force: replace existing files.
        progress: called with this process's batches done and in all.

    Raises:
        LabelcodecError: an image, teacher, codec or destination that does not do.
    """
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
    drawn = _Drawn(listing, recipe, interpolation)
    total = sum(recipe.samples(recipe.place(number)[1]) for number in numbers)
    with Writer(path, header, codec, resume=resume, force=force, expected=total) as writer:
        ready = _fit(writer, teacher, drawn, numbers, here)
        missing = [number for number in own if number not in writer.numbers]
        done = len(own) - len(missing)
        fresh = _labelled(teacher, drawn, [n for n in missing if n not in ready], workers)
        for number in missing:
            writer.add(ready.pop(number) if number in ready else next(fresh))
            done += 1
            if progress is not None:
                progress(done, len(own))
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
    drawn: _Drawn,
    numbers: Sequence[int],
    here: Process,
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
        ready = {batch.number: batch for batch in _labelled(teacher, drawn, sample, 0)}
        writer.fit(list(ready.values()))
    if here.world > 1:
        shared: list[bytes | None] = [None]
        if writer.coder is not None and here.first:
            shared = [writer.coder.side_information()]
        dist.broadcast_object_list(shared, 0)
        if shared[0] is not None:
            writer.adopt(shared[0])
    return ready


class _Drawn(Dataset[tuple[int, torch.Tensor]]):
    """Batches of a recipe with their images; the item of number n is (n, images)."""

    def __init__(self, listing: ImageListing, recipe: Recipe, interpolation: str) -> None:
        self.recipe = recipe
        self._pixels, self._paths = Files(listing), listing.paths
        self._interpolation = interpolation

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor]:
        index, augmentation = draw(self.recipe, number)
        images = load_batch(
            self._pixels, self._paths, index, augmentation, self.recipe.size, self._interpolation
        )
        return number, images


def _labelled(
    teacher: Teacher, drawn: _Drawn, numbers: Sequence[int], workers: int
) -> Iterator[LabelBatch]:
    loader = DataLoader(drawn, batch_size=None, sampler=list(numbers), num_workers=workers)
    for number, images in loader:
        index, augmentation = draw(drawn.recipe, number)
        labels = teacher.label(images, augmentation.mix)
        epoch = drawn.recipe.place(number)[0]
        yield LabelBatch(number, epoch, index, augmentation, labels)
