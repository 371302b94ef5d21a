"""Writing of verl's padded labels, a file at a time; and what padding they had."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.files.os_errors import naming
from labelcodec.formats.whole_sequences import Whole, whole_sequences
from labelcodec.images.stored_array import StoredArray
from labelcodec.torch_file import Tensor, torch_file
from labelcodec.torch_file.tensor import to_bfloat16

INTEGERS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
_SAFETENSORS = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32",
    "int32": "I32", "uint64": "U64", "int64": "I64", "float16": "F16", "bfloat16": "BF16",
    "float32": "F32",
}  # fmt: skip
_OTHERS = (
    "its sequences are not those of the dump it was read from; pass `layout=parquet` or "
    "`layout=arrays`"
)
_MAX_VALUES = 1 << 31  # of a file


@dataclass(frozen=True)
class Padding:
    """The shape of a file's arrays, and where its sequences stand in them.

    Attributes:
        file: name of the file.
        value, index: names of the arrays.
        dtypes: dtypes of values, classes, tokens and mask; None where there is no such array.
        length: L.
        k: number of kept classes.
        left: positions of padding before each sequence, as runs of (how many sequences, positions).
        token: token id of the padding; None without any.
    """

    file: str
    value: str
    index: str
    dtypes: list[str | None]
    length: int
    k: int
    left: list[list[int]]
    token: int | None

    def to_types(self) -> dict[str, Any]:
        """As a part of `DumpInfo.types`."""
        return asdict(self)

    @classmethod
    def from_types(cls, stated: Any) -> Padding:
        """From a part of `DumpInfo.types`, which an untrusted header holds.

        Raises:
            DumpError: it is something else.
        """
        names = {entry.name for entry in fields(cls)}
        if not isinstance(stated, Mapping) or stated.keys() != names:
            raise DumpError("types of the source: verl holds something else")
        padding = cls(**stated)
        dtypes, texts = padding.dtypes, (padding.file, padding.value, padding.index)
        is_text = all(isinstance(text, str) and text.isprintable() for text in texts)
        if not is_text or Path(padding.file).name != padding.file or padding.file[:1] == ".":
            raise DumpError(f"types of the source: verl cannot name {padding.file!r}")
        is_types = isinstance(dtypes, (list, tuple)) and len(dtypes) == 4
        if not is_types or not all(d is None or d in _SAFETENSORS for d in dtypes):
            raise DumpError(f"types of the source: verl has dtypes {dtypes!r}")
        runs = padding.left if isinstance(padding.left, (list, tuple)) else [None]
        is_runs = all(isinstance(run, (list, tuple)) and len(run) == 2 for run in runs)
        numbers = [padding.length, padding.k, *(n for run in runs if is_runs for n in run)]
        if not is_runs or not all(type(n) is int and 0 <= n < 1 << 31 for n in numbers):
            raise DumpError("types of the source: verl has sizes that are none")
        if sum(run[0] for run in runs) * padding.length * padding.k > _MAX_VALUES:
            raise DumpError("types of the source: verl has too many values")
        if not (padding.token is None or type(padding.token) is int):
            raise DumpError("types of the source: verl has a token that is none")
        return padding


def padding_of(
    file: str,
    names: tuple[str, str],
    value: StoredArray,
    index: StoredArray,
    tokens: StoredArray | None,
    mask: StoredArray | None,
) -> Padding | None:
    """The padding of a file; None if it cannot be described.

    It can if each mask is 0 and 1, 1 in one piece, values and classes of the padding are 0, and its
    token ids are all the same.
    """
    sequences, length, k = value.shape
    left, token = np.zeros(sequences, np.int64), None
    masks = () if mask is None else (mask.values(row) for row in range(sequences))
    for row, kept in enumerate(masks):
        is_kept = kept != 0
        places = np.flatnonzero(is_kept)
        left[row] = places[0]
        ids = None if tokens is None else tokens.values(row)[~is_kept]
        if ids is not None and len(ids) and token is None:
            token = int(ids[0])
        if (
            len(places) != places[-1] - places[0] + 1
            or (kept.astype(np.int64) != is_kept).any()
            or value.raw()[row][~is_kept].view(np.uint8).any()
            or index.raw()[row][~is_kept].any()
            or (ids is not None and (ids != token).any())
        ):
            return None
    dtypes = [None if array is None else _name(array) for array in (value, index, tokens, mask)]
    return Padding(file, *names, dtypes, length, k, _runs(left), token)


def write_verl(batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any]) -> int:
    """Write token-level labels as padded arrays.

    Args:
        batches: batches of kind 'tokens' and top-k labels, in order.
        root: an empty folder.
        types: `DumpInfo.types` of the source, a dump of this layout.

    Returns:
        Number of files.

    Raises:
        DumpError: the source was of another layout, or the labels are no longer all of it.
        OSError: a file cannot be written.
    """
    stated = types.get("verl")
    if not isinstance(stated, (list, tuple)) or not stated:
        raise DumpError(
            "layout verl is written only for labels that were read from it, with uniform padding; "
            "pass `layout=parquet` or `layout=arrays`"
        )
    paddings = [Padding.from_types(part) for part in stated]
    sequences = whole_sequences(batches)
    for padding in paddings:
        arrays = _filled(padding, sequences)
        path = root / padding.file
        is_safe = path.suffix == ".safetensors"
        content = _safetensors(arrays) if is_safe else torch_file(arrays, path.stem)
        with naming(path), path.open("xb") as file:
            file.write(content)
    if next(sequences, None) is not None:
        raise DumpError("has more sequences than the dump it was read from")
    return len(paddings)


def _filled(padding: Padding, sequences: Iterator[Whole]) -> dict[str, Tensor]:
    """The arrays of a file."""
    places: list[tuple[int, Whole]] = []
    for often, start in padding.left:
        places += ((start, whole) for whole in islice(sequences, often))
    if len(places) < sum(often for often, _ in padding.left):
        raise DumpError(_OTHERS)
    shape = (len(places), padding.length)
    value: NDArray[Any] = np.zeros((*shape, padding.k), np.float32)
    index: NDArray[Any] = np.zeros((*shape, padding.k), np.int64)
    tokens: NDArray[Any] = np.full(shape, padding.token or 0, np.int64)
    mask: NDArray[Any] = np.zeros(shape, np.int64)
    for row, (start, whole) in enumerate(places):
        stop = start + len(whole.value)
        if stop > padding.length or whole.value.shape[1] != padding.k:
            raise DumpError(_OTHERS)
        value[row, start:stop], index[row, start:stop] = whole.value, whole.index
        mask[row, start:stop] = 1
        if whole.tokens is not None:
            tokens[row, start:stop] = whole.tokens
    names = (padding.value, padding.index, "input_ids", "attention_mask")
    return {
        name: _tensor(array, dtype, padding.file)
        for name, array, dtype in zip(
            names, (value, index, tokens, mask), padding.dtypes, strict=True
        )
        if dtype is not None
    }


def _tensor(array: NDArray[Any], dtype: str, file: str) -> Tensor:
    if dtype == "bfloat16":
        return Tensor(dtype, to_bfloat16(array.astype(np.float32)))
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = array.astype(dtype)
    if array.dtype.kind in "iu" and (narrow.astype(np.int64) != array).any():
        raise DumpError(f"{file}: {array.max()} does not fit {dtype}")
    return Tensor(dtype, narrow)


def _safetensors(arrays: Mapping[str, Tensor]) -> bytes:
    """The bytes of a safetensors file."""
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in arrays.items():
        header[name] = {
            "dtype": _SAFETENSORS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + tensor.nbytes],
        }
        end += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    parts = [np.ascontiguousarray(tensor.stored).tobytes() for tensor in arrays.values()]
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def _name(array: StoredArray) -> str:
    return "bfloat16" if array.is_bfloat16 else array.dtype.newbyteorder("=").name


def _runs(numbers: NDArray[np.int64]) -> list[list[int]]:
    """Runs of equal numbers: how many, and the number."""
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    lengths = np.diff(np.append(starts, len(numbers)))
    return [[int(n), int(numbers[at])] for n, at in zip(lengths, starts, strict=True)]
