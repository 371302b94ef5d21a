"""Megatron-LM's cached logits go into a container and come back, and bad ones are named.

The samples in tests/data/megatron were written by its own code (d98e8a6): `LogitsSaverHooks` on a
teacher of 70 000 classes, two data-parallel ranks; `nucleus` with p=0.9, so that positions keep 1
to 6 classes. See make_samples. Other files are written here as it writes them.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import labelcodec
from labelcodec.errors import ConfigError, DumpError, UnsafeError
from labelcodec.formats import open_dump, write_dump
from labelcodec.formats.megatron_structure import Structure
from labelcodec.replay import Texts, TokenDataset
from labelcodec.torch_file import read_torch_file
from labelcodec.transcode import decode, encode
from labelcodec.verification import verify

DATA = Path(__file__).parents[1] / "data" / "megatron"
CLASSES = 70_000


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(DATA / "nucleus", tmp_path / "dump"))


def members(path):
    """Name -> content of a tar's members."""
    with tarfile.open(path) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}


def contents(root):
    """What the tars of a folder hold: names, and bits of all tensors."""
    found = {}
    for path in sorted(root.iterdir()):
        for name, data in members(path).items():
            if name.endswith(".zst"):
                lists = read_torch_file(zstandard.ZstdDecompressor().decompress(data))
                found[path.name, name] = {
                    key: [(part.dtype, part.shape, part.stored.tobytes()) for part in parts]
                    for key, parts in lists.items()
                }
            else:
                found[path.name, name] = data
    return found


def tar(path, parts):
    """A tar of these members."""
    with tarfile.open(path, "w") as archive:
        for name, data in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def payload(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return zstandard.compress(stream.getvalue())


def iteration(batches):
    """The member of (values, classes) of shape (L, B, K)."""
    values = [torch.from_numpy(value) for value, _ in batches]
    low = [torch.from_numpy((index & 0xFFFF).astype(np.uint16)) for _, index in batches]
    high = [torch.from_numpy((index >> 16).astype(bool)) for _, index in batches]
    return payload({"values": values, "indices_low": low, "bit_17": high})


def batch(length=3, sequences=2, k=4, seed=0):
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.random((length, sequences, 100)), axis=2)[..., :k]
    value = -np.sort(rng.gamma(2.0, 2.0, (length, sequences, k)), axis=2)
    return value.astype(np.float16), order


@pytest.mark.parametrize("name", ["whole", "nucleus"])
def test_there_and_back(tmp_path, name):
    target = tmp_path / "a.slc"
    report = encode(DATA / name, target, classes=CLASSES)
    assert verify(target).problems == ()
    header = report.header
    assert (header.k, header.shift, header.source["layout"]) == (6, 1, "megatron")
    assert not any("shift" in note for note in report.notes)  # the layout says it
    assert header.precision == {"whole": "bfloat16", "nucleus": "float16"}[name]
    assert labelcodec.compare(DATA / name, target).identical
    done = decode(target, tmp_path / "copy")
    assert (done.layout, done.files, done.lossy) == ("megatron", 4, False)
    assert contents(tmp_path / "copy") == contents(DATA / name)


