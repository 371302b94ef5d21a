"""Tables of token-level labels go into a container and come back, and bad ones are named."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec.errors import ConfigError, DumpError, LabelcodecError
from labelcodec.formats import open_dump, table_rows
from labelcodec.sequences import token_digest
from labelcodec.transcode import decode, encode
from labelcodec.verification import verify
from tests.cli.call import call
from tests.formats.token_sources import (
    CLASSES,
    LENGTHS,
    assert_same,
    columns,
    folder,
    read_folder,
)

ARRAYS = columns()
STARTS = np.cumsum([0, *LENGTHS])


def nested(array, starts=STARTS):
    """Lists of the rows of each sequence."""
    pairs = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    return [array[start:stop].tolist() for start, stop in pairs]


def ragged(rows):
    """The rows of each sequence."""
    return [rows[start:stop] for start, stop in itertools.pairwise(STARTS)]


def structs(arrays):
    return [
        [
            [{"token": f"token_id:{i}", "logprob": x} for i, x in zip(ids, values, strict=True)]
            for ids, values in zip(*row, strict=True)
        ]
        for row in zip(nested(arrays["index"]), nested(arrays["value"]), strict=True)
    ]


LABEL_TYPES = ("logits", "probabilities")
LIST = pa.list_(pa.list_(pa.float32()))
IDS = pa.array(nested(ARRAYS["index"]))
VALUES = pa.array(nested(ARRAYS["value"]), LIST)
TOKENS = pa.array(nested(ARRAYS["tokens"]))
MASK = pa.array(nested(ARRAYS["mask"].astype(np.int8)))
FAMILIES = {
    "teacher": ({"teacher_topk_ids": IDS, "teacher_topk_logprobs": VALUES}, 1),
    "top-k": ({"topk_indices": IDS, "topk_logprobs": VALUES, "text": pa.array(["a"] * 4)}, 1),
    "arcee": ({"token_ids": IDS, "top_values": VALUES, "normalized_logits": VALUES}, 1),
    "axolotl 2": ({"target_token_ids": IDS, "logprobs": VALUES}, 0),
    "axolotl 1": ({"logprobs": pa.array(structs(ARRAYS))}, 0),
}
BESIDE = {"input_ids": TOKENS, "attention_mask": MASK}


def parquet(cells, path, **more):
    pq.write_table(pa.table(cells), path, **more)
    return path


def datasets(cells, root):
    """A folder as `Dataset.save_to_disk` writes it."""
    root.mkdir()
    table = pa.table(cells)
    with pa.ipc.new_stream(str(root / "data.arrow"), table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    files = [{"filename": "data.arrow"}]
    (root / "state.json").write_text(json.dumps({"_data_files": files}))
    (root / "dataset_info.json").write_text("{}")
    return root


def shards(cells, root):
    root.mkdir()
    table = pa.table(cells)
    pq.write_table(table.slice(0, 1), root / "train-00000-of-00002.parquet")
    pq.write_table(table.slice(1), root / "train-00001-of-00002.parquet", row_group_size=2)
    return root


FORMS = {
    "file": lambda cells, root: parquet(cells, root.with_suffix(".parquet")),
    "small groups": lambda cells, root: parquet(
        cells, root.with_suffix(".parquet"), row_group_size=1
    ),
    "shards": shards,
    "datasets": datasets,
}


def assert_labels(path, arrays=ARRAYS):
    """The container holds these arrays."""
    with labelcodec.open(path) as reader:
        batches = list(reader)
    expected = {"index": arrays["index"].astype(np.int64), "value": arrays["value"]}
    for name, array in expected.items():
        assert np.array_equal(np.concatenate([getattr(b.labels, name) for b in batches]), array)
    own = [batch.sequences for batch in batches]
    assert np.array_equal(np.concatenate([s.tokens for s in own]), arrays["tokens"])
    assert np.array_equal(np.concatenate([s.mask for s in own]), arrays["mask"])
    assert np.concatenate([s.length for s in own]).tolist() == list(LENGTHS)
    digests = [token_digest(np.array(tokens)).tolist() for tokens in nested(arrays["tokens"])]
    assert np.concatenate([s.digest for s in own]).tolist() == digests


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_families(tmp_path, form, family):
    cells, shift = FAMILIES[family]
    source, target = FORMS[form](cells | BESIDE, tmp_path / "source"), tmp_path / "a.slc"
    report = encode(source, target, classes=CLASSES)
    assert verify(target).problems == ()
    assert report.header.shift == shift
    assert report.header.source["layout"] == "parquet"
    notes = " ".join(report.notes)
    assert ("not kept: normalized_logits" in notes) == (family == "arcee")
    assert f"pass `shift={1 - shift}`" in notes
    assert_labels(target)
    assert labelcodec.compare(source, target).identical


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_back_to_parquet(tmp_path, dtype):
    """The table that was written is the one that was read, in the names of one family."""
    value = ARRAYS["value"].astype(np.float16).astype(dtype) - 10
    cells = {"teacher_topk_ids": IDS, "teacher_topk_logprobs": pa.array(nested(value))} | BESIDE
    cells["teacher_topk_logprobs"] = cells["teacher_topk_logprobs"].cast(
        pa.list_(pa.list_(pa.from_numpy_dtype(dtype)))
    )
    encode(parquet(cells, tmp_path / "a.parquet"), tmp_path / "a.slc", classes=CLASSES)
    done = decode(tmp_path / "a.slc", tmp_path / "copy")
    assert (done.layout, done.files, done.lossy) == ("parquet", 1, False)
    (written,) = (tmp_path / "copy").iterdir()
    table = pq.read_table(written)
    cells["loss_mask"] = cells.pop("attention_mask")
    assert sorted(table.column_names) == sorted(cells)
    for name, column in cells.items():
        assert table[name].combine_chunks().cast(column.type).equals(column), name
        assert table[name].type == column.type or table[name].type.equals(column.type)
    encode(written, tmp_path / "b.slc", classes=CLASSES)
    assert labelcodec.compare(tmp_path / "a.slc", tmp_path / "b.slc").identical


@pytest.mark.parametrize("wide", [np.float32, np.float64])
@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
def test_values_of_16_bits_are_stored_as_such(tmp_path, precision, wide):
    """Many writers keep a teacher's 16 bits in columns of 32 or 64."""
    value = -1.001 * ARRAYS["value"]
    if precision == "float16":
        value = value.astype(np.float16)
    elif precision == "bfloat16":
        value = (value.view(np.uint32) & 0xFFFF0000).view(np.float32)
    column = pa.array(nested(value.astype(wide)), pa.list_(pa.list_(pa.from_numpy_dtype(wide))))
    source = parquet({"token_ids": IDS, "top_values": column}, tmp_path / "a.parquet")
    report = encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert report.header.precision == precision
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert np.array_equal(reader[0].labels.value.astype(wide), value.astype(wide))
    decode(tmp_path / "a.slc", tmp_path / "copy")
    copy = pq.read_table(tmp_path / "copy")["teacher_topk_logits"].combine_chunks()
    assert copy.equals(column)


