from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labelcodec.container import RecordWriter
from labelcodec.errors import CorruptError, FormatError, MismatchError
from tests.attacks.file import record
from tests.container.sample import HEADER, add, build

SIDES = (b"first", b"second")
NUMBERS = range(5)
ROOT = Path(__file__).parents[2]


def run(path: Path, *, stop: bool = False) -> RecordWriter:
    """Write what is missing of `build(path, NUMBERS, sides=SIDES)`, as a resumable run does."""
    writer = RecordWriter(path, HEADER, resume=True)
    have = {section.tag for section in writer.written.sections}
    for side in range(len(SIDES)):
        if side >= sum(section.tag == b"S" for section in writer.written.sections):
            writer.add_section(b"S", SIDES[side])
    if b"n" not in have:
        writer.add_section(b"n", b"names")
    for number in NUMBERS:
        if number not in writer.numbers:
            add(writer, number, number % len(SIDES))
    if stop:
        writer.abort(keep=True)
    else:
        writer.close()
    return writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.slc"


def test_from_every_byte(path: Path) -> None:
    """Also inside the header, the index and the trailer of a file that was about to be renamed."""
    whole = build(path.with_name("whole.slc"), NUMBERS, sides=SIDES)
    partial = path.with_name("a.slc.partial")
    for size in range(len(whole) + 1):
        partial.write_bytes(whole[:size])
        writer = run(path)
        assert writer.resumed
        assert path.read_bytes() == whole
        path.unlink()


def test_nothing_to_resume(path: Path) -> None:
    assert not run(path).resumed
    assert path.read_bytes() == build(path.with_name("whole.slc"), NUMBERS, sides=SIDES)


def test_what_is_there(path: Path) -> None:
    run(path, stop=True)
    os.truncate(f"{path}.partial", os.stat(f"{path}.partial").st_size - 1)
    with RecordWriter(path, HEADER, resume=True) as writer:
        assert writer.numbers == {0, 1, 2, 3}
        assert writer.written.number.tolist() == [0, 1, 2, 3]
        assert writer.written.samples.tolist() == [1, 2, 3, 4]
        assert writer.written.epoch.tolist() == [0, 0, 1, 1]
        assert writer.side(1) == b"second"
        assert writer.section(writer.written.of(b"n")[0]) == b"names"
        with pytest.raises(IndexError):
            writer.side(2)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({**HEADER, "classes": 11}, "'classes' is 10 there and 11"),
        ({**HEADER, "new": 1}, "'new' is none there and 1"),
        ({**HEADER, "classes": 10.0}, "'classes' is 10 there and 10.0"),
        ({"classes": 10, "mix": None}, "'config.k' is 3 there and none"),
    ],
)
def test_other_header(path: Path, header: dict[str, object], key: str) -> None:
    run(path, stop=True)
    before = path.with_name("a.slc.partial").read_bytes()
    with pytest.raises(MismatchError, match=key):
        RecordWriter(path, header, resume=True)
    assert path.with_name("a.slc.partial").read_bytes() == before


def test_damaged_header_and_foreign_file_are_left_alone(path: Path) -> None:
    partial = path.with_name("a.slc.partial")
    run(path, stop=True)
    damaged = bytearray(partial.read_bytes())
    damaged[25] ^= 1
    long = bytearray(partial.read_bytes())
    long[16] ^= 0x80  # the header's length, now beyond its limit
    for data, error in (
        (bytes(damaged), CorruptError),
        (bytes(long), CorruptError),
        (b"my diary", FormatError),
    ):
        partial.write_bytes(data)
        with pytest.raises(error):
            RecordWriter(path, HEADER, resume=True)
        assert partial.read_bytes() == data


def test_other_minor_version(path: Path) -> None:
    partial = path.with_name("a.slc.partial")
    run(path, stop=True)
    data = bytearray(partial.read_bytes())
    data[10] = 7
    partial.write_bytes(data)
    with pytest.raises(MismatchError, match=r"version \(1, 7\)"):
        RecordWriter(path, HEADER, resume=True)


def test_tail_longer_than_the_rest_of_the_file(path: Path) -> None:
    whole = build(path.with_name("whole.slc"), NUMBERS, sides=SIDES)
    partial = path.with_name("a.slc.partial")
    partial.write_bytes(whole[:100] + bytes(5000))
    run(path)
    assert path.read_bytes() == whole


def test_torn_header_longer_than_the_file(path: Path) -> None:
    whole = build(path.with_name("whole.slc"), NUMBERS, sides=SIDES)
    other = path.with_name("b.slc")
    path.with_name("a.slc.partial").write_bytes(build(other, header={"a": bytes(5000)})[:4000])
    run(path)
    assert path.read_bytes() == whole


def test_side_information_out_of_order_is_written_again(path: Path) -> None:
    whole = build(path.with_name("whole.slc"), NUMBERS, sides=SIDES)
    start = whole.index(record(b"S", b"\0\0" + SIDES[0]))
    wrong = record(b"S", b"\1\0" + SIDES[1])
    path.with_name("a.slc.partial").write_bytes(whole[:start] + wrong)
    run(path)
    assert path.read_bytes() == whole


def test_damaged_batch_is_written_again(path: Path) -> None:
    whole = build(path.with_name("whole.slc"), NUMBERS, sides=SIDES)
    run(path, stop=True)
    partial = path.with_name("a.slc.partial")
    damaged = bytearray(partial.read_bytes())
    damaged[-1] ^= 1
    partial.write_bytes(damaged)
    run(path)
    assert path.read_bytes() == whole


WRITE_FOR_EVER = """
import itertools, sys
from labelcodec.container import RecordWriter
with RecordWriter(sys.argv[1], {}, resume=True) as writer:
    if not writer.resumed:
        writer.add_section(b"S", b"side")
    for number in itertools.count(len(writer.numbers)):
        writer.add_batch(bytes([number % 256]) * 500, side=0, samples=1, number=number, epoch=0)
        print(number, flush=True)
"""


def test_kill_loses_at_most_the_batch_in_flight(path: Path) -> None:
    told = -1
    for rounds in range(3):
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(50):
                told = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read().split("\n")
            told = max([told, *(int(line) for line in rest[:-1] if line)])
        writer = RecordWriter(path, {}, resume=True)
        assert writer.numbers >= set(range(told + 1)), rounds
        assert len(writer.numbers) <= told + 2
        writer.abort(keep=True)
    with RecordWriter(path, {}, resume=True) as writer:
        count = len(writer.numbers)
    with RecordWriter(path.with_name("whole.slc"), {}) as whole:
        whole.add_section(b"S", b"side")
        for number in range(count):
            data = bytes([number % 256]) * 500
            whole.add_batch(data, side=0, samples=1, number=number, epoch=0)
    assert path.read_bytes() == path.with_name("whole.slc").read_bytes()
