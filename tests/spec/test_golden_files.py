"""Every golden file comes out of the library and of the reference decoder as it went in."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import labelcodec
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.registry import from_config, spec_of
from labelcodec.container import RecordReader
from labelcodec.errors import LabelcodecError
from labelcodec.header import Header
from spec import make_vectors, reference_decoder
from spec.vector_cases import VALUES
from spec.vector_cases.content import Content
from tests import backends
from tests.backends import BACKENDS
from tests.spec.golden import ENTRIES, NAMES, VECTORS, VERSIONS, assert_same, expected

golden = pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Any:
    with backends.backend(request.param):
        yield


def from_library(path: Path) -> dict[str, Any]:
    with labelcodec.open(path) as reader:
        return Content(reader.header.to_map(), reader.names, list(reader)).arrays()


def test_there_are_golden_files() -> None:
    assert [folder.name for folder in VERSIONS] == ["v1.0", "v1.1", "v1.2"]
    assert len(ENTRIES) >= 58


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_every_file_is_in_the_manifest(folder: Path) -> None:
    listed = {
        path.relative_to(folder).as_posix()
        for entry in ENTRIES
        for path in (entry["path"], entry["expected"])
        if folder in path.parents
    }
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    values = {VALUES[folder.name][0]} if folder.name in VALUES else set()
    assert found == listed | {"manifest.json"} | values
    assert sum(p.stat().st_size for p in folder.rglob("*")) < 400_000


def test_a_released_folder_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = VECTORS / "v1.0"
    before = (folder / "manifest.json").stat().st_mtime_ns
    monkeypatch.setattr("sys.argv", ["make_vectors", str(folder)])
    with pytest.raises(SystemExit, match="never change"):
        make_vectors.main()
    assert (folder / "manifest.json").stat().st_mtime_ns == before


@golden
def test_files_have_not_changed(entry: dict[str, Any]) -> None:
    """Clause V-3: what was released stays as it is."""
    for path, digest in (
        (entry["path"], entry["sha256"]),
        (entry["expected"], entry["expected_sha256"]),
    ):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path.relative_to(VECTORS)


@golden
@pytest.mark.usefixtures("backend")
def test_the_library_decodes(entry: dict[str, Any]) -> None:
    assert_same(from_library(entry["path"]), expected(entry))


@golden
def test_the_reference_decoder_decodes(entry: dict[str, Any]) -> None:
    assert_same(reference_decoder.named(*reference_decoder.read(entry["path"])), expected(entry))


@pytest.mark.parametrize("name", ["container/one-batch", "container/image-names"])
def test_every_damaged_byte_is_noticed(name: str, tmp_path: Path) -> None:
    """Clauses C-5 and C-11: a checksum covers every byte."""
    data = (VECTORS / "v1.0" / f"{name}.slc").read_bytes()
    path = tmp_path / "damaged.slc"
    for position in range(0, len(data), 3):
        flipped = bytes([data[position] ^ 1 << position % 8])
        path.write_bytes(data[:position] + flipped + data[position + 1 :])
        with pytest.raises(reference_decoder.Invalid):
            reference_decoder.read(path)
        with pytest.raises(LabelcodecError):
            from_library(path)


@golden
@pytest.mark.usefixtures("backend")
def test_batches_encode_to_the_same_bytes(entry: dict[str, Any]) -> None:
    """With the file's own side information; where that is not so, to the same arrays."""
    with RecordReader(entry["path"]) as records, labelcodec.open(entry["path"]) as reader:
        header = Header.from_map(records.header, entry["file"])
        codec = from_config(header.codec, header.config, entry["file"])
        assert spec_of(codec) == entry["codec"]
        by_number = {batch.number: batch for batch in reader}
        for position, number in enumerate(records.index.number.tolist()):
            side, data = records.batch(position)
            coder = BatchCoder.from_side_information(header, records.side(side), entry["file"])
            again, batch = coder.encode(by_number[number]), by_number[number]
            if entry["deterministic"]:
                assert again == data
            decoded = coder.decode(memoryview(again), len(batch), number, batch.epoch)
            one, other = Content({}, None, [decoded]), Content({}, None, [batch])
            assert_same(one.arrays(), other.arrays())
