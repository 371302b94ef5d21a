"""The compiled reader reads label files on its own, and exactly as the reference does."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.errors import DumpError
from labelcodec.torch_file import compiled, limits, reference
from labelcodec.torch_file.zip_archive import CENTRAL, LOCAL, read_directory
from tests.torch_file import archives
from tests.torch_file.archives import DECLINED, at_once, at_once_or_declined, identical
from tests.torch_file.test_read import contents, saved

LABELS = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
FLIP, PARTNER = LABELS[:, 0] > 0, torch.arange(4)
OF_LABELS = {
    "sre2l": [LABELS[:, :4], FLIP, PARTNER, 0.25, [np.int64(n) for n in (0, 7, 200, 224)],
              LABELS.half()],
    "lpqld": [LABELS[:, :4].half(), FLIP, [[PARTNER, LABELS[:, 0].half(), LABELS[:, 1].half()]] * 2,
              PARTNER.byte(), 1.0, list(PARTNER.byte()), LABELS[:, :3].half(),
              PARTNER.short().view(4, 1)],
    "plain epoch": [LABELS[:, :4], FLIP, None, None, None, LABELS.bfloat16()],
    "numpy": [LABELS.numpy(), np.asfortranarray(LABELS.numpy()), LABELS.numpy().astype(">f4"),
              np.float16(-1.5), np.bool_(True), np.arange(300, dtype=np.uint8)],
    "views": [LABELS, LABELS.T, LABELS[1:, ::3], LABELS[2, 3], LABELS[:1]],
    "a tuple": (LABELS, {"a": [1, -1, 1 << 40, -(1 << 63), True], 7: "\xe9"}, b"\0\xff", "text"),
    "state": OrderedDict(weight=LABELS, bias=LABELS[0]),
    "every kind": [LABELS.to(getattr(torch, name)) for name in (
        "float64", "int64", "int32", "int16", "int8", "uint8", "bool")],
    "many": list(range(3000)),
    "an epoch": [[LABELS.clone() for _ in range(6)] for _ in range(100)],
    "one": 7,
}  # fmt: skip


@pytest.mark.parametrize("name", OF_LABELS)
def test_label_files_are_read_at_once(name: str) -> None:
    assert at_once_or_declined(saved(OF_LABELS[name])) is not DECLINED


@pytest.mark.parametrize(
    "data",
    [
        saved(OF_LABELS["sre2l"], pickle_protocol=4),
        saved(OF_LABELS["sre2l"], _use_new_zipfile_serialization=False),
        saved([LABELS[:0]]),
        saved(["\u1234"]),
        saved([1 << 63]),
        saved([LABELS] * (limits.MAX_ARRAYS + 1)),
        saved([torch.ones(1) for _ in range(1024)]),  # more members than label files have
        archives.archive(archives.pickle(b"]" * 40 + b"a" * 39)),
        archives.archive(archives.pickle(b"K\x07"), byteorder=b"big"),
        archives.archive(archives.pickle(b"K\x07") + bytes(limits.MAX_OPCODES)),
        b"",
        b"PK",
    ],
    ids=range(12),
)
def test_other_files_are_left_to_the_reference(data: bytes) -> None:
    assert at_once(data) is DECLINED


def twice(body: bytes) -> bytes:
    """An archive with two pickles of one name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                file.writestr("archive/data.pkl", body)
    return out.getvalue()


def overlapping(body: bytes) -> bytes:
    """An archive whose second member lies within its pickle, behind the STOP."""
    inner = LOCAL.pack(b"PK\3\4", 0, 0, 0, 0, 0, 0, 0, 0, 9, 0) + b"archive/a"
    data = archives.archive(body + inner, a=b"")
    last = data.rindex(b"PK\1\2")
    fields = list(CENTRAL.unpack_from(data, last))
    fields[-1] = data.index(inner)
    return data[:last] + CENTRAL.pack(*fields) + data[last + CENTRAL.size :]


