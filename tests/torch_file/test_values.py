"""Sizes, strides and offsets of tensors and arrays are checked before anything is made."""

from __future__ import annotations

import numpy as np
import pytest

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.torch_file import read_torch_file
from labelcodec.torch_file.tensor import to_bfloat16
from tests.torch_file.archives import archive, array, dtype, pickle, raw, storage, tensor
from tests.torch_file.test_unpickler import F4

FOUR = np.arange(4, dtype="<f4").tobytes()
HUGE = 1 << 62


def read(body: bytes, content: bytes = FOUR) -> object:
    return read_torch_file(archive(pickle(body), data_0=content))


@pytest.mark.parametrize(
    ("size", "stride", "offset", "values"),
    [
        ((4,), (1,), 0, [0, 1, 2, 3]),
        ((2, 2), (1, 2), 0, [[0, 2], [1, 3]]),
        ((2,), (2,), 1, [1, 3]),
        ((), (), 3, 3),
        ((1, 2), (HUGE, 1), 2, [[2, 3]]),
        ((1,), (0,), 0, [0]),
        ((0, 3), (3, 1), 0, []),
        ((0,), (0,), HUGE, []),
    ],
)
def test_views(size, stride, offset, values) -> None:
    assert read(tensor(size, stride, offset)).numpy().tolist() == values


@pytest.mark.parametrize(
    ("size", "stride", "offset", "reason"),
    [
        ((5,), (1,), 0, "ends outside of its storage"),
        ((4,), (1,), 1, "ends outside of its storage"),
        ((2,), (4,), 0, "ends outside of its storage"),
        ((2, 2), (HUGE, 1), 0, "ends outside of its storage"),
        ((HUGE,), (1,), 0, "ends outside of its storage"),
        ((), (), 4, "ends outside of its storage"),
        ((4,), (0,), 0, "its elements overlap"),
        ((1 << 40,), (0,), 0, "its elements overlap"),
        ((2, 2), (1, 1), 0, "its elements overlap"),
        ((2, 3), (2, 1), 0, "its elements overlap"),
        ((-1,), (1,), 0, "not numbers"),
        ((2,), (-1,), 1, "not numbers"),
        ((2,), (1,), -1, "not numbers"),
        ((2,), (1, 1), 0, "no shape"),
        ((1,) * 33, (1,) * 33, 0, "not numbers"),
        ((1 << 64,), (1,), 0, "not numbers"),
        ((0, HUGE), (1, 1), 0, r"the shape \(0, 4611686018427387904\)"),
    ],
)
def test_refused_views(size, stride, offset, reason) -> None:
    with pytest.raises(DumpError, match=reason):
        read(tensor(size, stride, offset))


def test_storages_must_hold_what_they_say() -> None:
    with pytest.raises(DumpError, match="storage '0' has 15 bytes in place of 16"):
        read(tensor((1,), (1,)), FOUR[:-1])
    with pytest.raises(DumpError, match="has no archive/data/1"):
        read(tensor((1,), (1,), saved=storage(key="1")))
    with pytest.raises(DumpError, match="ends outside"):
        read(tensor((3,), (1,), saved=storage(count=2)))
    assert read(tensor((2,), (1,), saved=storage(count=2))).numpy().tolist() == [0, 1]


def test_a_tensor_of_bytes_alone_has_no_dtype() -> None:
    untyped = storage().replace(b"ctorch\nFloatStorage", b"ctorch.storage\nUntypedStorage")
    with pytest.raises(UnsafeError, match="without a dtype"):
        read(tensor((1,), (1,), saved=untyped))


@pytest.mark.parametrize(
    ("shape", "data", "reason"),
    [
        ((2,), FOUR, r"shape \(2,\) has 16 bytes"),
        ((8,), FOUR, r"shape \(8,\) has 16 bytes"),
        ((HUGE,), FOUR, "has 16 bytes"),
        ((HUGE, 0), b"", "has the shape"),
        ((-1,), b"", "no shape"),
        ((1,) * 33, FOUR[:4], "no shape"),
        ((), b"", r"shape \(\) has 0 bytes"),
    ],
)
def test_refused_arrays(shape, data, reason) -> None:
    with pytest.raises(DumpError, match=reason):
        read(array(shape, F4, raw(data)))


def test_arrays() -> None:
    assert read(array((2, 2), F4, raw(FOUR))).tolist() == [[0, 1], [2, 3]]
    assert read(array((0, 3), F4, raw(b""))).shape == (0, 3)
    assert read(array((), F4, raw(FOUR[:4]))).shape == ()
    assert read(array((2,), dtype("?"), raw(b"\0\1"))).tolist() == [False, True]


def test_rounding_to_bfloat16() -> None:
    import torch

    bits = np.random.default_rng(0).integers(0, 1 << 32, 100_000, dtype=np.uint32)
    values = np.concatenate([bits.view(np.float32), np.float32([0, -0.0, 1, np.inf, -np.inf])])
    ours = to_bfloat16(values)
    theirs = torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    number = ~np.isnan(values)
    assert np.array_equal(ours[number], theirs[number])
    assert np.isnan((ours[~number].astype(np.uint32) << 16).view(np.float32)).all()
