from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import tables, varint
from labelcodec.errors import CorruptError

counts = st.integers(1, 5).flatmap(
    lambda symbols: st.lists(
        st.lists(st.integers(0, 3) | st.integers(0, 10**12), min_size=symbols, max_size=symbols),
        min_size=1,
        max_size=4,
    )
)


def numbers(*values: int) -> bytes:
    return b"".join(map(varint.encode, values))


@given(counts)
def test_fitted_rows(counts):
    seen = np.array(counts, np.int64)
    freqs = tables.fit(seen).freqs.astype(int)
    assert (freqs.sum(axis=1) == 4096).all()
    assert (freqs[:, -1] >= 1).all()
    assert ((freqs[:, :-1] > 0) == (seen > 0)).all()
    rank = np.argsort(seen, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(freqs, rank, axis=1), axis=1) >= -1).all()


def test_more_symbols_than_fit_fairly():
    """255 symbols, one of them nearly everything: each of the others keeps one slot."""
    seen = np.ones((1, 255), np.int64)
    seen[0, 7] = 10**9
    freqs = tables.fit(seen).freqs[0]
    assert freqs[7] == 4096 - 255
    assert (np.delete(freqs, 7) == 1).all()


def test_frequencies_follow_the_counts():
    assert tables.fit(np.array([[1000, 2000, 1095]])).freqs.tolist() == [[1000, 2000, 1095, 1]]


@given(counts)
def test_dump_and_load(counts):
    table = tables.fit(np.array(counts, np.int64))
    assert (tables.from_bytes(tables.to_bytes(table)).freqs == table.freqs).all()


def test_rows_without_symbols():
    table = tables.fit(np.zeros((2, 0), np.int64))
    assert tables.to_bytes(table) == numbers(2, 1, 0, 0, 0, 0)
    assert (tables.from_bytes(tables.to_bytes(table)).freqs == 4096).all()


def test_dumped_bytes():
    table = tables.fit(np.array([[0, 0, 9], [0, 0, 0]]))
    assert tables.to_bytes(table) == numbers(2, 4, 2, 1, 4095, 0, 0)


@given(counts)
def test_lookup(counts):
    table = tables.fit(np.array(counts, np.int64))
    for row, freqs in enumerate(table.freqs.astype(int)):
        symbol = np.repeat(np.arange(len(freqs)), freqs)
        assert (table.lookup[0][row] == symbol).all()
        assert (table.packed[row] >> 16 == table.starts[row]).all()
        assert (np.arange(4096) - table.starts[row][symbol] < freqs[symbol]).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "past the end"),
        (numbers(0, 4), "0 contexts"),
        (numbers(1025, 4), "1025 contexts"),
        (numbers(1 << 60, 4), "contexts"),
        (numbers(1, 0), "0 symbols"),
        (numbers(1, 257), "257 symbols"),
        (numbers(1, 4, 0, 4, 1, 1, 1, 1), "past its alphabet"),
        (numbers(1, 4, 1 << 62, 1, 1), "past its alphabet"),
        (numbers(1, 4, 0, 1 << 62), "past its alphabet"),
        (numbers(1, 4, 0, 2, 4095, 1), "more than 4095"),
        (numbers(1, 4, 0, 1, 1 << 62), "more than 4095"),
        (numbers(1, 4, 0, 2, 5), "past the end"),
        (numbers(2, 4, 0, 1, 5), "past the end"),
        (numbers(1, 4, 0, 1, 5, 9), "1 bytes too many"),
    ],
)
def test_malformed(data, message):
    with pytest.raises(CorruptError, match=message):
        tables.from_bytes(data)


def test_largest():
    data = numbers(1024, 256) + numbers(0, 0) * 1024
    assert (tables.from_bytes(data).freqs[:, -1] == 4096).all()
