"""Hostile dump files: changed, spliced and made-up pickles, archives and numpy states.

A case is a function of the seed and its number, so that any can be made again.
"""

from __future__ import annotations

import io
import math
import pickletools
import random
import re
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from labelcodec.torch_file.globals import GLOBALS, NUMPY_DTYPES
from labelcodec.torch_file.reference import _content
from labelcodec.torch_file.zip_archive import CENTRAL, read_directory
from tests.torch_file import archives

EDGES = (
    *(0, 1, 2, 3, 4, 8, 127, 128, 255, 256, 65535, 1 << 16, (1 << 31) - 1, 1 << 31, 1 << 32),
    *(1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -1, -2, -(1 << 31), -(1 << 63)),
)
NAMES = (
    *(("os", "system"), ("builtins", "bytearray"), ("builtins", "getattr"), ("numpy", "ndarray")),
    *(("numpy", "dtype"), ("numpy._core.multiarray", "_reconstruct"), ("_codecs", "encode")),
    *(("numpy", "core"), ("torch", "Tensor"), ("torch._utils", "_rebuild_sparse_tensor")),
    *(("copyreg", "_reconstructor"), ("collections", "OrderedDict"), ("functools", "partial")),
)


def case(seed: int, number: int) -> tuple[str, bytes]:
    """Kind and bytes of a hostile file."""
    rng = random.Random(seed * 1_000_003 + number)
    kind, make = rng.choice(KINDS)
    return kind, make(rng)


