"""The specification agrees with the code, with the reference decoder and with itself."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from labelcodec.codecs.registry import CODECS
from labelcodec.container import layout
from labelcodec.entropy import coding, compiled, reference, tokens
from spec.reference_decoder.entropy import Rans, token_of
from tests.spec.golden import ENTRIES, VECTORS, expected

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "spec" / "SPEC.md").read_text()
CLAUSE = r"(?<![A-Z])[A-Z]-\d+"
CODES = {"u8": "c", "u16": "H", "u32": "I", "u64": "Q"}


def section(number: str) -> str:
    """Text of a section, without the ones below it."""
    found = re.search(rf"^#+ {re.escape(number)}\.? .*?\n(.*?)(?=^#|\Z)", SPEC, re.M | re.S)
    assert found, f"section {number}"
    return found[1]


def table(text: str, *columns: str) -> list[list[str]]:
    """Cells of the first table with these headings."""
    lines = text.splitlines()
    start = lines.index("| " + " | ".join(columns) + " |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows
    return rows


def cited(text: str) -> set[str]:
    """Clause ids in a text, those between the ends of a range too."""
    ids = set(re.findall(CLAUSE, text))
    for first, last in re.findall(rf"({CLAUSE}) to ({CLAUSE})", text):
        letter, low, high = first[:2], int(first[2:]), int(last[2:])
        ids |= {f"{letter}{number}" for number in range(low, high + 1)}
    return ids


@pytest.mark.parametrize(
    ("number", "struct"),
    [("3.1", layout.PREAMBLE), ("3.2", layout.FRAME), ("3.3", layout.TRAILER)],
)
def test_offset_tables(number: str, struct: object) -> None:
    rows, position, form = table(section(number), "offset", "size", "type", "field"), 0, "<"
    for offset, size, kind, _ in rows:
        assert int(offset) == position
        position += int(size)
        form += CODES.get(kind, f"{size}s")
    assert (form, position) == (struct.format, struct.size)  # type: ignore[attr-defined]


def test_magic_and_version() -> None:
    preamble, trailer = section("3.1"), section("3.3")
    found = [bytes.fromhex(re.search(r"magic: `([^`]*)`", s)[1]) for s in (preamble, trailer)]  # type: ignore[index]
    assert found == [layout.MAGIC, layout.END_MAGIC]
    for name, value in (("major", layout.MAJOR), ("minor", layout.MINOR)):
        assert f"{name} version: {value} |" in preamble
    assert f"version {layout.MAJOR}.{layout.MINOR}\n" in SPEC.partition("\n\n")[0] + "\n"


def test_tags() -> None:
    rows = table(section("3.2"), "tag", "record", "how many")
    assert {row[0][1].encode() for row in rows} == set(layout.KNOWN)
    assert all(int(row[0][5:9], 16) == ord(row[0][1]) for row in rows)


def test_limits() -> None:
    found = {name: int(value) for name, value in table(section("3.8"), "limit", "value")}
    assert found == {
        "header payload, bytes": layout.limit(layout.HEADER),
        "image names payload, bytes": layout.limit(layout.NAMES),
        "any other payload, bytes": layout.limit(layout.BATCH),
        "records in `sections`": layout.MAX_SECTIONS,
        "samples of a batch record": layout.MAX_SAMPLES,
        "number, epoch, offset, size": layout.MAX_NUMBER,
        "smallest batch record, bytes": layout.MIN_BATCH,
    }


def test_tokens() -> None:
    for row in table(section("6.1"), "value", "token", "extra bits", "their value"):
        value, token, width, extra = (int(cell or 0) for cell in row)
        assert token_of(value) == token
        assert [int(part) for part in tokens.split(np.array(value))] == [token, width, extra]


@pytest.mark.parametrize("coder", [reference, compiled])
def test_rans_example(coder: object) -> None:
    """Clauses E-5 to E-9: the numbers in section 6.3."""
    text = re.search(r"Five symbols.*?`?0xafe0", section("6.3"), re.S)[0]  # type: ignore[index]
    pairs = re.findall(r"\((\d+), (\d+)\)", text)
    starts, freqs = (np.array(part, np.uint32) for part in zip(*pairs, strict=True))
    numbers = [int(number, 16) for number in re.findall(r"0x[0-9a-f]+", text)]
    for lanes, states, words in ((1, numbers[:1], numbers[1:2]), (2, numbers[2:4], numbers[4:])):
        found = coder.rans_encode(starts << 16 | freqs, lanes)  # type: ignore[attr-defined]
        assert [part.tolist() for part in found] == [states, words]
    data = np.array(numbers[:1], "<u4").tobytes() + np.array(numbers[1:2], "<u2").tobytes()
    rans = Rans(data, len(pairs))
    for start, freq in zip(starts.tolist(), freqs.tolist(), strict=True):
        assert start <= rans.slot() < start + freq
        rans.advance(start, freq)
    rans.close()


def test_lanes() -> None:
    """Clause E-5."""
    for symbols in (1, 4095, 4096, 8191, 8192, 65535, 65536, 10**6):
        lanes = coding.lanes_for(symbols)
        assert len(Rans(np.full(lanes, 1 << 16, "<u4").tobytes(), symbols).states) == lanes


def test_clauses_are_unique_and_in_use() -> None:
    defined = re.findall(rf"^\*\*({CLAUSE})\*\*", SPEC, re.M)
    assert len(defined) == len(set(defined)) > 100
    assert cited(SPEC) <= set(defined)
    folders = (ROOT / "spec" / "reference_decoder", Path(__file__).parent)
    sources = [path.read_text() for folder in folders for path in sorted(folder.glob("*.py"))]
    assert sorted(cited("\n".join(sources))) == sorted(defined)


def test_sections_that_the_code_cites_exist() -> None:
    places = [
        (path.name, number)
        for path in (ROOT / "labelcodec").rglob("*.py")
        for listed in re.findall(r"SPEC,? (?:sections? )?([\d., -]*\d)", path.read_text())
        for number in re.findall(r"\d+(?:\.\d+)?", listed)
    ]
    assert len(places) > 15
    for name, number in places:
        assert re.search(rf"^#+ {re.escape(number)}\.? ", SPEC, re.M), (name, number)


EXAMPLE = (VECTORS / "v1.0" / "container" / "one-batch.slc").read_bytes()


def test_hexdump_is_the_file() -> None:
    lines = re.findall(r"^    ([0-9a-f]{8})  ([0-9a-f ]+)$", section("11"), re.M)
    assert [int(offset, 16) for offset, _ in lines] == list(range(0, len(EXAMPLE), 16))
    assert bytes.fromhex("".join(row for _, row in lines)) == EXAMPLE


def test_annotations_tile_the_file() -> None:
    position = 0
    for offset, cell, meaning in table(section("11"), "byte", "bytes", "meaning"):
        assert int(offset) == position, meaning
        opaque = re.fullmatch(r"(\d+) bytes", cell)
        if opaque:
            position += int(opaque[1])
        else:
            found = bytes.fromhex(cell.strip("`"))
            assert EXAMPLE[position : position + len(found)] == found, meaning
            position += len(found)
    assert position == len(EXAMPLE)


def test_reading_paths_name_every_codec_and_existing_sections() -> None:
    rows = table(section("1.1"), "codec", "sections", "streams", "notes")
    assert {name.strip("`") for name, *_ in rows} == set(CODECS.names()) - {"fake"}
    for _, sections, _, notes in rows:
        for number in re.findall(r"(?<![-\d.])\d+(?:\.\d+)?", f"{sections} {notes}"):
            assert re.search(rf"^#+ {re.escape(number)}\.? ", SPEC, re.M), number


def test_arrays_of_the_golden_files_are_described() -> None:
    described: dict[str, list[str]] = {}
    for names, kinds, _, _ in tables_of_arrays():
        described |= dict.fromkeys(re.findall(r"`([\w.]+)`", names), kinds.split(", "))
    seen = set()
    for entry in ENTRIES:
        for key, array in expected(entry).items():
            name = re.sub(r"^batch\d+\.", "", key)
            name = re.sub(r".*\.(down|up)$", r"LAYER.\1", name)
            kind = "str" if array.dtype.kind == "U" else array.dtype.name
            assert kind in described[name], (entry["file"], key)
            seen.add(name)
    assert seen == set(described)


def tables_of_arrays() -> list[list[str]]:
    """Rows of both tables of section 20 that describe arrays."""
    text, columns = section("20"), ("array", "dtype", "shape", "what it is")
    first = table(text, *columns)
    heading = "| " + " | ".join(columns) + " |"
    return first + table(heading + text.split(heading)[2], *columns)
