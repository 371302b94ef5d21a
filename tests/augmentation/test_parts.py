from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from labelcodec.augmentation.cutout import decode_cutout, encode_cutout
from labelcodec.augmentation.flip import decode_flip, encode_flip
from labelcodec.augmentation.mix import (
    PERMUTATION,
    PLAIN,
    decode_mix,
    decode_partner,
    encode_box,
    encode_partner,
    encode_ratio,
)
from labelcodec.augmentation.randaugment import RandAugment, decode_randaugment, encode_randaugment
from labelcodec.codecs.stored import decode_image_index, encode_image_index
from labelcodec.entropy import packing
from labelcodec.errors import CorruptError, DataError
from tests.backends import BACKENDS, backend
from tests.codecs.content import Recipe, batch, same

LOWEST = np.array([-1, 0, 1])


def view(data: bytes) -> memoryview:
    return memoryview(data)


class TestImageIndex:
    def test_negative(self):
        with pytest.raises(CorruptError, match="negative image index"):
            decode_image_index(view(packing.pack_ints(LOWEST)), 3)

    def test_left_over(self):
        data = encode_image_index(np.arange(3)) + b"\0"
        with pytest.raises(CorruptError, match="1 bytes too many"):
            decode_image_index(view(data), 3)


class TestFlip:
    def test_bytes(self):
        flip = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1], bool)
        assert encode_flip(flip) == b"\x01\x01"

    @pytest.mark.parametrize("length", [0, 1, 3])
    def test_another_length(self, length):
        with pytest.raises(CorruptError, match="flips for 9 samples"):
            decode_flip(view(bytes(length)), 9)


class TestPartner:
    @pytest.mark.parametrize("name", BACKENDS)
    @pytest.mark.parametrize("samples", [1, 2, 20, 21, 300])
    def test_permutation(self, name, samples):
        partner = np.random.default_rng(0).permutation(samples)
        with backend(name):
            data = encode_partner(partner)
            assert data[0] == PERMUTATION
            assert same(decode_partner(view(data), samples), partner)

    def test_a_permutation_takes_the_bits_it_has(self):
        data = encode_partner(np.random.default_rng(0).permutation(100))
        assert len(data) - 1 <= 525 / 8 + 3  # log2 100! = 524.8

    def test_anything_else(self):
        partner = np.array([2, 2, 0])
        data = encode_partner(partner)
        assert data[0] == PLAIN
        assert same(decode_partner(view(data), 3), partner)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "unknown form"),
            (b"\x02\0", "unknown form"),
            (b"\0", "do not decode"),
            (b"\0\0\0", "do not decode"),
            (b"\0\xff", "do not decode"),
            (b"\x01" + packing.pack_ints(np.array([0, 1, 3])), "outside 0..2"),
            (b"\x01" + packing.pack_ints(LOWEST), "outside 0..2"),
            (b"\x01" + packing.pack_ints(np.arange(3)) + b"\0", "bytes too many"),
        ],
    )
    def test_malformed(self, data, message):
        with pytest.raises(CorruptError, match=message):
            decode_partner(view(data), 3)


class TestMix:
    PARTNER = encode_partner(np.arange(3))

    def test_any_double(self):
        for ratio in (0.0, 0.1, 1.0, float("inf"), 5e-324):
            data = encode_ratio(ratio)
            mix = decode_mix(view(self.PARTNER), view(data), None, 3)
            assert (mix.kind, mix.ratio, mix.box) == ("mixup", ratio, None)

    @pytest.mark.parametrize("length", [0, 7, 9])
    def test_ratio_of_another_length(self, length):
        with pytest.raises(CorruptError, match=f"ratio of {length} bytes"):
            decode_mix(view(self.PARTNER), view(bytes(length)), None, 3)

    @pytest.mark.parametrize("box", [b"", b"\0\x08\0\0\0", encode_box((1, 2, 3, 4)) + b"\0"])
    def test_box_of_another_length(self, box):
        with pytest.raises(CorruptError):
            decode_mix(view(self.PARTNER), view(bytes(8)), view(box), 3)