ENCODED = archives.call(archives.name("_codecs", "encode"), b"h\0", archives.text("latin1"))
SPENT = archives.text("a" * 1000) + b"q\0" + b"](" + ENCODED * 3 + b"e\x86"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (twice(archives.pickle(b"K\x07")), "twice"),
        (overlapping(archives.pickle(b"K\x07")), "overlap"),
        (archives.archive(archives.pickle(SPENT)), "more bytes of its text"),
        (archives.archive(archives.pickle(b"(}(K\x01u(K\x05tt")), "breaks off"),
        (archives.archive(archives.pickle(b"}(NK\x01u")), "as the key of a dict"),
    ],
    ids=["twice", "overlapping", "spent", "odd", "key"],
)
def test_what_the_reference_refuses_is_declined(data: bytes, reason: str) -> None:
    with pytest.raises(DumpError, match=reason):
        reference.read_archive(data)
    assert at_once(data) is DECLINED


def test_checkpoints_and_maps_are_left_to_the_reference() -> None:
    data = saved(OF_LABELS["sre2l"])
    assert at_once(data, opaque=True) is DECLINED
    assert at_once(bytearray(data)) is DECLINED


@given(contents, st.integers(2, 3))
def test_what_is_read_at_once_is_what_the_reference_reads(content: Any, protocol: int) -> None:
    data = saved(content, pickle_protocol=protocol)
    at_once_or_declined(data)
    assert identical(compiled.read_archive(data), reference.read_archive(data))


@pytest.mark.parametrize("name", ["sre2l", "numpy", "views"])
def test_every_changed_byte_is_treated_alike(name: str) -> None:
    """All but those of values: the directory, local headers, and the pickle with its checksum."""
    data = saved(OF_LABELS[name])
    pickle = read_directory(data)[b"archive/data.pkl"]
    entry, read = data.index(b"PK\1\2"), 0
    places = [*range(pickle.start + pickle.size), *range(entry, len(data))]
    for at in places:
        for bit in (0, 3, 7):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            if pickle.start <= at < pickle.start + pickle.size:
                crc = zlib.crc32(changed[pickle.start : pickle.start + pickle.size])
                changed[entry + 16 : entry + 20] = crc.to_bytes(4, "little")
            read += at_once_or_declined(bytes(changed)) is not DECLINED
    assert 0 < read < 3 * len(places)


def test_every_truncated_pickle_is_declined() -> None:
    data = saved(OF_LABELS["lpqld"])
    pickle = read_directory(data)[b"archive/data.pkl"]
    whole = data[pickle.start : pickle.start + pickle.size]
    assert at_once(archives.archive(whole[:-1])) is DECLINED
    for size in range(len(whole)):
        assert at_once(archives.archive(whole[:size])) is DECLINED


@pytest.mark.parametrize("size", [*range(20), 63, 64, 65, 79, 80, 127, 128, 129, 1000, 40_000])
def test_checksums(size: int) -> None:
    """The pickle behind its STOP, and a storage, of every length."""
    rng = np.random.default_rng(size)
    body = archives.pickle(b"K\x07") + rng.bytes(size)
    assert at_once(archives.archive(body)) == 7
    values = archives.pickle(archives.tensor((1,), (1,), saved=archives.storage(count=1)))
    data = bytearray(archives.archive(values, data_0=rng.bytes(size + 4)))
    assert at_once(bytes(data)) is not DECLINED
    content = read_directory(bytes(data))[b"archive/data/0"]
    data[content.start + rng.integers(content.size)] ^= 1 << rng.integers(8)
    assert at_once(bytes(data)) is DECLINED


def test_without_carry_less_multiplication(monkeypatch) -> None:
    """As on other processors: zlib computes the checksums."""
    data = saved(OF_LABELS["sre2l"])
    monkeypatch.setattr(compiled, "FOLDS", False)
    assert at_once_or_declined(data) is not DECLINED
    at = data.index(b"PK\1\2") + 16
    assert at_once(data[:at] + b"\0" + data[at + 1 :]) is DECLINED


def test_shared_text_and_bytes_are_made_once() -> None:
    """Else a small file that repeats a long text would take any amount of memory."""
    text = archives.text("a" * 100_000)
    many = b"q\0" + b"h\0" * 100_000
    texts = at_once_or_declined(archives.archive(archives.pickle(b"](" + text + many + b"e")))
    assert len(texts) == 100_001 and all(text is texts[0] for text in texts)


def test_descriptions_alone_are_refused() -> None:
    for body in (archives.storage(), archives.dtype("f4"), archives.name("numpy", "ndarray")):
        assert at_once(archives.archive(archives.pickle(body), data_0=bytes(16))) is DECLINED
