"""rANS in plain numpy against its compiled twin: bytes, values and status on bad input."""

from __future__ import annotations

import inspect

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.entropy import kernels, plain
from tests.entropy.twins import LANES, agree, both, few, random_table, seeds


def test_both_have_the_same_functions():
    plains, compiled = (
        {
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and not inspect.isclass(value)
            if getattr(value, "__module__", "").startswith("labelcodec")
        }
        for module in (plain, kernels)
    )
    assert plains - {"gap_contexts"} == compiled


@few
@given(seeds, st.sampled_from(LANES), st.integers(0, 200))
def test_rans(seed, lanes, count):
    rng = np.random.default_rng(seed)
    table = random_table(rng, 3)
    contexts = rng.integers(0, 3, count)
    slots = rng.integers(0, 4096, count)
    symbols = (table.starts[contexts] <= slots[:, None]).sum(axis=1) - 1
    starts, freqs = table.starts[contexts, symbols], table.freqs[contexts, symbols]
    states, words = agree("rans_encode", starts, freqs, lanes)
    assert states.dtype == np.uint32 and words.dtype == np.uint16
    left = states.astype(np.uint64)
    decoded, read = kernels.rans_decode(left, words, 0, 0, contexts, table.lookup)
    assert (decoded == symbols).all()
    assert read == len(words) and (left == 1 << 16).all()


@few
@given(seeds, st.sampled_from(LANES))
def test_rans_in_parts(seed, lanes):
    """A decoder may stop anywhere and go on; both leave the same states behind."""
    rng = np.random.default_rng(seed)
    table = random_table(rng, 1)
    symbols = (table.starts[0] <= rng.integers(0, 4096, (90, 1))).sum(axis=1) - 1
    states, words = plain.rans_encode(table.starts[0, symbols], table.freqs[0, symbols], lanes)
    cut = int(rng.integers(0, 91))
    for module in (plain, kernels):
        left, read, found = states.astype(np.uint64), 0, []
        for first, part in ((0, symbols[:cut]), (cut, symbols[cut:])):
            contexts = np.zeros(len(part), np.int64)
            decoded, read = module.rans_decode(left, words, read, first, contexts, table.lookup)
            found += decoded.tolist()
        assert found == symbols.tolist()
        assert read == len(words) and (left == 1 << 16).all()


@few
@given(seeds, st.sampled_from(LANES), st.integers(0, 60), st.integers(0, 40))
def test_rans_decoding_noise(seed, lanes, count, length):
    rng = np.random.default_rng(seed)
    table = random_table(rng, 2)
    states = rng.integers(0, 1 << 32, lanes).astype(np.uint64)
    words = rng.integers(0, 1 << 16, length).astype(np.uint16)
    contexts = rng.integers(0, 2, count)
    (one, read), (other, compiled) = both(
        "rans_decode", states, words, 0, 5, contexts, table.lookup
    )
    assert read == compiled
    assert read < 0 or (one == other).all()
