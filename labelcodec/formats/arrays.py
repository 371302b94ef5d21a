"""Arrays of token-level labels: an .npz or .safetensors file, or a folder of .npy files.

`logits` (N, C), or `index` and `value` (N, k) for N positions. Beside them may be `lengths` (S,) of
the sequences, `tokens` (N,), `mask` (N,) of the loss and `tail` (N,), the mass that is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch, Precision, Tail
from labelcodec.errors import DumpError, MismatchError
from labelcodec.formats.array_writer import joined_arrays, write_arrays
from labelcodec.formats.interface import DumpInfo, Layout, OpenOptions
from labelcodec.formats.token_dump import TokenDump, classes_given, token_info, unused_of_tokens
from labelcodec.formats.token_labels import LabelKind, Positions, kept_values, space_of
from labelcodec.formats.token_plan import TokenPlan, plan_batches
from labelcodec.formats.verl_names import names_in
from labelcodec.images.array_files import read_arrays
from labelcodec.images.stored_array import StoredArray
from labelcodec.wording import counted

FULL, INDEX, VALUE = "logits", "index", "value"
LENGTHS, TOKENS, MASK, TAIL, COUNT = "lengths", "tokens", "mask", "tail", "count"
BESIDE = (TOKENS, MASK, TAIL, COUNT)
NAMES = (FULL, INDEX, VALUE, LENGTHS, *BESIDE)
LOOKED_AT = 256  # positions that tell whether labels are probabilities
_PRECISION: Mapping[str, Precision] = {
    "float16": "float16",
    "float32": "float32",
    "float64": "float32",
}


class Arrays(Layout):
    """The layout; methods as in `interface.Layout`."""

    name = "arrays"
    looks_like = "logits.npy, or index.npy and value.npy (arrays)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are arrays of labels in the directory."""
        return "logits.npy" in names or {"index.npy", "value.npy"} <= names.keys()

    def label_files(self, root: Path) -> list[Path]:
        """The file, or those of the folder."""
        if not root.is_dir():
            return [root]
        paths = (root / f"{name}.npy" for name in NAMES)
        return [path for path in paths if path.exists()]

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """Options for images, and the names of columns."""
        return unused_of_tokens(options, "columns")

    def open(self, root: Path, options: OpenOptions) -> TokenDump:
        """Open a file or folder of arrays."""
        return open_arrays(root, self.label_files(root), options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`: .npy files."""
        return write_arrays(batches, root, types)

    def join(self, root: Path, suffix: str) -> Path:
        """As `Layout.join`."""
        return joined_arrays(root, suffix)


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Columns in arrays; methods as in `token_dump.TokenSource`.

    Attributes:
        root: the file or folder.
        arrays: the arrays by name.
        row: positions per row of arrays with an axis of sequences; None without one.
    """

    root: Path
    arrays: Mapping[str, StoredArray]
    row: int | None

    def file(self, position: int) -> Path:
        """As `TokenSource.file`."""
        return next(self.arrays[name].path for name in (FULL, VALUE) if name in self.arrays)

    def positions(self, start: int, stop: int) -> Positions:
        """As `TokenSource.positions`."""
        full = self._column(FULL, start, stop)
        value = self._column(VALUE, start, stop) if full is None else full
        assert value is not None
        index = None if full is not None else self._column(INDEX, start, stop)
        beside = (self._column(name, start, stop) for name in BESIDE)
        return Positions(value, index, *beside)

    def text(self, number: int, start: int, stop: int) -> NDArray[Any] | None:
        """As `TokenSource.text`."""
        return self._column(TOKENS, start, stop)

    def where(self, number: int, position: int) -> str:
        """As `TokenSource.where`."""
        return f"{self.root}: sequence {number}, position {position}"

    def _column(self, name: str, start: int, stop: int) -> NDArray[Any] | None:
        array = self.arrays.get(name)
        if array is None:
            return None
        if self.row is None:
            return array.values(slice(start, stop))
        first = start // self.row
        rows = array.values(slice(first, -(-stop // self.row)))
        return rows.reshape(-1, *array.shape[2:])[start - first * self.row :][: stop - start]


def open_arrays(root: Path, files: Sequence[Path], options: OpenOptions) -> TokenDump:
    """Open arrays.

    Args:
        root: the file or folder.
        files: the file, or those in the folder.
        options: what the files do not say.

    Raises:
        DumpError: a file is missing, truncated or damaged, or arrays do not fit each other.
        ConfigError: the number of classes is not known.
    """
    arrays = _read(root, files)
    value = _check_names(arrays, root)
    row = _row(arrays, value, root)
    positions = value.shape[0] * (row or 1)
    k = None if FULL in arrays else value.shape[-1]
    classes = value.shape[-1] if k is None else classes_given(options.classes, root)
    if k is None and options.classes not in (None, classes):
        _fail(root, f"has logits of {classes} classes, but `classes={options.classes}`")
    if k is not None and k > classes:
        _fail(root, f"holds k={k} classes of a vocabulary of {classes}: is `classes` wrong?")
    if COUNT in arrays and k is None:
        _fail(root, "has numbers of kept classes, but its labels keep all classes")
    if TAIL in arrays and COUNT not in arrays and k in (None, classes):
        _fail(root, "has the mass of a tail, but its labels leave no class out")
    plan = plan_batches(_lengths(arrays, positions, row, root), classes, k)
    source = ArraySource(root, arrays, row)
    looked_at = source.positions(0, min(positions, LOOKED_AT))
    space = space_of(kept_values(looked_at), options.label_type, k is None, str(root))
    tail: Tail | None = None if k is None else "zero"
    if TAIL in arrays:
        tail = "floor" if space == "logits" else "uniform"
    precision: Precision = "bfloat16" if value.is_bfloat16 else _PRECISION[value.dtype.name]
    kind = LabelKind(classes, k, space, tail, precision)
    return TokenDump(_info(kind, plan, root, files, source, options), kind, plan, source)


def _read(root: Path, files: Sequence[Path]) -> dict[str, StoredArray]:
    try:
        if root.is_dir():
            entries = {file.stem: read_arrays(file)[""] for file in files}
        else:
            entries = dict(read_arrays(root))
    except MismatchError as error:
        raise DumpError(str(error)) from None
    except KeyError:
        _fail(root, f"is no file of arrays: {root.suffix or 'no suffix'}")
    if not entries.keys() & {FULL, VALUE} and names_in(entries) is not None:
        _fail(root, "holds labels of tokens in padded arrays: pass `layout=verl`")
    return {
        name: array
        for name, array in entries.items()
        if name in NAMES and isinstance(array, StoredArray)
    }


def _check_names(arrays: Mapping[str, StoredArray], root: Path) -> StoredArray:
    """The array of values, whose names, dtypes and axes were checked."""
    if (FULL in arrays) == (VALUE in arrays) or (VALUE in arrays) != (INDEX in arrays):
        has = ", ".join(arrays) or "none of them"
        _fail(root, f"expected arrays `logits`, or `index` and `value`; it has {has}")
    value = arrays[FULL if FULL in arrays else VALUE]
    kinds = {
        INDEX: "iu",
        LENGTHS: "iu",
        TOKENS: "iu",
        MASK: "biu",
        TAIL: "f",
        COUNT: "iu",
        FULL: "f",
        VALUE: "f",
    }
    for name, array in arrays.items():
        is_wide = name in (FULL, VALUE) and array.dtype.name not in _PRECISION
        fits = array.dtype.kind in kinds[name] and not is_wide
        if not (kinds[name] == "f" if array.is_bfloat16 else fits):
            expected = {"f": "floats", "iu": "integers", "biu": "bool or 0 and 1"}[kinds[name]]
            _fail(root, f"`{name}` is of dtype {array.dtype}, expected {expected}")
    if value.ndim not in (2, 3) or 0 in value.shape:
        what = "C" if FULL in arrays else "k"
        _fail(root, f"values of shape {value.shape}, expected (N, {what}) or (S, L, {what})")
    expected_shapes = {INDEX: value.shape, **dict.fromkeys(BESIDE, value.shape[:-1])}
    for name, shape in expected_shapes.items():
        if name in arrays and arrays[name].shape != shape:
            _fail(root, f"`{name}` has shape {arrays[name].shape}, expected {shape}")
    return value


def _row(arrays: Mapping[str, StoredArray], value: StoredArray, root: Path) -> int | None:
    if value.ndim == 2:
        return None
    if LENGTHS in arrays:
        _fail(
            root,
            f"`lengths` go with values of shape (N, k), these have {value.shape}; save the "
            "positions of all sequences one behind another, without padding",
        )
    return value.shape[1]


def _lengths(
    arrays: Mapping[str, StoredArray], positions: int, row: int | None, root: Path
) -> NDArray[np.int64]:
    if row is not None:
        return np.full(positions // row, row, np.int64)
    if LENGTHS not in arrays:
        return np.array([positions], np.int64)
    array = arrays[LENGTHS]
    if array.ndim != 1 or not 0 < array.shape[0] <= positions:
        _fail(root, f"`lengths` has shape {array.shape}, for {counted(positions, 'position')}")
    lengths = array.values(slice(None))
    if lengths.min() < 1 or lengths.max() > positions:
        bad = int(((lengths < 1) | (lengths > positions)).argmax())
        _fail(
            root,
            f"sequence {bad} has length {lengths[bad]}, expected 1 and more, and "
            f"{counted(positions, 'position')} in all",
        )
    lengths = lengths.astype(np.int64)
    if int(lengths.sum()) != positions:
        _fail(
            root,
            f"`lengths` sum to {counted(int(lengths.sum()), 'position')}, the labels have "
            f"{positions}",
        )
    return lengths


def _info(
    kind: LabelKind,
    plan: TokenPlan,
    root: Path,
    files: Sequence[Path],
    source: ArraySource,
    options: OpenOptions,
) -> DumpInfo:
    arrays = source.arrays
    dtypes = {
        name: "float32" if array.is_bfloat16 else array.dtype.newbyteorder("=").name
        for name, array in arrays.items()
    }
    notes = []
    if source.row is None and LENGTHS not in arrays:
        notes.append("all positions are taken for one sequence: there are no `lengths`")
    if TAIL in arrays:
        notes.append(
            "the mass of the tail is kept as precisely as the values; it comes back rounded"
        )
    return token_info(
        "arrays",
        kind,
        plan,
        files,
        1 if options.shift is None else options.shift,
        has_digests=TOKENS in arrays,
        types={"columns": dtypes | ({} if source.row is None else {"row": source.row})},
        notes=notes,
    )


def _fail(root: Path, what: str) -> NoReturn:
    raise DumpError(f"{root}: {what}")
