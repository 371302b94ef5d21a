"""Writing of Megatron-LM's cached logits, an iteration at a time."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.files.os_errors import naming
from labelcodec.formats.megatron_structure import Size, Structure
from labelcodec.formats.megatron_tar import LARGEST_SENTINEL, META, NAMES, SENTINEL, SUFFIX
from labelcodec.formats.whole_sequences import Whole, whole_sequences
from labelcodec.torch_file import Tensor, torch_file
from labelcodec.torch_file.tensor import to_bfloat16

LEVEL = 3  # of zstd, as its writer's


def write_megatron(batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any]) -> int:
    """Write token-level labels as tars.

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
    if "megatron" not in types:
        raise DumpError(
            "layout megatron is written only for labels that were read from it: others have no "
            "iterations; pass `layout=parquet` or `layout=arrays`"
        )
    structure = Structure.from_types(types["megatron"])
    sequences = whole_sequences(batches)
    for name, group in groupby(structure.members(), key=itemgetter(0)):
        with naming(root / name), tarfile.open(root / name, "x:") as archive:
            if structure.meta is not None:
                _add(archive, META, structure.meta.encode())
            for _, iteration, sizes in group:
                tensors = [_tensors(sequences, size, structure) for size in sizes]
                lists = map(list, zip(*tensors, strict=True))
                content = torch_file(dict(zip(NAMES, lists, strict=True)), "archive")
                payload = zstandard.ZstdCompressor(level=LEVEL).compress(content)
                _add(archive, f"{iteration}{SUFFIX}", payload)
    if next(sequences, None) is not None:
        raise DumpError("has more sequences than the dump it was read from")
    return len(structure.tars)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _tensors(
    sequences: Iterator[Whole], size: Size, structure: Structure
) -> tuple[Tensor, Tensor, Tensor]:
    """The next sequences as a microbatch."""
    rows = []
    for _ in range(size.sequences):
        row = next(sequences, None)
        if row is None or len(row.value) != size.positions:
            raise DumpError(
                "its sequences are not those of the dump it was read from; pass `layout=parquet` "
                "or `layout=arrays`"
            )
        rows.append((row.value, row.index, row.count))
    value, index, count = (np.stack(arrays, axis=1) for arrays in zip(*rows, strict=True))
    width = size.width or int(count.max())
    if width < int(count.max()):
        raise DumpError(f"types of the source: megatron keeps {width} classes of {count.max()}")
    padding = [(0, 0), (0, 0), (0, max(width - value.shape[2], 0))]
    value, index = np.pad(value, padding)[..., :width], np.pad(index, padding)[..., :width]
    is_kept = np.arange(width) < count[..., None]
    value = np.where(is_kept, value, structure.sentinel or LARGEST_SENTINEL).astype(value.dtype)
    index = np.where(is_kept, index, SENTINEL)
    if int(index.max()) > SENTINEL:
        raise DumpError(f"layout megatron has 17 bits for a class, these labels have {index.max()}")
    return (
        _values(value, structure.dtype),
        Tensor("uint16", (index & 0xFFFF).astype(np.uint16)),
        Tensor("bool", (index >> 16).astype(bool)),
    )


def _values(value: NDArray[Any], dtype: str) -> Tensor:
    if dtype == "bfloat16":
        return Tensor(dtype, to_bfloat16(value.astype(np.float32)))
    with np.errstate(over="ignore"):
        return Tensor(dtype, value.astype(dtype))
