"""The paper's Table VI (arXiv 2604.18135) for a dump: what each part of its first file takes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelcodec.dumps.parts import read_parts
from labelcodec.dumps.safe_load import load
from labelcodec.errors import DumpError
from labelcodec.storage.dump_files import DumpFiles, dump_files

# The paper's bytes, torch's wrapping of its day (about 1200 bytes a tensor) included.
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
        component: its name.
        kind: 'F' for augmentation, 'z' for labels.
        shape: '128 x 4'; scalars are counted.
        dtype: of its values.
        payload_bytes: of the values alone.
        bytes: as torch.save writes this part alone.
        percent: share of the parts' `bytes` together.
        paper_bytes: the paper's figure where shape and dtype are those of its Table VI.
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
    """Table VI of a dump's first file, and the size of the dump.

    Attributes:
        files: the dump's files.
        first: name of the first file, the one that was measured, relative to the dump.
        first_bytes: its size on disk.
        rows: its parts.
    """

    files: DumpFiles
    first: str
    first_bytes: int
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "layout": self.files.layout,
            "files": self.files.count,
            "bytes_total": self.files.bytes,
            "first_file": self.first,
            "first_file_bytes": self.first_bytes,
            "parts": [asdict(row) for row in self.rows],
        }


def dump_table(root: Path, layout: str | None = None) -> DumpTable:
    """Measure the first file of a dump.

    Args:
        root: the dump's directory.
        layout: 'sre2l', 'lpld', 'lpqld' or 'fkd'; found from the files when None.

    Raises:
        DumpError: it is no dump, or its first file is not what the layout says.
    """
    files = dump_files(root, layout)
    saved = load(files.first)
    if files.layout != "fkd":
        read_parts(saved, files.first)  # refuses what is not a batch file
    rows = table_rows(_named(saved, files))
    name = files.first.relative_to(root).as_posix()
    return DumpTable(files, name, files.first.stat().st_size, rows)


def table_rows(parts: Sequence[tuple[str, Any]]) -> tuple[Row, ...]:
    """Measure named parts; parts that are None are left out."""
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


def _named(saved: Any, files: DumpFiles) -> list[tuple[str, Any]]:
    if files.layout == "fkd":
        if not isinstance(saved, list) or len(saved) != 3:
            raise DumpError(f"{files.first}: holds no list of coords, flip and label")
        return list(zip(("crop", "flip", "label values"), saved, strict=True))
    names = ["crop", "cutout" if saved[1].ndim == 2 else "flip"]
    if isinstance(saved[2], list):
        names.append("randaugment")
    names += ["mix index", "mix ratio", "mix box", "label values", "label index"]
    return list(zip(names, saved, strict=False))


def _torch_bytes(part: Any) -> int:
    import torch

    target = io.BytesIO()
    torch.save(part, target)
    return target.getbuffer().nbytes


def _values(part: Any) -> list[Any]:
    """The tensors, arrays and numbers in a part, as things with shape, dtype and nbytes."""
    if isinstance(part, (list, tuple)):
        return [value for inner in part for value in _values(inner)]
    return [part if hasattr(part, "nbytes") else np.float64(part)]


def _shape(values: Sequence[Any]) -> str:
    shapes = {tuple(value.shape) for value in values}
    first = tuple(values[0].shape)
    if len(shapes) > 1 or (first and len(values) > 1):
        return f"{len(values)} arrays"
    return " x ".join(map(str, first or (len(values),)))


def _dtype(values: Sequence[Any]) -> str:
    names = {str(value.dtype).removeprefix("torch.") for value in values}
    return names.pop() if len(names) == 1 else "mixed"
