from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import labelcodec
from labelcodec.codecs.topk.codec import TopK
from labelcodec.errors import ConfigError, DataError, DumpError, MismatchError
from labelcodec.formats import open_dump
from labelcodec.images import content_digest, fingerprint, list_images
from labelcodec.transcode.decode_container import decode
from labelcodec.transcode.encode_dump import encode
from labelcodec.verification import verify
from tests.codecs.content import same
from tests.formats.builders import (
    BATCH_SIDE,
    Recipe,
    edit,
    epoch_dump,
    flat_dump,
    image_folder,
    left,
    loader_order,
    same_dumps,
)
from tests.formats.layouts import DUMPS, ORDER
from tests.formats.script import script


def options(name: str) -> dict[str, object]:
    return {"label_type": name.split()[1]} if name.startswith("fkd") else {}


def side_files(root: Path) -> dict[str, object]:
    return {path.name: json.loads(path.read_text()) for path in root.glob("*.json")}


@pytest.mark.parametrize("name", DUMPS)
def test_there_and_back(tmp_path, name):
    """By default the container holds what the dump holds, to the bit."""
    root = DUMPS[name](tmp_path / "dump")
    target = tmp_path / "labels.slc"
    report = encode(root, target, **options(name))
    assert verify(target).problems == ()
    dump = open_dump(root, **options(name))
    with labelcodec.open(target) as reader:
        assert all(same(reader[i], dump.read(i)) for i in range(len(dump)))
        assert reader.header.codec == ("dense" if dump.info.k is None else "topk")
    assert (report.batches, report.bytes) == (len(dump), target.stat().st_size)
    done = decode(target, tmp_path / "copy")
    assert (done.lossy, done.layout) == (False, name.split()[0])
    assert done.files == sum(path.is_file() for path in (tmp_path / "copy").rglob("*"))
    assert same_dumps(root, tmp_path / "copy")
    assert side_files(tmp_path / "copy") == side_files(root)


def test_threads_make_the_same_file(tmp_path, forty):
    one, two = ([], [])
    encode(forty, tmp_path / "a.slc", progress=lambda *args: one.append(args))
    encode(forty, tmp_path / "b.slc", threads=2, progress=lambda *args: two.append(args))
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "b.slc").read_bytes()
    fitting = (0, 40, "fitting topk to a sample of the labels")
    assert one == two == [fitting, *((i, 40, "encoding") for i in range(1, 41))]


def test_the_source_is_left_alone(tmp_path, forty):
    def state():
        return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in forty.iterdir()}

    before = state()
    encode(forty, tmp_path / "a.slc")
    assert state() == before


def test_report_and_header(tmp_path):
    root = epoch_dump(tmp_path / "dump", ORDER, 6)
    images = image_folder(tmp_path / "images", 20)
    report = encode(root, tmp_path / "new" / "a.slc", images=images, epochs=300)
    header = report.header
    assert (header.images, header.epochs, header.mix) == (20, 300, "cutmix")
    assert header.fingerprint == fingerprint(list_images(images).paths)
    assert header.content == content_digest(list_images(images))
    assert header.source["layout"] == "sre2l" and header.source["files"] == 12
    assert header.source["bytes"] == sum(p.stat().st_size for p in root.rglob("*.tar"))
    assert report.notes[0].startswith("image order: ")
    with labelcodec.open(tmp_path / "new" / "a.slc") as reader:
        assert reader.header == header


class TestLossy:
    @pytest.mark.parametrize(
        ("codec", "lossy"),
        [("topk", False), ("topk:k=4", False), ("topk:k=3", True), ("topk:step=0.25", True)],
    )
    def test_of_a_topk_dump(self, tmp_path, forty, codec, lossy):
        encode(forty, tmp_path / "a.slc", codec=codec)
        report = decode(tmp_path / "a.slc", tmp_path / "copy")
        assert report.lossy == lossy
        assert same_dumps(forty, tmp_path / "copy") == (not lossy)

    def test_of_a_full_dump(self, tmp_path):
        """Top-k labels go where there is a layout for them."""
        root = DUMPS["sre2l"](tmp_path / "dump")
        encode(root, tmp_path / "a.slc", codec="topk:k=3")
        report = decode(tmp_path / "a.slc", tmp_path / "copy")
        assert (report.lossy, report.layout) == (True, "lpqld")
        copy = open_dump(tmp_path / "copy")
        assert copy.info.k == 3 and len(copy) == 12
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert same(copy.read(5).labels.index, reader[5].labels.index)