def test_arrays_become_a_table_and_come_back(tmp_path):
    arrays = columns(tail=np.full(21, 0.125, np.float32))
    encode(folder(arrays, tmp_path / "a"), tmp_path / "a.slc", classes=CLASSES)
    decode(tmp_path / "a.slc", tmp_path / "table", layout="parquet")
    names = pq.read_schema(tmp_path / "table" / "train-00000-of-00001.parquet").names
    assert "teacher_topk_logits" in names  # their exponentials sum to more than 1
    encode(tmp_path / "table", tmp_path / "b.slc", classes=CLASSES)
    assert labelcodec.compare(tmp_path / "a.slc", tmp_path / "b.slc").fidelity.kl[1.0] < 1e-9
    decode(tmp_path / "b.slc", tmp_path / "copy", layout="arrays")
    copy = read_folder(tmp_path / "copy")
    assert np.abs(copy.pop("tail") - arrays.pop("tail")).max() < 1e-6
    copy["lengths"] = copy["lengths"].astype(np.int64)
    assert_same(copy, arrays)


def test_full_labels_are_not_written_as_a_table(tmp_path):
    encode(folder(columns(k=None), tmp_path / "a"), tmp_path / "a.slc")
    with pytest.raises(DumpError, match="hold all classes"):
        decode(tmp_path / "a.slc", tmp_path / "copy", layout="parquet")
    assert not (tmp_path / "copy").exists()


