"""What a coder in plain numpy and its compiled twin make of the same input."""

from __future__ import annotations

from importlib import import_module

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from labelcodec.entropy import tables

LANES = (1, 2, 3, 4, 8, 32)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


PACKAGES = tuple(
    f"labelcodec.{package}"
    for package in (
        "entropy",
        "augmentation.crop",
        "codecs.dense",
        "codecs.dense2",
        "codecs.topk",
        "codecs.transform",
        "replay",
        "torch_file",
    )
)


def implementations(name: str):
    """The reference function of that name and the compiled one."""
    for package in PACKAGES:
        function = getattr(import_module(f"{package}.reference"), name, None)
        if function is not None and function.__module__.startswith(package):
            return [function, getattr(import_module(f"{package}.compiled"), name)]
    raise ValueError(f"no package has an inner loop {name!r}")


def both(name: str, *arguments):
    """What the two implementations make of copies of the arguments."""
    return [
        function(*(a.copy() if isinstance(a, np.ndarray) else a for a in arguments))
        for function in implementations(name)
    ]


def agree(name: str, *arguments):
    """The twins' common result; all of its arrays and numbers are equal."""
    one, other = both(name, *arguments)
    parts, others = (r if isinstance(r, tuple) else (r,) for r in (one, other))
    for a, b in zip(parts, others, strict=True):
        assert np.array_equal(a, b), name
        assert np.asarray(a).dtype.kind == np.asarray(b).dtype.kind
    return other


def agree_or_fail(name: str, *arguments):
    """The same where they succeed (status 0); otherwise both must fail."""
    (one, status), (other, compiled) = both(name, *arguments)
    assert status == compiled
    if not status:
        assert np.array_equal(one, other)
    return other, compiled


def random_table(rng: np.random.Generator, contexts: int, symbols: int = 124) -> tables.TableSet:
    seen = rng.integers(0, 5, (contexts, symbols)) * (rng.random((contexts, symbols)) < 0.3)
    return tables.fit(seen.astype(np.int64))


def damaged(rng: np.random.Generator, states, words, extra):
    """States, words and extra bits: intact, cut, grown, changed or noise."""
    kind = rng.integers(6)
    words = words.copy()
    if kind == 1 and len(words):
        words = words[: rng.integers(len(words))]
    elif kind == 2:
        words = np.append(words, rng.integers(0, 1 << 16, 2)).astype(np.uint16)
    elif kind == 3 and len(words):
        words[rng.integers(len(words))] ^= 1 << rng.integers(16)
    elif kind == 4:
        states = rng.integers(0, 1 << 32, len(states)).astype(np.uint32)
        words = rng.integers(0, 1 << 16, len(words)).astype(np.uint16)
    elif kind == 5:
        extra = extra[: len(extra) // 2]
    return states, words, extra
