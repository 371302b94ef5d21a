"""What torch.save writes is read as torch.load reads it."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from labelcodec.errors import DumpError
from labelcodec.torch_file import Tensor, read_torch_file
from tests.torch_file import archives
from tests.torch_file.archives import same

TENSORS = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
           "bool", "uint16", "uint32", "uint64")  # fmt: skip
ARRAYS = tuple(name for name in TENSORS if name != "bfloat16")


def saved(content: object, **options: object) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, **options)
    return out.getvalue()


def read_like_torch(content: object, **options: object) -> object:
    data = saved(content, **options)
    ours = read_torch_file(data)
    theirs = torch.load(io.BytesIO(data), weights_only=False, map_location="cpu")
    assert same(ours, theirs), (ours, theirs)
    return ours


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """A tensor, or a view of a larger one: sliced, transposed, of one element."""
    shape = draw(np_st.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    bits = draw(np_st.arrays(np.uint8, (*shape, 8)))
    dtype = getattr(torch, draw(st.sampled_from(TENSORS)))
    whole = torch.from_numpy(bits)
    if not bits.size:
        made = torch.zeros(shape, dtype=dtype)
    elif dtype is torch.bool:
        made = whole[..., 0] > 127
    else:
        made = whole.view(dtype)[..., 0]
    if draw(st.booleans()):
        made = made.clone()
    if made.ndim and draw(st.booleans()):
        made = made[draw(st.integers(0, made.shape[0])) :]
    if made.ndim > 1 and draw(st.booleans()):
        made = made.transpose(0, -1)
    return made


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray | np.generic:
    dtype = np.dtype(draw(st.sampled_from(ARRAYS)))
    shape = draw(np_st.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    made = draw(np_st.arrays(dtype, shape))
    form = draw(st.sampled_from(("as it is", "big-endian", "Fortran", "scalar", "strided")))
    if form == "big-endian":
        return made.astype(dtype.newbyteorder(">"))
    if form == "Fortran":
        return np.asfortranarray(made)
    if form == "scalar":
        return dtype.type(made.reshape(-1)[0] if made.size else 0)
    return made[::2] if form == "strided" and made.ndim else made


leaves = st.one_of(
    tensors(),
    arrays(),
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.text(),
    st.binary(max_size=300),
)
contents = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(st.text() | st.integers(-(1 << 40), 1 << 40), inner, max_size=4),
        st.dictionaries(st.text(), inner, max_size=4).map(OrderedDict),
    ),
    max_leaves=12,
)


@given(contents, st.integers(2, 5))
def test_everything_a_dump_can_hold(content: object, protocol: int) -> None:
    read_like_torch(content, pickle_protocol=protocol)


@given(contents, st.integers(2, 5))
def test_the_same_without_an_archive(content: object, protocol: int) -> None:
    try:
        data = saved(content, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
        theirs = torch.load(io.BytesIO(data), weights_only=False)
    except (RuntimeError, AttributeError):  # torch itself has no unsigned integers there
        return
    assert same(read_torch_file(data), theirs)


def test_parameters_gradients_and_shared_storages() -> None:
    base = torch.arange(12.0)
    content = [
        torch.nn.Parameter(torch.ones(2)),
        torch.ones(2, requires_grad=True),
        base[3:7],
        base.view(3, 4).T,
        base,
        torch.nn.Linear(2, 3).state_dict(),
    ]
    read_like_torch(content)
    read_like_torch(content, _use_new_zipfile_serialization=False)


def test_tensors_of_a_gpu_and_of_a_big_endian_machine() -> None:
    parts = (archives.text("storage"), archives.name("torch", "ShortStorage"), archives.text("0"),
             archives.text("cuda:3"), archives.number(2))  # fmt: skip
    body = archives.tensor((2,), (1,), saved=b"(" + b"".join(parts) + b"tQ")
    for order, raw in (("little", b"\1\0\2\0"), ("big", b"\0\1\0\2")):
        made = archives.archive(archives.pickle(body), data_0=raw, byteorder=order.encode())
        assert read_torch_file(made).numpy().tolist() == [1, 2]
        assert read_torch_file(made).numpy().dtype.isnative
    with pytest.raises(DumpError, match="byte order is b'middle'"):
        read_torch_file(archives.archive(archives.pickle(body), byteorder=b"middle"))


def test_every_bfloat16_is_read_exactly() -> None:
    bits = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16)
    whole = bits.view(torch.bfloat16)
    read = read_torch_file(saved(whole))
    assert isinstance(read, Tensor) and read.dtype == "bfloat16" and read.nbytes == 1 << 17
    assert np.array_equal(read.numpy().view(np.uint32), whole.float().numpy().view(np.uint32))


def test_values_are_read_only_views_of_the_file() -> None:
    data = saved([torch.arange(1000.0), np.arange(1000.0)])
    tensor, array = read_torch_file(data)
    assert np.shares_memory(tensor.numpy(), np.frombuffer(data, np.uint8))
    for values in (tensor.numpy(), array):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1


def test_bools_are_bools_whatever_their_bytes() -> None:
    data = saved(torch.tensor([True, False, True]))
    at = data.index(b"\1\0\1PK")
    old, new = (zlib.crc32(raw).to_bytes(4, "little") for raw in (b"\1\0\1", b"\7\0\xff"))
    data = data.replace(old, new)
    data = data[:at] + b"\7\0\xff" + data[at + 3 :]
    values = read_torch_file(data).numpy()
    assert values.view(np.uint8).tolist() == [1, 0, 1]


def test_reading_imports_no_torch(tmp_path: Path) -> None:
    torch.save([torch.ones(2)], tmp_path / "a.tar")
    script = (
        "import sys; from pathlib import Path; from labelcodec.formats.safe_load import load\n"
        "load(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "a.tar"], check=True)
