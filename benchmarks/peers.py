"""The same labels in other formats: one file, entry or row group per batch.

Each function writes the batches into a new folder and returns a job that reads all of them into
numpy arrays in memory.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelcodec import LabelBatch
from labelcodec.codecs import registry
from labelcodec.formats import write_dump
from labelcodec.writer import prepare

Job = Callable[[], None]
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: lengths of its name and extra field
ALIGNMENT = 64


def total_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def lpqld_dump(batches: Sequence[LabelBatch], k: int, folder: Path) -> None:
    """The labels' top k as LPQLD's own code would have saved them."""
    codec = registry.parse(f"topk:k={k}")
    write_dump((prepare(batch, codec, False) for batch in batches), folder, "lpqld", {})


def torch_load(files: Sequence[Path], *, weights_only: bool = False) -> Job:
    """torch.load as the peers' code calls it, which may run code out of the file, or restricted.

    The restricted loader is told to allow the numpy integers that SRe2L's boxes consist of.
    """
    scalar = [np._core.multiarray.scalar, np.dtype, type(np.dtype(np.int64))]

    def read() -> None:
        with torch.serialization.safe_globals(scalar):
            for file in files:
                torch.load(file, weights_only=weights_only)

    return read


def plain_numpy(files: Sequence[Path]) -> Job:
    """The arrays of a dump's files at offsets that are known beforehand; no pickle is read."""
    directory = [list(_storages(file)) for file in files]

    def read() -> None:
        for file, storages in zip(files, directory, strict=True):
            with open(file, "rb", 0) as opened:
                data = opened.read()
            for offset, dtype, shape in storages:
                count = int(np.prod(shape))
                np.frombuffer(data, dtype, count, offset).reshape(shape)

    return read


def _storages(file: Path) -> Iterator[tuple[int, np.dtype[Any], tuple[int, ...]]]:
    """Offset, dtype and shape of every tensor in a file: storage N is that of the N-th tensor."""
    tensors = list(_tensors(torch.load(file, weights_only=False)))
    with zipfile.ZipFile(file) as archive, file.open("rb") as opened:
        members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        for i, tensor in enumerate(tensors):
            info = members[f"data/{i}"]
            assert info.file_size == tensor.nbytes
            opened.seek(info.header_offset)
            lengths = LOCAL_HEADER.unpack(opened.read(LOCAL_HEADER.size))
            start = info.header_offset + LOCAL_HEADER.size + sum(lengths)
            yield start, tensor.numpy().dtype, tuple(tensor.shape)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def batch_arrays(batch: LabelBatch) -> dict[str, np.ndarray]:
    """What a replay needs, in the dtypes of LPQLD's files."""
    crop, mix = batch.augmentation.crop, batch.augmentation.mix
    assert crop is not None and mix is not None
    arrays = {
        "image": batch.image_index.astype(np.int32),
        "coords": crop.fractions(),
        "flip": batch.augmentation.flip,
        "partner": mix.partner.astype(np.uint8),
        "mix": np.array([mix.ratio, *(mix.box or ())]),
        "value": batch.labels.value,
    }
    if batch.labels.index is not None:
        arrays["index"] = batch.labels.index.astype(np.int16)
    return arrays


def safetensors(batches: Sequence[LabelBatch], folder: Path) -> Job:
    """One safetensors file per batch."""
    from safetensors.numpy import load_file, save_file

    folder.mkdir()
    for batch in batches:
        arrays = {name: np.ascontiguousarray(a) for name, a in batch_arrays(batch).items()}
        save_file(arrays, folder / f"{batch.number}.safetensors")
    files = sorted(folder.iterdir())

    def read() -> None:
        for file in files:
            load_file(file)

    return read


@dataclass(frozen=True)
class Piece:
    """An array in a file that holds many: where its bytes are, and what they are."""

    start: int
    size: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    packed: bool


