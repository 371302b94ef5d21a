"""A pickle can name, call and allocate nothing that labels do not need."""

from __future__ import annotations

import pickle as python_pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelcodec.errors import DumpError, UnsafeError
from labelcodec.formats.safe_load import load
from labelcodec.torch_file import Opaque, read_torch_file
from labelcodec.torch_file.limits import MAX_ARRAYS, MAX_DEPTH, MAX_OPCODES, MAX_PICKLE
from labelcodec.torch_file.unpickler import unpickle
from tests.torch_file.archives import (
    archive,
    array,
    call,
    dtype,
    name,
    number,
    numbers,
    pickle,
    raw,
    storage,
    tensor,
    text,
)

HOSTILE = Path(__file__).parent / "hostile"
STATE = b"K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
F4 = dtype("f4", b"(" + STATE + b"t")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("bytearray", "names builtins.bytearray"),
        ("fields", "fields, flags or a size of its own"),
        ("flags", "a numpy dtype a state of unknown form"),
        ("lazy", "calls something that is not a function"),
        ("segv-dtype-state", "a numpy dtype a state of unknown form"),
        ("segv-fuzz", "a numpy dtype a state of unknown form"),
        ("stride0b", "calls something that is not a function"),
        ("sub", "fields, flags or a size of its own"),
        ("sublab", "fields, flags or a size of its own"),
        ("uninit", "calls something that is not a function"),
    ],
)
def test_files_that_crashed_or_ate_memory(file: str, reason: str) -> None:
    with pytest.raises(UnsafeError, match=rf"{file}\.tar: refused, its pickle .*{reason}"):
        load(HOSTILE / f"{file}.tar")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (name("os", "system"), "names os.system"),
        (name("builtins", "eval"), "names builtins.eval"),
        (text("posix") + text("sy\nstem") + b"\x93", r"names posix.sy\\nstem"),
        (name("numpy", "load"), "names numpy.load"),
        (name("torch", "ComplexFloatStorage"), "names torch.ComplexFloatStorage"),
        (call(name("numpy", "ndarray"), numbers(8, 4), F4), "not a function"),
        (name("_codecs", "encode"), "bare class or function"),
        (name("numpy", "ndarray"), "bare class or function"),
        (storage(), "bare storage"),
        (F4, "bare numpy dtype"),
        (b"](" + tensor((4,), (1,)) + b"q\0" + b"h\0" * MAX_ARRAYS + b"e",
         f"more than {MAX_ARRAYS}"),
        (call(name("_codecs", "encode"), text("41"), text("hex")), "another encoding"),
        (call(name("_codecs", "encode"), raw(b"41"), text("latin1")), "another encoding"),
        (call(name("_codecs", "encode"), text("41")), "other arguments"),
        (call(name("_codecs", "encode"), text("\u1234"), text("latin1")), "other arguments"),
        (call(name("collections", "OrderedDict"), b"]"), "OrderedDict from arguments"),
        (call(name("builtins", "bytes"), number(1 << 40)), "bytes from arguments"),
        (name("_codecs", "encode") + b"]R", "not a function"),
        (dtype("O8"), "names the numpy dtype 'O8'"),
        (dtype("U1"), "names the numpy dtype 'U1'"),
        (dtype("V8"), "names the numpy dtype 'V8'"),
        (dtype("f16"), "names the numpy dtype 'f16'"),
        (dtype("M8[s]"), "names the numpy dtype"),
        (dtype("(99999999,)f4"), "names the numpy dtype"),
        (call(name("numpy", "dtype"), numbers(1), b"\x89", b"\x88"), "else than its name"),
        (call(name("numpy", "dtype"), text("f4"), b"\x88", b"\x88"), "else than its name"),
        (dtype("f4", b"(t"), "state of unknown form"),
        (dtype("f4", b"(" + STATE.replace(b"K\x00", b"K\x08") + b"t"), "flags"),
        (dtype("f4", b"(" + STATE.replace(b"J\xff\xff\xff\xff", b"K\x04", 1) + b"t"), "size"),
        (dtype("f4", b"(" + STATE.replace(text("<"), text("!")) + b"t"), "size of its own"),
        (dtype("f4", b"(" + STATE.replace(b"K\x00", b"\x89") + b"t"), "flags"),
        (array((1,), F4, b"N"), "without values"),
        (array((1,), b"N", raw(b"abcd")), "unknown dtype"),
        (array((1,), F4, text("abcd")), "without values"),
        (call(name("numpy._core.multiarray", "scalar"), F4, b"N"), "without values"),
        (call(name("numpy._core.multiarray", "scalar"), F4), "other arguments"),
        (
            call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"),
                 numbers(9), raw(b"b")),
            "another kind than numpy.ndarray",
        ),
        (
            call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"),
                 numbers(0), raw(b"b")),
            "without values",
        ),
        (array((1,), F4, raw(b"abcd")) + b"(tb", "array a state of unknown form"),
        (call(name("torch._utils", "_rebuild_tensor_v2"), *[b"N"] * 4), "from something"),
        (call(name("torch._utils", "_rebuild_tensor_v2"), storage()), "other arguments"),
        (call(name("torch._utils", "_rebuild_parameter"), storage()), "other arguments"),
        (b"]Q", "persistent id"),
        (b"(" + text("module") + b"NNNNtQ", "persistent id"),
        (b"(" + text("storage") + name("numpy", "ndarray") + b"NNNtQ", "persistent id"),
        (b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") +
         number(4) + text("view") + b"tQ", "persistent id"),
        (b"](lb", "opcode 0x6c"),
        (b"]}b", "state of something else"),
        (b"\x8f", "opcode 0x8f"),
        (b"S'a'\n", "opcode 0x53"),
        (b"(ios\nsystem\n", "opcode 0x69"),
        (text("a") + b"]\x81", "opcode 0x81"),
        (b"\x82\x01", "opcode 0x82"),
        (b"\x97", "opcode 0x97"),
        (b"\x8b\x00\x00\x00\x7f", "opcode 0x8b"),
        (b"\x8a\xff" + b"\1" * 255, "integer of 255 bytes"),
        (number(1 << 64), "more than 64 bits"),
        (b"}](K\x01eK\x02s", "a list as the key"),
        (b"}G" + bytes(8) + b"K\x02s", "a float as the key"),
        (b"})K\x02s", "a tuple as the key"),
        (b"]q\0h\0a", f"lists more than {MAX_DEPTH} deep"),
        (b"}q\0" + text("a") + b"h\0s", f"lists more than {MAX_DEPTH} deep"),
        (b"]" * 40 + b"a" * 39, f"lists more than {MAX_DEPTH} deep"),
        (b"]" + b"\x85" * 100_000, f"lists more than {MAX_DEPTH} deep"),
        (b"N0" * MAX_OPCODES, f"more than {MAX_OPCODES} opcodes"),
    ],
)  # fmt: skip
def test_refused(body: bytes, reason: str) -> None:
    with pytest.raises(UnsafeError, match=reason) as caught:
        read_torch_file(archive(pickle(body), data_0=bytes(16)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"0", b"1", b"t", b"e", b"(e", b"N(e", b"a", b"Na", b"NNa", b"u", b"N(u", b"}(Nu",
        b"s", b"h\0", b"j\0\0\0\1", b"q", b"\x94", b"X\xff\xff\xff\xffa",
        b"\x8d" + b"\xff" * 8,
        b"\x96\0\0\0\x80\0\0\0\0", b"\x8e" + b"\0" * 4 + b"\1", b"X\1\0\0\0\xff", b"G", b"J\0",
        b"c", b"cos", b"cos\n", b"NN\x93", b"R", b"b", b"Q", b"\x87", b"\x95" + b"\xff" * 8,
        b"C\5ab",
    ],
)  # fmt: skip
def test_damaged(body: bytes) -> None:
    with pytest.raises(DumpError, match="damaged: its pickle breaks off at byte"):
        read_torch_file(archive(b"\x80\x02" + body))
    with pytest.raises(DumpError, match="damaged: its pickle breaks off at byte"):
        read_torch_file(archive(b"\x80\x02" + body + b"." if body in (b"", b"0") else b""))


