"""Parquet files and `datasets` folders: which columns are read, and what is refused."""

from __future__ import annotations

import gc
import json
import os
import pickle
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelcodec.errors import LabelcodecWarning, MismatchError
from labelcodec.images import ImageListing, list_images, parquet
from labelcodec.readable_images import unreadable
from tests.images import sources
from tests.images.test_webdataset import png

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def image(level: int, path: str | None = None) -> dict[str, Any]:
    return {"bytes": png(level), "path": path}


def write(path: Path, features: Any = None, group: int = 2, **columns: pa.Array) -> Path:
    table = pa.table(columns)
    if features is not None:
        told = {"info": {"features": features}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
    pq.write_table(table, path, row_group_size=group)
    return path


def images(*levels: int) -> pa.Array:
    return pa.array([image(level) for level in levels], STRUCT)


def refused(source: Path, *words: str) -> None:
    with pytest.raises(MismatchError) as caught:
        list_images(source)
    assert all(word in str(caught.value) for word in words), caught.value


def test_plain_columns_of_bytes(tmp_path) -> None:
    columns = {"img": pa.array([png(1), png(2), png(3)]), "target": pa.array([1, 0, 1], pa.int8())}
    listing = list_images(write(tmp_path / "a.parquet", **columns, id=pa.array([1, 2, 3])))
    assert listing.class_index.tolist() == [1, 0, 1] and not listing.is_named
    assert [int(listing.pixels(i)[0, 0, 0]) for i in range(3)] == [1, 2, 3]
    assert listing.where(2) == f"{tmp_path / 'a.parquet'}: row 2"


def test_classes_as_names(tmp_path) -> None:
    columns = {"image": images(1, 2), "label": pa.array(["dog", "cat"])}
    listing = list_images(write(tmp_path / "a.parquet", **columns))
    assert listing.classes == ("cat", "dog") and listing.class_index.tolist() == [1, 0]


def test_names_of_classes_keep_the_order_of_their_numbers(tmp_path) -> None:
    features = {"image": {"_type": "Image"}, "coarse": {"_type": "Value"},
                "fine_label": {"_type": "ClassLabel", "names": ["b", "a", "c/d"]}}  # fmt: skip
    rows = pa.array([image(1, "x/2.png"), image(2, "1.png"), image(3, "1.png")], STRUCT)
    labels = pa.array([2, 0, 1])
    source = write(tmp_path / "a.parquet", features, image=rows, fine_label=labels)
    listing = list_images(source)
    assert listing.classes == ("b", "a", "c/d") and listing.class_index.tolist() == [0, 1, 2]
    assert listing.paths == ("b/1.png", "a/1.png", "2/2.png") and listing.is_named


def in_groups(path: Path) -> Path:
    """Nine images whose grey levels are their numbers, in groups of two, and a missing one."""
    rows = pa.array([*(image(i) for i in range(9)), None], STRUCT)
    return write(path / "a.parquet", image=rows, label=pa.array([0] * 10))


def check(listing: ImageListing) -> None:
    for i in np.random.default_rng(0).permutation(9).tolist():
        assert listing.pixels(i)[0, 0, 0] == i
        assert listing.store.content_size(i) == len(png(i))
    with pytest.raises(MismatchError, match="row 9: holds no image"):
        listing.image(9)
    assert listing.store.content_size(9) == 0


def test_row_groups_are_kept_up_to_a_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(parquet, "KEPT_BYTES", 300)
    monkeypatch.setattr(parquet, "has_room", lambda size: False)
    with pytest.warns(LabelcodecWarning, match="no room to unpack 0 MiB; pass a `cache`"):
        listing = list_images(in_groups(tmp_path))
    check(listing)
    assert sum(kept.nbytes for kept in listing.store._kept.values()) <= 300


@pytest.mark.parametrize("limit", [100, 1 << 20])
def test_threads_read_row_groups_at_once(tmp_path, monkeypatch, limit) -> None:
    monkeypatch.setattr(parquet, "KEPT_BYTES", limit)
    listing = list_images(in_groups(tmp_path))
    with ThreadPoolExecutor(8) as threads:
        levels = list(threads.map(lambda i: listing.pixels(i)[0, 0, 0], [*range(9)] * 20))
    assert levels == [*range(9)] * 20


def test_images_that_are_repeated_without_end(tmp_path, monkeypatch) -> None:
    """A table may name one image many times in a few bytes."""
    monkeypatch.setattr(parquet, "KEPT_BYTES", 300)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    rows = pa.array([image(1)] * 2000, STRUCT)
    columns = {"image": rows, "label": pa.array([0] * 2000)}
    listing = list_images(write(tmp_path / "a.parquet", group=1000, **columns))
    with pytest.raises(MismatchError, match="take far more than its files say"):
        listing.image(0)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_large_files_are_unpacked_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(parquet, "KEPT_BYTES", 300)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    listing = list_images(in_groups(tmp_path))
    check(listing)
    (unpacked,) = (tmp_path / "tmp").iterdir()
    (tmp_path / "a.parquet").rename(tmp_path / "b.parquet")
    again = pickle.loads(pickle.dumps(listing))  # as in a spawned worker
    assert again.pixels(7)[0, 0, 0] == 7
    del again
    if (pid := os.fork()) == 0:  # a forked worker leaves the file
        del listing
        os._exit(0)
    os.waitpid(pid, 0)
    assert unpacked.exists()
    del listing
    gc.collect()
    assert not unpacked.exists()


def test_paths_that_tell_nothing_apart_are_no_names(tmp_path) -> None:
    rows = pa.array([image(i, "/tmp/image.png") for i in (1, 2, 3)], STRUCT)
    listing = list_images(write(tmp_path / "a.parquet", image=rows, label=pa.array([0, 0, 0])))
    assert listing.paths[0] == "0/00000000" and not listing.is_named


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"image": images(1)}, "no column of classes (image)"),
        ({"label": pa.array([1])}, "no column of images (label)"),
        ({"a": images(1), "b": images(1), "label": pa.array([0])}, "several columns of images"),
        ({"image": images(1, 2), "label": pa.array([0, None])}, "row 1: its class is -1"),
        ({"image": images(1, 2), "label": pa.array(["a", None])}, "row 1: has no class"),
        ({"image": images(), "label": pa.array([], pa.int64())}, "no images"),
        ({"image": images(1), "label": pa.array([0.5])}, "no column of classes"),
        ({"image": pa.array([image(i, p) for i, p in ((1, "a"), (2, "b"), (3, "a"))], STRUCT),
          "label": pa.array([0, 0, 0])}, "are both called 0/a"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(tmp_path, columns, words) -> None:
    refused(write(tmp_path / "a.parquet", **columns), words, "a.parquet")


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"label": {"_type": "ClassLabel", "names": ["a", "b"]}}, "row 2: its class is 2"),
        ({"label": {"_type": "ClassLabel", "names": ["a", "a", "b"]}}, "are damaged"),
        ({"label": {"_type": "ClassLabel", "names": [1, 2, 3]}}, "are damaged"),
        ({"label": {"_type": "Image"}}, "are no images and classes"),
        ([], "do not describe the columns"),
        ({"label": 3}, "do not describe the columns"),
    ],
)
def test_metadata_that_are_refused(tmp_path, features, words) -> None:
    columns = {"image": images(1, 2, 3), "label": pa.array([0, 1, 2])}
    refused(write(tmp_path / "a.parquet", features, **columns), words)


