"""TinyViT's labels go into a container and come back with their seeds, and bad ones are named.

The sample in tests/data/tinyvit was written by its own code (microsoft/Cream 4a13c40):
`TxtManager` of two ranks and epochs; see make_samples. tests/data/tinyvit.json says what is in it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import labelcodec
from labelcodec.errors import ConfigError, DumpError
from labelcodec.formats import open_dump, write_dump
from labelcodec.formats.tinyvit_writer import record
from labelcodec.transcode import decode, encode
from labelcodec.verification import verify
from tests.formats.builders import fkd_dump

DATA = Path(__file__).parents[1] / "data" / "tinyvit"
EXPECTED = json.loads(DATA.with_suffix(".json").read_text())
K = 5


@pytest.fixture
def dump(tmp_path):
    return Path(shutil.copytree(DATA, tmp_path / "dump"))


def contents(root):
    """Path -> bytes of all files."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def rows(samples, k, classes, rng):
    """Records of random labels."""
    values = np.empty(samples, record(k))
    values["seed"] = rng.integers(-(1 << 31), 1 << 31, samples)
    values["index"] = np.argsort(rng.random((samples, classes)), axis=1)[:, :k]
    values["value"] = np.sort(rng.random((samples, k)), axis=1)[:, ::-1] / k
    return values


def test_its_own_sample(tmp_path):
    target = tmp_path / "a.slc"
    report = encode(DATA, target, classes=1000)
    assert verify(target).problems == ()
    assert "kept as TinyViT's seeds, which are not replayed" in report.notes[1]
    header = report.header
    assert (header.space, header.tail, header.k) == ("probabilities", "uniform", K)
    seen = {}
    with labelcodec.open(target) as reader:
        names = reader.names
        for batch in reader:
            for row, image in enumerate(batch.image_index.tolist()):
                labels = batch.labels.index[row].tolist(), batch.labels.value[row].tolist()
                seed = int(batch.augmentation.seeds[row])
                seen[f"{batch.epoch} {names[image]}"] = [seed, *labels]
    assert seen == EXPECTED
    assert labelcodec.compare(DATA, target).identical
    done = decode(target, tmp_path / "copy")
    assert (done.layout, done.files, done.lossy) == ("tinyvit", 8, False)
    assert contents(tmp_path / "copy") == contents(DATA)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_dump_comes_back(tmp_path_factory, data):
    """Ranks of any length, epochs of any numbers, and keys that are numbers or names."""
    root = tmp_path_factory.mktemp("tinyvit")
    draw = data.draw
    k = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    sizes = draw(st.lists(st.integers(0, 40) | st.just(1030), min_size=1, max_size=3))
    images = max(sum(sizes), 1)
    sizes[0] += not sum(sizes)
    is_named = draw(st.booleans())
    for epoch in draw(st.sets(st.integers(0, 12), min_size=1, max_size=3)):
        folder = root / "dump" / f"logits_top{k}_epoch{epoch}"
        folder.mkdir(parents=True)
        order = iter(rng.permutation(images).tolist())
        for rank, samples in enumerate(sizes):
            keys = [f"n{next(order)}" if is_named else str(next(order)) for _ in range(samples)]
            (folder / f"rank{rank}-keys.txt").write_text("".join(f"{key}\n" for key in keys))
            values = rows(samples, k, 30, rng).tobytes()
            (folder / f"rank{rank}-values.bin").write_bytes(values)
    encode(root / "dump", root / "a.slc", classes=30)
    assert labelcodec.compare(root / "dump", root / "a.slc").identical
    decode(root / "a.slc", root / "copy")
    assert contents(root / "copy") == contents(root / "dump")


def folder_of_images(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name)
    return root


