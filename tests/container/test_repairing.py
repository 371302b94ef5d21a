from __future__ import annotations

import os
from pathlib import Path

import pytest

from labelcodec.container import (
    RecordReader,
    RecordWriter,
    layout,
    repair,
    scan,
    would_save,
)
from labelcodec.container.repairing import stretches
from labelcodec.errors import CorruptError, FormatError, MismatchError
from tests.attacks import file as hostile
from tests.attacks.frames import newer_major, newer_minor
from tests.attacks.records import header_big
from tests.container.sample import HEADER, add, build, content, expected

SIDES = (b"first", b"second")
NUMBERS = range(6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.slc"


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def records(path: Path) -> list[tuple[bytes, int, int, int]]:
    """Tag, offset, size and number (-1) of every record after the header, in file order."""
    with RecordReader(path) as reader:
        index = reader.index
        found = [(s.tag, s.offset, s.size, -1) for s in index.sections[1:]]
        columns = zip(
            index.offset.tolist(), index.size.tolist(), index.number.tolist(), strict=True
        )
        return sorted([*found, *((b"B", *row) for row in columns)], key=lambda row: row[1])


@pytest.mark.parametrize("suffix", ["", ".partial"])
def test_every_truncation(path: Path, suffix: str) -> None:
    whole = build(path, NUMBERS, sides=SIDES)
    ends = {offset + size: number for _, offset, size, number in records(path)}
    header_end = records(path)[0][1]
    source = path.with_name(path.name + suffix)
    path.unlink()
    for size in range(len(whole)):
        source.write_bytes(whole[:size])
        if size < header_end:
            with pytest.raises(CorruptError if size >= layout.PREAMBLE.size else FormatError):
                repair(path)
            assert source.read_bytes() == whole[:size]
            assert files(path) == [source.name]
            source.unlink()
            continue
        kept = [number for end, number in ends.items() if end <= size and number >= 0]
        sides = sum(end <= size for end in list(ends)[:2])
        report = repair(path)
        assert content(path) == expected(kept, SIDES)
        assert (report.kept, report.dropped) == (len(kept), 0)
        assert report.skipped == (
            0
            if size >= max(ends)
            else size - max([end for end in ends if end <= size], default=header_end)
        )
        assert report.unfinished == bool(suffix)
        if suffix:  # its run can still be resumed
            assert (report.original, source.read_bytes()) == (source, whole[:size])
            assert files(path) == ["a.slc", source.name]
        else:
            assert (report.original is None) == (report.skipped == 0)
            assert files(path) == (["a.slc"] if not report.skipped else ["a.slc", "a.slc.damaged"])
        with RecordReader(path) as reader:
            assert reader.sides == sides
            assert reader.header == HEADER
        for file in path.parent.iterdir():
            file.unlink()


def test_lost_index_costs_nothing(path: Path) -> None:
    whole = build(path)
    path.write_bytes(whole[:-20])
    report = repair(path)
    assert path.read_bytes() == whole
    assert (report.original, report.skipped, report.problem is None) == (None, 0, True)


def test_intact_file_stays_as_it_is(path: Path) -> None:
    whole = build(path, NUMBERS, sides=SIDES)
    assert repair(path).problem is None
    assert path.read_bytes() == whole
    assert files(path) == ["a.slc"]


@pytest.mark.parametrize("where", ["tag", "length", "high length", "checksum", "payload", "end"])
@pytest.mark.parametrize("victim", range(9))
def test_a_damaged_record(path: Path, victim: int, where: str) -> None:
    """Whatever byte of whatever record is hit, every other record is kept."""
    whole = bytearray(build(path, NUMBERS, sides=SIDES))
    tag, offset, size, number = records(path)[victim]
    at = {"tag": 0, "length": 1, "high length": 4, "checksum": 6, "payload": 9, "end": size - 1}
    whole[offset + at[where]] ^= 0x02
    path.write_bytes(whole)
    report = repair(path)
    lost = {number}
    if tag == b"S":
        lost = {n for n in NUMBERS if n % 2 == victim}
    kept = [n for n in NUMBERS if n not in lost]
    assert content(path) == expected(kept, SIDES)
    assert report.kept == len(kept)
    assert report.dropped == (len(lost) if tag == b"S" else 0)
    assert report.skipped == size
    assert report.original == path.with_name("a.slc.damaged")
    assert report.original.read_bytes() == whole
    assert report.problem is not None
    assert f"byte {offset}" in report.problem
    with RecordReader(path) as reader:
        assert reader.names() == (None if tag == b"n" else b"names")


def test_a_partial_file_in_use(path: Path) -> None:
    with RecordWriter(path, HEADER) as writer:
        writer.add_section(b"S", b"side")
        add(writer, 0)
        with pytest.raises(MismatchError, match="another process is writing it"):
            repair(path)
        with pytest.raises(MismatchError, match="another process is writing it"):
            repair(writer.partial, path.with_name("b.slc"))
        add(writer, 1)
    assert content(path) == expected([0, 1])
    assert files(path) == ["a.slc"]


def test_what_was_lost_and_where(path: Path) -> None:
    whole = build(path, NUMBERS, sides=SIDES)
    place = {number: (offset, size) for _, offset, size, number in records(path)}
    damaged = bytearray(whole)
    for victim in (1, 2, 4):
        damaged[place[victim][0] + 10] ^= 1
    path.write_bytes(damaged)
    assert would_save(path) == 3
    report = repair(path)
    assert (report.lost, report.numbers) == (((1, 2), (4, 4)), ((0, 0), (3, 3), (5, 5)))
    assert report.damage == ((place[1][0], place[1][1] + place[2][1]), place[4])
    path.write_bytes(whole[: place[4][0] + 10])  # the index is gone with the rest
    report = repair(path, path.with_name("b.slc"))
    assert (report.lost, report.numbers) == (None, ((0, 3),))
    assert report.damage == ((place[4][0], 10),)


def test_what_lost_side_information_takes_along(path: Path) -> None:
    damaged = bytearray(build(path, NUMBERS, sides=SIDES))
    damaged[records(path)[0][1] + 10] ^= 1
    path.write_bytes(damaged)
    assert would_save(path) == 3
    report = repair(path)
    assert (report.lost, report.dropped) == (((0, 0), (2, 2), (4, 4)), 3)


def test_what_repair_is_no_use_for(path: Path) -> None:
    whole = build(path)
    assert would_save(path) == 0  # whole
    for useless in (b"diary", whole[:40], whole[: records(path)[1][1]], newer_major()):
        path.write_bytes(useless)
        assert would_save(path) == 0
    path.write_bytes(whole[:-1])
    assert would_save(path) == len(content_numbers(whole, path))


def content_numbers(whole: bytes, path: Path) -> set[int]:
    other = path.with_name("whole.slc")
    other.write_bytes(whole)
    return set(content(other))


def test_stretches() -> None:
    assert stretches([]) == ()
    assert stretches([7, 1, 3, 2]) == ((1, 3), (7, 7))


def test_damage_across_records(path: Path) -> None:
    whole = bytearray(build(path, NUMBERS, sides=SIDES))
    found = {number: (offset, size) for _, offset, size, number in records(path)}
    start, end = found[1][0] + 3, sum(found[3]) - 1
    whole[start:end] = b"B" * (end - start)
    path.write_bytes(whole)
    repair(path)
    assert content(path) == expected([0, 4, 5], SIDES)


@pytest.mark.parametrize("length", [*range(506, 518), *range(1530, 1542)])
def test_search_across_the_chunks_it_reads(path: Path, length: int) -> None:
    whole = build(path, NUMBERS, sides=SIDES)
    offset = next(o for _, o, _, number in records(path) if number == 2)
    path.write_bytes(whole[:offset] + bytes(length) + whole[offset:])
    assert repair(path).skipped == length
    assert content(path) == expected(NUMBERS, SIDES)


def test_missing_and_inserted_bytes(path: Path) -> None:
    whole = build(path, NUMBERS, sides=SIDES)
    offset, size = next((o, s) for _, o, s, number in records(path) if number == 2)
    path.write_bytes(whole[: offset + 2] + whole[offset + size :])
    repair(path)
    assert content(path) == expected([0, 1, 3, 4, 5], SIDES)
    path.write_bytes(whole[:offset] + os.urandom(3000) + whole[offset:])
    os.remove(f"{path}.damaged")
    report = repair(path)
    assert content(path) == expected(NUMBERS, SIDES)
    assert report.skipped == 3000


def test_a_record_inside_a_damaged_payload_is_not_taken(path: Path) -> None:
    inner = hostile.record(b"B", b"\0\0\x01\x07\0forged")
    with RecordWriter(path, HEADER) as writer:
        writer.add_section(b"S", b"side")
        writer.add_batch(inner + inner, side=0, samples=1, number=0, epoch=0)
        add(writer, 1)
    data = bytearray(path.read_bytes())
    data[data.index(inner) - 1] ^= 1  # the epoch of the batch around it
    path.write_bytes(data)
    repair(path)
    assert content(path) == expected([1])


def test_repeated_batch_number(path: Path) -> None:
    file = hostile.small()
    file.batch(1, b"\0\0\x01\x01\0again")
    path.write_bytes(file.bytes())
    report = repair(path)
    assert (report.kept, report.dropped) == (3, 1)
    assert all(data == b"labels" for _, data, _, _ in content(path).values())


def test_repeated_side_number(path: Path) -> None:
    file = hostile.small()
    file.section(b"S", b"\0\0again")
    path.write_bytes(file.bytes())
    repair(path)
    with RecordReader(path) as reader:
        assert (reader.sides, reader.side(0)) == (1, b"side")


def test_record_above_its_limit(path: Path) -> None:
    path.write_bytes(header_big())
    with pytest.raises(CorruptError, match="1048576 allowed"):
        scan(path)


def test_failed_repair_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build(path)

    def full(fd: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        repair(path)
    assert files(path) == ["a.slc"]
    assert path.read_bytes() == whole


def test_optional_sections_are_kept(path: Path) -> None:
    path.write_bytes(newer_minor()[:-1])
    repair(path)
    with RecordReader(path) as reader:
        assert reader.version == (layout.MAJOR, layout.MINOR)
        assert reader.section(reader.index.of(b"x")[0]) == b"from the future"


def test_out(path: Path) -> None:
    whole = build(path)
    out = path.with_name("b.slc")
    path.write_bytes(whole[:-1])
    assert repair(path, out).original == path
    assert out.read_bytes() == whole
    assert path.read_bytes() == whole[:-1]
    with pytest.raises(MismatchError, match="force=True"):
        repair(path, out)
    repair(path, out, force=True)


def test_nothing_is_overwritten(path: Path) -> None:
    whole = build(path)
    path.with_name("a.slc.partial").write_bytes(whole)
    with pytest.raises(MismatchError, match="exists already"):
        repair(f"{path}.partial")
    path.with_name("a.slc.damaged").write_bytes(b"older")
    at = next(offset for _, offset, _, number in records(path) if number == 0) + 10
    damaged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    path.write_bytes(damaged)
    with pytest.raises(MismatchError, match="exists already"):
        repair(path)
    assert path.with_name("a.slc.damaged").read_bytes() == b"older"
    assert path.read_bytes() == damaged


def test_batches_without_their_tables_cannot_be_saved(path: Path) -> None:
    whole = build(path)
    damaged = whole[:60] + b"\0" + whole[61:]
    path.write_bytes(damaged)
    with pytest.raises(CorruptError, match="no batch can be saved"):
        repair(path)
    assert path.read_bytes() == damaged and [one.name for one in path.parent.iterdir()] == ["a.slc"]


def test_scan_stops_at_the_first_invalid_record(path: Path) -> None:
    whole = bytearray(build(path, NUMBERS, sides=SIDES))
    offset = next(o for _, o, _, number in records(path) if number == 3)
    whole[offset + 10] ^= 1
    path.write_bytes(whole)
    found = scan(path)
    assert found.ledger.numbers == {0, 1, 2}
    assert found.ledger.end == offset
    assert list(found.ledger.side) == [0, 1, 0]
    assert found.header == HEADER
    assert found.problem is not None
    assert f"byte {offset}: checksum" in found.problem
    assert scan(path, resynchronise=True).ledger.numbers == {0, 1, 2, 4, 5}
