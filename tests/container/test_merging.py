from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labelcodec.container import RecordReader, Shards
from labelcodec.container import merge as merge_shards
from labelcodec.errors import CorruptError, MismatchError
from tests.container.sample import HEADER, build, content, expected


def merge(paths: list[Path], out: Path, own: frozenset[str] = frozenset(), **options: Any) -> None:
    with Shards(paths, own) as shards:
        merge_shards(shards, out, **options)


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_batches_and_side_information(tmp_path: Path) -> None:
    one, two, three, out = (tmp_path / f"{name}.slc" for name in ("1", "2", "3", "out"))
    build(one, [6, 0, 3], sides=(b"x", b"y"))
    build(two, [4, 1], sides=(b"y", b"z"))
    build(three, [5], sides=(b"z",))
    merge([one, two, three], out)
    assert content(out) == {
        **expected([0, 3, 6], (b"x", b"y")),
        **expected([1, 4], (b"y", b"z")),
        **expected([5], (b"z",)),
    }
    with RecordReader(out) as reader:
        assert reader.index.number.tolist() == [0, 1, 3, 4, 5, 6]
        assert [reader.side(i) for i in range(reader.sides)] == [b"x", b"y", b"z"]
        assert reader.names() == b"names"
        assert reader.header == HEADER


def test_one_shard_gives_the_same_file(tmp_path: Path) -> None:
    whole = build(tmp_path / "a.slc", sides=(b"x", b"y"), names=None)
    merge([tmp_path / "a.slc"], tmp_path / "b.slc")
    assert (tmp_path / "b.slc").read_bytes() == whole


def test_headers(tmp_path: Path) -> None:
    one, two, out = (tmp_path / f"{name}.slc" for name in ("1", "2", "out"))
    build(one, [0], header={**HEADER, "bytes": 1})
    build(two, [1], header={**HEADER, "bytes": 2})
    with pytest.raises(MismatchError, match=r"2\.slc: its header differs .*1\.slc in bytes"):
        merge([one, two], out)
    merge([one, two], out, frozenset({"bytes"}), header={**HEADER, "bytes": 3})
    with RecordReader(out) as reader:
        assert reader.header == {**HEADER, "bytes": 3}


@pytest.mark.parametrize("names", [None, b"other"])
def test_names(tmp_path: Path, names: bytes | None) -> None:
    one, two, out = (tmp_path / f"{name}.slc" for name in ("1", "2", "out"))
    build(one, [0])
    build(two, [1], names=names)
    for shards in ([one, two], [two, one]):
        with pytest.raises(MismatchError, match="image names differ"):
            merge(shards, out)
    assert files(tmp_path) == {"1.slc", "2.slc"}


def test_repeated_number(tmp_path: Path) -> None:
    one, two, out = (tmp_path / f"{name}.slc" for name in ("1", "2", "out"))
    build(one, [0, 7])
    build(two, [7, 8])
    with pytest.raises(MismatchError, match=r"2\.slc: batch number 7 is also in .*1\.slc"):
        merge([one, two], out)


def test_existing_output(tmp_path: Path) -> None:
    one, out = tmp_path / "1.slc", tmp_path / "out.slc"
    build(one, [0])
    build(out, [1])
    with pytest.raises(MismatchError, match="force=True"):
        merge([one], out)
    merge([one], out, force=True)
    assert content(out) == expected([0])


def test_damaged_shard_leaves_nothing(tmp_path: Path) -> None:
    one, two, out = (tmp_path / f"{name}.slc" for name in ("1", "2", "out"))
    build(one, [0])
    data = bytearray(build(two, [1]))
    with RecordReader(two) as reader:
        data[int(reader.index.offset[0]) + 13] ^= 1
    two.write_bytes(data)
    with pytest.raises(CorruptError, match=r"2\.slc"):
        merge([one, two], out)
    assert files(tmp_path) == {"1.slc", "2.slc"}


def test_nothing(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="no container given"):
        merge([], tmp_path / "out.slc")
