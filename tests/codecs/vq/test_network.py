"""Tables of the autoencoder: exact sums, hostile parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.codecs.vq.codec import Vq
from labelcodec.codecs.vq.encoder_network import EncoderNetwork, Layer
from labelcodec.codecs.vq.fit.design import even_codes, frequencies
from labelcodec.codecs.vq.network import Network
from labelcodec.entropy import packing, varint
from labelcodec.errors import ConfigError, CorruptError

CODES, CODEWORDS, WIDTH, RANK, CLASSES = 2, 4, 3, 5, 6


def network(seed: int = 0, largest: int = 20, scale: int = 700) -> Network:
    rng = np.random.default_rng(seed)

    def entries(*shape: int):
        return rng.integers(-largest, largest + 1, shape).astype(np.int16)

    return Network(
        entries(CODEWORDS, WIDTH),
        entries(CODES * WIDTH, RANK),
        rng.integers(1, scale, RANK),
        rng.integers(-1000, 1000, RANK),
        7,
        frequencies(even_codes(CODES, CODEWORDS)),
    )


def encoder(seed: int = 1) -> EncoderNetwork:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(CLASSES, 4)), rng.normal(size=(4, CODES * WIDTH))
    zeros = np.zeros(CODES * WIDTH, np.float32)
    return EncoderNetwork(
        Layer.rounded(first.astype(np.float32), zeros[:4]),
        Layer.rounded(second.astype(np.float32), zeros),
    )


def loaded(tables: Network, data: bytes | None = None, held: bytes | None = None) -> Network:
    parts = tables.to_parts()
    return Network.from_parts(data or parts["network"], parts["codes"], held, RANK, CLASSES)


@given(st.integers(0, 1000), st.sampled_from([3, 200, 30_000]))
def test_sums_are_exact(seed: int, largest: int) -> None:
    tables = network(seed, largest)
    codes = np.random.default_rng(seed).integers(0, CODEWORDS, (3, CODES))
    for row, hidden in zip(codes, tables.coefficients(codes), strict=True):
        for j in range(RANK):
            total = sum(
                int(tables.entries[code, m]) * int(tables.weights[i * WIDTH + m, j])
                for i, code in enumerate(row.tolist())
                for m in range(WIDTH)
            )
            scaled = total * int(tables.scale[j]) + int(tables.bias[j]) + 64
            assert hidden[j] == min(max(scaled >> 7, 0), (1 << 15) - 1)


@given(st.integers(0, 1000))
def test_parts_survive(seed: int) -> None:
    tables = replace(network(seed), encoder=encoder(seed))
    parts = tables.to_parts()
    again = Network.from_parts(parts["network"], parts["codes"], parts["encoder"], RANK, CLASSES)
    assert again.to_parts() == parts


def test_codes_are_the_nearest_codewords() -> None:
    tables, held = network(), encoder()
    labels = np.random.default_rng(5).normal(size=(40, CLASSES)).astype(np.float32)
    latent = held.second(np.maximum(held.first(labels), 0)).reshape(40, CODES, 1, WIDTH)
    distance = np.square(latent - tables.entries).sum(axis=-1)
    assert np.array_equal(held.codes(labels, tables.entries), distance.argmin(axis=-1))


HEAD = (CODES, CODEWORDS, WIDTH, 7)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 0, "0 codes"),
        (0, 257, "257 codes"),
        (1, 0, "0 codewords"),
        (1, 4097, "4097 codewords"),
        (2, 0, "0 entries"),
        (2, 1025, "1025 entries"),
        (3, 0, r"2\^0"),
        (3, 41, r"2\^41"),
    ],
)
def test_numbers_out_of_range(position: int, value: int, message: str) -> None:
    data = network().to_parts()["network"]
    old, new = (
        b"".join(map(varint.encode, numbers))
        for numbers in (HEAD, (*HEAD[:position], value, *HEAD[position + 1 :]))
    )
    assert data.startswith(old)
    with pytest.raises(CorruptError, match=message):
        loaded(network(), new + data[len(old) :])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scale": np.zeros(RANK, int)}, "impossible scale"),
        ({"scale": np.full(RANK, 1 << 31)}, "impossible scale"),
        ({"bias": np.full(RANK, 1 << 52)}, "could not be exact"),
        ({"bias": np.full(RANK, -(1 << 61))}, "could not be exact"),
    ],
)
def test_sums_that_could_not_be_exact(changed: dict, message: str) -> None:
    with pytest.raises(CorruptError, match=message):
        loaded(network(), replace(network(), **changed).to_parts()["network"])


def test_bias_that_overflows_64_bits_is_refused() -> None:
    tables = network()
    data = tables.to_parts()["network"]
    stored = packing.pack_ints(tables.bias)
    wide = varint.encode(varint.zigzag((1 << 62) - 1)) + bytes([62]) + b"\xff" * 39
    assert data.count(stored) == 1
    with pytest.raises(CorruptError, match="could not be exact"):
        loaded(tables, data.replace(stored, wide))


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_cut_parts(cut: int) -> None:
    tables, held = network(), encoder().to_bytes()
    with pytest.raises(CorruptError):
        loaded(tables, tables.to_parts()["network"][:-cut])
    with pytest.raises(CorruptError):
        loaded(tables, None, held[:-cut])


def test_hostile_encoder_networks() -> None:
    held, tables = encoder(), network()
    infinite = replace(held.first, scale=np.full(4, np.inf, np.float32))
    with pytest.raises(CorruptError, match="not finite"):
        loaded(tables, None, replace(held, first=infinite).to_bytes())
    with pytest.raises(CorruptError, match="1 byte behind"):
        loaded(tables, None, held.to_bytes() + b"\0")
    for width in (0, 1025):
        with pytest.raises(CorruptError, match="hidden unit"):
            loaded(tables, None, varint.encode(width) + held.to_bytes()[1:])


def test_tables_for_another_number_of_codes() -> None:
    parts = network().to_parts()
    other = frequencies(np.zeros((9, 3), int))
    from labelcodec.entropy import tables

    with pytest.raises(CorruptError, match="frequency tables of 3 codes for 2"):
        Network.from_parts(parts["network"], tables.to_bytes(other), None, RANK, CLASSES)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"method": "magic"}, "known are search, autoencoder"),
        ({"codewords": 64}, "codewords is for method=autoencoder"),
        ({"tau": 101.0}, "tau=101"),
        ({"method": "autoencoder", "codewords": 1}, "codewords=1"),
        ({"method": "autoencoder", "hidden": 1025}, "hidden=1025"),
        ({"method": "autoencoder", "tau": 0.0}, "tau=0.0"),
        ({"method": "autoencoder", "seed": -1}, "seed=-1"),
    ],
)
def test_configurations_out_of_range(config: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Vq(**config)