def test_images_are_found_by_name(tmp_path, dump):
    names = [key.partition(" ")[2] for key in EXPECTED if key.startswith("0 ")]
    images = folder_of_images(tmp_path / "images", [*names, "n00/other.JPEG"])
    encode(dump, tmp_path / "a.slc", images=images, classes=1000)
    with labelcodec.open(tmp_path / "a.slc") as reader:
        assert reader.header.images == 9
        assert reader.names == (*sorted(names)[:4], "n00/other", *sorted(names)[4:])
        for batch in reader:
            key = f"{batch.epoch} {reader.names[batch.image_index[0]]}"
            assert EXPECTED[key][0] == batch.augmentation.seeds[0]
    decode(tmp_path / "a.slc", tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(dump)
    (images / names[0]).unlink()
    with pytest.raises(DumpError, match="belongs to no single image in"):
        open_dump(dump, images=images)


def test_images_are_found_by_number(tmp_path, dump):
    for keys in dump.rglob("*keys.txt"):
        lines = keys.read_text().split()
        numbers = [str(4 * int(line[-7]) + int(line[-6])) for line in lines]
        keys.write_text("".join(f"{number}\n" for number in numbers))
    assert open_dump(dump).info.images == 8
    later = dump / "logits_top5_epoch1" / "rank0-keys.txt"
    whole = later.read_text()
    later.write_text(whole.replace(whole[0], "8", 1))
    with pytest.raises(DumpError, match=r"epoch1/rank0-keys\.txt: line 1: '8' is none of the 8"):
        encode(dump, tmp_path / "a.slc", classes=1000)
    later.write_text(whole)
    few = folder_of_images(tmp_path / "few", [f"a/{i}.png" for i in range(7)])
    with pytest.raises(DumpError, match=r"has labels of image 7, and .*few has 7 images"):
        open_dump(dump, images=few)
    more = folder_of_images(tmp_path / "more", [f"{i % 3}/{i}.png" for i in range(20)])
    info = open_dump(dump, images=more, classes=1000).info
    assert (info.images, info.names) == (20, None)


def test_epochs_range(tmp_path, dump):
    whole, part = open_dump(dump, classes=1000), open_dump(dump, classes=1000, epochs_range=(1, 2))
    assert (len(whole), len(part)) == (4, 2)
    first = part.read(0)
    assert (first.number, first.epoch) == (2, 1)
    assert first.augmentation.seeds.tolist() == whole.read(2).augmentation.seeds.tolist()
    encode(dump, tmp_path / "a.slc", classes=1000, epochs_range=(1, 2))
    decode(tmp_path / "a.slc", tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["logits_top5_epoch1"]
    with pytest.raises(DumpError, match="no epoch lies in `epochs_range`"):
        open_dump(dump, epochs_range=(5, 9))


def test_replay_is_refused(tmp_path, dump):
    from labelcodec.errors import UnsupportedError
    from labelcodec.replay import ReplayDataset

    names = [key.partition(" ")[2] for key in EXPECTED if key.startswith("0 ")]
    images = folder_of_images(tmp_path / "images", names)
    encode(
        dump,
        tmp_path / "a.slc",
        images=images,
        classes=1000,
        image_size=(8, 8),
        normalisation={"mean": [0.5] * 3, "std": [0.5] * 3},
        interpolation="bilinear",
    )
    with pytest.raises(UnsupportedError, match="its augmentations are seeds"):
        ReplayDataset(tmp_path / "a.slc", images)[0]


def test_other_labels_are_not_written(tmp_path, dump):
    fkd_dump(tmp_path / "fkd", "hard")
    encode(tmp_path / "fkd", tmp_path / "f.slc", label_type="hard", classes=1000)
    with pytest.raises(DumpError, match="layout tinyvit holds the seeds of its own augmentations"):
        decode(tmp_path / "f.slc", tmp_path / "copy", layout="tinyvit")
    opened = open_dump(dump, classes=1000)
    batches = [opened.read(i) for i in range(len(opened))]
    names, types = opened.info.names, opened.info.types
    for some in (batches[:-1], [*batches, batches[0]]):
        with pytest.raises(DumpError, match="its batches are not those of the dump"):
            write_dump(some, tmp_path / "copy", "tinyvit", types, names)
    with pytest.raises(DumpError, match="does not hold the keys of its samples"):
        write_dump(batches, tmp_path / "copy", "tinyvit", types)
    assert not (tmp_path / "copy").exists()
    for name, value in {
        "k": 0,
        "keys": "evil",
        "epochs": [[0, [4, 4]], [0, [4, 4]]],
    }.items():
        wrong = {"tinyvit": {**types["tinyvit"], name: value}}
        with pytest.raises(DumpError, match="types of the source: tinyvit holds something else"):
            write_dump(batches, tmp_path / "copy", "tinyvit", wrong, names)


FIRST = "logits_top5_epoch0/rank1-"


def edited(name, change):
    def apply(root):
        path = root / name
        path.write_bytes(change(path.read_bytes()))

    return apply


def with_class(number):
    def change(data):
        values = np.frombuffer(data, record(K)).copy()
        values["index"][2, 3] = number
        return values.tobytes()

    return change


BAD = {
    "cut values": (
        edited(FIRST + "values.bin", lambda data: data[:-3]),
        r"rank1-values\.bin: truncated: 21 bytes behind record 3",
    ),
    "no values": (lambda root: (root / FIRST).parent.joinpath("rank0-values.bin").unlink(), "miss"),
    "no keys": (lambda root: (root / (FIRST + "keys.txt")).unlink(), "rank1-keys.txt is missing"),
    "few keys": (
        edited(FIRST + "keys.txt", lambda data: data[data.index(b"\n") + 1 :]),
        r"rank1-keys\.txt: has 3 keys for 4 records",
    ),
    "cut keys": (edited(FIRST + "keys.txt", lambda data: data[:-2]), "its last line has no end"),
    "binary keys": (edited(FIRST + "keys.txt", lambda data: b"\xff\n" * 4), "is no text"),
    "twice": (
        edited(FIRST + "keys.txt", lambda data: data[:18] * 4),
        "logits_top5_epoch0: holds an image twice",
    ),
    "other key": (
        edited("logits_top5_epoch1/rank0-keys.txt", lambda data: b"x" + data),
        r"epoch1/rank0-keys\.txt: line 1: 'xn0.*' is none of the 8 images",
    ),
    "class": (edited(FIRST + "values.bin", with_class(1000)), r"rank1-values\.bin: .*class 1000"),
    "negative": (edited(FIRST + "values.bin", with_class(-7)), r"rank1-values\.bin: .*class -7"),
    "widths": (
        lambda root: (root / "logits_top5_epoch1").rename(root / "logits_top4_epoch1"),
        "its epochs have labels of 4 and 5 classes",
    ),
    "empty": (
        lambda root: [path.unlink() for path in (root / "logits_top5_epoch0").iterdir()],
        r"logits_top5_epoch0: has no rank0-values\.bin",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_dumps(tmp_path, dump, case):
    change, message = BAD[case]
    change(dump)
    with pytest.raises(DumpError, match=message):
        encode(dump, tmp_path / "a.slc", classes=1000)
    assert not list(tmp_path.glob("a.*"))


def test_one_epoch_and_options(dump):
    with pytest.raises(DumpError, match=r"is one epoch of a dump; pass .*dump$"):
        open_dump(dump / "logits_top5_epoch0")
    for option in ({"image_order": "a.json"}, {"loader_seed": 1}, {"label_type": "logits"}):
        with pytest.raises(ConfigError, match="does not apply here"):
            open_dump(dump, **option)
    with pytest.raises(DumpError, match="do not fit 4 classes"):
        open_dump(dump, classes=4)
