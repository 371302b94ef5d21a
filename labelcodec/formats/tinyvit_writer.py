"""Writing of TinyViT's labels, sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.files.os_errors import naming

_OTHERS = "its batches are not those of the dump it was read from"


def record(k: int) -> np.dtype[Any]:
    """Dtype of a record: seed, classes and probabilities."""
    return np.dtype([("seed", "<i4"), ("index", "<i2", (k,)), ("value", "<f2", (k,))])


def write_tinyvit(
    batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any], names: Sequence[str] | None
) -> int:
    """Write labels with seeds into an empty folder; returns the number of files.

    Args:
        batches: all batches of a dump of this layout, in order.
        root: the folder.
        types: `DumpInfo.types` of the source.
        names: `DumpInfo.names` of the source.

    Raises:
        DumpError: the labels are of another layout, or no longer all of it.
        OSError: a file cannot be written.
    """
    k, epochs, has_names = _stated(types.get("tinyvit"))
    if has_names and names is None:
        raise DumpError("the file does not hold the keys of its samples: they were too many")
    rows = _Rows(batches, k, names if has_names else None)
    files = 0
    for number, ranks in epochs:
        folder = root / f"logits_top{k}_epoch{number}"
        folder.mkdir()
        for rank, samples in enumerate(ranks):
            paths = [folder / f"rank{rank}-{name}" for name in ("keys.txt", "values.bin")]
            with ExitStack() as stack:
                stack.enter_context(naming(folder))
                text, data = (stack.enter_context(path.open("xb")) for path in paths)
                for keys, values in rows.take(samples):
                    text.write("".join(f"{key}\n" for key in keys).encode())
                    data.write(values)
            files += 2
    if next(rows.take(1, is_end=True), None) is not None:
        raise DumpError(_OTHERS)
    return files


class _Rows:
    """The records of batches, one behind another."""

    def __init__(self, batches: Iterable[LabelBatch], k: int, names: Sequence[str] | None) -> None:
        self._batches, self._k, self._names = iter(batches), k, names
        self._pending: tuple[list[str], Any] = [], np.empty(0, record(k))

    def take(self, number: int, is_end: bool = False) -> Iterator[tuple[list[str], bytes]]:
        """Keys and records of the next samples, part by part.

        Args:
            number: of samples.
            is_end: whether fewer are no error.

        Raises:
            DumpError: there are not as many.
        """
        while number:
            keys, values = self._pending
            if not keys:
                batch = next(self._batches, None)
                if batch is None:
                    if is_end:
                        return
                    raise DumpError(_OTHERS)
                self._pending = self._records(batch)
                continue
            taken = min(number, len(keys))
            self._pending = keys[taken:], values[taken:]
            number -= taken
            yield keys[:taken], values[:taken].tobytes()

    def _records(self, batch: LabelBatch) -> tuple[list[str], Any]:
        labels, seeds = batch.labels.expanded(), batch.augmentation.seeds
        if seeds is None or labels.index is None or labels.index.shape[1] != self._k:
            raise DumpError(
                f"batch {batch.number}: layout tinyvit holds a seed and {self._k} classes for each "
                "sample"
            )
        if int(labels.index.max()) >= 1 << 15:
            raise DumpError(f"batch {batch.number}: class {labels.index.max()} does not fit int16")
        values = np.empty(len(batch), record(self._k))
        values["seed"], values["index"] = seeds, labels.index
        with np.errstate(over="ignore"):
            values["value"] = labels.value.astype(np.float16)
        return [self._key(image) for image in batch.image_index.tolist()], values

    def _key(self, image: int) -> str:
        if self._names is None:
            return str(image)
        if image >= len(self._names):
            raise DumpError(f"image {image} has no key: there are {len(self._names)}")
        return self._names[image]


def _stated(types: Any) -> tuple[int, list[tuple[int, list[int]]], bool]:
    """K, the samples of each epoch and rank, and whether keys are names; of an untrusted header."""
    if types is None:
        raise DumpError(
            "layout tinyvit holds the seeds of its own augmentations: only labels that were read "
            "from it can be written in it"
        )
    wrong = DumpError("types of the source: tinyvit holds something else")
    if not isinstance(types, Mapping) or types.get("keys") not in ("numbers", "names"):
        raise wrong
    k, stated = types.get("k"), types.get("epochs")
    if type(k) is not int or not 0 < k < 1 << 15 or not isinstance(stated, (list, tuple)):
        raise wrong
    epochs = []
    for epoch in stated:
        if not isinstance(epoch, (list, tuple)) or len(epoch) != 2:
            raise wrong
        number, ranks = epoch
        counts = ranks if isinstance(ranks, (list, tuple)) else [None]
        if not all(type(n) is int and 0 <= n < 1 << 40 for n in (number, *counts)):
            raise wrong
        epochs.append((number, list(counts)))
    if len({number for number, _ in epochs}) < len(epochs):
        raise wrong
    return k, epochs, types["keys"] == "names"
