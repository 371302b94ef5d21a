"""Labels in fsspec file systems, in Python file objects, and in S3."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import fsspec
import pytest

import labelcodec
from labelcodec.errors import ConfigError, CorruptError, FormatError, MismatchError, RemoteError
from labelcodec.remote import RemoteFile, as_location, is_url
from labelcodec.remote.globbing import is_pattern
from tests.labelsets import batches, write
from tests.remote.same import assert_same


@pytest.fixture
def memory(content):
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/set/labels.slc", content)
    yield filesystem
    filesystem.store.clear()


def test_a_url_with_one_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"s3:/a/b\.slc: no such file, and .* s3://a/b\.slc$"):
        as_location("s3:/a/b.slc")
    with pytest.raises(ConfigError, match=r"pass https://a/b\.slc as a str, a Path keeps one"):
        as_location(Path("https://a/b.slc"))
    Path("s3:").mkdir()
    assert as_location("s3:/b.slc") == Path("s3:/b.slc")


def test_every_way_to_name_a_file(memory, path, content) -> None:
    for labels in (
        "memory://set/labels.slc",
        RemoteFile("memory://set/labels.slc"),
        (memory, "/set/labels.slc"),
        [(memory, "/set/labels.slc")],
        fsspec.open("memory://set/labels.slc"),
        memory.open("/set/labels.slc"),
        io.BytesIO(content),
        path,
        f"file://{path}",
    ):
        with labelcodec.open(labels) as reader:
            assert_same(reader, path, range(0, 300, 20))
            assert "RemoteFile" not in str(reader.paths[0])
    with path.open("rb") as file, labelcodec.open(file) as reader:
        assert_same(reader, path, [250])


def test_a_replaced_file_is_told(memory, path, content, tmp_path) -> None:
    other = write(tmp_path / "other.slc", batches(range(300)[::-1])).read_bytes()
    with labelcodec.open("memory://set/labels.slc") as reader:
        assert_same(reader, path, [100])
        memory.pipe_file("/set/labels.slc", other)
        with pytest.raises(MismatchError, match=r"memory://set/labels\.slc: was replaced"):
            reader[200]


def test_patterns(memory, content) -> None:
    memory.pipe_file("/set/labels.other", b"")
    for labels in ("memory://set/*.slc", (memory, "/set/l*.slc")):
        with labelcodec.open(labels) as reader:
            assert len(reader.paths) == 1 and len(reader) == 300
    with pytest.raises(FileNotFoundError, match="no file matches"):
        labelcodec.open("memory://set/*.none")


def test_kinds_of_names() -> None:
    assert is_url("https://a/b") and is_url("simplecache::s3://a/b") and is_url("hf://x/y/z")
    assert not any(map(is_url, ("a/b.slc", "C:\\a.slc", "c://a", "./x://y", "s3:/a")))
    assert not is_pattern(RemoteFile("https://a/b.slc?x=*"))
    assert is_pattern(RemoteFile("https://a/*.slc")) and is_pattern(RemoteFile("s3://a/b?.slc"))
    assert RemoteFile("https://h/a%20b.slc?x").name == "a b.slc"


def test_calls_that_make_no_sense(path, memory, tmp_path) -> None:
    with pytest.raises(ConfigError, match="is on this machine"):
        labelcodec.open(path, cache="file")
    with pytest.raises(ConfigError, match="`cache` is 'file', 'blocks' or None, not 'disk'"):
        labelcodec.open("https://a/b.slc", cache="disk")
    with pytest.raises(ConfigError, match="takes no `cache`"):
        labelcodec.open(io.BytesIO(b""), cache="blocks")
    with pytest.raises(ConfigError, match="go to its file system itself"):
        labelcodec.open((memory, "/set/labels.slc"), storage_options={"token": "x"})
    with pytest.raises(ConfigError, match="open it with mode 'rb'"):
        labelcodec.open(io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(ConfigError, match="a compressed file has no ranges"):
        labelcodec.open(fsspec.open("memory://set/labels.slc.gz", compression="gzip"))
    with pytest.raises(RemoteError, match="nothing://a: cannot be opened"):
        labelcodec.open("nothing://a")
    with pytest.raises(FileNotFoundError, match="no such file"):
        labelcodec.open("memory://set/none.slc")
    with pytest.raises(RemoteError, match="is a folder"):
        labelcodec.open("memory://set")
    with pytest.raises(TypeError):
        labelcodec.open(3)


def test_file_objects_that_fail(content) -> None:
    with pytest.raises(FormatError, match="not a labelcodec container"):
        labelcodec.open(io.BytesIO(b""))
    reader = labelcodec.open(shrinking := io.BytesIO(content))
    shrinking.truncate(50_000)
    with pytest.raises(CorruptError, match="cut short"):
        reader[299]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.slc", content)
    with zipfile.ZipFile(packed).open("labels.slc") as file, labelcodec.open(file) as reader:
        assert len(reader[7]) == 20


def test_chained_file_systems(path, content, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("labels.slc", content)
    with labelcodec.open(f"zip://labels.slc::{tmp_path / 'a.zip'}") as reader:
        assert_same(reader, path, [3, 250])


def test_readers_and_locations_survive_pickling(memory, path, content) -> None:
    for labels in ("memory://set/labels.slc", (memory, "/set/labels.slc"), io.BytesIO(content)):
        with labelcodec.open(labels) as reader:
            again = pickle.loads(pickle.dumps(reader))
            assert_same(again, path, [250])
    location = as_location("memory://set/labels.slc", {"a": 1}, "file")
    assert pickle.loads(pickle.dumps(location)) == location


@pytest.fixture(scope="module")
def s3():
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    import boto3

    running = server.ThreadedMotoServer(port=0)
    running.start()
    endpoint = "http://{}:{}".format(*running.get_host_and_port())
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=endpoint, **keys)
    client.create_bucket(Bucket="labels")
    yield client, {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": endpoint}}
    running.stop()


@pytest.mark.filterwarnings("default")  # of the packages of the stand-in
def test_s3(s3, path, content, tmp_path) -> None:
    client, options = s3
    client.put_object(Bucket="labels", Key="set/labels.slc", Body=content)
    with labelcodec.open("s3://labels/set/*.slc", storage_options=options) as reader:
        assert_same(reader, path, range(0, 300, 50))
        assert_same(pickle.loads(pickle.dumps(reader)), path, [250])
        other = write(tmp_path / "other.slc", batches(range(300)[::-1])).read_bytes()
        client.put_object(Bucket="labels", Key="set/labels.slc", Body=other)
        with pytest.raises(MismatchError, match="was replaced"):
            reader[220]
    done = subprocess.run(
        [sys.executable, "-m", "labelcodec", "inspect", "s3://labels/set/labels.slc"],
        env={**os.environ, "FSSPEC_S3": json.dumps(options)},  # as a command is told
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(FileNotFoundError, match="no such file"):
        labelcodec.open("s3://labels/none.slc", storage_options=options)
    client.put_object(Bucket="labels", Key="empty", Body=b"")
    with pytest.raises(FormatError, match="not a labelcodec container"):
        labelcodec.open("s3://labels/empty", storage_options=options)
