from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelcodec.entropy import coding, tables
from labelcodec.entropy.coding import SymbolReader
from labelcodec.entropy.format import ALPHABET, MAX_INTEGER
from labelcodec.errors import CorruptError
from tests.backends import BACKENDS, backend

values = st.lists(st.integers(0, 30) | st.integers(0, MAX_INTEGER - 1), max_size=40)


def integers(content: list[int], contexts: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return np.array(content, np.int64), np.arange(len(content)) % contexts


def symbols_of(content: list[int], contexts: int = 3) -> coding.Symbols:
    return coding.tokenise(*integers(content, contexts))


def view(data: bytes) -> memoryview:
    return memoryview(data)


@settings(max_examples=60, deadline=None)
@given(values, values)
def test_round_trip_with_tables_of_other_data(content, others):
    """Values that fitting never saw are escaped; both twins write the same bytes."""
    values, contexts = integers(content)
    table = coding.fit_tables([symbols_of(others)], 3)
    written = set()
    for name in BACKENDS:
        with backend(name):
            data = coding.encode_values(values, contexts, table)
            written.add(data)
            found = coding.decode_values(view(data), contexts, table, "values")
            assert found.tolist() == content
    assert len(written) == 1


@pytest.mark.parametrize("name", BACKENDS)
def test_bytes(name):
    """One small stream to the byte: it must never change."""
    content = [0, 1, 1, 2, 9, 300, 1, 70_000, 1, 1]
    with backend(name):
        table = coding.fit_tables([symbols_of([0, 1, 1, 1, 2, 9], 1)], 1)
        assert coding.encode_values(*integers(content, 1), table).hex() == PINNED


PINNED = "082af01b0046be19f739581eb808"


@pytest.mark.parametrize(
    ("symbols", "lanes"),
    [(0, 1), (1, 1), (2047, 1), (2048, 2), (4095, 2), (4096, 4), (32767, 16), (1 << 23, 32)],
)
def test_lanes(symbols, lanes):
    assert coding.lanes_for(symbols) == lanes


def test_size_is_near_the_entropy():
    rng = np.random.default_rng(0)
    content = np.minimum(rng.geometric(0.2, 200_000), 60) - 1
    contexts = np.zeros(len(content), np.int64)
    symbols = coding.tokenise(content, contexts)
    table = coding.fit_tables([symbols], 1)
    data = coding.encode_values(content, contexts, table)
    seen = symbols.counts(1, ALPHABET)[0]
    seen = seen[seen > 0]
    bits = float((seen * np.log2(seen.sum() / seen)).sum() + symbols.widths.sum(dtype=int))
    assert bits <= 8 * len(data) < 1.02 * bits


def test_counts():
    symbols = symbols_of([5, 0, 0, 5, 5, 1], 3)
    counts = symbols.counts(3, 8)
    assert counts.sum() == 6 and counts[0, 5] == 2 and counts[1, 0] == 1 and counts[2, 1] == 1


def test_tokens_out_of_range():
    for value in (-1, MAX_INTEGER):
        with pytest.raises(ValueError, match="tokens are for"):
            symbols_of([0, value])


class TestSymbolReader:
    @pytest.fixture(params=BACKENDS)
    def stream(self, request):
        with backend(request.param):
            content = integers([3, 1, 4, 1, 59, 26, 5, 35, 8, 979], 1)
            table = coding.fit_tables([coding.tokenise(*content)], 1)
            yield coding.encode_values(*content, table), table

    def test_parts(self, stream):
        data, table = stream
        reader = SymbolReader(view(data), 10, "parts")
        found = [reader.take(np.zeros(n, np.int64), table) for n in (0, 3, 7)]
        reader.close()
        assert np.concatenate(found).tolist() == [3, 1, 4, 1, 59, 26, 5, 35, 8, 979]

    def test_not_all_taken(self, stream):
        data, table = stream
        reader = SymbolReader(view(data), 10, "parts")
        reader.take(np.zeros(9, np.int64), table)
        with pytest.raises(CorruptError, match="parts do not decode"):
            reader.close()

    def test_too_many_taken(self, stream):
        data, table = stream
        reader = SymbolReader(view(data), 10, "parts")
        with pytest.raises(CorruptError, match=r"end too early|do not decode"):
            reader.take(np.zeros(500, np.int64), table)
            reader.close()

    def test_words_left_over(self, stream):
        data, table = stream
        grown = bytes([data[0] + 2]) + data[1 : 1 + data[0]] + b"\0\0" + data[1 + data[0] :]
        reader = SymbolReader(view(grown), 10, "parts")
        reader.take(np.zeros(10, np.int64), table)
        with pytest.raises(CorruptError, match="parts do not decode"):
            reader.close()

    def test_extra_bits_cut(self, stream):
        data, table = stream
        with pytest.raises(CorruptError, match="parts end too early"):
            coding.decode_values(view(data[:-1]), np.zeros(10, np.int64), table, "parts")

    def test_extra_bits_grown(self, stream):
        data, table = stream
        with pytest.raises(CorruptError, match="bytes too many behind the parts"):
            coding.decode_values(view(data + b"\0"), np.zeros(10, np.int64), table, "parts")

    def test_every_cut_is_noticed(self, stream):
        data, table = stream
        for length in range(len(data)):
            with pytest.raises(CorruptError):
                coding.decode_values(view(data[:length]), np.zeros(10, np.int64), table, "parts")

    def test_another_state(self, stream):
        data, table = stream
        with pytest.raises(CorruptError):
            other = bytes([data[0], data[1] ^ 1]) + data[2:]
            coding.decode_values(view(other), np.zeros(10, np.int64), table, "parts")


def test_parts_longer_than_their_stream():
    with pytest.raises(CorruptError, match="longer than its stream"):
        SymbolReader(view(b"\x09" + bytes(8)), 1, "parts")


@pytest.mark.parametrize("length", [0, 3, 5])
def test_no_whole_words(length):
    with pytest.raises(CorruptError, match="no whole words"):
        coding.split_rans(view(bytes(length)), 1)


def test_intervals():
    """Frequencies 1 and 4096 are the ends of what can be coded; 4096 costs nothing."""
    for name in BACKENDS:
        with backend(name):
            certain = coding.encode_intervals(np.full(50, 4096, np.uint32))
            rare = coding.encode_intervals(np.full(50, 4095 << 16 | 1, np.uint32))
        assert certain == bytes.fromhex("00000100")
        assert abs(len(rare) - 50 * 12 / 8) < 6


def test_good():
    array = np.arange(3)
    assert coding.good((array, 0), "things") is array
    with pytest.raises(CorruptError, match="things do not decode"):
        coding.good((array, 1), "things")


def test_usage():
    symbols = symbols_of([0, 9, 9, 100], 1)
    used = coding.usage(symbols, 1, ALPHABET, 17)
    assert used.tables[0].sum() == 4 and used.coded_bytes == 17
    assert used.fixed_bits == 1 + 1 + 4


def test_tables_of_nothing():
    table = coding.fit_tables([], 2)
    assert table.freqs.shape == (2, ALPHABET + 1)
    assert tables.from_bytes(tables.to_bytes(table)).escape == ALPHABET