class TestRefused:
    def test_an_existing_container(self, tmp_path, forty):
        (tmp_path / "a.slc").write_text("precious")
        with pytest.raises(MismatchError, match="exists already"):
            encode(forty, tmp_path / "a.slc")
        assert (tmp_path / "a.slc").read_text() == "precious"
        encode(forty, tmp_path / "a.slc", force=True)
        assert left(tmp_path) == ["a.slc"]
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert len(reader) == 40

    @pytest.mark.parametrize("threads", [1, 2])
    def test_a_bad_batch_in_the_middle(self, tmp_path, forty, threads):
        def cut(content):
            return [*content[:-1], content[-1][:2]]

        edit(forty / "batch_33.tar", cut)
        with pytest.raises((DumpError, DataError), match="33"):
            encode(forty, tmp_path / "a.slc", threads=threads)
        assert left(tmp_path) == []

    @pytest.mark.parametrize("threads", [1, 2])
    def test_what_a_bad_file_late_in_a_dump_leaves(self, tmp_path, forty, threads, monkeypatch):
        """The batches before it, to be resumed once the file is mended."""
        monkeypatch.setattr(TopK, "fit_labels", 8)  # the first and the last batch
        encode(forty, tmp_path / "whole.slc")
        file = forty / "batch_32.tar"
        good = file.read_bytes()
        file.write_bytes(bytes(len(good)))
        with pytest.raises(DumpError, match="batch_32") as caught:
            encode(forty, tmp_path / "a.slc", threads=threads)
        assert left(tmp_path) == ["a.slc.partial", "whole.slc"]
        assert "a.slc.partial keeps the 32 batches" in caught.value.__notes__[0]
        file.write_bytes(good)
        encode(forty, tmp_path / "a.slc", resume=True)
        assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()

    def test_not_finite_late_in_a_dump(self, tmp_path, forty, monkeypatch):
        monkeypatch.setattr(TopK, "fit_labels", 8)

        def spoil(content):
            content[-2][1, 2] = np.nan

        edit(forty / "batch_12.tar", spoil)
        with pytest.raises(DataError, match="batch 12") as caught:
            encode(forty, tmp_path / "a.slc")
        assert "resume=True" in caught.value.__notes__[0]
        encode(forty, tmp_path / "a.slc", allow_nonfinite=True, resume=True)
        decode(tmp_path / "a.slc", tmp_path / "copy")
        assert same_dumps(forty, tmp_path / "copy")

    @pytest.mark.parametrize("force", [False, True])
    def test_a_folder_or_the_dump_itself_as_container(self, tmp_path, forty, force):
        before = sorted(forty.iterdir())
        with pytest.raises(MismatchError, match="is a folder"):
            encode(forty, forty, force=force)
        for inside in (forty / "a.slc", forty / "new" / "a.slc"):
            with pytest.raises(DumpError, match="inside the dump"):
                encode(forty, inside, force=force)
        assert sorted(forty.iterdir()) == before

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_not_finite(self, tmp_path, forty, bad):
        def spoil(content):
            content[-2][1, 2] = bad

        edit(forty / "batch_12.tar", spoil)
        with pytest.raises(DataError, match="batch 12: sample 1 has NaN or infinite"):
            encode(forty, tmp_path / "a.slc")
        assert left(tmp_path) == []
        report = encode(forty, tmp_path / "a.slc", allow_nonfinite=True)
        assert any("unchanged: 1, in 1 of 40 batches" in note for note in report.notes)
        decode(tmp_path / "a.slc", tmp_path / "copy")
        assert same_dumps(forty, tmp_path / "copy")

    def test_not_finite_in_full_labels(self, tmp_path):
        root = DUMPS["sre2l"](tmp_path / "dump")

        def spoil(content):
            content[-1][1, 2] = torch.nan

        edit(root / "epoch_1" / "batch_2.tar", spoil)
        assert "NaN" in encode(root, tmp_path / "a.slc").notes[-1]

    @pytest.mark.parametrize(
        ("codec", "error", "what"),
        [
            ("zip", ConfigError, "unknown codec 'zip'"),
            ("dense", DataError, "these are top-k: use topk"),
            ("topk:k=5", DataError, "k=5 of labels that hold 4 classes"),
        ],
    )
    def test_codecs(self, tmp_path, forty, codec, error, what):
        with pytest.raises(error, match=what):
            encode(forty, tmp_path / "a.slc", codec=codec)
        assert left(tmp_path) == []

    def test_decoding_over_something(self, tmp_path, forty):
        encode(forty, tmp_path / "a.slc")
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "mine").write_text("precious")
        with pytest.raises(DumpError, match="not empty"):
            decode(tmp_path / "a.slc", copy)
        assert (copy / "mine").read_text() == "precious"
        (copy / "mine").rename(copy / "batch_99.tar")
        decode(tmp_path / "a.slc", copy, force=True)
        assert same_dumps(forty, copy) and not (copy / "batch_99.tar").exists()
        assert left(tmp_path) == ["a.slc", "copy"]

    def test_a_live_run_has_no_layout(self, tmp_path):
        from tests.labelsets import batches, write

        path = write(tmp_path / "a.slc", batches(range(2)))
        with pytest.raises(DumpError, match="say which `layout`"):
            decode(path, tmp_path / "copy")


GROWTH = """
import resource, sys
from pathlib import Path
from labelcodec.transcode.encode_dump import encode

sizes = []
for name in ("small", "large"):
    encode(Path(sys.argv[1]) / name, Path(sys.argv[1]) / f"{name}.slc")
    sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(sizes[1] - sizes[0])
"""


def test_memory_does_not_grow_with_the_dump(tmp_path):
    """Two dumps that are larger than what tables are fitted to, one four times the other."""
    recipe = Recipe(classes=1000, coords="float16", box="tensor.uint8")
    files = flat_dump(tmp_path / "files", loader_order(64, 8), 64, recipe)
    indices = json.loads((files / BATCH_SIDE).read_text())
    for name, count in (("small", 150), ("large", 600)):
        root = tmp_path / name
        root.mkdir()
        for number in range(count):  # the same eight files under other names
            os.link(files / f"batch_{number % 8}.tar", root / f"batch_{number}.tar")
        rows = {str(number): indices[str(number % 8)] for number in range(count)}
        (root / BATCH_SIDE).write_text(json.dumps(rows))
    assert float(script(GROWTH, tmp_path)) < 30


@pytest.mark.parametrize("name", ["thesis.tex", "a.slc"])
def test_force_replaces_nothing_but_a_dump(tmp_path, forty, name):
    encode(forty, tmp_path / "a.slc")
    folder = tmp_path / "folder"
    folder.mkdir()
    source = tmp_path / "a.slc"
    if name == "a.slc":
        source = source.rename(folder / name)
    else:
        (folder / name).write_text("mine")
    with pytest.raises(DumpError, match=re.escape(name)):
        decode(source, folder, force=True)
    assert [path.name for path in folder.iterdir()] == [name]
