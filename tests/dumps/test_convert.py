from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import labelcodec
from labelcodec.codecs.topk import TopK
from labelcodec.dumps import open_dump, workers
from labelcodec.dumps.convert import decode, encode
from labelcodec.errors import ConfigError, DataError, DumpError, MismatchError
from labelcodec.images import content_digest, fingerprint, list_images
from labelcodec.verify import verify
from tests.codecs.content import same
from tests.dumps.builders import (
    BATCH_SIDE,
    EPOCH_SIDE,
    ORDER_SIDE,
    Recipe,
    edit,
    epoch_dump,
    fkd_dump,
    flat_dump,
    image_folder,
    loader_order,
    same_dumps,
)

ROOT = Path(__file__).parents[2]
ORDER = loader_order(20, 3)
Build = Callable[[Path], Path]
FULL = Recipe(coords="float16", mix_index="uint8", box="tensor.uint8", k=None)

DUMPS: dict[str, Build] = {
    "sre2l": lambda root: epoch_dump(root, ORDER, 6),
    "sre2l mixup single": lambda root: epoch_dump(
        root, ORDER, 6, Recipe(mix="mixup", values="float32", ratio="tensor.float32")
    ),
    "sre2l unmixed bfloat16": lambda root: epoch_dump(
        root, ORDER, 6, Recipe(mix=None, values="bfloat16", side=(333, 500)), ORDER_SIDE
    ),
    "lpld": lambda root: epoch_dump(root, ORDER, 6, side_file=EPOCH_SIDE, stop=5),
    "lpqld topk": lambda root: flat_dump(root, ORDER, 6),
    "lpqld full": lambda root: flat_dump(root, ORDER, 6, FULL),
    "lpqld randaugment": lambda root: flat_dump(root, ORDER, 6, Recipe(k=4, operations=3)),
    "lpqld cutout": lambda root: flat_dump(root, ORDER, 6, Recipe(k=4, cutout=True, side=None)),
    "fkd hard": lambda root: fkd_dump(root, "hard"),
    "fkd smoothing half": lambda root: fkd_dump(root, "smoothing", half=True),
    "fkd MS": lambda root: fkd_dump(root, "MS"),
    "fkd MR half": lambda root: fkd_dump(root, "MR", half=True, tensors=True),
}


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


@pytest.fixture
def lpqld(tmp_path) -> Path:
    return flat_dump(tmp_path / "dump", loader_order(20, 8), 4)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "dump")


def test_workers_make_the_same_file(tmp_path, lpqld):
    one, two = ([], [])
    encode(lpqld, tmp_path / "a.slc", progress=lambda *args: one.append(args))
    encode(lpqld, tmp_path / "b.slc", workers=2, progress=lambda *args: two.append(args))
    assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "b.slc").read_bytes()
    assert one == two == [(i, 40) for i in range(1, 41)]