@lru_cache(maxsize=1)
def originals() -> list[bytes]:
    """Valid files of the layouts' kinds, of every protocol."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 6, generator=generator)
    crop, flip, partner = logits[:, :4].abs(), logits[:, 0] > 0, torch.arange(4)
    rand = [[partner, crop[:, 0].half(), crop[:, 1].half()]]
    contents: list[Any] = [
        [crop, flip, partner, 0.25, [np.int64(edge) for edge in (1, 2, 3, 4)], logits.half()],
        [crop.half(), flip, rand, partner.byte(), 0.25, list(partner.byte()), logits.bfloat16(),
         partner.view(4, 1).short()],
        [crop.numpy(), flip.numpy(), logits.numpy().astype(">f4").reshape(4, 2, 3)],
        [crop.T, torch.nn.Parameter(logits), {"a": (1, 2, "text")}, np.float16(1), b"bytes"],
    ]  # fmt: skip
    files = [
        saved(content, pickle_protocol=protocol) for content in contents for protocol in range(2, 6)
    ]
    views = [logits, logits[1:3].T, crop.numpy(), "text"]  # of one storage
    legacy = saved(views, _use_new_zipfile_serialization=False)
    key = re.compile(rb"X.\0\0\0[0-9]{9,}", re.DOTALL)  # an address, another one in every process
    return [*files, *[key.sub(archives.text("1234"), legacy)] * 4]


def saved(content: Any, **options: Any) -> bytes:
    """What torch.save writes."""
    out = io.BytesIO()
    torch.save(content, out, **options)
    return out.getvalue()


@lru_cache(maxsize=1)
def taken_apart() -> list[tuple[list[bytes], dict[str, bytes]]]:
    """Opcodes and storages of the originals that are archives."""
    apart = []
    for data in originals():
        if data[:2] == b"PK":
            members = read_directory(data)
            pickle = _content(data, members, b"archive/data.pkl")
            starts = [at for _, _, at in pickletools.genops(pickle)] + [len(pickle)]
            opcodes = [pickle[a:b] for a, b in pairwise(starts)]
            storages = {
                name.decode()[8:].replace("/", "_"): _content(data, members, name)
                for name in members
                if name.startswith(b"archive/data/") or name == b"archive/byteorder"
            }
            apart.append((opcodes, storages))
    return apart


def changed_bytes(rng: random.Random) -> bytes:
    """Any bytes of a file changed; checksums rarely survive."""
    data = bytearray(rng.choice(originals()))
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data))
        if rng.random() < 0.2:
            del data[at : at + rng.randrange(1, 200)]
        elif rng.random() < 0.2:
            data[at:at] = rng.randbytes(rng.randrange(1, 40))
        else:
            data[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(data)


def changed_directory(rng: random.Random) -> bytes:
    """Fields of the zip directory and of local headers."""
    data = bytearray(rng.choice([file for file in originals() if file[:2] == b"PK"]))
    for _ in range(rng.choice((1, 1, 2))):
        tag = rng.choice((b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7"))
        at = data.find(tag, rng.randrange(len(data)))
        at = data.find(tag) if at < 0 else at
        place = at + rng.randrange(4, CENTRAL.size)
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice((*EDGES, rng.randrange(2000))) % (1 << 8 * width)
        data[place : place + width] = value.to_bytes(width, "little")
    return bytes(data)


def changed_pickle(rng: random.Random) -> bytes:
    """Bytes of a pickle of protocol 2, with the right checksum."""
    original = rng.choice(originals()[:16:4])
    data, pickle = bytearray(original), read_directory(original)[b"archive/data.pkl"]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = pickle.start + rng.randrange(pickle.size)
        changed = data[at] ^ 1 << rng.randrange(8)
        data[at] = rng.choice((changed, 0, 255, rng.choice(b"(0.NKMJqhrj])}tRbQaesuXcG\x85\x8a")))
    crc = zlib.crc32(data[pickle.start : pickle.start + pickle.size])
    entry = data.index(b"PK\1\2")
    data[entry + 16 : entry + 20] = crc.to_bytes(4, "little")
    return bytes(data)


def changed_opcodes(rng: random.Random) -> bytes:
    """Opcodes left out, repeated, moved, taken from other files, with other operands."""
    opcodes, storages = rng.choice(taken_apart())
    opcodes = list(opcodes)
    for _ in range(rng.choice((1, 1, 2, 4, 10))):
        at, kind = rng.randrange(len(opcodes)), rng.randrange(7)
        if kind == 0:
            del opcodes[at]
        elif kind == 1:
            opcodes[at:at] = opcodes[at : at + rng.randrange(1, 30)] * rng.choice((1, 1, 2, 50))
        elif kind == 2:
            other = rng.choice(taken_apart())[0]
            start = rng.randrange(len(other))
            opcodes[at:at] = other[start : start + rng.randrange(1, 40)]
        elif kind == 3:
            opcodes.insert(at, random_opcode(rng))
        elif kind == 4:
            opcodes[at] = random_opcode(rng)
        elif kind == 5 and len(opcodes[at]) > 1:
            operand = bytearray(opcodes[at])
            operand[rng.randrange(1, len(operand))] = rng.choice(
                (0, 1, 127, 255, rng.randrange(256))
            )
            opcodes[at] = bytes(operand)
        else:
            other_at = rng.randrange(len(opcodes))
            opcodes[at], opcodes[other_at] = opcodes[other_at], opcodes[at]
        if not opcodes:
            break
    return packed(b"".join(opcodes), storages, rng)


def random_opcode(rng: random.Random) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:
        return archives.number(rng.choice(EDGES))
    if kind == 1:
        return archives.text(rng.choice(("", "0", "storage", "latin1", "f4", "<", "O8", "é" * 9)))
    if kind == 2:
        return archives.name(*rng.choice((*GLOBALS, *NAMES)))
    if kind == 3:
        return bytes([rng.choice(b"qh"), rng.randrange(100)])
    if kind == 4:
        return bytes([rng.choice(b"rj")]) + struct.pack("<I", rng.choice(EDGES) % (1 << 32))
    if kind == 5:
        size = struct.pack("<Q", rng.choice(EDGES) % (1 << 64))
        return bytes([rng.choice(b"\x8d\x8e\x96\x95")]) + size
    if kind == 6:
        return bytes([rng.randrange(256)])
    return bytes([rng.choice(b"(0N]})}tRbQaesu.\x81\x85\x86\x87\x88\x89\x8f\x93\x94")])


def made_up(rng: random.Random) -> bytes:
    """A pickle of random values that keeps the stack in order."""
    body = value(rng, 0)
    return packed(archives.pickle(body), {"data_0": bytes(rng.randrange(64))}, rng)


def value(rng: random.Random, depth: int) -> bytes:
    """Opcodes that push one value, of any kind, with any operands."""
    makers: list[Callable[[], bytes]] = [
        lambda: archives.number(rng.choice(EDGES)),
        lambda: archives.text("ab" * rng.randrange(40)),
        lambda: rng.choice((b"N", b"\x88", b"\x89", b"]", b"}", b")", b"h\0", b"h\1")),
        lambda: b"G" + rng.randbytes(8),
        lambda: archives.name(*rng.choice((*GLOBALS, *NAMES))),
    ]
    if depth < 5:
        inner = lambda: value(rng, depth + 1)  # noqa: E731
        many = lambda: b"".join(inner() for _ in range(rng.randrange(5)))  # noqa: E731
        makers += [
            lambda: b"(" + many() + b"t",
            lambda: b"](" + many() + b"e",
            lambda: b"}" + b"(" + (inner() + inner()) * rng.randrange(3) + b"u",
            lambda: archives.name(*rng.choice((*GLOBALS, *NAMES))) + b"(" + many() + b"tR",
            lambda: inner() + b"q" + bytes([rng.randrange(2)]),
            lambda: inner() + inner() + b"b",
            lambda: inner() + inner() + b"a",
            lambda: numpy_array(rng),
            lambda: torch_tensor(rng),
        ]
    return rng.choice(makers)()


def numpy_array(rng: random.Random) -> bytes:
    """An array or scalar whose dtype has a state, mostly nearly right."""
    code = rng.choice(
        (*NUMPY_DTYPES, "O8", "V8", "U4", "S4", "M8", "c8", "f16", "", "4f4", "f4,f4")
    )
    state = [archives.number(3), archives.text(rng.choice("<>|=")), b"N", b"N", b"N",
             archives.number(-1), archives.number(-1), archives.number(0)]  # fmt: skip
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        state[rng.randrange(8)] = rng.choice(
            (b"N", archives.number(rng.choice(EDGES)), archives.text("!"), value(rng, 4))
        )
    if rng.random() < 0.05:
        del state[rng.randrange(len(state))]
    made = archives.dtype(code, b"(" + b"".join(state) + b"t" if rng.random() < 0.9 else None)
    width = int(code[-1]) if code[-1:].isdigit() else 1
    if rng.random() < 0.2:
        data = archives.raw(rng.randbytes(width if rng.random() < 0.8 else rng.randrange(20)))
        return archives.call(archives.name("numpy._core.multiarray", "scalar"), made, data)
    shape = tuple(rng.choice((0, 1, 2, 4)) for _ in range(rng.randrange(4)))
    data = archives.raw(rng.randbytes(math.prod(shape) * width))
    if rng.random() < 0.3:
        shape = (*shape[1:], rng.choice(EDGES))
    return archives.array(shape, made, data)


def torch_tensor(rng: random.Random) -> bytes:
    """A tensor whose sizes, strides and offset are mostly nearly right."""
    size = [rng.choice((1, 2, 3)) for _ in range(rng.randrange(4))]
    stride = [math.prod(size[axis + 1 :]) for axis in range(len(size))]
    offset, numel = rng.choice((0, 1)), rng.choice((16, 32, 64))
    for _ in range(rng.choice((0, 0, 1, 2))):
        edge, place = rng.choice(EDGES), rng.randrange(4)
        if place == 0:
            offset = edge
        elif place == 1:
            numel = edge
        elif size:
            (size if place == 2 else stride)[rng.randrange(len(size))] = edge
    kinds = ("FloatStorage", "BoolStorage", "BFloat16Storage", "HalfStorage", "ByteStorage")
    saved = archives.storage(rng.choice(kinds), rng.choice("00000001"), numel)
    return archives.tensor(tuple(size), tuple(stride), offset, saved)


def repetitions(rng: random.Random) -> bytes:
    """A few opcodes, very often: what one byte of the file makes must stay small."""
    count = 10 ** rng.randrange(3, 6) if rng.random() < 0.1 else rng.randrange(1000)
    part = b"".join(random_opcode(rng) for _ in range(rng.randrange(1, 4)))
    part = rng.choice((part, value(rng, 5), value(rng, 5), torch_tensor(rng)))
    start = rng.choice((b"](", b"(", b"}q\0", b"]q\0", torch_tensor(rng) + b"q\0("))
    end = rng.choice((b"e", b"t", b"u", b"", b"a" * count, b"\x85" * count))
    return packed(archives.pickle(start + part * count + end), {"data_0": bytes(256)}, rng)


def packed(pickle: bytes, storages: dict[str, bytes], rng: random.Random) -> bytes:
    """An archive with right checksums; sometimes a storage is short, long or missing."""
    storages = dict(storages)
    if storages and rng.random() < 0.1:
        name = rng.choice(list(storages))
        storages[name] = storages[name][: rng.randrange(40)] * rng.randrange(3)
    return archives.archive(pickle, **storages)


KINDS: tuple[tuple[str, Callable[[random.Random], bytes]], ...] = (
    ("bytes", changed_bytes),
    ("zip directory", changed_directory),
    ("pickle bytes", changed_pickle),
    ("pickle opcodes", changed_opcodes),
    ("pickle opcodes", changed_opcodes),
    ("made-up pickles", made_up),
    ("numpy states", lambda rng: packed(archives.pickle(numpy_array(rng)), {}, rng)),
    ("tensor views", lambda rng: packed(archives.pickle(torch_tensor(rng)),
                                        {"data_0": rng.randbytes(rng.randrange(300))}, rng)),
    ("repetitions", repetitions),
)  # fmt: skip
