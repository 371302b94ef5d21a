"""Which images the batches of a dump with epochs hold, checked against the labels.

The order is recorded in the batch files (G_VBSM, EDC), listed in a side file (LPLD), or that of a
seeded loader (SRe2L). A listed order is checked as a seed's is: LPLD's trainer writes its own order
into any dump that has no list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DumpError
from labelcodec.formats.batch_list import BatchList
from labelcodec.formats.epoch_listing import Epoch, check_equal, whole_epochs
from labelcodec.formats.image_order import (
    LOADER_SEED,
    KnownOrder,
    ListedOrder,
    SeedOrder,
    by_batch,
    by_epoch,
    listed,
    read_lists,
)
from labelcodec.formats.interface import OpenOptions
from labelcodec.formats.order_check import LabelLikeness, LabelSample, check_order
from labelcodec.wording import counted

_HELP = "Pass `image_order=FILE`, or the `loader_seed` that the labels were made with."


class _ShortListError(DumpError):
    """A list has no images for a batch of the dump."""


class EpochFiles:
    """The batches of a dump before its order is known.

    Attributes:
        root: the dump's directory.
        epochs: its epochs.
        parsed: reads the batch at a position.
        first: the first batch.
        batch_name: what error messages append to an epoch's name for batch {}.
    """

    def __init__(
        self,
        root: Path,
        epochs: list[Epoch],
        parsed: Callable[[int], BatchList],
        first: BatchList,
        batch_name: str = "/batch_{}.tar",
    ) -> None:
        self.root, self.epochs, self.parsed, self.first = root, epochs, parsed, first
        self._batch_name = batch_name

    def where(self, epoch: Epoch, batch: int) -> str:
        """What error messages call a batch of an epoch."""
        return str(self.root / epoch.name) + self._batch_name.format(batch)

    @property
    def counts(self) -> list[int]:
        """Batches of each epoch."""
        return [len(epoch.files) for epoch in self.epochs]

    @property
    def batch_size(self) -> int:
        """Labels per batch."""
        return len(self.first.fractions)

    @cached_property
    def last_size(self) -> int:
        """Labels in the last batch of the first epoch."""
        return len(self.parsed(self.counts[0] - 1).fractions)

    @property
    def labels(self) -> int:
        """Labels of the first epoch."""
        return self.batch_size * (self.counts[0] - 1) + self.last_size

    @cached_property
    def sample(self) -> LabelSample:
        """Labels to check an order with."""
        ends = np.cumsum(self.counts).tolist()
        batches = [range(end - count, end) for end, count in zip(ends, self.counts, strict=True)]

        def read(i: int) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
            batch = self.parsed(i)
            return batch.value, batch.index

        def name(i: int) -> str:
            epoch = int(np.searchsorted(ends, i, side="right"))
            return f"{self.where(self.epochs[epoch], i - batches[epoch].start)}:"

        return LabelSample(batches, self.labels, self.batch_size, read, name)


def order_of_files(dump: EpochFiles, options: OpenOptions) -> KnownOrder:
    """The order that the batch files record; reads all of them.

    Args:
        dump: the dump.
        options: what the user says about the dump.

    Raises:
        DumpError: a file is damaged or has no image indices, or one is not in the image folder.
    """
    lists = []
    for i in range(sum(dump.counts)):
        indices = dump.parsed(i).image_index
        if indices is None:
            raise DumpError(
                f"{dump.root}: batch {i} of the dump has no image indices, though the first one "
                "has. Pass `image_order=FILE` for all."
            )
        lists.append(indices)
    order = by_batch(lists)
    largest = int(order.flat.max())
    images = len(options.listing) if options.listing else largest + 1
    if largest >= images:
        raise DumpError(
            f"{dump.root}: its batch files name image {largest}, but the image folder has {images} "
            "images. Pass the folder the labels were made from."
        )
    sentence = "recorded in every batch file"
    return KnownOrder(order, images, len(order.flat), sentence, dump.epochs[0].number)


def order_of_list(
    dump: EpochFiles, file: Path, own: Path | None, options: OpenOptions
) -> KnownOrder:
    """The order that a file lists.

    Args:
        dump: the dump.
        file: the file.
        own: the dump's own list, or None.
        options: what the user says about the dump.

    Raises:
        DumpError: the list does not fit the dump or its labels.
    """
    try:
        order = _listed(dump, file, options.epochs_range is None)
    except _ShortListError:
        right = _right_seed(dump, LOADER_SEED, dump.labels) if file == own else None
        if right is None:
            raise
        source = f"drawn again from {_of(right[0])}, not from {file.name} in the dump"
        why = "which has no images for all of its batches"
        return _known(dump, right[0], f"{source}, {why}; checked: {right[1]}")
    images = len(options.listing) if options.listing else None
    number = sum(dump.counts)
    checked = f"it fits the {number} batch files"
    known = listed(order, file, own, images, checked, dump.epochs[0].number)
    if len(dump.epochs) == 1:
        return known
    agreement = check_order(order.indices, dump.sample)
    if agreement.verdict == "holds":
        sentence = f"{known.sentence}; checked: {agreement}"
        return replace(known, sentence=sentence)
    right = _right_seed(dump, LOADER_SEED, dump.labels)
    if right is not None and file == own:
        return _known(
            dump,
            right[0],
            f"drawn again from {_of(right[0])}, not from {file.name} in the dump, which the labels "
            f"contradict ({agreement}); checked: {right[1]}",
        )
    wrong = agreement.speaks_against
    if right is not None or (wrong and options.image_order is None):
        remedy = f"{_HELP} As `image_order`, {file.name} itself is taken all the same."
        if right is not None:
            remedy = f"The labels have the order of {_of(right[0])}."
        raise DumpError(f"{file}: not the order of the labels: {agreement}. {remedy}")
    return replace(known, sentence=f"{known.sentence}; the labels {_doubt(wrong)}: {agreement}")


def order_of_seed(dump: EpochFiles, own: Path | None, options: OpenOptions) -> KnownOrder:
    """The order that torch's sampler draws from the loader's seed.

    Args:
        dump: the dump.
        own: the dump's own list, which a seed that the user passes overrides; or None.
        options: what the user says about the dump.

    Raises:
        DumpError: an epoch is not whole, or the order is not that of the seed or cannot be
            checked, and the user passed no seed.
    """
    check_equal(dump.root, dump.epochs)
    images = _images(dump, options)
    seed = LOADER_SEED if options.loader_seed is None else options.loader_seed
    order = next(_candidates(dump, seed, images))
    instead = "" if own is None else f", not from {own.name} in the dump"
    source = f"drawn again from {_of(order)}{instead}"
    if len(dump.epochs) == 1:
        if options.loader_seed is None:
            raise DumpError(
                f"{dump.root}: its image order is not recorded and, with one epoch, an order from "
                f"loader seed {seed} cannot be checked. {_seed_help(dump, options)}"
            )
        return _known(dump, order, f"{source}; not checkable: one epoch")
    if right := _right_seed(dump, seed, images):
        source = f"drawn again from {_of(right[0])}{instead}"
        return _known(dump, right[0], f"{source}; checked: {right[1]}")
    agreement = check_order(order.indices, dump.sample)
    wrong = agreement.speaks_against
    if options.loader_seed is None:
        what = "it is not" if wrong else "its labels do not tell whether it is"
        raise DumpError(
            f"{dump.root}: its image order is not recorded, and {what} that of loader seed {seed}: "
            f"{agreement}. {_seed_help(dump, options)}"
        )
    if right := _right_seed(dump, LOADER_SEED, images):
        raise DumpError(
            f"{dump.root}: its image order is not that of loader seed {seed} but that of "
            f"{_of(right[0])}: {right[1]}. Leave `loader_seed` out."
        )
    source += ", as `loader_seed` says"
    return _known(dump, order, f"{source}; the labels {_doubt(wrong)}: {agreement}")


def _listed(dump: EpochFiles, file: Path, whole: bool) -> ListedOrder:
    """The lists of the dump's epochs, one per epoch or per batch; `whole` if all are read."""
    lists = read_lists(file)
    counts, epochs = dump.counts, dump.epochs
    batches = sum(counts)
    if sorted(lists) == list(range(batches)) and max(map(len, lists.values())) <= dump.batch_size:
        return by_batch([lists[batch] for batch in range(batches)])
    keys = _keys(dump, file, lists, whole)
    for epoch, key, count in zip(epochs, keys, counts, strict=True):
        expected = -(-len(lists[key]) // dump.batch_size) if key in lists else 0
        if expected > count:
            raise DumpError(
                f"{dump.where(epoch, count)} is missing: {file.name} has {len(lists[key])} "
                f"images in {epoch.name}, which are {counted(expected, 'batch')} of "
                f"{dump.batch_size}. Copy "
                f"it there if it exists. {whole_epochs(epochs)}"
            )
        if expected < count:
            named = [epoch for epoch, key in zip(epochs, keys, strict=True) if key in lists]
            raise _ShortListError(
                f"{dump.where(epoch, expected)} is unexpected: {file.name} has no images for "
                f"it. Pass `image_order=FILE` that has them. {whole_epochs(named)}"
            )
    if whole and (surplus := lists.keys() - set(keys)):
        missing = max(surplus) - keys[0] + epochs[0].number
        raise DumpError(
            f"{dump.root / f'epoch_{missing}'} is missing: {file.name} has images for it. Copy it "
            f"there if it exists. {whole_epochs(epochs)}"
        )
    return by_epoch([lists[key] for key in keys], dump.batch_size)


def _keys(
    dump: EpochFiles, file: Path, lists: Mapping[int, NDArray[np.int64]], whole: bool
) -> list[int]:
    """The list of each epoch: lists are numbered as the epochs are, or by position in the dump.

    Where both numberings have a list for every epoch, the labels decide.
    """
    numbers = [epoch.number for epoch in dump.epochs]
    positions = [epoch.position for epoch in dump.epochs]
    if numbers == positions or not lists.keys() >= {*numbers}:
        return positions
    if not lists.keys() >= {*positions}:
        return numbers
    for keys in (numbers, positions):
        if [-(-len(lists[key]) // dump.batch_size) for key in keys] == dump.counts:
            order = by_epoch([lists[key] for key in keys], dump.batch_size)
            if check_order(order.indices, dump.sample).verdict == "holds":
                return keys
    if whole:
        return numbers  # there are more lists than epochs, which is an error
    raise DumpError(
        f"{file}: the labels do not tell whether list {numbers[0]} or list {positions[0]} is that "
        f"of epoch_{numbers[0]}. Pass `image_order=FILE` that maps the numbers of these epochs to "
        "their lists, and has no others."
    )


def _candidates(dump: EpochFiles, seed: int, images: int) -> Iterator[SeedOrder]:
    """Orders that loaders draw from a seed, the most frequent first."""
    start = dump.epochs[0]
    for first in dict.fromkeys((start.number, start.position)):
        for permutations in (2, 1):
            yield SeedOrder(seed, images, dump.batch_size, len(start.files), permutations, first)


def _right_seed(dump: EpochFiles, seed: int, images: int) -> tuple[SeedOrder, LabelLikeness] | None:
    """The order of this seed that the labels confirm, if they confirm one."""
    if len(set(dump.counts)) > 1 or len(dump.counts) == 1:
        return None
    for order in _candidates(dump, seed, images):
        agreement = check_order(order.indices, dump.sample)
        if agreement.verdict == "holds":
            return order, agreement
    return None


def _seed_help(dump: EpochFiles, options: OpenOptions) -> str:
    """What to do where an order from a seed is not confirmed."""
    if options.listing is not None or dump.last_size < dump.batch_size:
        return _HELP
    return (
        f"The number of images, {dump.labels}, is a guess, too low if the loader dropped the last "
        f"batch: pass the image folder as `images`. {_HELP}"
    )


def _doubt(wrong: bool) -> str:
    """What the labels do to an order that is taken because the user says so."""
    return "CONTRADICT it" if wrong else "do not tell whether it is theirs"


def _of(order: SeedOrder) -> str:
    """A seed's order in words."""
    words = f"loader seed {order.seed}"
    if order.permutations == 1:
        words += " with one permutation per epoch, as torch up to 1.10 draws"
    return words + (f" from its epoch {order.first}" if order.first else "")


def _known(dump: EpochFiles, order: SeedOrder, sentence: str) -> KnownOrder:
    samples = dump.labels * len(dump.epochs)
    return KnownOrder(order, order.images, samples, sentence, order.first)


def _images(dump: EpochFiles, options: OpenOptions) -> int:
    """Images of an epoch: as many as labels, or a few more if the loader dropped the last batch."""
    if options.listing is None:
        return dump.labels
    images = len(options.listing)
    dropped = dump.last_size == dump.batch_size and 0 <= images - dump.labels < dump.batch_size
    if images != dump.labels and not dropped:
        raise DumpError(
            f"{dump.root}: an epoch has labels for {counted(dump.labels, 'image')}, the image "
            f"folder has {images}. Pass the folder the labels were made from, or "
            "`image_order=FILE` if the "
            "dump leaves images out."
        )
    return images