def test_memo_positions_are_no_sizes() -> None:
    assert read_torch_file(archive(pickle(b"]r\xff\xff\xff\x7f0j\xff\xff\xff\x7f"))) == []


@pytest.mark.parametrize("protocol", [0, 1, 6])
def test_other_protocols_are_named(protocol: int) -> None:
    with pytest.raises(DumpError, match=rf"pickle protocol {protocol}.*protocols 2 to 5.*again"):
        read_torch_file(archive(b"\x80" + bytes([protocol]) + b"N."))


READ_WITHIN = """
import resource, sys
from labelcodec.errors import DumpError
from labelcodec.torch_file import read_torch_file
data = open(sys.argv[1], "rb").read()
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (256 << 20),) * 2)
try:
    read_torch_file(data)
except DumpError as error:
    print(error)
"""


BIG = b"\x80\x02" + text("a" * 1_000_000) + b"q\x000" + text("latin1") + b"q\x010"
ENCODED = name("_codecs", "encode") + b"h\0h\1\x86R"
SHARED = b"]q\0" + b"".join(b"](" + b"h%c" % i * 8 + b"eq%c" % (i + 1) for i in range(30))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "data",
    [
        pickle(b"](" + b"]" * (MAX_OPCODES - 9) + b"e"),
        pickle(b"](" + b"}\x94" * (MAX_OPCODES // 2 - 9) + b"e"),
        pickle(b"](" + b"]]a" * (MAX_OPCODES // 3 - 9) + b"e"),
        pickle(b"](" + b"M\xff\xff" * (MAX_OPCODES - 9) + b"e"),
        pickle(b"(" * (MAX_OPCODES - 1)),
        pickle(tensor((4,), (1,)) + b"q\0](" + b"h\0" * (MAX_OPCODES // 2) + b"e"),
        BIG + b"](" + ENCODED * 5000 + b"e.",
        pickle(SHARED),
    ],
    ids=["lists", "dicts", "nested", "integers", "marks", "tensors", "texts", "shared"],
)
def test_memory_is_bounded(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(archive(data, data_0=bytes(16)))
    command = [sys.executable, "-c", READ_WITHIN, str(tmp_path / "a.tar")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_pickle_has_a_largest_size() -> None:
    data = archive(pickle(b"B" + MAX_PICKLE.to_bytes(4, "little") + bytes(MAX_PICKLE)))
    with pytest.raises(UnsafeError, match="its pickle is larger than"):
        read_torch_file(data)


def test_plain_values_of_every_protocol() -> None:
    content = [
        None,
        True,
        1,
        300,
        -5,
        1 << 40,
        0.5,
        "ä",
        b"\x00\xff",
        (),
        (1,),
        (1, 2, 3, 4),
        {"a": 1},
    ]
    for protocol in range(2, 6):
        data = python_pickle.dumps(content, protocol)
        assert read_torch_file(archive(data)) == content


def test_texts_of_python_2() -> None:
    assert read_torch_file(archive(pickle(b"U\x03abc"))) == "abc"


def test_the_state_of_an_ordered_dict_says_nothing() -> None:
    made = call(name("collections", "OrderedDict")) + text("a") + b"K\x01s" + b"}" + b"b"
    assert read_torch_file(archive(pickle(made))) == {"a": 1}


def test_arrays_of_both_byte_orders_stay_as_they_are() -> None:
    big = dtype("i2", b"(" + STATE.replace(text("<"), text(">")) + b"t")
    read = read_torch_file(archive(pickle(array((2,), big, raw(b"\0\1\0\2")))))
    assert read.dtype == np.dtype(">i2") and read.tolist() == [1, 2]


class TestOpaque:
    """Objects of other classes, where they are allowed: nothing is made of them."""

    @pytest.mark.parametrize(
        "pickled",
        [
            b"cos\nsystem\n(X\x04\x00\x00\x00exittR",
            b"cargparse\nNamespace\n)\x81}X\x01\x00\x00\x00aK\x01sb",
            b"ccollections\nCounter\n)R(X\x01\x00\x00\x00aK\x01u",
            b"ccollections\ndeque\n)R(K\x01K\x02e",
        ],
    )
    def test_they_stay_empty(self, pickled):
        with pytest.raises(UnsafeError):
            unpickle(b"\x80\x02" + pickled + b".")
        value = unpickle(b"\x80\x02" + pickled + b".", opaque=True).value
        assert isinstance(value, Opaque) and value.name.partition(".")[0] in (
            "os", "argparse", "collections"
        )  # fmt: skip

    def test_what_is_known_is_still_checked(self):
        for bad in (b"c_codecs\nencode\n(K\x01K\x02tR", b"K\x01)R", b"K\x01)\x81"):
            with pytest.raises((UnsafeError, DumpError)):
                unpickle(b"\x80\x02" + bad + b".", opaque=True)
