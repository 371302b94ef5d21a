"""Size of each part of a dump's first file, as in Table VI of arXiv 2604.18135."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelcodec.analysis.dump_files import DumpFiles, dump_files
from labelcodec.torch_file import torch_file
from labelcodec.wording import counted

# Bytes in the paper; include the overhead of its torch version, about 1200 bytes per tensor.
_PAPER = {
    ("crop", "128 x 4", "float16"): 2224,
    ("flip", "128", "bool"): 1328,
    ("mix index", "128", "uint8"): 1328,
    ("mix ratio", "1", "float64"): 880,
    ("mix box", "4", "uint8"): 1904,
    ("label values", "128 x 1000", "float16"): 257200,
}


@dataclass(frozen=True)
class Row:
    """One part of a dump's file.

    Attributes:
        component: name of the component.
        kind: 'F' for augmentation, 'z' for labels.
        shape: shape such as '128 x 4'; for scalars, their number.
        dtype: dtype of the values.
        payload_bytes: size of the values alone.
        bytes: size of a torch.save file of this part alone.
        percent: share of the sum of `bytes` over all parts, 0..100.
        paper_bytes: the figure in Table VI if it has a part of this shape and dtype, else None.
    """

    component: str
    kind: Literal["F", "z"]
    shape: str
    dtype: str
    payload_bytes: int
    bytes: int
    percent: float
    paper_bytes: int | None


@dataclass(frozen=True)
class DumpTable:
    """Sizes of the parts of a dump's first file, and of the whole dump.

    Attributes:
        files: the files of the dump.
        first: path of the measured first file, relative to the dump.
        first_bytes: size of that file.
        rows: parts of that file.
    """

    files: DumpFiles
    first: str
    first_bytes: int
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON-serializable values."""
        return {
            "layout": self.files.layout.name,
            "files": self.files.count,
            "bytes_total": self.files.bytes,
            "first_file": self.first,
            "first_file_bytes": self.first_bytes,
            "parts": [asdict(row) for row in self.rows],
        }


def dump_table(root: Path, layout: str | None = None) -> DumpTable:
    """Measure the first file of a dump.

    Args:
        root: directory of the dump.
        layout: name of its layout; None detects it.

    Raises:
        DumpError: `root` is not a dump, or its first file does not follow the layout.
        UnsafeError: the first file would run code if a plain unpickler opened it.
    """
    files = dump_files(root, layout)
    rows = table_rows(files.layout.file_parts(files.first))
    name = files.first.relative_to(root).as_posix()
    return DumpTable(files, name, files.first.stat().st_size, rows)


def table_rows(parts: Sequence[tuple[str, Any]]) -> tuple[Row, ...]:
    """Measure (name, content) pairs; parts whose content is None are omitted."""
    sizes = [(name, part, _torch_bytes(part)) for name, part in parts if part is not None]
    total = sum(size for _, _, size in sizes)
    rows = []
    for name, part, size in sizes:
        values = _values(part)
        shape, dtype = _shape(values), _dtype(values)
        rows.append(
            Row(
                component=name,
                kind="z" if name.startswith("label") else "F",
                shape=shape,
                dtype=dtype,
                payload_bytes=sum(value.nbytes for value in values),
                bytes=size,
                percent=100 * size / total,
                paper_bytes=_PAPER.get((name, shape, dtype)),
            )
        )
    return tuple(rows)


def _torch_bytes(part: Any) -> int:
    return len(torch_file(part, "archive"))


def _values(part: Any) -> list[Any]:
    """The tensors, arrays and numbers in a part, as objects with shape, dtype and nbytes."""
    if isinstance(part, (list, tuple)):
        return [value for inner in part for value in _values(inner)]
    return [part if hasattr(part, "nbytes") else np.float64(part)]


def _shape(values: Sequence[Any]) -> str:
    shapes = {tuple(value.shape) for value in values}
    first = tuple(values[0].shape)
    if len(shapes) > 1 or (first and len(values) > 1):
        return f"{counted(len(values), 'array')}"
    return " x ".join(map(str, first or (len(values),)))


def _dtype(values: Sequence[Any]) -> str:
    names = {str(value.dtype) for value in values}
    return names.pop() if len(names) == 1 else "mixed"