def test_the_source_is_left_alone(tmp_path, lpqld):
    def state():
        return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in lpqld.iterdir()}

    before = state()
    encode(lpqld, tmp_path / "a.slc")
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
    def test_of_a_topk_dump(self, tmp_path, lpqld, codec, lossy):
        encode(lpqld, tmp_path / "a.slc", codec=codec)
        report = decode(tmp_path / "a.slc", tmp_path / "copy")
        assert report.lossy == lossy
        assert same_dumps(lpqld, tmp_path / "copy") == (not lossy)

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
    def test_an_existing_container(self, tmp_path, lpqld):
        (tmp_path / "a.slc").write_text("precious")
        with pytest.raises(MismatchError, match="exists already"):
            encode(lpqld, tmp_path / "a.slc")
        assert (tmp_path / "a.slc").read_text() == "precious"
        encode(lpqld, tmp_path / "a.slc", force=True)
        assert left(tmp_path) == ["a.slc"]
        with labelcodec.open(tmp_path / "a.slc") as reader:
            assert len(reader) == 40

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_bad_batch_in_the_middle(self, tmp_path, lpqld, workers):
        def cut(content):
            return [*content[:-1], content[-1][:2]]

        edit(lpqld / "batch_33.tar", cut)
        with pytest.raises((DumpError, DataError), match="33"):
            encode(lpqld, tmp_path / "a.slc", workers=workers)
        assert left(tmp_path) == []

    @pytest.mark.parametrize("workers", [1, 2])
    def test_what_a_bad_file_late_in_a_dump_leaves(self, tmp_path, lpqld, workers, monkeypatch):
        """The batches before it, to be resumed once the file is mended."""
        monkeypatch.setattr(TopK, "fit_labels", 8)  # the first and the last batch
        encode(lpqld, tmp_path / "whole.slc")
        file = lpqld / "batch_32.tar"
        good = file.read_bytes()
        file.write_bytes(bytes(len(good)))
        with pytest.raises(DumpError, match="batch_32") as caught:
            encode(lpqld, tmp_path / "a.slc", workers=workers)
        assert left(tmp_path) == ["a.slc.partial", "whole.slc"]
        assert "a.slc.partial keeps the 32 batches" in caught.value.__notes__[0]
        file.write_bytes(good)
        encode(lpqld, tmp_path / "a.slc", resume=True)
        assert (tmp_path / "a.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()

    def test_not_finite_late_in_a_dump(self, tmp_path, lpqld, monkeypatch):
        monkeypatch.setattr(TopK, "fit_labels", 8)

        def spoil(content):
            content[-2][1, 2] = np.nan

        edit(lpqld / "batch_12.tar", spoil)
        with pytest.raises(DataError, match="batch 12") as caught:
            encode(lpqld, tmp_path / "a.slc")
        assert "--resume" in caught.value.__notes__[0]
        encode(lpqld, tmp_path / "a.slc", allow_nonfinite=True, resume=True)
        decode(tmp_path / "a.slc", tmp_path / "copy")
        assert same_dumps(lpqld, tmp_path / "copy")

    @pytest.mark.parametrize("force", [False, True])
    def test_a_folder_or_the_dump_itself_as_container(self, tmp_path, lpqld, force):
        before = sorted(lpqld.iterdir())
        with pytest.raises(MismatchError, match="is a folder"):
            encode(lpqld, lpqld, force=force)
        for inside in (lpqld / "a.slc", lpqld / "new" / "a.slc"):
            with pytest.raises(DumpError, match="inside the dump"):
                encode(lpqld, inside, force=force)
        assert sorted(lpqld.iterdir()) == before

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_not_finite(self, tmp_path, lpqld, bad):
        def spoil(content):
            content[-2][1, 2] = bad

        edit(lpqld / "batch_12.tar", spoil)
        with pytest.raises(DataError, match="batch 12: sample 1 has NaN or infinite"):
            encode(lpqld, tmp_path / "a.slc")
        assert left(tmp_path) == []
        report = encode(lpqld, tmp_path / "a.slc", allow_nonfinite=True)
        assert "1 batches hold NaN or infinite values, kept as they are" in report.notes
        decode(tmp_path / "a.slc", tmp_path / "copy")
        assert same_dumps(lpqld, tmp_path / "copy")

    def test_not_finite_in_full_labels(self, tmp_path):
        root = DUMPS["sre2l"](tmp_path / "dump")

        def spoil(content):
            content[-1][1, 2] = torch.nan

        edit(root / "epoch_1" / "batch_2.tar", spoil)
        assert "NaN" in encode(root, tmp_path / "a.slc").notes[-1]

    @pytest.mark.parametrize(
        ("codec", "error"),
        [("zip", ConfigError), ("dense", DataError), ("topk:k=5", DataError)],
    )
    def test_codecs(self, tmp_path, lpqld, codec, error):
        with pytest.raises(error):
            encode(lpqld, tmp_path / "a.slc", codec=codec)
        assert left(tmp_path) == []

    def test_decoding_over_something(self, tmp_path, lpqld):
        encode(lpqld, tmp_path / "a.slc")
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "mine").write_text("precious")
        with pytest.raises(DumpError, match="not empty"):
            decode(tmp_path / "a.slc", copy)
        assert (copy / "mine").read_text() == "precious"
        (copy / "mine").rename(copy / "batch_99.tar")
        decode(tmp_path / "a.slc", copy, force=True)
        assert same_dumps(lpqld, copy) and not (copy / "batch_99.tar").exists()
        assert left(tmp_path) == ["a.slc", "copy"]

    def test_a_live_run_has_no_layout(self, tmp_path):
        from tests.labelsets import batches, write

        path = write(tmp_path / "a.slc", batches(range(2)))
        with pytest.raises(DumpError, match="say which --layout"):
            decode(path, tmp_path / "copy")


