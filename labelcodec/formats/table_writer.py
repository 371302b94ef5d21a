"""Writing of a parquet file of token-level labels; needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import LabelBatch
from labelcodec.errors import DumpError
from labelcodec.extras import needing_extra
from labelcodec.formats.written_columns import columns_of, dtype_of_column, source_types
from labelcodec.kept_counts import kept_of
from labelcodec.label_space import TOLERANCE

with needing_extra("writing parquet files"):
    import pyarrow as pa
    import pyarrow.parquet as pq

FILE = "train-00000-of-00001.parquet"  # as `datasets` names a data set of one file
GROUP = 1 << 16  # positions of a row group, at least
_NAMES = {
    "index": "teacher_topk_ids",
    "tokens": "input_ids",
    "mask": "loss_mask",
    "tail": "teacher_topk_tail",
}
COUNT = "count"  # of a row's classes, which its lists show
Row = dict[str, NDArray[Any]]


def write_table(batches: Iterable[LabelBatch], root: Path, types: Mapping[str, Any]) -> int:
    """Write token-level labels as a parquet file, a row for each sequence.

    Args:
        batches: batches of kind 'tokens' and top-k labels, in order.
        root: an empty folder.
        types: `DumpInfo.types` of the source.

    Returns:
        Number of files.

    Raises:
        DumpError: the labels cannot be written as a table.
        OSError: the file cannot be written.
    """
    dtypes = source_types(types)
    names: dict[str, str] = {}
    schema: Any = None
    writer: Any = None
    group: list[Row] = []
    try:
        for row, batch in _rows(batches):
            if schema is None:
                names = _NAMES | {"value": _name_of_values(batch)}
                schema = _schema(row, names, dtypes)
                writer = pq.ParquetWriter(root / FILE, schema, compression="zstd")
            if [names[name] for name in row if name != COUNT] != schema.names:
                raise DumpError(f"batch {batch.number}: has other parts than the batches before it")
            group.append(row)
            if sum(len(row["value"]) for row in group) >= GROUP:
                writer.write_table(_table(group, schema, names))
                group = []
        if group:
            writer.write_table(_table(group, schema, names))
    except pa.ArrowInvalid as error:
        raise DumpError(f"{FILE}: {error}") from None
    finally:
        if writer is not None:
            writer.close()
    return 1


def _rows(batches: Iterable[LabelBatch]) -> Iterator[tuple[Row, LabelBatch]]:
    """The columns of each sequence, put together from the batches it is spread over."""
    pending: list[Row] = []
    last: tuple[int, int] | None = None  # number of the sequence, and its end so far
    batch = None
    for batch in batches:
        columns, sequences = columns_of(batch), batch.sequences
        assert sequences is not None
        columns[COUNT] = kept_of(batch.labels)
        if "index" not in columns:
            raise DumpError(
                "these labels hold all classes: encode them with codec topk first, or write layout "
                "arrays"
            )
        for begin, start, length in zip(
            sequences.first.tolist(),
            sequences.start.tolist(),
            sequences.length.tolist(),
            strict=True,
        ):
            number = int(batch.image_index[begin])
            if pending and last != (number, start):
                yield _whole(pending), batch
                pending = []
            pending.append({n: column[begin : begin + length] for n, column in columns.items()})
            last = number, start + length
    if pending and batch is not None:
        yield _whole(pending), batch


def _whole(parts: list[Row]) -> Row:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _name_of_values(batch: LabelBatch) -> str:
    """Column of the values: they are log-probabilities if none of the sums exceeds 1."""
    labels = batch.labels
    if labels.space == "probabilities":
        return "teacher_topk_probabilities"
    with np.errstate(over="ignore"):
        sums = np.exp(labels.value.astype(np.float64)).sum(axis=1)
    return f"teacher_topk_{'logprobs' if (sums <= 1 + TOLERANCE).all() else 'logits'}"


def _schema(row: Row, names: Mapping[str, str], dtypes: Mapping[str, Any]) -> Any:
    fields = []
    for name, array in row.items():
        if name == COUNT:
            continue
        kind = pa.from_numpy_dtype(np.dtype(dtype_of_column(name, array, dtypes)))
        fields.append((names[name], pa.list_(pa.list_(kind) if array.ndim == 2 else kind)))
    return pa.schema(fields)


def _table(rows: list[Row], schema: Any, names: Mapping[str, str]) -> Any:
    """The rows as an Arrow table."""
    columns = {}
    count = np.concatenate([row[COUNT] for row in rows])
    inner = pa.array(np.cumsum([0, *count]), pa.int32())
    for name in rows[0].keys() - {COUNT}:
        kind = schema.field(names[name]).type.value_type
        whole = np.concatenate([row[name] for row in rows])
        ends = np.cumsum([0, *(len(row[name]) for row in rows)])
        if whole.ndim == 2:
            is_kept = np.arange(whole.shape[1]) < count[:, None]
            cells = pa.ListArray.from_arrays(inner, _cast(whole[is_kept], kind.value_type))
        else:
            cells = _cast(whole, kind)
        columns[names[name]] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), cells)
    return pa.table(columns, schema=schema)


def _cast(values: NDArray[Any], kind: Any) -> Any:
    """Arrow array of a type; numbers that do not fit it are an error."""
    dtype = np.dtype(kind.to_pandas_dtype())
    if dtype.kind in "iu":
        return pa.array(values).cast(kind)
    return pa.array(values.astype(dtype))
