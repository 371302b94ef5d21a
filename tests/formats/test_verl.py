"""Padded top-k labels of verl go into a container and come back, and bad ones are named.

The files are written here by the schema of verl's recipe/gkd (`get_teacher_knowledge`): it puts
`teacher_topk_logps` float32 and `teacher_topk_indices` int32 of shape (S, L, K), zero where
`attention_mask` is, into a batch with left-padded prompts and right-padded responses.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import labelcodec
from labelcodec.errors import ConfigError, DumpError, UnsafeError
from labelcodec.formats import open_dump
from labelcodec.formats.verl_writer import Padding
from labelcodec.sequences import token_digest
from labelcodec.transcode import decode, encode
from labelcodec.verification import verify

CLASSES, K, PAD = 300, 4, 7


def batch(spans, length=12, k=K, dtype=torch.float32, seed=0):
    """Arrays with a sequence at each (start, stop)."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((len(spans), length), np.int64)
    for row, (start, stop) in enumerate(spans):
        mask[row, start:stop] = 1
    order = np.argsort(rng.random((*mask.shape, CLASSES)), axis=2)[..., :k]
    value = -np.sort(rng.gamma(1.0, 2.0, order.shape), axis=2)
    kept = mask[..., None]
    tokens = np.where(mask, rng.integers(0, CLASSES, mask.shape), PAD)
    return {
        "teacher_topk_logps": torch.where(torch.tensor(kept > 0), torch.tensor(value), 0).to(dtype),
        "teacher_topk_indices": torch.tensor(order * kept, dtype=torch.int32),
        "input_ids": torch.tensor(tokens),
        "attention_mask": torch.tensor(mask),
    }


SPANS = [(3, 9), (0, 12), (5, 6), (2, 12)]


def save(arrays, path):
    save_file(arrays, path) if path.suffix == ".safetensors" else torch.save(arrays, path)
    return path


def load(path):
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)


def assert_same(path, arrays):
    """The file holds these arrays, to the bit."""
    read = load(path)
    assert list(read) == list(arrays) or path.suffix == ".safetensors"
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype, name
        assert read[name].shape == array.shape, name
        assert torch.equal(read[name].view(torch.uint8), array.view(torch.uint8)), name


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_there_and_back(tmp_path, suffix, dtype):
    arrays = batch(SPANS, dtype=dtype)
    source, target = save(arrays, tmp_path / f"a{suffix}"), tmp_path / "a.slc"
    report = encode(source, target, classes=CLASSES, layout="verl")
    assert verify(target).problems == ()
    header = report.header
    assert (header.k, header.shift, header.source["layout"]) == (K, 1, "verl")
    assert header.precision == str(dtype).removeprefix("torch.")
    with labelcodec.open(target) as reader:
        (stored,) = reader
    kept = arrays["attention_mask"].numpy() > 0
    value = arrays["teacher_topk_logps"].float().numpy()[kept]
    assert np.array_equal(stored.labels.value.astype(np.float32), value)
    assert np.array_equal(stored.labels.index, arrays["teacher_topk_indices"].numpy()[kept])
    assert stored.sequences.length.tolist() == [stop - start for start, stop in SPANS]
    texts = [ids[own] for ids, own in zip(arrays["input_ids"].numpy(), kept, strict=True)]
    assert stored.sequences.digest.tolist() == [token_digest(text).tolist() for text in texts]
    done = decode(target, tmp_path / "copy")
    assert (done.layout, done.files) == ("verl", 1)
    assert_same(tmp_path / "copy" / source.name, arrays)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_padding_comes_back(tmp_path_factory, data):
    """Files of any number, with or without masks and tokens, of several dtypes."""
    root = tmp_path_factory.mktemp("verl")
    (root / "dump").mkdir()
    draw = data.draw
    left_out = draw(st.sets(st.sampled_from(["input_ids", "attention_mask"])))
    dtype = draw(st.sampled_from([torch.float32, torch.bfloat16]))
    narrow = draw(st.sampled_from([torch.int64, torch.int32, torch.uint8, torch.bool]))
    files = {}
    for number in range(draw(st.integers(1, 3))):
        spans = []
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(0, 7))
            spans.append((start, draw(st.integers(start + 1, 8))))
        if "attention_mask" in left_out:
            spans = [(0, 8)] * len(spans)
        arrays = batch(spans, 8, 2, dtype, number)
        arrays["attention_mask"] = arrays["attention_mask"].to(narrow)
        arrays = {name: array for name, array in arrays.items() if name not in left_out}
        files[f"shard_{9 + number}.pt"] = arrays
        save(arrays, root / "dump" / f"shard_{9 + number}.pt")
    encode(root / "dump", root / "a.slc", classes=CLASSES, layout="verl")
    decode(root / "a.slc", root / "copy")
    assert sorted(path.name for path in (root / "copy").iterdir()) == sorted(files)
    for name, arrays in files.items():
        assert_same(root / "copy" / name, arrays)


def test_a_file_is_detected_and_a_folder_named(tmp_path):
    (tmp_path / "x").mkdir()
    source = save(batch(SPANS), tmp_path / "x" / "a.pt")
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert labelcodec.compare(source, tmp_path / "a.slc").identical
    with pytest.raises(DumpError, match=r"a\.pt holds labels of tokens in padded arrays: pass"):
        open_dump(source.parent, classes=CLASSES)
    safe = save(batch(SPANS), tmp_path / "a.safetensors")
    with pytest.raises(DumpError, match="labels of tokens in padded arrays: pass `layout=verl`"):
        open_dump(safe, classes=CLASSES)


