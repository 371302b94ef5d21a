"""Folders that Hugging Face's `Dataset.save_to_disk` wrote: Arrow streams, which are mapped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labelcodec.errors import MismatchError
from labelcodec.extras import needing_extra
from labelcodec.files.regular import check_regular, read_regular
from labelcodec.images.listing import ImageListing

with needing_extra("reading a folder of `datasets`"):
    import pyarrow as pa

    from labelcodec.images.table_columns import Columns, features_of, find_columns, table_listing
    from labelcodec.images.table_images import TableImages

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"


class DatasetImages(TableImages):
    """Images of a `datasets` folder; every process maps the files itself.

    Args:
        files: its Arrow files.
        image: name of the column of images.
        block_rows: as in `TableImages`.
    """

    def __init__(
        self, files: Sequence[Path], image: str, block_rows: Sequence[Sequence[int]]
    ) -> None:
        super().__init__(files, block_rows)
        self._image = image
        self._batches: dict[int, list[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_batches": {}}

    def block(self, file: int, block: int) -> Any:
        """As in `TableImages`."""
        if file not in self._batches:
            self._batches[file] = read_batches(self._files[file])
        batches = self._batches[file]
        if block >= len(batches):
            raise MismatchError(f"{self._files[file]}: has changed since it was opened")
        return batches[block].column(self._image)


def list_datasets_folder(root: Path) -> ImageListing:
    """List the images of a `datasets` folder.

    Raises:
        MismatchError: it is damaged, has several splits, no images or no classes.
        OSError: a file cannot be read.
    """
    folder = _only_split(root) if (root / SPLITS).is_file() else root
    files = files_of_folder(folder)
    tables = [read_batches(file) for file in files]
    info = folder / INFO
    try:
        text = read_regular(info, MismatchError, "a file of JSON") if info.is_file() else None
        features = features_of(text, "features")
    except (ValueError, RecursionError):
        raise MismatchError(f"{info}: damaged: it does not describe the columns") from None
    schemas = [batch.schema for batches in tables for batch in batches]
    if not schemas:
        raise MismatchError(f"{root}: no images")
    columns = find_columns(schemas[0], features, str(root))
    if any(schema.types != schemas[0].types for schema in schemas):
        raise MismatchError(f"{root}: its files have different columns")
    store = DatasetImages(files, columns.image, [[b.num_rows for b in bs] for bs in tables])
    batches = [batch for batches in tables for batch in batches]
    labels = pa.chunked_array([batch.column(columns.label) for batch in batches])
    return table_listing(
        root, store, columns, labels.combine_chunks(), paths_of(columns, batches, len(store))
    )


def files_of_folder(folder: Path) -> list[Path]:
    """The Arrow files of a `datasets` folder.

    Raises:
        MismatchError: it is damaged, or its rows are chosen by a file of indices.
    """
    state = _json(folder / STATE)
    names = [entry.get("filename") for entry in _entries(state)]
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise MismatchError(f"{folder / STATE}: damaged: it does not name the data's files")
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise MismatchError(
            f"{folder}: its rows are chosen by a file of indices; save it again after "
            "`flatten_indices()`"
        )
    return [folder / str(name) for name in names]


def read_batches(file: Path) -> list[Any]:
    """The record batches of an Arrow file, mapped and checked.

    Raises:
        MismatchError: it is truncated, damaged or missing.
    """
    try:
        check_regular(file, MismatchError, "an Arrow file")
        with pa.memory_map(str(file)) as source:
            try:
                batches = pa.ipc.open_stream(source).read_all().to_batches()
            except pa.ArrowInvalid:
                source.seek(0)
                batches = pa.ipc.open_file(source).read_all().to_batches()
        for batch in batches:
            batch.validate(full=True)  # a damaged offset would be followed anywhere
    except FileNotFoundError:
        raise MismatchError(f"{file}: is missing") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise MismatchError(f"{file}: truncated or damaged ({_first_line(error)})") from None
    return list(batches)


def paths_of(columns: Columns, batches: Sequence[Any], rows: int) -> list[str | None]:
    """The path of each image, None where there is none; of tables that are in memory."""
    if not columns.is_struct:
        return [None] * rows
    paths: list[str | None] = []
    for batch in batches:
        cells = batch.column(columns.image)
        has_path = any(cells.type.field(i).name == "path" for i in range(cells.type.num_fields))
        paths += cells.field("path").to_pylist() if has_path else [None] * len(cells)
    return paths


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _only_split(root: Path) -> Path:
    splits = _json(root / SPLITS).get("splits")
    if not isinstance(splits, list) or not all(isinstance(name, str) for name in splits):
        raise MismatchError(f"{root / SPLITS}: damaged: it does not name the splits")
    if len(splits) != 1 or Path(splits[0]).name != splits[0]:
        raise MismatchError(
            f"{root}: has the splits {', '.join(splits)}; name the folder of one of them"
        )
    return root / str(splits[0])


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_regular(path, MismatchError, "a file of JSON"))
    except (ValueError, RecursionError):
        value = None
    except FileNotFoundError:
        raise MismatchError(f"{path}: is missing") from None
    if not isinstance(value, dict):
        raise MismatchError(f"{path}: damaged: not the JSON of a data set")
    return value


def _entries(state: dict[str, Any]) -> list[dict[str, Any]]:
    entries = state.get("_data_files")
    valid = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    return entries if valid and entries else []
