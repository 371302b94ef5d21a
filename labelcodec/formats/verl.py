"""Top-k labels beside padded token ids, as verl has them: torch or safetensors files.

A file holds `teacher_topk_logps` and `teacher_topk_indices` of shape (S, L, k), and mostly
`input_ids` and `attention_mask` (S, L). Where the mask is 0 there is padding, which is no label.
The label of a position is of the token behind it. A folder is read file by file, by their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision
from labelcodec.errors import DumpError, MismatchError, UnsafeError
from labelcodec.formats.foreign import refuse_foreign
from labelcodec.formats.interface import Layout, OpenOptions
from labelcodec.formats.token_dump import TokenDump, classes_given, token_info, unused_of_tokens
from labelcodec.formats.token_labels import LabelKind, Positions, concatenate, space_of
from labelcodec.formats.token_plan import plan_batches
from labelcodec.formats.verl_names import MASK, TOKENS, names_in
from labelcodec.formats.verl_writer import Padding, padding_of, write_verl
from labelcodec.images.array_files import read_arrays
from labelcodec.images.stored_array import StoredArray

SUFFIXES = (".pt", ".pth", ".safetensors")
_PRECISION: Mapping[str, Precision] = {"float16": "float16", "float32": "float32"}


class Verl(Layout):
    """The layout; methods as in `interface.Layout`."""

    name = "verl"
    looks_like = "a .pt file with teacher_topk_logps (verl)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Never: names of files do not tell what is in them."""
        return False

    def label_files(self, root: Path) -> list[Path]:
        """The file, or those of the folder, by the numbers in their names."""
        if not root.is_dir():
            return [root]
        files = [path for path in root.iterdir() if path.suffix in SUFFIXES]
        if not files:
            raise DumpError(f"{root}: holds no files {', '.join(SUFFIXES)}")
        return sorted(files, key=lambda path: [*map(_number, re.split("([0-9]+)", path.name))])

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """Options for images, and the names of columns."""
        return unused_of_tokens(options, "columns")

    def open(self, root: Path, options: OpenOptions) -> TokenDump:
        """Open a file or folder."""
        return open_verl(root, self.label_files(root), options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`; a file is put together in memory."""
        return write_verl(batches, root, types)


def _number(part: str) -> tuple[int, str]:
    """Sorts numbers before text."""
    return (int(part), "") if part.isdigit() and len(part) < 19 else (1 << 63, part)


@dataclass(frozen=True, eq=False)
class _File:
    """The arrays of a file.

    Attributes:
        path: the file.
        value, index: (S, L, k).
        tokens, mask: (S, L); None where there are none.
        lengths: (S,) labels of each sequence.
    """

    path: Path
    value: StoredArray
    index: StoredArray
    tokens: StoredArray | None
    mask: StoredArray | None
    lengths: NDArray[np.int64]

    def rows(self, start: int, stop: int) -> Positions:
        """The labels of some sequences, without padding."""
        rows = slice(start, stop)
        kept: Any = slice(None) if self.mask is None else self.mask.values(rows) != 0
        value, index = self.value.values(rows)[kept], self.index.values(rows)[kept]
        k = self.value.shape[2]
        tokens = None if self.tokens is None else self.tokens.values(rows)[kept].reshape(-1)
        return Positions(value.reshape(-1, k), index.reshape(-1, k), tokens)


class _Source:
    """Labels in files; methods as in `token_dump.TokenSource`."""

    def __init__(self, files: Sequence[_File]) -> None:
        self._files = files
        self._end = np.cumsum(np.concatenate([file.lengths for file in files]))
        self._rows = np.cumsum([len(file.lengths) for file in files])

    def file(self, position: int) -> Path:
        """As `TokenSource.file`."""
        return self._place(self._sequence(position))[0].path

    def positions(self, start: int, stop: int) -> Positions:
        """As `TokenSource.positions`."""
        first, last = self._sequence(start), self._sequence(stop - 1)
        parts, number = [], first
        while number <= last:
            file, row = self._place(number)
            end = min(row + last - number + 1, len(file.lengths))
            parts.append(file.rows(row, end))
            number += end - row
        begin = int(self._end[first - 1]) if first else 0
        return concatenate(parts).rows(slice(start - begin, stop - begin))

    def text(self, number: int, start: int, stop: int) -> NDArray[Any] | None:
        """As `TokenSource.text`."""
        file, row = self._place(number)
        if file.tokens is None:
            return None
        tokens = file.tokens.values(row)
        return tokens if file.mask is None else tokens[file.mask.values(row) != 0]

    def where(self, number: int, position: int) -> str:
        """As `TokenSource.where`."""
        file, row = self._place(number)
        return f"{file.path}: sequence {row}, position {position}"

    def _sequence(self, position: int) -> int:
        return int(np.searchsorted(self._end, position, "right"))

    def _place(self, number: int) -> tuple[_File, int]:
        """The file of a sequence, and its row in it."""
        at = int(np.searchsorted(self._rows, number, "right"))
        return self._files[at], number - (int(self._rows[at - 1]) if at else 0)


def open_verl(root: Path, paths: Sequence[Path], options: OpenOptions) -> TokenDump:
    """Open a file or folder.

    Args:
        root: the file or folder.
        paths: the files.
        options: what the files do not say.

    Raises:
        DumpError: a file is damaged, or files do not fit each other.
        ConfigError: the number of classes is not known.
    """
    files: list[_File] = []
    paddings: list[Padding | None] = []
    for path in paths:
        arrays = _read(path)
        names = names_in(arrays)
        if names is None:
            refuse_foreign(path)
            _fail(path, f"holds no teacher_topk_logps and _indices, but {_shown(arrays)}")
        file = _file(path, arrays, *names)
        if files and _like(file) != _like(files[0]):
            _fail(path, f"has other arrays than {paths[0]}: k, dtypes or names differ")
        files.append(file)
        beside = (file.tokens, file.mask)
        paddings.append(padding_of(path.name, names, file.value, file.index, *beside))
    classes = classes_given(options.classes, root)
    value = files[0].value
    k = value.shape[2]
    if k > classes:
        _fail(root, f"holds k={k} classes of a vocabulary of {classes}: is `classes` wrong?")
    space = space_of(files[0].rows(0, 1).value, options.label_type, False, str(root))
    precision: Precision = "bfloat16" if value.is_bfloat16 else _PRECISION[value.dtype.name]
    kind = LabelKind(classes, k, space, "zero", precision)
    source = _Source(files)
    lengths = np.concatenate([file.lengths for file in files])
    plan = plan_batches(lengths, classes, k)
    known = [padding for padding in paddings if padding is not None]
    types = {"verl": [padding.to_types() for padding in known]} if len(known) == len(files) else {}
    notes = () if types else ("its padding is not uniform: `decode` does not write it back",)
    info = token_info(
        "verl",
        kind,
        plan,
        paths,
        1 if options.shift is None else options.shift,
        has_digests=files[0].tokens is not None,
        types=types,
        notes=notes,
    )
    return TokenDump(info, kind, plan, source)


def _read(path: Path) -> dict[str, StoredArray]:
    try:
        arrays = read_arrays(path)
    except UnsafeError:
        raise
    except MismatchError as error:
        raise DumpError(str(error)) from None
    return {name: array for name, array in arrays.items() if isinstance(array, StoredArray)}


def _file(path: Path, arrays: Mapping[str, StoredArray], of_value: str, of_index: str) -> _File:
    """The arrays of a file, whose dtypes and shapes were checked."""
    value, index = arrays[of_value], arrays[of_index]
    tokens, mask = arrays.get(TOKENS), arrays.get(MASK)
    if not value.is_bfloat16 and value.dtype.name not in _PRECISION:
        _fail(path, f"{of_value} is of dtype {value.dtype}, expected float16, bfloat16 or float32")
    if value.ndim != 3 or 0 in value.shape or index.shape != value.shape:
        _fail(
            path,
            f"{of_value} and {of_index} have shapes {value.shape} and {index.shape}, expected "
            "(sequences, positions, k)",
        )
    for name, array, kinds in (
        (of_index, index, "iu"),
        (TOKENS, tokens, "iu"),
        (MASK, mask, "biu"),
    ):
        if array is not None and (array.dtype.kind not in kinds or array.is_bfloat16):
            _fail(path, f"{name} is of dtype {array.dtype}, expected integers")
        if array is not None and array.shape[:2] != value.shape[:2]:
            _fail(path, f"{name} has shape {array.shape}, expected {value.shape[:2]}")
        if array is not None and array is not index and array.ndim != 2:
            _fail(path, f"{name} has shape {array.shape}, expected {value.shape[:2]}")
    lengths = np.full(value.shape[0], value.shape[1], np.int64)
    if mask is not None:
        kept = mask.raw() != 0
        lengths = kept.sum(axis=1, dtype=np.int64)
        if not lengths.all():
            _fail(path, f"sequence {int(lengths.argmin())}: its {MASK} leaves no position")
        runs = kept[:, 0] + (kept[:, 1:] & ~kept[:, :-1]).sum(axis=1)
        if (runs > 1).any():
            _fail(
                path,
                f"sequence {int(runs.argmax())}: its {MASK} has padding between its positions; a "
                "label would be of another token than the one behind it",
            )
    return _File(path, value, index, tokens, mask, lengths)


def _like(file: _File) -> tuple[Any, ...]:
    beside = (file.tokens is None, file.mask is None)
    return file.value.shape[2], file.value.dtype, file.value.is_bfloat16, *beside


def _shown(names: Iterable[str]) -> str:
    shown = sorted(name or "an array without a name" for name in names)
    return ", ".join(shown[:8]) + (", …" if len(shown) > 8 else "") or "no arrays"


def _fail(where: Path, what: str) -> NoReturn:
    raise DumpError(f"{where}: {what}")
