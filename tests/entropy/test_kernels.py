"""rANS in plain numpy against its compiled twin: bytes, values and status on bad input."""

from __future__ import annotations

import inspect
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import compiled, reference
from tests.kernels import LANES, PACKAGES, agree, both, few, random_table, seeds


def public_functions(module) -> set[str]:
    """Names of the functions a module offers; classes and private helpers left out."""
    names = getattr(module, "__all__", vars(module))
    return {
        name
        for name in names
        if callable(value := getattr(module, name)) and not inspect.isclass(value)
        if not name.startswith("_")
        if getattr(value, "__module__", "").startswith(module.__name__)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_both_have_the_same_functions(package):
    reference, compiled = (
        public_functions(import_module(f"{package}.{kind}")) for kind in ("reference", "compiled")
    )
    assert reference == compiled
    assert reference


@few
@given(seeds, st.sampled_from(LANES), st.integers(0, 700))
def test_rans(seed, lanes, count):
    rng = np.random.default_rng(seed)
    table = random_table(rng, 3)
    contexts = rng.integers(0, 3, count)
    slots = rng.integers(0, 4096, count)
    symbols = (table.starts[contexts] <= slots[:, None]).sum(axis=1) - 1
    states, words = agree("rans_encode", table.packed[contexts, symbols], lanes)
    assert states.dtype == np.uint32 and words.dtype == np.uint16
    left = states.copy()
    decoded, read = compiled.rans_decode(left, words, 0, 0, contexts, table.lookup)
    assert (decoded == symbols).all()
    assert read == len(words) and (left == 1 << 16).all()


@few
@given(seeds, st.sampled_from([*LANES, 31]), st.integers(0, 3000))
def test_rans_of_any_interval(seed, lanes, count):
    """From one slot to all of them, which meet states of every size."""
    rng = np.random.default_rng(seed)
    lengths = np.exp2(rng.uniform(0, 12, count)).astype(np.uint32)
    lengths[rng.random(count) < 0.1] = rng.choice([1, 2, 3, 4095, 4096])
    starts = (rng.random(count) * (4097 - lengths)).astype(np.uint32)
    agree("rans_encode", starts << np.uint32(16) | lengths, lanes)


@few
@given(seeds, st.sampled_from(LANES))
def test_rans_in_parts(seed, lanes):
    """A decoder may stop anywhere and go on; both leave the same states behind."""
    rng = np.random.default_rng(seed)
    table = random_table(rng, 1)
    symbols = (table.starts[0] <= rng.integers(0, 4096, (90, 1))).sum(axis=1) - 1
    states, words = reference.rans_encode(table.packed[0, symbols], lanes)
    cut = int(rng.integers(0, 91))
    for module in (reference, compiled):
        left, read, found = states.copy(), 0, []
        for first, part in ((0, symbols[:cut]), (cut, symbols[cut:])):
            contexts = np.zeros(len(part), np.int64)
            decoded, read = module.rans_decode(left, words, read, first, contexts, table.lookup)
            found += decoded.tolist()
        assert found == symbols.tolist()
        assert read == len(words) and (left == 1 << 16).all()


@few
@given(seeds, st.sampled_from(LANES), st.integers(0, 600), st.integers(0, 400))
def test_rans_decoding_noise(seed, lanes, count, length):
    rng = np.random.default_rng(seed)
    table = random_table(rng, 2)
    states = rng.integers(0, 1 << 32, lanes).astype(np.uint32)
    words = rng.integers(0, 1 << 16, length).astype(np.uint16)
    contexts = rng.integers(0, 2, count)
    (one, read), (other, compiled) = both(
        "rans_decode", states, words, 0, 5, contexts, table.lookup
    )
    assert read == compiled
    assert read < 0 or (one == other).all()


@few
@given(
    seeds,
    st.sampled_from(LANES),
    st.integers(0, 300),
    st.sampled_from([1, 8, 9, 1000, 1 << 31, 1 << 32]),
)
def test_values(seed, lanes, count, most):
    """Tokens of any size, seen by the table or escaped."""
    rng = np.random.default_rng(seed)
    table = random_table(rng, 3)
    values, contexts = rng.integers(0, most, count), rng.integers(0, 3, count)
    states, words, bits = agree("encode_values", values, contexts, table.packed, lanes)
    tokens, read = compiled.rans_decode(states.copy(), words, 0, 0, contexts, table.lookup)
    assert read == len(words)
    decoded, position = agree("extra_decode", tokens, table.escape, bits, 0)
    assert (decoded == values).all() and (position + 7) // 8 == len(bits)


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_values_out_of_range(value):
    table = random_table(np.random.default_rng(0), 1)
    for module in (reference, compiled):
        with pytest.raises(ValueError, match=r"2\^32"):
            module.encode_values(np.array([3, value]), np.array([0, 0]), table.packed, 1)


def test_a_context_that_is_no_row():
    table = random_table(np.random.default_rng(0), 2)
    with pytest.raises(ValueError, match="context"):
        compiled.encode_values(np.array([3]), np.array([2]), table.packed, 1)
    states, words, _ = compiled.encode_values(np.array([3]), np.array([1]), table.packed, 1)
    with pytest.raises(ValueError, match="context"):
        compiled.rans_decode(states, words, 0, 0, np.array([2]), table.lookup)
