"""Labels that DistillKit compressed go into a container, and bad ones are named.

The samples in tests/data/distillkit were written by its own code (a61c2e7): `LogprobCompressor`,
`StreamingParquetWriter` and the settings as `yaml.safe_dump` writes them; see make_samples. The
.npz files hold what its decoder makes of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats import open_dump
from labelcodec.formats.distillkit_config import CONFIG, Curve, Residuals, read_config
from labelcodec.formats.distillkit_values import classes_of_bytes, index_bytes, values_of_curve
from labelcodec.formats.plain_yaml import plain_yaml
from labelcodec.sequences import token_digest
from labelcodec.transcode import decode, encode
from labelcodec.verification import verify

DATA = Path(__file__).parents[1] / "data" / "distillkit"
SAMPLES = {"curve": "float32", "delta": "float32", "exact": "bfloat16", "legacy": "float32"}
CLASSES, K = 300, 30


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(DATA / "curve", tmp_path / "dump"))


def texts(folder):
    return [
        row for file in sorted(folder.glob("data_*")) for row in pq.read_table(file)["input_ids"]
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_values_are_those_of_its_decoder(tmp_path, name):
    target = tmp_path / "a.slc"
    report = encode(DATA / name, target)
    assert verify(target).problems == ()
    header = report.header
    assert (header.classes, header.k, header.shift) == (CLASSES, K, 1)
    assert (header.precision, header.source["layout"]) == (SAMPLES[name], "distillkit")
    expected = np.load(DATA / f"{name}.npz")
    with labelcodec.open(target) as reader:
        (batch,) = reader
    assert np.array_equal(batch.labels.index, expected["index"])
    assert batch.labels.value.tobytes() == expected["value"].astype(np.float32).tobytes()
    rows = [np.array(row.as_py()) for row in texts(DATA / name)]
    assert batch.sequences.length.tolist() == [len(row) - 1 for row in rows]
    assert np.array_equal(batch.sequences.tokens, np.concatenate([row[:-1] for row in rows]))
    assert batch.sequences.digest.tolist() == [token_digest(row).tolist() for row in rows]
    assert labelcodec.compare(DATA / name, target).identical


def test_it_is_written_as_a_table_but_not_back(tmp_path):
    encode(DATA / "curve", tmp_path / "a.slc")
    with pytest.raises(DumpError, match="only read: it stores the coefficients of curves"):
        decode(tmp_path / "a.slc", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    decode(tmp_path / "a.slc", tmp_path / "copy", layout="parquet")
    encode(tmp_path / "copy", tmp_path / "b.slc", classes=CLASSES)
    with labelcodec.open(tmp_path / "a.slc") as a, labelcodec.open(tmp_path / "b.slc") as b:
        assert a[0].labels.value.tobytes() == b[0].labels.value.tobytes()


def test_files_are_read_in_the_order_of_their_numbers(tmp_path, folder):
    table = pq.read_table(folder / "data_1.parquet")
    for number in range(2, 12):
        pq.write_table(table, folder / f"data_{number}.parquet")
    dump = open_dump(folder)
    assert [dump.file(0).name, dump.info.files, dump.info.images] == ["data_0.parquet", 12, 13]
    (folder / "data_3.parquet").unlink()
    with pytest.raises(DumpError, match=r"data_3\.parquet is missing"):
        open_dump(folder)


def test_packed_rows(tmp_path, folder):
    """Of `distillkit-pack-logits`: as many tokens as labels, and texts that are numbered from 1."""
    for file in folder.glob("*.parquet"):
        table = pq.read_table(file).to_pydict()
        table["input_ids"] = [row[:-1] for row in table["input_ids"]]
        table["attention_mask"] = [[0, *range(1, len(row))] for row in table["input_ids"]]
        pq.write_table(pa.table(table), file)
    encode(folder, tmp_path / "a.slc")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        (batch,) = reader
    starts = np.cumsum([0, *batch.sequences.length[:-1]])
    assert np.flatnonzero(~batch.sequences.mask).tolist() == starts.tolist()


def test_classes_left_out(folder, tmp_path):
    """vLLM gives fewer classes at times: their value is -inf, and the class is anything."""
    for file in folder.glob("*"):
        file.unlink()
    shutil.copytree(DATA / "exact", folder, dirs_exist_ok=True)
    table = pq.read_table(folder / "data_0.parquet").to_pydict()
    cells = np.array(table["compressed_logprobs"][0][2], np.uint8)
    cells.view("<u2")[-3:] = 0xFF80  # -inf of bfloat16
    table["compressed_logprobs"][0][2] = cells.tolist()
    packed = table["bytepacked_indices"][0][2]
    packed[-3:] = [255] * 3
    pq.write_table(pa.table(table), folder / "data_0.parquet")
    encode(folder, tmp_path / "a.slc")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        (batch,) = reader
    assert batch.labels.count.tolist() == [K, K, K - 3, *[K] * 16]
    expected = np.load(DATA / "exact.npz")
    assert np.array_equal(batch.labels.index[2, : K - 3], expected["index"][2, : K - 3])


def test_a_larger_vocabulary_may_be_named():
    assert open_dump(DATA / "curve", classes=320).info.classes == 320
    with pytest.raises(ConfigError, match=r"`classes=299`: .*compression_config.yaml says 300"):
        open_dump(DATA / "curve", classes=299)
    for option in ({"shift": 0}, {"columns": {"index": "a"}}, {"label_type": "logits"}):
        with pytest.raises(ConfigError, match="does not apply here"):
            open_dump(DATA / "curve", **option)


def edit(folder, column, change):
    file = folder / "data_1.parquet"
    table = pq.read_table(file).to_pydict()
    change(table[column])
    pq.write_table(pa.table(table), file)


def narrow(rows):
    rows[0][1] = rows[0][1][:-1]


BAD = {
    "narrow": (
        "compressed_logprobs",
        narrow,
        r"data_1\.parquet: row 0, position 1: compressed_logp",
    ),
    "classes": (
        "bytepacked_indices",
        narrow,
        "position 1: bytepacked_indices has 33 cells, expect",
    ),
    "short": ("bytepacked_indices", lambda rows: rows[0].pop(), "has 10 positions, expected 11"),
    "no byte": ("compressed_logprobs", lambda r: r[0][1].__setitem__(0, 256), "that are no bytes"),
    "missing": ("bytepacked_indices", lambda r: r[0][1].__setitem__(0, None), "lacks a value"),
    "NaN": ("compressed_logprobs", lambda r: r[0][1].__setitem__(slice(0, 2), [0xC0, 0x7F]), "NaN"),
    "tokens": (
        "input_ids",
        lambda rows: rows.__setitem__(0, rows[0][:-2]),
        "and 10 cells in input",
    ),
    "token": ("input_ids", lambda rows: rows[0].__setitem__(3, 300), "position 3: has token 300"),
    "last token": ("input_ids", lambda rows: rows[0].__setitem__(11, 300), "has token 300"),
    "class": (
        "bytepacked_indices",
        lambda rows: rows[0][4].__setitem__(slice(0, 2), [255, 255]),
        "position 4: has class 511, outside",
    ),
    "floats": (
        "bytepacked_indices",
        lambda rows: rows.__setitem__(0, [[0.5] * 34] * 11),
        "expected integers",
    ),
    "flat": ("compressed_logprobs", lambda rows: rows.__setitem__(0, [1] * 11), "expected lists"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(tmp_path, folder, case):
    column, change, message = BAD[case]
    edit(folder, column, change)
    with pytest.raises(DumpError, match=message):
        encode(folder, tmp_path / "a.slc")
    assert not list(tmp_path.glob("a.*"))


SETTINGS = {
    "no k": ("k: 30\n", "", "k is None, expected 1 to 300"),
    "other k": ("k: 30\n", "k: 31\n", "position 0: bytepacked_indices has 34 cells, expected 35"),
    "exact": ("exact_k: 2", "exact_k: 31", "exact_k is 31, expected 0 to 30"),
    "dtype": (
        "exact_dtype: bfloat16",
        "exact_dtype: int8",
        "exact_dtype is 'int8', expected float",
    ),
    "classes": ("d: 300", "d: 100000000", "d is 100000000, expected 2 to"),
    "terms": ("- sqrt", "- cos", "polynomial_terms is"),
    "flag": ("delta_encoding: false", "delta_encoding: maybe", "'maybe', expected true or false"),
    "bins": ("residual_bins: []", "residual_bins: [1]", r"residual_bins is \[1\]"),
    "tag": ("d: 300", "d: !!python/object/apply:os.system [1]", "line 1: has '!!python"),
    "twice": ("d: 300", "d: 300\nd: 300", "line 2: has d twice"),
    "nested": ("d: 300", "d: 300\n  x: 1", "line 2: expected a setting"),
    "long": ("d: 300", "d: 300\n" + "#" * 70_000, "more than 65536 characters"),
    "missing": (None, None, "has no column compressed_logprobs, which"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_bad_settings(tmp_path, folder, case):
    old, new, message = SETTINGS[case]
    path = folder / CONFIG
    if old is None:
        (folder / "data_1.parquet").unlink()
        shutil.copyfile(DATA / "legacy" / "data_0.parquet", folder / "data_0.parquet")
    else:
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DumpError, match=message):
        encode(folder, tmp_path / "a.slc")
    assert not list(tmp_path.glob("a.*"))


def test_without_settings(folder):
    (folder / CONFIG).unlink()
    (folder / "data_1.parquet").unlink()
    for path in (folder, folder / "data_0.parquet"):
        with pytest.raises(DumpError, match="compressed by DistillKit; put the compression_config"):
            open_dump(path, classes=CLASSES)
    with pytest.raises(DumpError, match=r"compression_config\.yaml is missing, which says how"):
        open_dump(folder, layout="distillkit")


def test_truncated(folder):
    file = folder / "data_1.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DumpError, match=r"data_1\.parquet: truncated or damaged"):
        open_dump(folder)


def test_settings_written_by_hand():
    text = """# recommended
