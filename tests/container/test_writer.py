from __future__ import annotations

import copy
import errno
import os
from pathlib import Path

import pytest

from labelcodec.container import RecordReader, RecordWriter, layout, partial
from labelcodec.errors import DataError, LabelcodecError, MismatchError
from labelcodec.files import atomic
from tests.container.sample import HEADER, add, build, content, expected


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.slc"


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_only_the_partial_file_exists_until_close(path: Path) -> None:
    with RecordWriter(path, HEADER) as writer:
        assert names(path) == ["a.slc.partial"]
        assert writer.written.sections[0].tag == b"H"
    assert names(path) == ["a.slc"]


def test_existing_container(path: Path) -> None:
    build(path, range(2))
    with pytest.raises(MismatchError, match="force=True"):
        RecordWriter(path, HEADER)
    assert names(path) == ["a.slc"]
    with RecordWriter(path, HEADER, force=True):
        assert content(path) == expected(range(2))  # replaced only on close
    assert content(path) == {}


def test_container_that_appears_meanwhile(path: Path) -> None:
    writer = RecordWriter(path, HEADER)
    path.write_bytes(b"mine")
    with pytest.raises(MismatchError, match="force=True"), writer:
        pass
    assert path.read_bytes() == b"mine"
    assert names(path) == ["a.slc", "a.slc.partial"]
    with RecordReader(writer.partial) as reader:  # complete, only the name was taken
        reader.verify()


def test_file_system_without_links(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    build(path)
    assert content(path) == expected(range(4))
    writer = RecordWriter(path.with_name("b.slc"), HEADER)
    path.rename(writer.path)
    with pytest.raises(MismatchError, match="force=True"), writer:
        pass


def test_existing_partial_file(path: Path) -> None:
    RecordWriter(path, HEADER).abort(keep=True)
    with pytest.raises(MismatchError, match=r"resume=True.*force=True"):
        RecordWriter(path, HEADER)
    with RecordWriter(path, {"other": 1}, force=True):
        pass
    with RecordReader(path) as reader:
        assert reader.header == {"other": 1}


@pytest.mark.parametrize("options", [{"resume": True}, {"force": True}])
def test_partial_file_in_use(path: Path, options: dict[str, bool]) -> None:
    with RecordWriter(path, HEADER) as writer:
        with pytest.raises(MismatchError, match="another process"):
            RecordWriter(path, HEADER, **options)
        writer.add_section(b"S", b"side")
        add(writer, 0)
    assert content(path) == expected([0])


@pytest.mark.parametrize("options", [{"resume": True}, {"force": True}])
def test_a_file_that_is_published_meanwhile_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, bool]
) -> None:
    """The first writer closes after the second one opened its file and before it is locked."""
    first = RecordWriter(path, HEADER, force=True)
    first.add_section(b"S", b"side")
    add(first, 0)
    lock = partial.lock

    def late(fd: int, at: Path) -> int:
        first.close()
        return lock(fd, at)

    monkeypatch.setattr(partial, "lock", late)
    with pytest.raises(MismatchError, match="another process has just finished"):
        RecordWriter(path, HEADER, **options)
    assert content(path) == expected([0])


@pytest.mark.parametrize(
    "error",
    [
        LabelcodecError("bad label"),
        OSError(errno.ENOSPC, "no space left"),
        KeyboardInterrupt(),
        RuntimeError("a defect"),
    ],
)
@pytest.mark.parametrize("batches", [0, 2])
def test_an_exception_leaves_the_batches_written(
    path: Path, error: BaseException, batches: int
) -> None:
    with pytest.raises(type(error)) as caught, RecordWriter(path, HEADER) as writer:
        writer.add_section(b"S", b"side")
        for number in range(batches):
            add(writer, number)
        raise copy.copy(error)
    assert names(path) == ["a.slc.partial"] * bool(batches)
    found = getattr(caught.value, "__notes__", [])
    assert len(found) == bool(batches)
    assert all(f"{path}.partial keeps the 2 batches" in note for note in found)
    with RecordWriter(path, HEADER, resume=True) as writer:
        assert writer.numbers == set(range(batches))


def test_a_full_disk_at_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        pytest.raises(OSError, match=r"a\.slc\.partial") as caught,
        RecordWriter(path, HEADER) as out,
    ):
        out.add_section(b"S", b"side")
        add(out, 0)
        monkeypatch.setattr(os, "fsync", full)
    assert "resume=True" in caught.value.__notes__[0]


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    for force in (False, True):
        with pytest.raises(MismatchError, match="is a folder"):
            RecordWriter(tmp_path, HEADER, force=force)