def test_rows_are_read_once_and_in_any_order(tmp_path, monkeypatch):
    arrays = columns((900,) * 30, k=2)
    starts = np.arange(31) * 900
    cells = {"topk_indices": pa.array(nested(arrays["index"], starts)),
             "topk_logprobs": pa.array(nested(arrays["value"], starts), LIST),
             "input_ids": pa.array(nested(arrays["tokens"], starts))}  # fmt: skip
    source = parquet(cells, tmp_path / "a.parquet", row_group_size=20)
    dump = open_dump(source, classes=CLASSES)
    opened = []
    original = pq.ParquetFile

    def counted(*args, **more):
        opened.append(args)
        return original(*args, **more)

    monkeypatch.setattr(table_rows.pq, "ParquetFile", counted)
    forwards = [dump.read(i) for i in range(len(dump))]
    assert len(dump) > 5
    assert len(opened) == 1  # the second row group; the first is open
    for i in reversed(range(len(dump))):
        assert np.array_equal(dump.read(i).labels.value, forwards[i].labels.value)
        assert np.array_equal(dump.read(i).sequences.digest, forwards[i].sequences.digest)
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    encode(source, tmp_path / "b.slc", classes=CLASSES, threads=2)
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "b.slc").read_bytes()


def test_a_long_row_is_spread_and_put_together(tmp_path):
    arrays = columns((70_000, 5), k=2, mask=None)
    starts = np.array([0, 70_000, 70_005])
    cells = {"teacher_topk_ids": pa.array(nested(arrays["index"], starts)),
             "teacher_topk_logprobs": pa.array(nested(arrays["value"] - 9, starts), LIST),
             "input_ids": pa.array(nested(arrays["tokens"], starts))}  # fmt: skip
    encode(parquet(cells, tmp_path / "a.parquet"), tmp_path / "a.slc", classes=CLASSES)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert len(reader) == 3
    decode(tmp_path / "a.slc", tmp_path / "copy")
    copy = pq.read_table(tmp_path / "copy")
    for name, column in cells.items():
        assert copy[name].combine_chunks().equals(column), name


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=21, max_size=21), st.booleans())
def test_positions_of_different_k(tmp_path_factory, count, is_axolotl):
    """As where the text's own token stands beside the most probable ones."""
    folder = tmp_path_factory.mktemp("ragged")
    kept = [
        (index[:k].tolist(), value[:k].tolist())
        for index, value, k in zip(ARRAYS["index"], ARRAYS["value"], count, strict=True)
    ]
    cells = {
        "teacher_topk_ids": pa.array(ragged([index for index, _ in kept]), IDS.type),
        "teacher_topk_logprobs": pa.array(ragged([value for _, value in kept]), LIST),
    }
    source = parquet(cells | BESIDE, folder / "a.parquet")
    if is_axolotl:
        pairs = [
            [{"token": f"token_id:{c}", "logprob": v} for c, v in zip(*both, strict=True)]
            for both in kept
        ]
        source = parquet({"logprobs": pa.array(ragged(pairs))} | BESIDE, folder / "b.parquet")
    encode(source, folder / "a.slc", classes=CLASSES, shift=1)
    assert labelcodec.compare(source, folder / "a.slc").identical
    with labelcodec.open(folder / "a.slc") as reader:
        (batch,) = reader
    k = max(count)
    assert reader.header.k == k
    own = batch.labels.count
    assert (own is None) == (len(set(count)) == 1)
    assert (np.full(21, k) if own is None else own).tolist() == count
    for row, (index, value) in enumerate(kept):
        assert batch.labels.index[row, : len(index)].tolist() == index
        assert batch.labels.value[row, : len(value)].tolist() == value
    decode(folder / "a.slc", folder / "copy", layout="parquet")
    copy = pq.read_table(folder / "copy")
    for number, column in enumerate(cells.values()):
        assert copy[number].to_pylist() == column.to_pylist()