class Stop(Exception):
    """Not one of the library's own errors."""


class TestInterrupted:
    @pytest.fixture
    def whole(self, tmp_path, lpqld) -> bytes:
        encode(lpqld, tmp_path / "whole.slc")
        return (tmp_path / "whole.slc").read_bytes()

    @pytest.mark.parametrize(("workers", "error"), [(1, Stop), (2, KeyboardInterrupt)])
    def test_progress_is_kept(self, tmp_path, lpqld, whole, workers, error):
        def progress(done, total):
            if done == 15:
                raise error

        with pytest.raises(error):
            encode(lpqld, tmp_path / "a.slc", workers=workers, progress=progress)
        assert left(tmp_path) == ["a.slc.partial", "whole.slc"]
        calls = []
        encode(
            lpqld,
            tmp_path / "a.slc",
            resume=True,
            progress=lambda done, _: calls.append(done),
        )
        assert calls == list(range(16, 41))
        assert (tmp_path / "a.slc").read_bytes() == whole

    def test_a_partial_file_is_not_lost(self, tmp_path, lpqld, whole):
        partial = tmp_path / "a.slc.partial"
        partial.write_bytes(whole[:-2000])
        with pytest.raises(MismatchError, match="--resume"):
            encode(lpqld, tmp_path / "a.slc")
        assert partial.read_bytes() == whole[:-2000]

    def test_resuming_another_dump(self, tmp_path, lpqld, whole):
        (tmp_path / "a.slc.partial").write_bytes(whole[:-2000])
        (lpqld / "batch_39.tar").write_bytes((lpqld / "batch_39.tar").read_bytes() + b" ")
        with pytest.raises(MismatchError, match=r"'source\.bytes' is .* and 'source\.sample_sha"):
            encode(lpqld, tmp_path / "a.slc", resume=True)

    def test_resuming_after_another_run_of_the_teacher(self, tmp_path, lpqld, whole):
        """Files of the same sizes, other labels."""
        (tmp_path / "a.slc.partial").write_bytes(whole[:-2000])
        before = sum(path.stat().st_size for path in lpqld.iterdir())

        def other(content):
            content[-2] += 1

        for number in range(40):
            edit(lpqld / f"batch_{number}.tar", other)
        assert sum(path.stat().st_size for path in lpqld.iterdir()) == before
        with pytest.raises(MismatchError, match=r"'source\.sample_sha256' is"):
            encode(lpqld, tmp_path / "a.slc", resume=True)
        assert (tmp_path / "a.slc.partial").read_bytes() == whole[:-2000]

    @pytest.mark.parametrize("name", ["lpqld topk", "sre2l", "lpld"])
    def test_resuming_with_another_image_order(self, tmp_path, name):
        """Two images change places; every size stays."""
        root = DUMPS[name](tmp_path / "dump")
        side, more = next(root.glob("*.json"), tmp_path / "order.json"), {}
        if name == "sre2l":
            side.write_text(json.dumps(ORDER))
            more = {"image_order": side}
        encode(root, tmp_path / "a.slc", **more)
        whole = (tmp_path / "a.slc").read_bytes()
        (tmp_path / "a.slc").rename(tmp_path / "a.slc.partial")
        encode(root, tmp_path / "a.slc", resume=True, **more)
        assert (tmp_path / "a.slc").read_bytes() == whole
        (tmp_path / "a.slc").rename(tmp_path / "a.slc.partial")
        lists = json.loads(side.read_text())
        first = lists[0] if name == "sre2l" else lists["0"]
        first[0], first[1] = first[1], first[0]
        side.write_text(json.dumps(lists))
        with pytest.raises(MismatchError, match=r"another header: 'source\.order_sha256' is"):
            encode(root, tmp_path / "a.slc", resume=True, **more)

    def test_full_disk(self, tmp_path, lpqld, whole, monkeypatch):
        real = os.pwrite

        def pwrite(fd, data, offset):
            if offset + len(data) > len(whole) // 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(fd, data, offset)

        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(OSError, match="No space left") as caught:
            encode(lpqld, tmp_path / "a.slc")
        assert caught.value.errno == errno.ENOSPC
        monkeypatch.undo()
        assert 0 < (tmp_path / "a.slc.partial").stat().st_size <= len(whole) // 2
        encode(lpqld, tmp_path / "a.slc", resume=True)
        assert (tmp_path / "a.slc").read_bytes() == whole

    def test_image_names_before_their_tables(self, tmp_path):
        """Killed between the names and the side information of an FKD dump."""
        root = fkd_dump(tmp_path / "dump", "MS")
        encode(root, tmp_path / "whole.slc", label_type="MS")
        whole = (tmp_path / "whole.slc").read_bytes()
        for end in range(100, len(whole), 300):
            (tmp_path / "a.slc.partial").write_bytes(whole[:end])
            encode(root, tmp_path / "a.slc", label_type="MS", resume=True)
            assert (tmp_path / "a.slc").read_bytes() == whole
            (tmp_path / "a.slc").unlink()


