"""The files of a dump with a folder or a file per epoch, and which of its epochs are whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.formats.directory import numbered

_EPOCH = re.compile(r"epoch_([0-9]+)")


@dataclass(frozen=True)
class Epoch:
    """The batch files of an epoch.

    Attributes:
        number: number in the name of the epoch.
        position: position among all epochs of the dump.
        name: name of its folder.
        files: names of its batch files, in order.
        bytes: total size of these files.
    """

    number: int
    position: int
    name: str
    files: tuple[str, ...]
    bytes: int


def list_epochs(root: Path, epochs_range: tuple[int, int] | None) -> list[Epoch]:
    """List the batch files of epoch_E/batch_B.tar.

    Args:
        root: the dump's directory.
        epochs_range: first epoch to list, and the one to stop before; None lists all.

    Raises:
        DumpError: there are no epochs, one is missing or empty, or an epoch misses a batch that is
            not its last.
    """
    folders = numbered(root, "epoch_", folders=True)
    epochs = []
    for position, (number, name) in enumerate(zip(folders.numbers, folders.names, strict=True)):
        if epochs_range is None or epochs_range[0] <= number < epochs_range[1]:
            batches = numbered(root / name, "batch_")
            epochs.append(Epoch(number, position, name, batches.names, batches.bytes))
            _check_batches(root / name, batches.numbers, epochs)
    check_numbers(root, folders.numbers, [epoch.number for epoch in epochs], epochs_range)
    for epoch in epochs:
        if not epoch.files:
            raise DumpError(
                f"{root / epoch.name}: holds no batch_N.tar; the program that wrote it was "
                f"interrupted, or its files are elsewhere. {whole_epochs(epochs)}"
            )
    return epochs


def check_numbers(
    root: Path, numbers: tuple[int, ...], chosen: list[int], epochs_range: tuple[int, int] | None
) -> None:
    """Check that the chosen epochs have consecutive numbers.

    Args:
        root: the dump's directory.
        numbers: numbers of all its epochs.
        chosen: numbers of the chosen epochs.
        epochs_range: how they were chosen.

    Raises:
        DumpError: there are none, or one is missing.
    """
    if not chosen:
        if epochs_range is None or not numbers:
            raise DumpError(f"{root}: holds no epoch_N")
        raise DumpError(
            f"{root}: no epoch lies in `epochs_range={epochs_range[0]}:{epochs_range[1]}`; its "
            f"epochs are {numbers[0]}..{numbers[-1]}"
        )
    first, last = chosen[0], chosen[-1]
    if last - first != len(chosen) - 1:
        missing = next(n for n in range(first, last) if n not in set(chosen))
        start, stop = _longest_run(chosen)
        raise DumpError(
            f"{root / f'epoch_{missing}'} is missing, though epoch_{last} exists. Copy it there, "
            f"or pass `epochs_range={start}:{stop}` to take the epochs from {start} to {stop - 1}."
        )


def _longest_run(numbers: list[int]) -> tuple[int, int]:
    """The longest run of consecutive numbers: its first, and the one after its last."""
    best = start = stop = numbers[0]
    length = 0
    for number in numbers:
        start = number if number != stop else start
        stop = number + 1
        if stop - start > length:
            best, length = start, stop - start
    return best, best + length


def _check_batches(folder: Path, numbers: tuple[int, ...], epochs: list[Epoch]) -> None:
    if not numbers or (numbers[-1] - numbers[0] == len(numbers) - 1 and numbers[0] in (0, 1)):
        return
    start = 0 if numbers[0] > 1 else numbers[0]
    missing = next(n for n in range(start, numbers[-1]) if n not in set(numbers))
    raise DumpError(
        f"{folder / f'batch_{missing}.tar'} is missing, though {epochs[-1].files[-1]} exists. "
        f"Copy it there. {whole_epochs(epochs[:-1])}"
    )


def check_equal(root: Path, epochs: list[Epoch]) -> None:
    """Check that all epochs have the same number of batches.

    Raises:
        DumpError: an epoch has fewer.
    """
    most = max(len(epoch.files) for epoch in epochs)
    for epoch in epochs:
        count = len(epoch.files)
        if count < most:
            raise DumpError(
                f"{root / epoch.name / f'batch_{count}.tar'} is missing: other epochs have {most} "
                f"batches. Copy it there if it exists. {whole_epochs(epochs)}"
            )


def whole_epochs(epochs: list[Epoch]) -> str:
    """A sentence that says how to read only the longest run of whole epochs; empty without one."""
    most = max((len(epoch.files) for epoch in epochs), default=0)
    whole = [epoch.number for epoch in epochs if most and len(epoch.files) == most]
    if not whole:
        return ""
    start, stop = _longest_run(whole)
    return f"Or pass `epochs_range={start}:{stop}` to keep the whole epochs."


def fail_file(files: Sequence[str], i: int, error: DumpError) -> NoReturn:
    """Raise an error about the file of a batch, with the epochs that can be read without it.

    Args:
        files: name of the file of each batch, below the dump; those of epochs begin with epoch_N.
        i: position of the batch.
        error: why its file cannot be read; raised as it is if the file is unsafe, or if no epoch is
            left.
    """
    numbers = {file: int(match[1]) for file in files if (match := _EPOCH.match(file))}
    whole = sorted({*numbers.values()} - {numbers.get(files[i])})
    if isinstance(error, UnsafeError) or not whole:
        raise error
    start, stop = _longest_run(whole)
    raise DumpError(
        f"{str(error).removesuffix('.')}. Copy the file there anew, or pass "
        f"`epochs_range={start}:{stop}` to keep the epochs from {start} to {stop - 1}"
    ) from error


def fail_last(root: Path, epochs: list[Epoch], error: DumpError) -> NoReturn:
    """Raise an error about the last file of the dump, with the way to keep the epochs before it."""
    if len(epochs) == 1:
        raise error
    first, last = epochs[0].number, epochs[-1].number
    raise type(error)(
        f"{str(error).removesuffix('.')}. It is the last file of {root}; if the program that wrote "
        f"it was interrupted, pass `epochs_range={first}:{last}` to keep the epochs before it"
    ) from error