def test_files_are_read_by_their_numbers(tmp_path):
    root = tmp_path / "dump"
    root.mkdir()
    for number in (10, 9, 100):
        save(batch([(0, number % 7 + 1)]), root / f"shard_{number}.pt")
    dump = open_dump(root, classes=CLASSES, layout="verl")
    assert dump.read(0).sequences.length.tolist() == [3, 4, 3]
    dump = open_dump(root, classes=CLASSES, layout="verl", shift=0)
    assert dump.info.shift == 0


def test_other_padding_is_read_but_not_written(tmp_path):
    arrays = batch(SPANS)
    arrays["teacher_topk_logps"][0, 11] = 5
    source = save(arrays, tmp_path / "a.pt")
    report = encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert "its padding is not uniform: `decode` does not write it back" in report.notes
    with pytest.raises(DumpError, match="read from it, with uniform padding"):
        decode(tmp_path / "a.slc", tmp_path / "copy")
    decode(tmp_path / "a.slc", tmp_path / "copy", layout="parquet")


@pytest.mark.parametrize("name", ["teacher_topk_logps", "teacher_topk_indices", "input_ids"])
def test_padding_of_other_values_is_not_taken_for_uniform(tmp_path, name):
    arrays = batch(SPANS)
    arrays[name][0, 11] = 5
    assert open_dump(save(arrays, tmp_path / "a.pt"), classes=CLASSES).info.types == {}
    arrays = batch(SPANS)
    arrays[name][0, 4] = 5
    assert open_dump(save(arrays, tmp_path / "a.pt"), classes=CLASSES).info.types != {}


def without(name):
    arrays = batch(SPANS)
    del arrays[name]
    return arrays


def edited(name, change):
    arrays = batch(SPANS)
    arrays[name] = change(arrays[name])
    return arrays


def at(place, number):
    def change(array):
        array[place] = number
        return array

    return change


VALUE, INDEX = "teacher_topk_logps", "teacher_topk_indices"
BAD = {
    "no values": (without(VALUE), "named tensors|holds no teacher_topk_logps"),
    "flat": (edited(VALUE, lambda array: array[0]), r"have shapes \(12, 4\) and \(4, 12, 4\)"),
    "shapes": (edited(INDEX, lambda array: array[..., :3]), r"and \(4, 12, 3\), expected"),
    "wide": (edited(VALUE, lambda array: array.double()), "is of dtype float64, expected float16"),
    "float classes": (edited(INDEX, lambda array: array.float()), "dtype float32, expected integ"),
    "tokens": (edited("input_ids", lambda array: array[:3]), r"input_ids has shape \(3, 12\)"),
    "mask": (edited("attention_mask", lambda a: a[..., None]), "attention_mask has shape"),
    "empty": (edited("attention_mask", at(2, 0)), "sequence 2: its attention_mask leaves no"),
    "hole": (edited("attention_mask", at((1, 4), 0)), "sequence 1: its attention_mask has padding"),
    "NaN": (edited(VALUE, at((0, 4, 1), np.nan)), "sequence 0, position 1: has NaN"),
    "class": (edited(INDEX, at((3, 4, 1), 300)), "sequence 3, position 2: has class 300, outside"),
    "negative": (edited(INDEX, at((3, 4, 1), -1)), "position 2: has class -1, outside"),
    "token": (edited("input_ids", at((1, 5), 300)), "sequence 1, position 5: has token 300"),
    "nothing": ({}, r"a\.pt: a file of torch\.save; a dump is a folder"),
    "list": ({VALUE: [1], INDEX: [2]}, "holds no teacher_topk_logps|padded arrays"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    arrays, message = BAD[case]
    source = save(arrays, tmp_path / "a.pt")
    with pytest.raises(DumpError, match=message):
        encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_hostile_files(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    source = save({VALUE: Evil()}, tmp_path / "a.pt")
    with pytest.raises(UnsafeError, match=r"a\.pt: refused"):
        open_dump(source, classes=CLASSES)
    source = save(batch(SPANS), tmp_path / "b.pt")
    whole = source.read_bytes()
    for size in (0, 4, 1000, len(whole) - 30):
        source.write_bytes(whole[:size])
        with pytest.raises(DumpError, match=r"b\.pt: "):
            open_dump(source, classes=CLASSES)
    root = tmp_path / "dump"
    root.mkdir()
    with pytest.raises(DumpError, match=r"holds no files \.pt"):
        open_dump(root, classes=CLASSES, layout="verl")
    save(batch(SPANS), root / "a.pt")
    save(batch(SPANS, k=3), root / "b.pt")
    with pytest.raises(DumpError, match=r"b\.pt: has other arrays than"):
        open_dump(root, classes=CLASSES, layout="verl")
    with pytest.raises(ConfigError, match="pass `classes`"):
        open_dump(save(batch(SPANS), tmp_path / "c.pt"))


def test_types_of_a_hostile_header(tmp_path):
    dump = open_dump(save(batch(SPANS), tmp_path / "a.pt"), classes=CLASSES)
    (types,) = dump.info.types["verl"]
    assert Padding.from_types(types).to_types() == types
    for name, value in {
        "file": "../a.pt",
        "value": 1,
        "dtypes": ["float32", "evil", None, None],
        "left": [[1 << 30, 0]],
        "length": -1,
        "token": "a",
    }.items():
        with pytest.raises(DumpError, match="types of the source: verl"):
            Padding.from_types(types | {name: value})
    with pytest.raises(DumpError, match="types of the source: verl holds something else"):
        Padding.from_types({"file": "a"})
