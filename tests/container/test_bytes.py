"""The bytes of a tiny file, pinned: a change here is a change of the format."""

from __future__ import annotations

from pathlib import Path

from labelcodec.container import RecordReader, RecordWriter, Section

PREAMBLE = bytes.fromhex("89534c430d0a1a0a 0100 0200")  # as this version writes it
RECORDS = bytes.fromhex(
    "89534c430d0a1a0a 0100 0000"  # preamble of version 1.0
    "48 0a000000 27e16d35 81a7636c61737365730a"  # header {"classes": 10}
    "53 08000000 41c8bd88 0000 7461626c6573"  # side information 0, "tables"
    "6e 05000000 f15c253b 612e6a7067"  # names "a.jpg"
    "42 08000000 7e887a44 0000 03 ac02 01 aabb"  # batch: side 0, 3 samples, number 300, epoch 1
)
# The index holds a zstd frame, whose bytes may change with zstd: it must be read for ever, but
# need not be written like this.
INDEX = bytes.fromhex(
    "49 4b000000 91 02be8c 83"
    "a873656374696f6e73 93 93480c13 93531f11 936e300e"  # sections: tag, offset, size
    "a5636f756e74 01 a762617463686573 c423"  # count, batches
    "28b52ffd2028d50000703e0011032c0101000000000000000400"
    "6020c86c258b016001"
)
TRAILER = bytes.fromhex("4f00000000000000 54000000 b5e3e002 534c431a")


def test_reads_the_pinned_file(tmp_path: Path) -> None:
    path = tmp_path / "pinned.slc"
    path.write_bytes(RECORDS + INDEX + TRAILER)
    with RecordReader(path) as reader:
        reader.verify()
        assert (reader.version, reader.size, len(reader)) == ((1, 0), 183, 1)
        assert reader.header == {"classes": 10}
        assert reader.sides == 1
        assert reader.side(0) == b"tables"
        assert reader.names() == b"a.jpg"
        assert reader.batch(0) == (0, b"\xaa\xbb")
        index = reader.index
        columns = (index.offset, index.size, index.samples, index.number, index.epoch)
        assert [column.tolist() for column in columns] == [[62], [17], [3], [300], [1]]
        assert index.sections == (
            Section(b"H", 12, 19),
            Section(b"S", 31, 17),
            Section(b"n", 48, 14),
        )


def test_writes_the_pinned_records(tmp_path: Path) -> None:
    path = tmp_path / "pinned.slc"
    with RecordWriter(path, {"classes": 10}) as writer:
        assert writer.add_section(b"S", b"tables") == 0
        assert writer.add_section(b"n", b"a.jpg") == 2
        writer.add_batch(b"\xaa\xbb", side=0, samples=3, number=300, epoch=1)
    written = path.read_bytes()
    assert written[: len(RECORDS)] == PREAMBLE + RECORDS[len(PREAMBLE) :]
    assert written[-20:-12] == TRAILER[:8]


def test_empty_container(tmp_path: Path) -> None:
    path = tmp_path / "empty.slc"
    RecordWriter(path, {}).close()
    with RecordReader(path) as reader:
        reader.verify()
        assert (len(reader), reader.header, reader.names(), reader.sides) == (0, {}, None, 0)