def test_every_label_is_where_it_was(tmp_path):
    """Sequences are numbered as the samples of training: microbatches of both ranks by turns."""
    encode(DATA / "nucleus", tmp_path / "a.slc", classes=CLASSES)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        (stored,) = reader
    labels = stored.labels
    for number, (step, micro, rank, own) in enumerate(np.ndindex(4, 2, 2, 2)):
        file = f"cp0_dp{rank}__{2 if step < 2 else 4}.tar"
        data = members(DATA / "nucleus" / file)[f"{step + 1}.pt.zst"]
        saved = torch.load(io.BytesIO(zstandard.decompress(data)), weights_only=True)
        value = saved["values"][micro][:, own].numpy()
        high = saved["bit_17"][micro][:, own].long() << 16
        index = (high | saved["indices_low"][micro][:, own].long()).numpy()
        for position, row in enumerate(np.flatnonzero(stored.image_index == number)):
            count = int((value[position] != -1000).sum())
            assert labels.count[row] == count
            assert labels.value[row, :count].tolist() == value[position, :count].tolist()
            assert labels.index[row, :count].tolist() == index[position, :count].tolist()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_structure_comes_back(tmp_path_factory, data):
    """Ranks, gaps between iterations, microbatches of any shape, all three dtypes and sentinels."""
    root = tmp_path_factory.mktemp("megatron")
    (root / "dump").mkdir()
    draw, small = data.draw, st.integers(1, 3)
    dtype = draw(st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
    sentinel = draw(st.sampled_from([-1e3, -1e4]))
    meta = draw(st.none() | st.just(b'{"hash":"a"}'))
    for rank in range(draw(small)):
        for last in draw(st.sets(st.integers(0, 50), min_size=1, max_size=2)):
            parts = {} if meta is None else {"_meta.json": meta}
            for number in sorted(draw(st.sets(st.integers(0, 49), min_size=1, max_size=3))):
                lists = {"values": [], "indices_low": [], "bit_17": []}
                for _ in range(draw(small)):
                    value, index = batch(draw(small), draw(small), draw(small), number)
                    index[index % 3 == 1] += 1 << 16
                    count = draw(st.integers(1, value.shape[2]))
                    value[..., count:], index[..., count:] = sentinel, (1 << 17) - 1
                    lists["values"].append(torch.from_numpy(value).to(dtype))
                    lists["indices_low"].append(torch.from_numpy(index & 0xFFFF).to(torch.uint16))
                    lists["bit_17"].append(torch.from_numpy(index >> 16).bool())
                parts[f"{number + 100 * last}.pt.zst"] = payload(lists)
            tar(root / "dump" / f"cp0_dp{rank}__{last}.tar", parts)
    encode(root / "dump", root / "a.slc", classes=1 << 17)
    decode(root / "a.slc", root / "copy")
    assert contents(root / "copy") == contents(root / "dump")


def test_texts_are_joined_in_the_order_of_the_samples(tmp_path):
    encode(DATA / "whole", tmp_path / "a.slc", classes=CLASSES)
    texts = Texts([np.full(6, number) for number in range(32)])
    (batch,) = (TokenDataset(tmp_path / "a.slc", texts)[i] for i in range(1))
    with labelcodec.open(tmp_path / "a.slc") as reader:
        numbers = reader[0].image_index[::5]
    assert batch.tokens[:, 0].tolist() == numbers.tolist() != sorted(numbers.tolist())


def test_a_long_sequence_is_spread(tmp_path):
    root = tmp_path / "dump"
    root.mkdir()
    tar(root / "cp0_dp0__1.tar", {"1.pt.zst": iteration([batch(70_000, 1, 2)])})
    encode(root, tmp_path / "a.slc", classes=100)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert len(reader) == 2
    decode(tmp_path / "a.slc", tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(root)


def test_other_layouts(tmp_path):
    encode(DATA / "whole", tmp_path / "a.slc", classes=CLASSES)
    decode(tmp_path / "a.slc", tmp_path / "table", layout="parquet")
    encode(tmp_path / "table", tmp_path / "b.slc", classes=CLASSES)
    with pytest.raises(DumpError, match="written only for labels that were read from it"):
        decode(tmp_path / "b.slc", tmp_path / "copy", layout="megatron")
    dump = open_dump(DATA / "whole", classes=CLASSES)
    with pytest.raises(DumpError, match="its sequences are not those of the dump"):
        write_dump([_cut(dump.read(0))], tmp_path / "copy", "megatron", dump.info.types)
    assert not (tmp_path / "copy").exists()


def test_probabilities_and_tails_are_refused(tmp_path):
    """Their columns hold log-probabilities."""
    encode(DATA / "whole", tmp_path / "a.slc", classes=CLASSES)
    labelcodec.recode(tmp_path / "a.slc", tmp_path / "drawn.slc", "sampled:n=6")
    with pytest.raises(DumpError, match="probabilities with tail zero, and the layout holds log-"):
        decode(tmp_path / "drawn.slc", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def _cut(whole):
    rows = slice(0, 5)
    own = whole.sequences
    sequences = replace(own, length=own.length[:1], start=own.start[:1])
    return replace(
        whole,
        image_index=whole.image_index[rows],
        labels=whole.labels.rows(rows),
        sequences=sequences,
    )


def test_options(folder):
    with pytest.raises(ConfigError, match="pass `classes`"):
        open_dump(folder)
    with pytest.raises(DumpError, match=r"has class \d+, outside of the 7000"):
        open_dump(folder, classes=7000).read(0)
    with pytest.raises(ConfigError, match="`shift` does not apply here"):
        open_dump(folder, classes=CLASSES, shift=0)


def changed(folder, change):
    """Change the last tar's members; `change` gets and returns them."""
    path = folder / "cp0_dp1__4.tar"
    tar(path, change(members(path)))


def with_batches(*batches):
    return lambda parts: parts | {"3.pt.zst": iteration(batches)}


def with_content(content):
    return lambda parts: parts | {"3.pt.zst": payload(content)}


VALUE, INDEX = batch()
LISTS = {"values": [torch.zeros(2, 2, 2)], "indices_low": [], "bit_17": []}
UINT16 = torch.zeros(2, 2, 2, dtype=torch.uint16)


def holed():
    value, index = batch()
    value[1, 1, 1], index[1, 1, 1] = -1000, (1 << 17) - 1
    return value, index


def ended(sentinel):
    value, index = batch()
    value[1, 1, 3], index[1, 1, 3] = sentinel, (1 << 17) - 1
    return value, index


BAD = {
    "meta": (lambda parts: parts | {"_meta.json": b'{"hash": 1}'}, "is of another run than"),
    "no meta": (lambda parts: {"3.pt.zst": parts["3.pt.zst"]}, "is of another run than"),
    "name": (lambda parts: parts | {"3.pt": b""}, "'3.pt' is no iteration of it"),
    "empty": (lambda parts: {"_meta.json": parts["_meta.json"]}, "has no iterations"),
    "no zstd": (lambda parts: parts | {"3.pt.zst": b"abc" * 9}, "iteration 3: d"),
    "cut zstd": (lambda p: p | {"3.pt.zst": p["3.pt.zst"][:-9]}, "iteration 3: damaged: has not"),
    "cut torch": (
        lambda p: p | {"3.pt.zst": zstandard.compress(zstandard.decompress(p["3.pt.zst"])[:-9])},
        "iteration 3: ",
    ),
    "twice": (lambda parts: parts | {"1.pt.zst": parts["3.pt.zst"]}, "holds an iteration twice"),
    "keys": (with_content({"values": []}), "iteration 3: holds no lists values, indices_low, bit"),
    "a list": (with_content([1]), "iteration 3: holds no lists"),
    "lengths": (with_content(LISTS), "are of different lengths"),
    "numbers": (
        with_content({"values": [1], "indices_low": [1], "bit_17": [1]}),
        "microbatch 0: has something else than tensors",
    ),
    "dtypes": (
        with_content({"values": [UINT16], "indices_low": [UINT16], "bit_17": [UINT16.bool()]}),
        "is of dtypes uint16, uint16, bool, expected float16",
    ),
    "shapes": (
        with_content(
            {"values": [torch.zeros(2, 2, 3)], "indices_low": [UINT16], "bit_17": [UINT16.bool()]}
        ),
        r"has shapes \(2, 2, 3\), \(2, 2, 2\), \(2, 2, 2\), expected",
    ),
    "dtype": (
        with_batches((VALUE.astype(np.float32), INDEX)),
        "iteration 3: its values are of another dtype",
    ),
    "hole": (with_batches(holed()), "kept classes behind places that stand for none"),
    "sentinels": (with_batches(ended(-1000), ended(-1008)), "several values stand for no class"),
    "NaN": (
        with_batches((np.where(VALUE < -1, VALUE, np.nan), INDEX)),
        "iteration 3, microbatch 0, sequence 0, position 0: has NaN values",
    ),
    "class twice": (
        with_batches((VALUE, INDEX * 0)),
        "iteration 3, microbatch 0, sequence 0, position 0: has class 0 twice",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tars(tmp_path, folder, case):
    change, message = BAD[case]
    changed(folder, change)
    with pytest.raises(DumpError, match=message):
        encode(folder, tmp_path / "a.slc", classes=CLASSES)
    assert not list(tmp_path.glob("a.*"))


def test_code_is_not_run(folder):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    changed(folder, with_content({"values": Evil()}))
    with pytest.raises(UnsafeError, match="iteration 3: refused"):
        open_dump(folder, classes=CLASSES)


def test_a_bomb_is_not_unpacked(folder):
    """What a frame declares is not believed, and a frame that declares nothing not read."""
    large = zstandard.compress(bytes(1 << 20))
    size = (1 << 20).to_bytes(4, "little")
    assert size in large
    for claim in ((1 << 19), (1 << 21)):
        claimed = large.replace(size, claim.to_bytes(4, "little"), 1)
        changed(folder, lambda parts, data=claimed: parts | {"3.pt.zst": data})
        with pytest.raises(DumpError, match=r"iteration 3: damaged"):
            open_dump(folder, classes=CLASSES)
    changed(
        folder,
        lambda p: (
            p | {"3.pt.zst": zstandard.ZstdCompressor(write_content_size=False).compress(bytes(9))}
        ),
    )
    with pytest.raises(DumpError, match="iteration 3: declares -1 bytes"):
        open_dump(folder, classes=CLASSES)


@pytest.mark.parametrize("size", [0, 100, 512, 700, 1500, 2100, 5000])
def test_truncated(folder, size):
    path = folder / "cp0_dp1__4.tar"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DumpError, match=r"cp0_dp1__4\.tar: "):
        open_dump(folder, classes=CLASSES)


def test_one_of_its_tars_is_named(folder):
    with pytest.raises(DumpError, match=r"cp0_dp1__4\.tar: cached logits of Megatron-LM; pass"):
        open_dump(folder / "cp0_dp1__4.tar", classes=CLASSES)


def test_links_and_context_parallelism(folder):
    with tarfile.open(folder / "cp0_dp1__4.tar", "w") as archive:
        info = tarfile.TarInfo("1.pt.zst")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DumpError, match=r"'1\.pt\.zst' is no plain file"):
        open_dump(folder, classes=CLASSES)
    (folder / "cp1_dp0__4.tar").write_bytes(b"")
    with pytest.raises(DumpError, match="spread over the ranks of context parallelism"):
        open_dump(folder, classes=CLASSES)


def test_a_file_that_changes(folder):
    dump = open_dump(folder, classes=CLASSES)
    changed(folder, with_batches(batch()))
    with pytest.raises(DumpError, match=r"has changed|damaged|truncated"):
        dump.read(0)


def test_types_of_a_hostile_header():
    types = open_dump(DATA / "nucleus", classes=CLASSES).info.types["megatron"]
    assert json.loads(json.dumps(types)) == types
    assert Structure.from_types(types).to_types() == types
    for name, value in {
        "tars": [["../cp0_dp0__1.tar", []]],
        "meta": 1,
        "sentinel": 5.0,
        "dtype": "int8",
        "counts": [[1]],
        "sizes": [["a"] * 4],
    }.items():
        with pytest.raises(DumpError, match="types of the source: megatron"):
            Structure.from_types(types | {name: value})
    with pytest.raises(DumpError, match="names a file twice"):
        Structure.from_types(types | {"tars": types["tars"][:1] * 2})
    for wrong in (None, [], "a"):
        with pytest.raises(DumpError, match="megatron cannot be"):
            Structure.from_types(wrong)