def test_the_tail_of_positions_of_different_k(tmp_path):
    """The mass of what is left out, of one, two or three classes, comes back."""
    value = np.log(np.array([0.5, 0.2, 0.1], np.float64))
    for number, name in enumerate(("logprobs", "probabilities")):
        own = value if name == "logprobs" else np.exp(value)
        cells = {
            "teacher_topk_ids": [[[7, 8], [7], [7, 8, 9]]],
            f"teacher_topk_{name}": pa.array(
                [[own[:2].tolist(), own[:1].tolist(), own.tolist()]], LIST
            ),
            "teacher_topk_tail": [[0.3, 0.5, 0.2]],
        }
        source = parquet(cells, tmp_path / f"{number}.parquet")
        encode(source, tmp_path / f"{number}.slc", classes=CLASSES, label_type=LABEL_TYPES[number])
        with labelcodec.open(tmp_path / f"{number}.slc") as reader:
            labels = reader[0].labels
        dense = labels.dense().astype(float)
        shares = np.exp(dense) if name == "logprobs" else dense
        assert shares.sum(axis=1).tolist() == pytest.approx([1, 1, 1], rel=1e-5)
        assert shares[:, 0].tolist() == pytest.approx([0.3 / 298, 0.5 / 299, 0.2 / 297], rel=1e-5)
        decode(tmp_path / f"{number}.slc", tmp_path / f"copy{number}")
        copy = pq.read_table(tmp_path / f"copy{number}")
        assert copy["teacher_topk_tail"].to_pylist()[0] == pytest.approx([0.3, 0.5, 0.2], rel=1e-5)


def test_named_columns(tmp_path):
    cells = {"a": IDS, "b": VALUES, "c": TOKENS, "d": MASK, "logprobs": VALUES}
    source = parquet(cells, tmp_path / "a.parquet")
    named = {"index": "a", "value": "b", "tokens": "c", "mask": "d"}
    encode(source, tmp_path / "a.slc", classes=CLASSES, columns=named)
    assert_labels(tmp_path / "a.slc")
    with pytest.raises(ConfigError, match="has no column x; it has a, b"):
        open_dump(source, classes=CLASSES, columns={"index": "x"})
    with pytest.raises(ConfigError, match="'ids' is not one of index, value"):
        open_dump(source, classes=CLASSES, columns={"ids": "a"})
    with pytest.raises(DumpError, match="no column of classes is known; pass `columns=index=COLU"):
        open_dump(source, classes=CLASSES)


