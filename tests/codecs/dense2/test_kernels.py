"""The dense2 codec's inner loops: compiled against the NumPy reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs import float_bits
from labelcodec.codecs.dense2.format import MAX_MEAN, MAX_THRESHOLD, MAX_WEIGHT, CellModel
from tests.kernels import (
    LANES,
    agree,
    agree_or_fail,
    damaged,
    few,
    implementations,
    random_table,
    seeds,
)


def random_model(rng: np.random.Generator, classes: int, rank: int, contexts: int) -> CellModel:
    precision = rng.choice(["float16", "bfloat16", "float32"])
    layout = float_bits.LAYOUTS[precision]
    fields = 1 << (layout.width - 1 - layout.mantissa)
    wide = int(rng.choice([64, MAX_THRESHOLD]))
    thresholds = np.sort(rng.permutation(2 * wide + 1)[: contexts - 1]) - wide
    return CellModel(
        str(precision),
        rng.integers(-128, 128, (rank, classes)).astype(np.int8),
        (rng.integers(-MAX_MEAN, MAX_MEAN + 1, classes) >> int(rng.choice([0, 14]))).astype(
            np.int32
        ),
        int(rng.integers(1, 25)),
        int(rng.choice([1, fields - 2, rng.integers(1, fields - 1)])),
        thresholds.astype(np.int32),
        int(rng.choice([-60, 0, 1 << 20, -(1 << 20)])),
    )


def values_near(rng, model: CellModel, weights, symbols: int):
    """Values of which many lie in cells that have a symbol, and others anywhere."""
    cells = agree("dense2_predict", weights, model)[0].astype(np.int64) + model.first
    cells += rng.integers(-2, symbols + 2, cells.shape)
    number = np.where(cells < 0, -1 - cells, cells)
    octave = np.maximum(np.floor(np.log2(np.maximum(number, 0.3))).astype(np.int64), -2)
    top = (1 << (model.width - 1 - model.mantissa)) - 1
    field = np.clip(octave + model.exponent - rng.integers(0, 2, cells.shape), 0, top)
    fraction = (number << model.mantissa >> np.maximum(octave, 0)) & ((1 << model.mantissa) - 1)
    fraction |= rng.integers(0, 1 << model.mantissa, cells.shape) >> np.clip(octave, 0, 30)
    near = (cells < 0) << (model.width - 1) | field << model.mantissa | fraction
    any_bits = rng.integers(0, 1 << model.width, cells.shape)
    kind = rng.random(cells.shape)
    storage = np.uint16 if model.width == 16 else np.uint32
    return np.where(kind < 0.8, near, np.where(kind < 0.9, any_bits, 0)).astype(storage)


@few
@given(
    seeds,
    st.integers(1, 9),
    st.integers(1, 70),
    st.sampled_from([0, 1, 16, 17, 64]),
    st.sampled_from(LANES),
)  # fmt: skip
def test_dense2(seed, rows, classes, rank, lanes):
    rng = np.random.default_rng(seed)
    contexts, symbols = int(rng.integers(1, 65)), int(rng.integers(2, 257))
    model = random_model(rng, classes, rank, contexts)
    table = random_table(rng, contexts, symbols - 1)
    weights = rng.integers(-MAX_WEIGHT, MAX_WEIGHT + 1, (rows, rank)).astype(np.int32)
    weights >>= int(rng.choice([0, 8, 15]))
    bits = values_near(rng, model, weights, symbols)
    drop = int(rng.integers(0, model.mantissa + 1)) if rng.random() < 0.3 else 0
    bits = bits >> drop << drop
    named = agree("dense2_symbols", bits, weights, model, symbols)
    assert named.max() < symbols
    *coded, escapes, gaps, low = agree(
        "dense2_encode", bits, weights, model, drop, table.packed, lanes
    )
    decode = lambda states, words, *stored: agree_or_fail(  # noqa: E731
        "dense2_decode", states, words, weights, model, drop, table.lookup, *stored
    )
    restored, status = decode(*coded, escapes, gaps, low)
    assert status == 0 and np.array_equal(restored, bits) and restored.dtype == bits.dtype
    predicted = agree("dense2_predict", weights, model)[1].astype(int)
    flat = np.bincount((predicted * symbols + named).ravel(), minlength=contexts * symbols)
    for decode_counted in implementations("dense2_decode"):
        counts = np.zeros((contexts, symbols), np.int64)
        stored = (table.lookup, escapes, gaps, low)
        decode_counted(*coded, weights, model, drop, *stored, counts)
        assert np.array_equal(counts.ravel(), flat)
    states, words, escapes = damaged(rng, *coded, escapes)
    _, words, gaps = damaged(rng, states, words, gaps)
    _, words, low = damaged(rng, states, words, low)
    decode(states, words, escapes, gaps, low)


def test_extreme_predictions():
    """Sums of 64 products of the largest weights and entries, and the largest means."""
    for sign in (-1, 1):
        model = CellModel(
            "float32",
            np.full((64, 3), -128, np.int8),
            np.full(3, sign * MAX_MEAN, np.int32),
            1,
            254,
            np.array([-MAX_THRESHOLD, MAX_THRESHOLD], np.int32),
            0,
        )
        weights = np.full((2, 64), -sign * MAX_WEIGHT, np.int32)
        cells, contexts = agree("dense2_predict", weights, model)
        expected = sign * (64 * 128 * MAX_WEIGHT + MAX_MEAN) >> 1
        assert (cells == expected).all() and (contexts == 1 + sign).all()