def test_images_that_are_not_in_the_table(tmp_path) -> None:
    rows = pa.array([image(1), {"bytes": None, "path": "/data/1.png"}, None], STRUCT)
    listing = list_images(write(tmp_path / "a.parquet", image=rows, label=pa.array([0, 0, 0])))
    problems = unreadable(listing)
    assert list(problems) == [1, 2] and "only the path of one" in problems[1]
    with pytest.raises(MismatchError, match="row 1: holds no image"):
        listing.image(1)


def test_splits_and_other_columns(tmp_path) -> None:
    columns = {"image": images(1), "label": pa.array([0])}
    write(tmp_path / "train-00000-of-00002.parquet", **columns)
    write(tmp_path / "train-00001-of-00002.parquet", **columns)
    assert len(list_images(tmp_path)) == 2
    write(tmp_path / "test-00000-of-00001.parquet", **columns)
    refused(tmp_path, "has the splits test, train; name the files of one of them")
    assert len(list_images(tmp_path / "train-*.parquet")) == 2
    write(tmp_path / "train-00001-of-00002.parquet", image=images(1), label=pa.array(["a"]))
    refused(tmp_path / "train-*.parquet", "00001-of-00002.parquet: has other columns than")


def test_damaged_parquet(tmp_path) -> None:
    columns = {"image": images(1, 2, 3), "label": pa.array([0, 1, 2])}
    path = write(tmp_path / "a.parquet", **columns)
    whole = path.read_bytes()
    for cut in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        refused(path, str(path), "truncated or damaged")
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 100).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ rng.integers(1, 256)]) + whole[at + 1 :])
        try:
            listing = list_images(path)
            unreadable(listing)
            for i in range(len(listing)):
                listing.pixels(i)
        except MismatchError as error:
            assert str(path) in str(error)


@pytest.fixture
def saved(tmp_path) -> Path:
    from tests.pipeline import scene

    return sources.datasets(scene.images(tmp_path / "images"), tmp_path / "saved")


def test_damaged_datasets_folders(saved) -> None:
    arrow = saved / "data-00001-of-00002.arrow"
    whole = arrow.read_bytes()
    for cut in (0, 100, len(whole) // 2):
        arrow.write_bytes(whole[:cut])
        refused(saved, str(arrow), "truncated or damaged")
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 100).tolist():
        arrow.write_bytes(whole[:at] + bytes([whole[at] ^ rng.integers(1, 256)]) + whole[at + 1 :])
        try:
            listing = list_images(saved)
            unreadable(listing)
        except MismatchError as error:
            assert str(saved) in str(error)
    arrow.unlink()
    refused(saved, "is missing")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "does not name the data's files"),
        ({"_data_files": [{"filename": "../../etc/passwd"}]}, "does not name the data's files"),
        ({"_data_files": [{"filename": 3}]}, "does not name the data's files"),
        ({"_data_files": [3]}, "does not name the data's files"),
        ([], "not the JSON of a data set"),
    ],
)
def test_states_that_are_refused(saved, state, words) -> None:
    (saved / "state.json").write_text(json.dumps(state))
    refused(saved, words)


def test_indices_and_splits(saved, tmp_path) -> None:
    state = json.loads((saved / "state.json").read_text())
    both = tmp_path / "both"
    for split in ("train", "test"):
        shutil.copytree(saved, both / split)
    (both / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    refused(both, "has the splits train, test; name the folder of one of them")
    (both / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert len(list_images(both)) == len(list_images(saved))
    (both / "dataset_dict.json").write_text('{"splits": ["../saved"]}')
    refused(both, "has the splits ../saved")
    (saved / "state.json").write_text(json.dumps({**state, "_indices_files": [{"filename": "i"}]}))
    refused(saved, "chosen by a file of indices")
