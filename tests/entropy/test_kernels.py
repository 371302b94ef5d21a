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
    decoded, read = compiled.rans_decode(left, words, 0, 0, contexts, table.lookup)
    assert (decoded == symbols).all()
    assert read == len(words) and (left == 1 << 16).all()


@few
@given(seeds, st.sampled_from(LANES))
def test_rans_in_parts(seed, lanes):
    """A decoder may stop anywhere and go on; both leave the same states behind."""
    rng = np.random.default_rng(seed)
    table = random_table(rng, 1)
    symbols = (table.starts[0] <= rng.integers(0, 4096, (90, 1))).sum(axis=1) - 1
    states, words = reference.rans_encode(table.starts[0, symbols], table.freqs[0, symbols], lanes)
    cut = int(rng.integers(0, 91))
    for module in (reference, compiled):
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
