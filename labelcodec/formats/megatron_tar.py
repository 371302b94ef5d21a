"""Tars of Megatron-LM's cached logits: their members, and what a member holds.

`cpC_dpD__I.tar` has `_meta.json` and a member `N.pt.zst` for each iteration up to I: torch.save of
`values`, `indices_low` and `bit_17`, lists with a tensor for each microbatch, of shape (positions,
sequences, K). A class is the low 16 bits and one more. Where fewer than K classes are kept, class
131071 and a value of -1000 stand behind them.
"""

from __future__ import annotations

import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_args

import numpy as np
import zstandard
from numpy.typing import NDArray

from labelcodec.batch import Precision
from labelcodec.errors import DumpError
from labelcodec.files.os_errors import naming
from labelcodec.files.regular import open_regular
from labelcodec.torch_file import Tensor, read_torch_file

NAMES = ("values", "indices_low", "bit_17")  # of the lists of a member
META, SUFFIX = "_meta.json", ".pt.zst"
NAME = re.compile(r"cp([0-9]{1,9})_dp([0-9]{1,9})__([0-9]{1,18})\.tar")
SENTINEL = (1 << 17) - 1  # class that stands for none
LARGEST_SENTINEL = -1000.0  # value that stands for none; older writers took a smaller one
DTYPES = get_args(Precision)
MAX_META = 1 << 20  # bytes
MAX_PAYLOAD = 1 << 32  # bytes of an iteration
_MEMBER = re.compile(r"([0-9]{1,18})\.pt\.zst")
_CHUNK = 1 << 24
_BLOCK = 512


@dataclass(frozen=True)
class Member:
    """The labels of one iteration and data-parallel rank.

    Attributes:
        file: the tar.
        rank: number of the data-parallel rank.
        iteration: number of the iteration.
        start: position of the content in the tar.
        size: bytes of the content.
    """

    file: Path
    rank: int
    iteration: int
    start: int
    size: int

    @property
    def where(self) -> str:
        """Names it in messages."""
        return f"{self.file}: iteration {self.iteration}"


@dataclass(frozen=True, eq=False)
class Microbatch:
    """Labels of B sequences of L positions.

    Attributes:
        value: (B, L, K) float16 or float32 log-probabilities.
        index: (B, L, K) int64 classes.
        count: (B, L) int64 number of kept classes; the others are behind these.
        dtype: of the values, as stored.
    """

    value: NDArray[Any]
    index: NDArray[np.int64]
    count: NDArray[np.int64]
    dtype: Precision


def list_members(file: Path) -> tuple[list[Member], bytes | None]:
    """The iterations of a tar, and the content of its `_meta.json` if it has one.

    Raises:
        DumpError: it is truncated, no tar, or has no iterations.
    """
    match = NAME.fullmatch(file.name)
    assert match is not None
    members, meta = [], None
    with open(open_regular(file, DumpError, "a tar"), "rb") as stream, naming(file):
        size, end = stream.seek(0, os.SEEK_END), 0
        stream.seek(0)
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                for info in archive:
                    end = info.offset_data + -(-info.size // _BLOCK) * _BLOCK * info.isreg()
                    if not info.isreg() or info.issparse():
                        raise DumpError(f"{file}: {info.name[:80]!r} is no plain file")
                    if info.offset_data + info.size > size:
                        raise DumpError(f"{file}: truncated: {info.name[:80]!r} is cut off")
                    if info.name == META and info.size <= MAX_META:
                        meta = _part(stream, info.offset_data, info.size)
                    elif number := _MEMBER.fullmatch(info.name):
                        place = (info.offset_data, info.size)
                        members.append(Member(file, int(match[2]), int(number[1]), *place))
                    else:
                        raise DumpError(f"{file}: {info.name[:80]!r} is no iteration of it")
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise DumpError(f"{file}: truncated, damaged, or not a tar ({error})") from None
        if _part(stream, end, _BLOCK) != bytes(_BLOCK):
            raise DumpError(f"{file}: truncated or damaged: no end of the archive at byte {end}")
    if not members:
        raise DumpError(f"{file}: has no iterations")
    return members, meta


def read_member(member: Member) -> list[Microbatch]:
    """The labels of an iteration.

    Raises:
        UnsafeError: it would run code if a plain unpickler opened it.
        DumpError: it is damaged, or holds something else.
    """
    with open(open_regular(member.file, DumpError, "a tar"), "rb") as stream, naming(member.file):
        compressed = _part(stream, member.start, member.size)
    content = _decompressed(compressed, member.where)
    try:
        stored = read_torch_file(content)
    except DumpError as error:
        raise type(error)(f"{member.where}: {error}") from error
    lists: list[Any] = [stored.get(name) for name in NAMES] if isinstance(stored, dict) else [None]
    if not all(isinstance(tensors, list) for tensors in lists) or not lists[0]:
        _fail(member.where, f"holds no lists {', '.join(NAMES)}")
    if len({len(tensors) for tensors in lists}) > 1:
        _fail(member.where, f"{', '.join(NAMES)} are of different lengths")
    return [
        _microbatch(value, low, high, f"{member.where}, microbatch {number}")
        for number, (value, low, high) in enumerate(zip(*lists, strict=True))
    ]


def _microbatch(value: Any, low: Any, high: Any, where: str) -> Microbatch:
    parts = (value, low, high)
    if not all(isinstance(part, Tensor) for part in parts):
        _fail(where, "has something else than tensors")
    if value.dtype not in DTYPES or (low.dtype, high.dtype) != ("uint16", "bool"):
        shown = ", ".join(part.dtype for part in parts)
        _fail(where, f"is of dtypes {shown}, expected {DTYPES[0]}, uint16, bool")
    if value.ndim != 3 or 0 in value.shape or not value.shape == low.shape == high.shape:
        shown = ", ".join(str(part.shape) for part in parts)
        _fail(where, f"has shapes {shown}, expected (positions, sequences, K) of all three")
    index = (high.numpy().astype(np.int64) << 16) | low.numpy()
    values = value.numpy()
    with np.errstate(invalid="ignore"):
        is_none = (index == SENTINEL) & (values <= LARGEST_SENTINEL)
    count = values.shape[2] - is_none.sum(axis=2)
    if (is_none != (np.arange(values.shape[2]) >= count[..., None])).any():
        _fail(where, "has kept classes behind places that stand for none")
    return Microbatch(
        values.transpose(1, 0, 2), index.transpose(1, 0, 2), count.T.astype(np.int64), value.dtype
    )


def _decompressed(data: bytes, where: str) -> bytes:
    """The content of a zstd frame, read piece by piece: what it declares may not be true."""
    try:
        declared = zstandard.frame_content_size(data)
        if not 0 <= declared <= MAX_PAYLOAD:
            _fail(where, f"declares {declared} bytes, expected up to {MAX_PAYLOAD}")
        chunks, left = [], declared
        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            while left and (chunk := stream.read(min(left, _CHUNK))):
                chunks.append(chunk)
                left -= len(chunk)
            if left or stream.read(1):
                _fail(where, f"damaged: has not the {declared} bytes that it declares")
    except zstandard.ZstdError as error:
        _fail(where, f"damaged ({error})")
    return b"".join(chunks)


def _part(stream: Any, start: int, size: int) -> bytes:
    stream.seek(start)
    return bytes(stream.read(size))


def _fail(where: str, what: str) -> NoReturn:
    raise DumpError(f"{where}: {what}")