def test_several_models(tmp_path):
    """Columns of DAM (`compute_and_save_topk_logits`), by its documented names."""
    other = pa.array(nested(ARRAYS["value"] - 1), LIST)
    cells = {"input_ids_1": MASK, "attention_mask_1": MASK, "topk_logits_model_1": other,
             "topk_indices_model_1": IDS, "input_ids_2": TOKENS, "attention_mask_2": MASK,
             "topk_logits_model_2": VALUES, "topk_indices_model_2": IDS}  # fmt: skip
    source = parquet(cells, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="labels of 2 models, topk_logits_model_1, topk_logits_m"):
        open_dump(source, classes=CLASSES)
    named = {"value": "topk_logits_model_2"}
    report = encode(source, tmp_path / "a.slc", classes=CLASSES, columns=named)
    assert report.header.shift == 1
    assert_labels(tmp_path / "a.slc")
    for name in list(cells)[:4]:
        del cells[name]
    encode(parquet(cells, tmp_path / "b.parquet"), tmp_path / "b.slc", classes=CLASSES)
    assert_labels(tmp_path / "b.slc")
    del cells["topk_indices_model_2"]
    with pytest.raises(DumpError, match="no columns of token-level labels are known"):
        open_dump(parquet(cells, tmp_path / "c.parquet"), classes=CLASSES)


def test_one_named_column(tmp_path):
    """The other one is found by its usual name."""
    for number, (cells, named) in enumerate(
        (
            ({"token_ids": IDS, "own": VALUES}, {"value": "own"}),
            ({"own": IDS, "topk_logprobs": VALUES}, {"index": "own"}),
            ({"topk_indices": TOKENS, "topk_logprobs": VALUES, "own": IDS}, {"index": "own"}),
        )
    ):
        source = parquet(cells | BESIDE, tmp_path / f"{number}.parquet")
        encode(source, tmp_path / f"{number}.slc", classes=CLASSES, columns=named)
        assert_labels(tmp_path / f"{number}.slc")


def with_cell(array, row, position, value):
    cells = array.to_pylist()
    cells[row][position] = value
    return cells


def edited(**cells):
    return {"topk_indices": IDS, "topk_logprobs": VALUES, **BESIDE, **cells}