def memmap(batches: Sequence[LabelBatch], folder: Path) -> Job:
    """The arrays as they are, in one file that np.memmap maps; each is copied into memory."""
    path, pieces = _joined(batches, folder, lambda _: None)

    def read() -> None:
        mapped = np.memmap(path, np.uint8, "r")
        for piece in pieces:
            content = mapped[piece.start : piece.start + piece.size]
            np.array(content.view(piece.dtype).reshape(piece.shape))

    return read


def pcodec(batches: Sequence[LabelBatch], folder: Path) -> Job | None:
    """Values, indices and crops by pcodec, the rest as it is; None if it is not installed."""
    if find_spec("pcodec") is None:
        return None
    from pcodec import ChunkConfig
    from pcodec.standalone import simple_compress, simple_decompress

    def packed(array: np.ndarray) -> bytes | None:
        if array.dtype.itemsize == 1:  # not what pcodec is for
            return None
        return bytes(simple_compress(np.ascontiguousarray(array).ravel(), ChunkConfig()))

    path, pieces = _joined(batches, folder, packed)

    def read() -> None:
        data = path.read_bytes()
        for piece in pieces:
            content = data[piece.start : piece.start + piece.size]
            flat = simple_decompress(content) if piece.packed else np.frombuffer(content, "u1")
            flat.view(piece.dtype).reshape(piece.shape)

    return read


def _joined(
    batches: Sequence[LabelBatch], folder: Path, pack: Callable[[np.ndarray], bytes | None]
) -> tuple[Path, list[Piece]]:
    """All arrays in one file, as `pack` returns them or, where that is None, as they are."""
    folder.mkdir()
    path, pieces = folder / "labels.bin", []
    with path.open("wb") as file:
        for batch in batches:
            for array in batch_arrays(batch).values():
                content = pack(array)
                size = file.write(array.tobytes() if content is None else content)
                start = file.tell() - size
                pieces.append(Piece(start, size, array.dtype, array.shape, content is not None))
                if content is None:
                    file.write(bytes(-file.tell() % ALIGNMENT))
    return path, pieces


def npz(batches: Sequence[LabelBatch], folder: Path) -> Job:
    """numpy's compressed archive, one file per batch."""
    folder.mkdir()
    for batch in batches:
        np.savez_compressed(folder / f"{batch.number}.npz", **batch_arrays(batch))
    files = sorted(folder.iterdir())

    def read() -> None:
        for file in files:
            with np.load(file) as archive:
                for name in archive.files:
                    archive[name]

    return read


def hdf5(batches: Sequence[LabelBatch], folder: Path) -> Job:
    """HDF5 with gzip and byte shuffle, one group per batch."""
    import h5py

    folder.mkdir()
    path = folder / "labels.h5"
    with h5py.File(path, "w") as file:
        for batch in batches:
            group = file.create_group(str(batch.number))
            for name, array in batch_arrays(batch).items():
                group.create_dataset(name, data=array, compression="gzip", shuffle=True)

    def read() -> None:
        with h5py.File(path) as file:
            for group in file.values():
                for dataset in group.values():
                    dataset[...]

    return read


def parquet(batches: Sequence[LabelBatch], folder: Path) -> Job:
    """Parquet with zstd and byte-stream split, one row group per batch, one row per sample."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    path = folder / "labels.parquet"
    writer = None
    for batch in batches:
        columns = {}
        for name, array in batch_arrays(batch).items():
            column = np.broadcast_to(array, (len(batch), array.size)) if name == "mix" else array
            if column.ndim == 1:
                columns[name] = pa.array(column)
            else:
                flat = pa.array(np.ascontiguousarray(column).ravel())
                columns[name] = pa.FixedSizeListArray.from_arrays(flat, column.shape[1])
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=len(batch))
    assert writer is not None
    writer.close()

    def read() -> None:
        file = pq.ParquetFile(path)
        for i in range(file.num_row_groups):
            for column in file.read_row_group(i).columns:
                chunk = column.combine_chunks()
                flat = chunk.flatten() if pa.types.is_fixed_size_list(chunk.type) else chunk
                flat.to_numpy(zero_copy_only=False)

    return read