def test_an_earlier_runs_work_is_never_removed(path: Path) -> None:
    writer = RecordWriter(path, HEADER)
    add(writer, 0)
    writer.abort(keep=True)
    with pytest.raises(DataError, match="bad label"), RecordWriter(path, HEADER, resume=True):
        raise DataError("bad label")
    assert names(path) == ["a.slc.partial"]


def test_failed_write_leaves_no_torn_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk takes half of a record; the caller frees space and writes a shorter one."""
    whole = build(path.with_name("whole.slc"))
    real = os.pwrite
    with RecordWriter(path, HEADER) as writer:
        writer.add_section(b"S", b"side")
        writer.add_section(b"n", b"names")

        def full(fd: int, data: bytes, at: int) -> int:
            if at > writer.written.sections[-1].offset + 14:
                raise OSError(errno.ENOSPC, "no space left")
            return real(fd, data[:5000], at)

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="no space"):
            writer.add_batch(bytes(10_000), side=0, samples=1, number=0, epoch=0)
        monkeypatch.undo()
        assert len(writer.written) == 0
        for number in range(4):
            add(writer, number)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"samples": 0}, "0 samples"),
        ({"samples": layout.MAX_SAMPLES + 1}, "samples, allowed"),
        ({"number": -1}, "number -1"),
        ({"number": 1 << 63}, "number 9223372036854775808"),
        ({"epoch": -1}, "epoch -1"),
        ({"side": -1}, "side number -1"),
        ({"side": 1 << 16}, "side number 65536"),
        ({"number": 0}, "second batch with number 0"),
    ],
)
def test_bad_batches(path: Path, values: dict[str, int], match: str) -> None:
    with RecordWriter(path, HEADER) as writer:
        writer.add_section(b"S", b"side")
        add(writer, 0)
        with pytest.raises(DataError, match=match):
            writer.add_batch(b"", **({"side": 0, "samples": 1, "number": 1, "epoch": 0} | values))
    assert content(path) == expected([0])


@pytest.mark.parametrize("tag", [b"H", b"B", b"I", b"Q", b"", b"xy", b"1", b"\xe4"])
def test_bad_section_tags(path: Path, tag: bytes) -> None:
    with RecordWriter(path, HEADER) as writer, pytest.raises(DataError, match="tag"):
        writer.add_section(tag, b"")


def test_second_names(path: Path) -> None:
    with RecordWriter(path, HEADER) as writer:
        writer.add_section(b"n", b"names")
        with pytest.raises(DataError, match="second section b'n'"):
            writer.add_section(b"n", b"names")


def test_too_many_sections(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_SECTIONS", 3)
    with RecordWriter(path, HEADER) as writer:
        writer.add_section(b"S", b"")
        writer.add_section(b"S", b"")
        with pytest.raises(DataError, match="more than 3 sections"):
            writer.add_section(b"S", b"")


def test_too_large(path: Path) -> None:
    with RecordWriter(path, HEADER) as writer:
        with pytest.raises(DataError, match="at most 67108864"):
            writer.add_section(b"n", bytes(layout.limit(b"n") + 1))
        with pytest.raises(DataError, match="at most 268435456"):
            huge = bytes(layout.limit(b"B") - 4)
            writer.add_batch(huge, side=0, samples=1, number=0, epoch=0)


def test_side_information_that_never_came(path: Path) -> None:
    writer = RecordWriter(path, HEADER)
    add(writer, 0, side=1)
    with pytest.raises(DataError, match="needs side information 1, 0 were written"):
        writer.close()
    writer.add_section(b"S", b"zero")
    writer.add_section(b"S", b"one")
    writer.close()
    assert content(path)[0][0] == b"one"


@pytest.mark.parametrize(
    "header",
    [{"a": object()}, {1: 2}, {"a": 1 << 64}, {"a": {2: 3}}, {"a": bytes(1 << 20)}, {"\ud800": 1}],
)
def test_bad_headers(path: Path, header: dict[str, object]) -> None:
    with pytest.raises(DataError, match="header"):
        RecordWriter(path, header)
    assert names(path) == []


def test_close_and_abort_twice(path: Path) -> None:
    writer = RecordWriter(path, HEADER)
    writer.close()
    writer.close()
    writer.abort(keep=False)
    assert names(path) == ["a.slc"]
    with pytest.raises(ValueError, match="closed"):
        add(writer, 0)


def test_is_on_disk_before_it_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, publish = os.fsync, atomic.publish
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(
        "labelcodec.container.writer.publish",
        lambda *args: (steps.append("publish"), publish(*args))[1],
    )
    build(path)
    assert steps == ["fsync", "publish", "fsync"]  # file, name, folder; none for a batch