class TestCutout:
    @pytest.mark.parametrize("grid", [224, 64, 32, 256, 288, 384, 448, 512])
    def test_on_a_grid(self, grid):
        cutout = np.zeros((40, 7), np.float32)
        cutout[:, :4] = np.random.default_rng(0).integers(0, grid + 1, (40, 4)) / grid
        cutout[:, 4:] = np.random.default_rng(1).integers(0, 256, (40, 3))
        data = encode_cutout(cutout)
        assert data[0] == 1 and len(data) < 400
        assert same(decode_cutout(view(data), 40), cutout)

    @pytest.mark.parametrize("odd", [-0.0, 0.1, np.nan, np.inf, 1e30, 65536.0])
    @pytest.mark.parametrize("column", [0, 6])
    def test_off_the_grid(self, odd, column):
        cutout = np.full((3, 7), 1, np.float32)
        cutout[1, column] = odd
        data = encode_cutout(cutout)
        assert same(decode_cutout(view(data), 3), cutout)

    def test_another_type(self):
        with pytest.raises(DataError, match="cutout is float64"):
            encode_cutout(np.zeros((3, 7)))

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "unknown form"),
            (b"\x02" + bytes(99), "unknown form"),
            (b"\x01\x01", "unknown form"),
            (b"\x01\0\0" + b"\0\0" * 7, "grid of 0"),
            (b"\x01\x01\0" + b"\0\0" * 6, "past the end"),
            (b"\x01\x01\0" + b"\0\0" * 8, "bytes too many"),
            (b"\0\0" + bytes(83), "expected 84"),
        ],
    )
    def test_malformed(self, data, message):
        with pytest.raises(CorruptError, match=message):
            decode_cutout(view(data), 3)


DRAWN = batch(Recipe(magnitudes=("int64", "float16", "float32"))).augmentation.randaugment


def lengths(*values: int) -> bytes:
    return b"".join(struct.pack("<I", value) for value in values)


class TestRandAugment:
    def test_types_come_back(self):
        found = decode_randaugment(view(encode_randaugment(DRAWN)), 9)
        assert same(found, DRAWN)
        assert found.decision.dtype == DRAWN.decision.dtype

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"decision": DRAWN.decision.astype(float)}, "decisions are float64"),
            ({"magnitude_dtypes": ("int64", "float16", "int8")}, "magnitudes of type 'int8'"),
            ({"magnitude_dtypes": ()}, "0 RandAugment operations"),
            ({"magnitude_dtypes": ("int64",) * 17}, "17 RandAugment operations"),
        ],
    )
    def test_what_cannot_be_stored(self, change, message):
        with pytest.raises(DataError, match=message):
            encode_randaugment(replace(DRAWN, **change))

    @pytest.mark.parametrize("operations", [1, 16])
    def test_number_of_operations(self, operations):
        drawn = RandAugment(
            np.zeros((2, operations), np.int64),
            np.zeros((2, operations), np.float16),
            np.zeros((2, operations), np.float32),
            ("float16",) * operations,
        )
        data = encode_randaugment(drawn)
        assert same(decode_randaugment(view(data), 2), drawn)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "impossible shape"),
            (b"\0" + bytes(99), "impossible shape"),
            (b"\x11" + bytes(999), "impossible shape"),
            (b"\x01\x01\x01" + bytes(11), "impossible shape"),
            (b"\x01\x01\x03" + bytes(99), "unknown types"),
            (b"\x01\0\x01" + bytes(99), "unknown types"),
            (b"\x01\x01\x01" + lengths(1, 1, 1 << 31), "do not fill"),
            (b"\x01\x01\x01" + lengths(2, 0, 0) + b"\0\0x", "do not fill"),
            (b"\x01\x01\x01" + lengths(3, 0, 0) + b"\0\0x", "operations"),
        ],
    )
    def test_malformed(self, data, message):
        with pytest.raises(CorruptError, match=message):
            decode_randaugment(view(data), 3)