AT = r"a\.parquet: row 2, position 3: "
BAD = {
    "ragged": (
        edited(topk_logprobs=with_cell(VALUES, 2, 3, [0.0])),
        AT + "topk_indices holds 4 classes, topk_logprobs 1",
    ),
    "ragged ids": (
        edited(topk_indices=with_cell(IDS, 2, 3, [1] * 5)),
        AT + "topk_indices holds 5 classes, topk_logprobs 4",
    ),
    "no list": (edited(topk_logprobs=with_cell(VALUES, 2, 3, None)), AT + "topk_logprobs holds no"),
    "empty list": (
        edited(topk_logprobs=with_cell(VALUES, 2, 3, [])),
        AT + "topk_logprobs holds no",
    ),
    "missing value": (
        edited(topk_logprobs=with_cell(VALUES, 2, 3, [0.0, None, 0.0, 0.0])),
        AT + "topk_logprobs lacks a value",
    ),
    "class outside": (
        edited(topk_indices=with_cell(IDS, 2, 3, [1, 2, 3, CLASSES])),
        AT + "has class 300, outside of the 300",
    ),
    "NaN": (edited(topk_logprobs=with_cell(VALUES, 2, 3, [0.0, np.nan, 0.0, 0.0])), AT + "has NaN"),
    "token outside": (edited(input_ids=with_cell(TOKENS, 2, 3, CLASSES)), AT + "has token 300"),
    "missing token": (edited(input_ids=with_cell(TOKENS, 2, 3, None)), AT + "input_ids lacks"),
    "mask": (edited(attention_mask=with_cell(MASK, 2, 3, 7)), AT + "has 7 in the loss mask"),
    "short tokens": (
        edited(input_ids=[*TOKENS.to_pylist()[:3], [1, 2]]),
        r"row 3, position 0: the row has labels of 3 positions, and 2 cells in input_ids",
    ),
    "empty row": (
        edited(input_ids=[*TOKENS.to_pylist()[:3], []]),
        r"row 3, position 0: the row .* and 0 cells in input_ids",
    ),
    "no row": (
        edited(input_ids=[*TOKENS.to_pylist()[:3], None]),
        r"row 3, position 0: the row .* and 0 cells in input_ids",
    ),
    "no labels": (edited(topk_logprobs=[*VALUES.to_pylist()[:3], []]), "row 3: has no positions"),
    "flat": (edited(topk_logprobs=TOKENS), "topk_logprobs holds lists of int64, expected a list"),
    "text": (edited(topk_indices=["a"] * 4), "topk_indices holds string, expected a list for each"),
    "float classes": (edited(topk_indices=VALUES), "topk_indices holds float, expected integers"),
    "integer values": (edited(topk_logprobs=IDS), "topk_logprobs holds int64, expected floats"),
    "unknown": ({"text": ["a"]}, "no columns of token-level labels are known among text; name"),
    "no rows": (
        {"topk_indices": pa.array([], IDS.type), "topk_logprobs": pa.array([], LIST)},
        "has no rows",
    ),
    "token name": (
        {"logprobs": pa.array([[[{"token": "the", "logprob": 0.0}]]])},
        "row 0, position 0: logprobs names the token 'the', expected 'token_id:'",
    ),
    "large token name": (
        {"logprobs": pa.array([[[{"token": "token_id:99999999999999999999", "logprob": 0.0}]]])},
        "names the token 'token_id:9999",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(tmp_path, case):
    cells, message = BAD[case]
    source = parquet(cells, tmp_path / "a.parquet")
    with pytest.raises(DumpError, match=message):
        encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet"]


@pytest.mark.parametrize("form", ["file", "datasets"])
def test_damaged_files(tmp_path, form):
    source = FORMS[form](FAMILIES["teacher"][0] | BESIDE, tmp_path / "source")
    file = next(source.glob("*.arrow")) if source.is_dir() else source
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for size in (0, 9, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(LabelcodecError, match=file.name):
            encode(source, tmp_path / "a.slc", classes=CLASSES)
        assert not (tmp_path / "a.slc").exists()
    for _ in range(40):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        try:
            encode(source, tmp_path / "a.slc", classes=CLASSES, force=True)
        except LabelcodecError:
            continue


def test_k_and_splits(tmp_path):
    source = parquet(edited(), tmp_path / "a.parquet")
    with pytest.raises(DumpError, match="holds k=4 classes of a vocabulary of 3"):
        open_dump(source, classes=3)
    with pytest.raises(ConfigError, match="pass `classes`"):
        open_dump(source)
    two = shards(edited(), tmp_path / "two")
    (two / "train-00001-of-00002.parquet").rename(two / "test-00000-of-00001.parquet")
    with pytest.raises(DumpError, match="has the splits test, train"):
        open_dump(two, classes=CLASSES)
    mixed = shards(edited(), tmp_path / "mixed")
    parquet(edited(topk_logprobs=IDS), mixed / "train-00001-of-00002.parquet")
    with pytest.raises(
        DumpError, match=r"00002\.parquet: row 0, position 0: topk_logprobs holds int64"
    ):
        encode(mixed, tmp_path / "a.slc", classes=CLASSES)
    other = shards(edited(), tmp_path / "other")
    parquet({"a": IDS}, other / "train-00001-of-00002.parquet")
    with pytest.raises(DumpError, match=r"00002\.parquet: has other columns than"):
        open_dump(other, classes=CLASSES)


def test_commands(tmp_path, capsys):
    source, target = parquet({"a": IDS, "b": VALUES}, tmp_path / "a.parquet"), tmp_path / "a.slc"
    named = ("--classes", CLASSES, "--columns", "index=a", "--columns", "value=b")
    done = call(capsys, "encode", source, target, *named)
    assert done.status == 0, done.err
    assert call(capsys, "compare", source, target, *named[2:]).status == 0
    assert "layout parquet" in call(capsys, "decode", target, tmp_path / "copy").out
    wrong = call(capsys, "encode", source, target, "--columns", "index")
    assert "expected NAME=COLUMN" in wrong.err
    unknown = call(capsys, "encode", source, target, "--classes", CLASSES, "--force")
    assert "--columns index=COLUMN" in unknown.err
