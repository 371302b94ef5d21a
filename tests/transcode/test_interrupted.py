"""Encoding that ends before its time: by an error, a full disk, Ctrl-C or kill -9."""

from __future__ import annotations

import errno
import io
import json
import os

import pytest
import torch

import labelcodec
from labelcodec.codecs.topk.codec import TopK
from labelcodec.errors import DumpError, MismatchError
from labelcodec.transcode.encode_dump import encode
from tests.codecs.content import same
from tests.formats.builders import (
    edit,
    fkd_dump,
    flat_dump,
    left,
    loader_order,
)
from tests.formats.layouts import DUMPS, ORDER
from tests.formats.script import script


class Stop(Exception):
    """Not one of the library's own errors."""


class TestInterrupted:
    @pytest.fixture
    def whole(self, tmp_path, forty) -> bytes:
        encode(forty, tmp_path / "whole.slc")
        return (tmp_path / "whole.slc").read_bytes()

    @pytest.mark.parametrize(("threads", "error"), [(1, Stop), (2, KeyboardInterrupt)])
    def test_progress_is_kept(self, tmp_path, forty, whole, threads, error):
        def progress(done, total, doing):
            if done == 15:
                raise error

        with pytest.raises(error):
            encode(forty, tmp_path / "a.slc", threads=threads, progress=progress)
        assert left(tmp_path) == ["a.slc.partial", "whole.slc"]
        calls = []
        encode(
            forty,
            tmp_path / "a.slc",
            resume=True,
            progress=lambda done, *_: calls.append(done),
        )
        assert calls == list(range(16, 41))
        assert (tmp_path / "a.slc").read_bytes() == whole

    def test_a_partial_file_is_not_lost(self, tmp_path, forty, whole):
        partial = tmp_path / "a.slc.partial"
        partial.write_bytes(whole[:-2000])
        with pytest.raises(MismatchError, match="resume=True"):
            encode(forty, tmp_path / "a.slc")
        assert partial.read_bytes() == whole[:-2000]

    def test_a_file_that_was_mended(self, tmp_path, forty, monkeypatch):
        """The dump then has another size: a run that stopped at the damaged file goes on."""
        monkeypatch.setattr(TopK, "fit_labels", 8)
        encode(forty, tmp_path / "whole.slc")
        file = forty / "batch_12.tar"
        good = file.read_bytes()
        file.write_bytes(good[:100])
        with pytest.raises(DumpError, match=r"batch_12\.tar") as raised:
            encode(forty, tmp_path / "a.slc")
        assert "resume=True" in raised.value.__notes__[0]
        file.write_bytes(good)
        encode(forty, tmp_path / "a.slc", resume=True)
        with (
            labelcodec.open(tmp_path / "a.slc") as one,
            labelcodec.open(tmp_path / "whole.slc") as other,
        ):
            assert all(same(*pair) for pair in zip(one, other, strict=True))

    def test_resuming_another_dump(self, tmp_path, forty, whole):
        (tmp_path / "a.slc.partial").write_bytes(whole[:-2000])
        file = forty / "batch_39.tar"
        copy = io.BytesIO()  # the same content, under another name inside the archive
        torch.save(torch.load(file, weights_only=False), copy)
        file.write_bytes(copy.getvalue())
        with pytest.raises(MismatchError, match=r"'source\.sample_sha256' is"):
            encode(forty, tmp_path / "a.slc", resume=True)

    def test_resuming_after_another_run_of_the_teacher(self, tmp_path, forty, whole):
        """Files of the same sizes, other labels."""
        (tmp_path / "a.slc.partial").write_bytes(whole[:-2000])
        before = sum(path.stat().st_size for path in forty.iterdir())

        def other(content):
            content[-2] += 1

        for number in range(40):
            edit(forty / f"batch_{number}.tar", other)
        assert sum(path.stat().st_size for path in forty.iterdir()) == before
        with pytest.raises(MismatchError, match=r"'source\.sample_sha256' is"):
            encode(forty, tmp_path / "a.slc", resume=True)
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
        with pytest.raises(
            MismatchError, match=r"another header: 'source\.(order_sha256|image_order)' is"
        ):
            encode(root, tmp_path / "a.slc", resume=True, **more)

    def test_full_disk(self, tmp_path, forty, whole, monkeypatch):
        real = os.pwrite

        def pwrite(fd, data, offset):
            if offset + len(data) > len(whole) // 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(fd, data, offset)

        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(OSError, match="No space left") as caught:
            encode(forty, tmp_path / "a.slc")
        assert caught.value.errno == errno.ENOSPC
        monkeypatch.undo()
        assert 0 < (tmp_path / "a.slc.partial").stat().st_size <= len(whole) // 2
        encode(forty, tmp_path / "a.slc", resume=True)
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
from labelcodec.transcode.encode_dump import encode
import labelcodec

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
encode(source, folder / "whole.slc")
whole = (folder / "whole.slc").read_bytes()
with labelcodec.open(folder / "whole.slc") as reader:
    labels = [batch.labels.value.tobytes() for batch in reader]
target, partial = folder / "a.slc", folder / "a.slc.partial"
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT  # a child that has ended is still there to be killed


def size_of(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:  # not there yet, or already renamed
        return 0


rng, found = random.Random(0), []
for number in range(20):
    wanted = rng.randrange(len(whole))
    child = os.fork()
    if child == 0:
        encode(source, target, resume=number % 2 == 1)
        os._exit(0)
    while size_of(partial) <= wanted and not os.waitid(os.P_PID, child, ENDED):
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), f"round {number}: status {status}"
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
sys.exit(0 if len(set(found)) > 4 else "killed at too few points")
"""


def test_kill_9(tmp_path):
    """At twenty random points: what was complete is there, and resuming gives the same file."""
    root = flat_dump(tmp_path / "dump", loader_order(20, 10), 4)
    script(KILLS, root, tmp_path)
