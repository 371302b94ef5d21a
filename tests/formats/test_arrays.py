"""Arrays of token-level labels go into a container and come back, and bad ones are named."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import labelcodec
from labelcodec.errors import ConfigError, DumpError, LabelcodecError
from labelcodec.formats import open_dump, token_plan
from labelcodec.formats.fingerprint import dump_fingerprint
from labelcodec.formats.token_plan import MAX_FULL, MAX_KEPT, plan_batches
from labelcodec.sequences import token_digest
from labelcodec.tail_mass import floor_of, tail_of
from labelcodec.transcode import decode, encode
from labelcodec.verification import verify
from tests.cli.call import call
from tests.formats.builders import epoch_dump, loader_order
from tests.formats.token_sources import (
    CLASSES,
    LENGTHS,
    assert_same,
    columns,
    folder,
    read_folder,
)


def as_npz(arrays, root):
    np.savez(root.with_suffix(".npz"), **arrays)
    return root.with_suffix(".npz")


def as_compressed(arrays, root):
    np.savez_compressed(root.with_suffix(".npz"), **arrays)
    return root.with_suffix(".npz")


def as_safetensors(arrays, root):
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    save_file(tensors, root.with_suffix(".safetensors"))
    return root.with_suffix(".safetensors")


FORMS = {"npz": as_npz, "compressed": as_compressed, "safetensors": as_safetensors, "npy": folder}
BOTH = {
    "top-k": {},
    "half": {"dtype": "float16"},
    "double": {"value": columns()["value"].astype(np.float64)},
    "full": {"k": None},
    "bare": {"tokens": None, "mask": None, "lengths": None},
    "small integers": {"mask": np.arange(21) % 2, "lengths": np.array(LENGTHS, np.uint8)},
    "Fortran": {"value": np.asfortranarray(columns()["value"])},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", BOTH)
def test_there_and_back(tmp_path, form, case):
    arrays = columns(**BOTH[case])
    source, target = FORMS[form](arrays, tmp_path / "source"), tmp_path / "a.slc"
    encode(source, target, classes=CLASSES)
    assert verify(target).problems == ()
    assert labelcodec.compare(source, target).identical
    done = decode(target, tmp_path / "copy")
    assert (done.layout, done.files, done.lossy) == ("arrays", len(arrays), False)
    assert_same(read_folder(tmp_path / "copy"), arrays)


def test_rows_of_equal_length(tmp_path):
    flat = columns((6, 6, 6), lengths=None)
    arrays = {name: array.reshape(3, 6, *array.shape[1:]) for name, array in flat.items()}
    encode(as_npz(arrays, tmp_path / "a"), tmp_path / "a.slc", classes=CLASSES)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert reader[0].sequences.length.tolist() == [6, 6, 6]
        assert reader[0].image_index.tolist() == np.repeat([0, 1, 2], 6).tolist()
        assert np.array_equal(reader[0].labels.index, flat["index"])
    decode(tmp_path / "a.slc", tmp_path / "copy")
    assert_same(read_folder(tmp_path / "copy"), arrays)


@pytest.mark.parametrize("from_start", [True, False])
def test_positions_of_different_k(tmp_path, monkeypatch, from_start):
    """`count` comes back, also where only later batches need it; what stands behind is padding."""
    monkeypatch.setattr(token_plan, "POSITIONS", 8)
    count = np.full(21, 4, np.uint8)
    count[0 if from_start else 15 :: 3] = 2
    arrays = columns(count=count)
    arrays["index"][count == 2, 2:] = -1
    arrays["value"][count == 2, 2:] = np.nan
    source = folder(arrays, tmp_path / "source")
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert labelcodec.compare(source, tmp_path / "a.slc").identical
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert (reader[0].labels.count is None) == (not from_start)
        assert reader[-1].labels.count is not None
    decode(tmp_path / "a.slc", tmp_path / "copy")
    copy = read_folder(tmp_path / "copy")
    is_kept = np.arange(4) < count[:, None]
    for name in ("index", "value"):
        assert (copy[name][is_kept] == arrays[name][is_kept]).all()
    for name in ("count", "tokens", "lengths", "mask"):
        assert copy[name].dtype == arrays[name].dtype and (copy[name] == arrays[name]).all()
    assert (copy["value"][~is_kept] == -np.inf).all()


@pytest.mark.parametrize("behind", [-1, -np.inf, np.nan, 5])
def test_probabilities_are_told_whatever_stands_behind_them(tmp_path, behind):
    count = np.full(21, 4)
    count[::2] = 2
    shares = np.random.default_rng(0).dirichlet(np.ones(5), 21)[:, :4].astype(np.float32)
    shares[count == 2, 2:] = behind
    source = folder(columns(count=count, value=shares), tmp_path / "source")
    with pytest.raises(DumpError, match="pass `label_type=probabilities`"):
        encode(source, tmp_path / "a.slc", classes=CLASSES)


def test_a_tail_where_no_class_is_left_out(tmp_path):
    """Its mass must be 0; the floor is a number all the same."""
    count = np.array([3, 6, 3], np.int64)
    index = np.argsort(np.random.default_rng(0).random((3, 6)), axis=1)
    value = np.log(np.tile(np.float32([0.5, 0.2, 0.1, 0.1, 0.06, 0.04]), (3, 1)))
    arrays = {"index": index, "value": value, "count": count, "tail": np.float32([0.2, 0, 0.2])}
    encode(folder(arrays, tmp_path / "source"), tmp_path / "a.slc", classes=6)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        labels = reader[0].labels
    assert np.isfinite(labels.floor).all()
    assert np.exp(labels.dense().astype(float)).sum(axis=1) == pytest.approx([1, 1, 1], rel=1e-4)
    np.save(tmp_path / "source/tail.npy", np.float32([0.2, 0.1, 0.2]))
    with pytest.raises(DumpError, match=r"position 1: has a tail of 0\.1, but leaves no class out"):
        encode(tmp_path / "source", tmp_path / "b.slc", classes=6)


@pytest.mark.parametrize("bad", [0, 5])
def test_numbers_of_kept_classes_that_cannot_be(tmp_path, bad):
    count = np.full(21, 4)
    count[7] = bad
    source = folder(columns(count=count), tmp_path / "source")
    with pytest.raises(DumpError, match=f"position 1: keeps {bad} classes, expected 1..4"):
        encode(source, tmp_path / "a.slc", classes=CLASSES)


def test_rows_are_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(token_plan, "MAX_SAMPLES", 4)
    flat = columns((6, 6, 6), lengths=None)
    arrays = {name: array.reshape(3, 6, *array.shape[1:]) for name, array in flat.items()}
    dump = open_dump(as_npz(arrays, tmp_path / "a"), classes=CLASSES)
    batches = [dump.read(i) for i in range(len(dump))]
    assert [len(batch) for batch in batches] == [4, 2, 4, 2, 4, 2]
    index = np.concatenate([batch.labels.index for batch in batches])
    assert np.array_equal(index, flat["index"])
    assert np.array_equal(np.concatenate([b.sequences.tokens for b in batches]), flat["tokens"])


def test_the_fingerprint_tells_labels_of_the_same_size(tmp_path):
    arrays = columns()
    others = (
        arrays,
        {**arrays, "value": arrays["value"] - 1},
        {**arrays, "index": arrays["index"] ^ 1},
        {**arrays, "lengths": arrays["lengths"][::-1]},
    )
    seen = set()
    for number, other in enumerate(others):
        dump = open_dump(as_npz(other, tmp_path / str(number)), classes=CLASSES)
        seen.add(tuple(dump_fingerprint(dump).values()))
    assert len(seen) == len(others)


def test_what_the_container_says(tmp_path):
    arrays = columns()
    report = encode(as_npz(arrays, tmp_path / "a"), tmp_path / "a.slc", classes=CLASSES)
    header = report.header
    assert (header.kind, header.shift, header.tail, header.k) == ("tokens", 1, "zero", 4)
    assert (header.images, header.precision, header.source["sequences"]) == (None, "float32", 4)
    assert [note for note in report.notes if "image" in note] == []
    with labelcodec.open(tmp_path / "a.slc") as reader:
        own = reader[0].sequences
    pieces = np.split(arrays["tokens"], np.cumsum(LENGTHS)[:-1])
    assert own.digest.tolist() == [token_digest(piece).tolist() for piece in pieces]
    assert own.tokens.tolist() == arrays["tokens"].tolist()
    bare = columns(tokens=None, lengths=None)
    report = encode(as_npz(bare, tmp_path / "b"), tmp_path / "b.slc", classes=CLASSES, shift=0)
    assert report.header.shift == 0
    assert "taken for one sequence" in report.notes[0]
    assert "is taken to be of its own token; pass `shift=1`" in report.notes[1]
    assert "has no token ids" in report.notes[2]


def test_full_labels_are_cut_to_the_largest(tmp_path):
    source = as_npz(columns(k=None), tmp_path / "a")
    encode(source, tmp_path / "a.slc", codec="topk:k=7")
    done = decode(tmp_path / "a.slc", tmp_path / "copy")
    assert (done.layout, done.lossy) == ("arrays", True)
    assert read_folder(tmp_path / "copy")["index"].shape == (21, 7)


def test_a_step_does_not_narrow_the_values(tmp_path):
    source = as_npz(columns(dtype="float16"), tmp_path / "a")
    encode(source, tmp_path / "a.slc", codec="topk:step=0.1", classes=CLASSES)
    decode(tmp_path / "a.slc", tmp_path / "copy")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert np.array_equal(read_folder(tmp_path / "copy")["value"], reader[0].labels.value)


def test_bfloat16(tmp_path):
    arrays = columns()
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    tensors["value"] = tensors["value"].bfloat16()
    save_file(tensors, tmp_path / "a.safetensors")
    report = encode(tmp_path / "a.safetensors", tmp_path / "a.slc", classes=CLASSES)
    assert report.header.precision == "bfloat16"
    decode(tmp_path / "a.slc", tmp_path / "copy")
    expected = {**arrays, "value": tensors["value"].float().numpy()}
    assert_same(read_folder(tmp_path / "copy"), expected)


def test_the_tail_keeps_its_mass(tmp_path):
    logits = columns(k=None)["logits"].astype(np.float64)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    index = np.argsort(-logits, axis=1)[:, :4]
    kept = np.take_along_axis(probability, index, axis=1)
    beside = {"index": index, "tail": (1 - kept.sum(axis=1)).astype(np.float32)}
    sources = {
        "logprobs": columns(value=np.log(kept).astype(np.float32), **beside),
        "logits": columns(value=np.take_along_axis(logits, index, 1).astype(np.float32), **beside),
        "probabilities": columns(value=kept.astype(np.float32), **beside),
    }
    rest = (1 - kept.sum(axis=1, keepdims=True)) / (CLASSES - 4)
    for name, arrays in sources.items():
        kind = "probabilities" if name == "probabilities" else "logits"
        source, target = as_npz(arrays, tmp_path / name), tmp_path / f"{name}.slc"
        report = encode(source, target, classes=CLASSES, label_type=kind)
        assert report.header.tail == ("floor" if kind == "logits" else "uniform")
        with labelcodec.open(target) as reader:
            dense = reader[0].labels.dense().astype(np.float64)
        if kind == "logits":
            dense = np.exp(dense) / np.exp(dense).sum(axis=1, keepdims=True)
        expected = np.broadcast_to(rest, dense.shape).copy()
        np.put_along_axis(expected, index, kept, axis=1)
        assert np.abs(dense - expected).max() < 1e-5
        decode(target, tmp_path / f"{name} copy")
        copy = read_folder(tmp_path / f"{name} copy")
        assert np.abs(copy.pop("tail") - arrays["tail"]).max() < 1e-5
        assert_same(copy, {name: array for name, array in arrays.items() if name != "tail"})


@given(st.lists(st.floats(0, 0.99), min_size=1, max_size=8), st.integers(1, 200_000))
def test_floor_and_tail_are_inverse(masses, left_out):
    value = np.random.default_rng(0).normal(size=(len(masses), 3)) * 5
    tail = np.array(masses)
    assert np.allclose(tail_of(value, floor_of(value, tail, left_out), left_out), tail, atol=1e-11)


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=40),
    st.sampled_from([(1 << 17, None), (1000, 1 << 15), (1000, 1 << 18), (1000, 5)]),
)
def test_plan_covers_all_positions_within_the_limits(lengths, kind):
    classes, k = kind
    lengths = [length * 37 for length in lengths]
    plan = plan_batches(lengths, classes, k)
    seen = [part for i in range(len(plan)) for part in plan.parts(i)]
    together: dict[int, int] = {}
    for part in seen:
        assert part.start == together.get(part.number, 0)
        assert part.stop > part.start
        together[part.number] = part.stop
    assert list(together.values()) == lengths
    most = MAX_FULL // classes if k is None else MAX_KEPT // k
    for i in range(len(plan)):
        start, stop = plan.span(i)
        assert stop - start <= max(most, 1)
        assert sum(part.stop - part.start for part in plan.parts(i)) == stop - start
        assert [plan.place(start)[0]] == [plan.parts(i)[0].number]
    whole = [part for part in seen if part.start == 0 and part.stop == lengths[part.number]]
    assert len(whole) >= sum(length <= most for length in lengths) or most < 4096


def test_a_long_sequence_is_spread(tmp_path):
    arrays = columns((70_000, 10), k=2, dtype="float16")
    source = folder(arrays, tmp_path / "a")
    dump = open_dump(source, classes=CLASSES)
    batches = [dump.read(i) for i in range(len(dump))]
    assert [batch.sequences.start.tolist() for batch in batches] == [[0], [65536], [0]]
    digest = token_digest(arrays["tokens"][:70_000])
    assert all(np.array_equal(batch.sequences.digest[0], digest) for batch in batches[:2])
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    decode(tmp_path / "a.slc", tmp_path / "copy")
    assert_same(read_folder(tmp_path / "copy"), arrays)


def edited(name, position, value):
    arrays = columns()
    arrays[name] = arrays[name].copy()
    arrays[name][position] = value
    return arrays


AT = r"a.npz: sequence 2, position 3: "
BAD = {
    "class outside": (edited("index", (9, 1), CLASSES), AT + "has class 300, outside of the 300"),
    "negative class": (edited("index", (9, 1), -1), AT + "has class -1"),
    "class twice": (edited("index", 9, 7), AT + "has class 7 twice"),
    "NaN": (edited("value", (9, 0), np.nan), AT + "has NaN"),
    "token outside": (edited("tokens", 9, CLASSES), AT + "has token 300, the vocabulary has 300"),
    "mask": (columns(mask=np.arange(21)), "sequence 0, position 2: has 2 in the loss mask"),
    "float64": (columns(value=columns()["value"] * np.float64(np.pi)), "0: has float64 values"),
    "lengths": (
        columns(lengths=np.array([20])),
        "sum to 20 positions, the labels have 21",
    ),
    "negative length": (columns(lengths=np.array([22, -1])), "sequence 0 has length 22"),
    "empty sequence": (columns(lengths=np.array([21, 0])), "sequence 1 has length 0"),
    "k too large": (columns(index=np.zeros((21, 301), int), value=np.zeros((21, 301))), "k=301"),
    "short tokens": (
        columns(tokens=np.zeros(20, int)),
        r"shape \(20,\), expected \(21",
    ),
    "other k": (columns(value=np.zeros((21, 3))), "`index` has shape"),
    "no values": (columns(value=None), "or `index` and `value`; it has"),
    "both": (columns(logits=np.zeros((21, CLASSES))), "expected arrays `logits`, or `index`"),
    "float classes": (
        columns(index=np.zeros((21, 4))),
        "`index` is of dtype float64",
    ),
    "integer values": (columns(value=np.zeros((21, 4), int)), "`value` is of dtype int64"),
    "no positions": (columns(index=np.zeros((0, 4), int), value=np.zeros((0, 4))), "shape"),
    "tail": (columns(tail=np.full(21, 1.5)), "sequence 0, position 0: has a tail of 1.5"),
    "NaN tail": (columns(tail=np.full(21, np.nan)), "position 0: has a tail of nan"),
    "tail of all": (columns(k=None, tail=np.full(21, 0.1)), "leave no class out"),
    "probabilities": (columns(value=np.full((21, 4), 0.2)), "pass `label_type=probabilities`"),
    "objects": (columns(value=np.full((21, 4), None)), "holds Python objects"),
    "padded rows": (
        columns(index=np.zeros((3, 7, 4), int), value=np.zeros((3, 7, 4)), tokens=None, mask=None),
        "`lengths` go with values of shape",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(tmp_path, case):
    arrays, message = BAD[case]
    source = as_npz(arrays, tmp_path / "a")
    with pytest.raises(DumpError, match=message):
        encode(source, tmp_path / "a.slc", classes=CLASSES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz"]


@pytest.mark.parametrize("form", FORMS)
def test_truncated_files(tmp_path, form):
    source = FORMS[form](columns(), tmp_path / "source")
    file = source / "value.npy" if source.is_dir() else source
    whole = file.read_bytes()
    for size in (0, 9, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(LabelcodecError, match=file.name):
            encode(source, tmp_path / "a.slc", classes=CLASSES)
        assert not (tmp_path / "a.slc").exists()


def test_a_large_array_is_not_allocated(tmp_path):
    """A header of 2^50 values in a small file."""
    source = folder(columns(), tmp_path / "source")
    data = (source / "value.npy").read_bytes()
    (source / "value.npy").write_bytes(data.replace(b"(21, 4)", b"(21, 4" + b"0" * 15 + b")"))
    with pytest.raises(DumpError, match=r"value\.npy: truncated or damaged"):
        open_dump(source, classes=CLASSES)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("value.npy", data.replace(b"(21, 4)", b"(21, 4" + b"0" * 15 + b")"))
    with pytest.raises(DumpError, match="truncated"):
        open_dump(tmp_path / "a.npz", classes=CLASSES)


def test_the_number_of_classes(tmp_path):
    source = as_npz(columns(), tmp_path / "a")
    with pytest.raises(ConfigError, match="pass `classes`"):
        open_dump(source)
    with pytest.raises(ConfigError, match="more than 1048576"):
        open_dump(source, classes=1 << 21)
    with pytest.raises(DumpError, match="logits of 300 classes, but `classes=301`"):
        open_dump(as_npz(columns(k=None), tmp_path / "b"), classes=301)


@pytest.mark.parametrize(
    "option",
    [
        {"images": "here"},
        {"image_order": "here"},
        {"loader_seed": 1},
        {"epochs_range": (0, 1)},
        {"label_type": "MS"},
        {"class_map": ["a"]},
        {"image_size": 32},
        {"columns": {"index": "a"}},
    ],
)
def test_options_of_images_are_refused(tmp_path, option):
    source = as_npz(columns(), tmp_path / "a")
    if "images" in option:
        (tmp_path / "here" / "a").mkdir(parents=True)
        (tmp_path / "here" / "a" / "b.png").write_bytes(b"")
        option = {"images": tmp_path / "here"}
    with pytest.raises(ConfigError, match=f"`{next(iter(option))}` does not apply here"):
        encode(source, tmp_path / "a.slc", classes=CLASSES, **option)


def test_layouts_of_images_and_tokens_are_kept_apart(tmp_path):
    images = epoch_dump(tmp_path / "dump", loader_order(20, 3), 6)
    with pytest.raises(ConfigError, match="`shift` does not apply here"):
        open_dump(images, shift=0)
    encode(images, tmp_path / "images.slc")
    with pytest.raises(DumpError, match="layout arrays is for labels of token sequences"):
        decode(tmp_path / "images.slc", tmp_path / "a", layout="arrays")
    encode(as_npz(columns(), tmp_path / "a"), tmp_path / "a.slc", classes=CLASSES)
    with pytest.raises(DumpError, match="layout sre2l is for labels of images, these are of token"):
        decode(tmp_path / "a.slc", tmp_path / "a", layout="sre2l")
    assert not (tmp_path / "a").exists()
    with pytest.raises(DumpError, match=r"layout arrays reads \.npz, \.safetensors and folders"):
        open_dump(tmp_path / "a.slc", layout="arrays")


def test_a_folder_of_arrays_is_replaced_only_by_force(tmp_path):
    source = as_npz(columns(), tmp_path / "a")
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    for force in (False, True):
        decode(tmp_path / "a.slc", tmp_path / "copy", force=force)
    (tmp_path / "copy" / "other.npy").write_bytes(b"")
    with pytest.raises(DumpError, match=r"holds other\.npy"):
        decode(tmp_path / "a.slc", tmp_path / "copy", force=True)


def test_hostile_types_of_the_source(tmp_path):
    source = as_npz(columns(), tmp_path / "a")
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    from labelcodec.formats import write_dump

    with labelcodec.open(tmp_path / "a.slc") as reader:
        for types in ({"columns": 3}, {"columns": {"value": "O"}}, {"columns": {"row": -1}}):
            with pytest.raises(DumpError, match="types of the source"):
                write_dump(iter(reader), tmp_path / "copy", "arrays", types)
        with pytest.raises(DumpError, match="does not fit uint8"):
            write_dump(iter(reader), tmp_path / "copy", "arrays", {"columns": {"index": "uint8"}})
    assert not (tmp_path / "copy").exists()


def test_resumed_and_in_processes(tmp_path):
    arrays = columns((5000,) * 4, k=2)
    source = as_compressed(arrays, tmp_path / "a")
    encode(source, tmp_path / "a.slc", classes=CLASSES)
    encode(source, tmp_path / "b.slc", classes=CLASSES, threads=2)
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "b.slc").read_bytes()
    report = encode(source, tmp_path / "a.slc", classes=CLASSES, resume=True)
    assert "complete already" in " ".join(report.notes)
    other = as_npz({**arrays, "value": arrays["value"] - 1}, tmp_path / "a")
    with pytest.raises(LabelcodecError, match="another source"):
        encode(other, tmp_path / "a.slc", classes=CLASSES, resume=True)


def test_commands(tmp_path, capsys):
    source, target = as_npz(columns(), tmp_path / "a"), tmp_path / "a.slc"
    refused = call(capsys, "encode", source, target)
    assert refused.status != 0
    assert "pass --classes" in refused.err
    done = call(capsys, "encode", source, target, "--classes", CLASSES, "--shift", 0)
    assert done.status == 0, done.err
    assert "pass --shift 1 if" in done.err
    assert call(capsys, "compare", source, target).status == 0
    assert "in layout arrays" in call(capsys, "decode", target, tmp_path / "copy").out
    assert_same(read_folder(tmp_path / "copy"), columns())
