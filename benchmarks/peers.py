"""The same top-k arrays in general-purpose formats, one entry or row group a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from labelcodec import LabelBatch


def total_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _arrays(batch: LabelBatch) -> dict[str, np.ndarray]:
    """What a replay needs, in the dtypes of LPQLD's files."""
    crop, mix = batch.augmentation.crop, batch.augmentation.mix
    assert crop is not None and mix is not None and batch.labels.index is not None
    return {
        "image": batch.image_index.astype(np.int32),
        "coords": crop.fractions(),
        "flip": batch.augmentation.flip,
        "partner": mix.partner.astype(np.uint8),
        "mix": np.array([mix.ratio, *(mix.box or ())]),
        "index": batch.labels.index.astype(np.int16),
        "value": batch.labels.value,
    }


def npz(batches: Sequence[LabelBatch], folder: Path) -> Callable[[], None]:
    """numpy's compressed archive, one file a batch."""
    folder.mkdir()
    for batch in batches:
        np.savez_compressed(folder / f"{batch.number}.npz", **_arrays(batch))
    files = sorted(folder.iterdir())

    def read() -> None:
        for file in files:
            with np.load(file) as archive:
                for name in archive.files:
                    archive[name]

    return read


def hdf5(batches: Sequence[LabelBatch], folder: Path) -> Callable[[], None]:
    """HDF5 with gzip and byte shuffle, one group a batch."""
    import h5py

    folder.mkdir()
    path = folder / "labels.h5"
    with h5py.File(path, "w") as file:
        for batch in batches:
            group = file.create_group(str(batch.number))
            for name, array in _arrays(batch).items():
                group.create_dataset(name, data=array, compression="gzip", shuffle=True)

    def read() -> None:
        with h5py.File(path) as file:
            for group in file.values():
                for dataset in group.values():
                    dataset[...]

    return read


def parquet(batches: Sequence[LabelBatch], folder: Path) -> Callable[[], None]:
    """Parquet with zstd and byte-stream split, one row group a batch, one row a sample."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    path = folder / "labels.parquet"
    writer = None
    for batch in batches:
        columns = {}
        for name, array in _arrays(batch).items():
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