d: 128256   # of the tokenizer
k: 128
polynomial_terms: [0, 1, -2, "sqrt", 'exp']
empty:
residual_bins:
  - scale_dtype: float16 # of this bin
    element_bits: 8

  -
  - 1.5
flag: True
none: ~
"""
    assert plain_yaml(text, "a") == {
        "d": 128256,
        "k": 128,
        "polynomial_terms": [0, 1, -2, "sqrt", "exp"],
        "empty": [],
        "residual_bins": [{"scale_dtype": "float16", "element_bits": 8}, None, 1.5],
        "flag": True,
        "none": None,
    }


@given(st.text(max_size=60))
def test_settings_of_anything(text):
    try:
        assert isinstance(plain_yaml(text, "a"), dict)
    except DumpError as error:
        assert str(error).startswith("a: ")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_packed_numbers_come_back(data):
    """Classes of any number of bits, and residuals on a grid, as the format describes them."""
    classes = data.draw(st.integers(2, 1 << 20))
    k = data.draw(st.integers(1, min(classes, 20)))
    bits = data.draw(st.integers(1, 16))
    curve = Curve(
        classes, k, 0, "float32", (), "float32", (Residuals("float32", bits, k),), False, False
    )
    index = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=k, max_size=k)))
    width = (classes - 1).bit_length()
    packed = packed_bits(index, width)
    assert packed.shape[1] == index_bytes(curve)
    assert classes_of_bytes(packed, k, classes)[0].tolist() == index.tolist()
    steps = np.array(data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=k, max_size=k)))
    stored = np.concatenate(
        [np.array([0.25], "<f4").view(np.uint8)[None], packed_bits(steps, bits)], axis=1
    )
    middle = 2 * steps - 1 if bits == 1 else steps - 2 ** (bits - 1)
    assert values_of_curve(stored, curve)[0].tolist() == (middle * 0.25).tolist()


def packed_bits(numbers, width):
    """(1, bytes) numbers of this many bits, the first bit highest."""
    digits = "".join(f"{number:0{width}b}" for number in numbers)
    digits += "0" * (-len(digits) % 8)
    return np.array([[int(digits[i : i + 8], 2) for i in range(0, len(digits), 8)]], np.uint8)


def test_both_kinds_of_settings():
    assert read_config(DATA / "curve").terms == (0, 1, "sqrt")
    assert [part.bits for part in read_config(DATA / "delta").residuals] == [4, 1]
    assert read_config(DATA / "legacy").coefficients == 9