KILLS = """
import os, random, signal, sys, time
from pathlib import Path
from labelcodec.container import repair
from labelcodec.dumps.convert import encode
import labelcodec

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
encode(source, folder / "whole.slc")
whole = (folder / "whole.slc").read_bytes()
with labelcodec.open(folder / "whole.slc") as reader:
    labels = [batch.labels.value.tobytes() for batch in reader]
target, partial = folder / "a.slc", folder / "a.slc.partial"
rng, found = random.Random(0), []
for number in range(20):
    wanted = rng.randrange(len(whole))
    child = os.fork()
    if child == 0:
        encode(source, target, resume=number % 2 == 1)
        os._exit(0)
    while not (partial.exists() and partial.stat().st_size > wanted) and not target.exists():
        if os.waitpid(child, os.WNOHANG)[0]:
            sys.exit(f"round {number}: the child ended before it was killed")
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if partial.exists():
        try:
            repair(partial, folder / "repaired.slc")
        except labelcodec.LabelcodecError as error:
            print(error)
            assert wanted < 1500  # no header yet
        else:
            with labelcodec.open(folder / "repaired.slc") as reader:
                found.append(len(reader))
                assert [batch.labels.value.tobytes() for batch in reader] == labels[:found[-1]]
            (folder / "repaired.slc").unlink()
        encode(source, target, resume=True)
    assert target.read_bytes() == whole
    target.unlink()
print(found)
sys.exit(0 if len(set(found)) > 7 else "killed at too few points")
"""


def script(code: str, *arguments: object) -> SimpleNamespace:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return SimpleNamespace(out=done.stdout)


def test_kill_9(tmp_path):
    """At twenty random points: what was complete is there, and resuming gives the same file."""
    root = flat_dump(tmp_path / "dump", loader_order(20, 10), 4)
    script(KILLS, root, tmp_path)


GROWTH = """
import resource, sys
from pathlib import Path
from labelcodec.dumps.convert import encode

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
    assert float(script(GROWTH, tmp_path).out) < 30


@pytest.mark.parametrize("name", ["thesis.tex", "a.slc"])
def test_force_replaces_nothing_but_a_dump(tmp_path, lpqld, name):
    encode(lpqld, tmp_path / "a.slc")
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


INTERRUPTING = """
import os, signal, sys

if "--multiprocessing-fork" in sys.orig_argv:  # a worker that is still importing
    os.kill(os.getpid(), signal.SIGINT)
"""


def test_ctrl_c_while_workers_start(tmp_path, lpqld):
    """It is the parent's alone: workers neither die of it nor print a traceback."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(INTERRUPTING)
    path = os.pathsep.join([str(tmp_path / "hook"), *sys.path])
    command = [
        sys.executable,
        "-m",
        "labelcodec_cli",
        "encode",
        str(lpqld),
        str(tmp_path / "a.slc"),
    ]
    done = subprocess.run(
        [*command, "--workers", "2"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert verify(tmp_path / "a.slc").problems == ()


def test_interrupts_reach_the_parent_again():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with workers._interrupts_held():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
