"""Resuming a run that is complete: its file is reported, that of another run is refused."""

from __future__ import annotations

import os

import pytest

import labelcodec
from labelcodec import Header
from labelcodec.errors import FormatError, MismatchError
from labelcodec.transcode.encode_dump import encode
from labelcodec.transcode.recode_container import recode
from tests.cli.call import call
from tests.codecs.content import Recipe
from tests.formats.builders import edit, fkd_dump, left
from tests.labelsets import batches, write


def state(path):
    return path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino


@pytest.fixture
def target(tmp_path, forty):
    encode(forty, tmp_path / "a.slc", codec="topk:k=2", image_size=32, note="mine")
    return tmp_path / "a.slc"


SAME = {"codec": "topk:k=2", "image_size": 32, "note": "mine", "resume": True}


def test_it_is_reported_and_left_alone(tmp_path, forty, target):
    before = state(target)
    report = encode(forty, target, **SAME)
    assert state(target) == before
    assert (report.batches, report.bytes) == (40, len(before[0]))
    assert report.header.config["k"] == 2
    assert any("a.slc is complete already" in line for line in report.notes)
    assert left(tmp_path) == ["a.slc"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"codec": "topk:k=3"}, r"'codec\.config\.k' is 2 there and 3 now"),
        ({"codec": "topk:k=2,step=0.25"}, r"'codec\.config\.step' is .* there and 0\.25 now"),
        ({"image_size": 64}, r"'image_size' is \[32, 32\] there and \[64, 64\] now"),
        ({"image_size": None}, r"'image_size' is \[32, 32\] there and none now"),
        ({"note": "yours"}, r"'note' is 'mine' there and 'yours' now"),
        ({"epochs": 7}, r"'epochs' is none there and 7 now"),
    ],
)
def test_other_settings_are_refused(forty, target, change, named):
    before = state(target)
    with pytest.raises(MismatchError, match=named):
        encode(forty, target, **SAME | change)
    assert state(target) == before


def test_another_dump_is_refused(forty, target):
    before = state(target)

    def other(content):
        content[-2] += 1

    for number in range(40):
        edit(forty / f"batch_{number}.tar", other)
    with pytest.raises(MismatchError, match=r"'source\.sample_sha256' is .*name another file"):
        encode(forty, target, **SAME)
    assert state(target) == before


def test_one_of_an_earlier_release(forty, target, monkeypatch):
    before = state(target)
    monkeypatch.setattr(
        Header, "to_map", lambda header, old=Header.to_map: old(header) | {"version": "9"}
    )
    encode(forty, target, **SAME)
    assert state(target) == before


def test_what_is_no_container_is_refused(forty, target):
    target.write_text("precious")
    with pytest.raises(FormatError, match="not a labelcodec container"):
        encode(forty, target, **SAME)
    assert target.read_text() == "precious"


def test_force_replaces_it(forty, target):
    encode(forty, target, **SAME | {"codec": "topk:k=3", "force": True})
    with labelcodec.open(target) as reader:
        assert reader.header.k == 3


def test_names_belong_to_the_file(tmp_path):
    root = fkd_dump(tmp_path / "dump", "MS")
    encode(root, tmp_path / "a.slc", label_type="MS")
    before = state(tmp_path / "a.slc")
    encode(root, tmp_path / "a.slc", label_type="MS", resume=True)
    assert state(tmp_path / "a.slc") == before


class TestOfContainers:
    @pytest.fixture
    def live(self, tmp_path):
        """Label sets whose headers are the same, and say nothing of a source."""

        def made(name, seed, numbers=range(20)):
            recipe = Recipe(samples=20, k=None, seed=seed)
            return write(tmp_path / name, batches(numbers, recipe), recipe, "dense")

        return made

    @pytest.mark.parametrize("codec", ["dense", "topk:k=3", "transform:rank=3,step=1,peaks=1"])
    def test_the_same_source(self, tmp_path, live, codec):
        source, target = live("source.slc", 0), tmp_path / "b.slc"
        chosen = recode(source, target, codec).chosen
        before = state(target)
        assert recode(source, target, codec, resume=True).chosen.keys() == chosen.keys()
        assert state(target) == before

    @pytest.mark.parametrize("codec", ["dense", "topk:k=3", "transform:rank=3,step=1,peaks=1"])
    def test_other_labels_under_the_same_header(self, tmp_path, live, codec):
        source, other, target = live("source.slc", 0), live("other.slc", 1), tmp_path / "b.slc"
        recode(source, target, codec)
        before = state(target)
        with pytest.raises(MismatchError, match="the content of batch 0 differs"):
            recode(other, target, codec, resume=True)
        assert state(target) == before

    def test_fewer_and_other_batches(self, tmp_path, live):
        target = tmp_path / "b.slc"
        recode(live("source.slc", 0), target, "dense")
        with pytest.raises(MismatchError, match="it has 20 batches, the source 19"):
            recode(live("fewer.slc", 0, range(19)), target, "dense", resume=True)
        with pytest.raises(MismatchError, match="batch 0 is not at the place"):
            recode(live("later.slc", 0, range(1, 21)), target, "dense", resume=True)


def test_the_command(tmp_path, forty, capsys):
    target = tmp_path / "a.slc"
    assert call(capsys, "encode", forty, target).status == 0
    before = state(target)
    again = call(capsys, "encode", forty, target, "--resume")
    assert again.status == 0, again.err
    assert "is complete already" in again.err
    assert f"{os.fspath(target)}: 40 batches" in again.out
    refused = call(capsys, "encode", forty, target, "--resume", "--codec", "topk:k=2")
    assert refused.status == 1
    assert "without --resume" in refused.err and "'labels.k'" in refused.err
    assert state(target) == before
