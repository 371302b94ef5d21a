from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from labelcodec_cli import console
from tests.cli.call import FIXTURE, call

SOURCE_BYTES = sum(path.stat().st_size for path in FIXTURE.rglob("*") if path.is_file())


def test_encode_reports_what_it_wrote(capsys, workplace) -> None:
    found = call(capsys, "encode", "dump", "new.slc", "--epochs", 300, "--json").json()
    assert found["batches"] == 2
    assert found["bytes"] == Path("new.slc").stat().st_size
    assert found["source_bytes"] == SOURCE_BYTES
    assert found["header"]["epochs"] == 300
    plain = call(capsys, "encode", "dump", "newer.slc", "--threads", 2)
    assert plain.out.startswith("newer.slc: 2 batches in ")
    assert Path("newer.slc").stat().st_size == pytest.approx(found["bytes"], abs=64)


def test_encode_says_which_image_order_it_took(capsys, workplace) -> None:
    Path("dump/image_order.json").rename("order.json")
    found = call(capsys, "encode", "dump", "a.slc", "--image-order", "order.json")
    assert "image order: read from order.json; it fits" in found.err
    Path("dump/image_order.json").write_bytes(Path("order.json").read_bytes())
    found = call(capsys, "encode", "dump", "b.slc", "--image-order", "order.json")
    assert "read from order.json, not from image_order.json in the dump; it fits" in found.err


@pytest.mark.parametrize("data", [b"", b"PAR1" + bytes(9), b"a,b\n1,2\n", b'{"a": [1]}'])
@pytest.mark.parametrize("codec", [(), ("--codec", "topk:k=10")])
def test_what_is_no_container_is_not_encoded_again(capsys, workplace, data, codec) -> None:
    Path("labels.txt").write_bytes(data)
    found = call(capsys, "encode", "labels.txt", "new.slc", *codec)
    assert found.status == 1
    assert "labels.txt: neither a container nor a dump" in found.err
    assert "re-encode" not in found.err


def test_a_container_is_encoded_again(capsys, workplace) -> None:
    found = call(capsys, "encode", "labels.slc", "new.slc", "--codec", "topk:k=10", "--json").json()
    assert found["bytes"] == Path("small.slc").stat().st_size
    assert found["source_bytes"] == Path("labels.slc").stat().st_size
    assert call(capsys, "compare", "new.slc", "small.slc").out.startswith("identical")
    shards = call(
        capsys, "encode", "shard-*.slc", "all.slc", "--codec", "topk:k=10", "--threads", 2
    )
    assert shards.out.startswith("all.slc: 2 batches in ")
    assert call(capsys, "compare", "all.slc", "small.slc").out.startswith("identical")


def test_encode_keeps_what_exists(capsys, workplace) -> None:
    before = Path("labels.slc").read_bytes()
    found = call(capsys, "encode", "dump", "labels.slc", "--codec", "topk:k=5")
    assert found.status == 1
    assert "labels.slc" in found.err
    assert "--force" in found.err
    assert Path("labels.slc").read_bytes() == before
    forced = call(capsys, "encode", "dump", "labels.slc", "--codec", "topk:k=5", "--force")
    assert forced.status == 0
    assert len(Path("labels.slc").read_bytes()) < len(before) / 5


def test_decode_gives_the_dump_back(capsys, workplace) -> None:
    found = call(capsys, "decode", "labels.slc", "copy", "--json").json()
    assert found == {"directory": "copy", "layout": "sre2l", "files": 3, "lossy": False}
    assert call(capsys, "compare", "dump", "copy").out == "identical: 2 batches, bit for bit\n"
    again = call(capsys, "decode", "labels.slc", "copy")
    assert again.status == 1
    assert call(capsys, "decode", "labels.slc", "copy", "--force").status == 0


def test_decode_says_that_it_is_lossy(capsys, workplace) -> None:
    call(capsys, "encode", "dump", "rough.slc", "--codec", "topk:k=10,step=0.5")
    found = call(capsys, "decode", "rough.slc", "copy", "--layout", "lpqld")
    assert found.status == 0
    assert "lossy" in found.err


def test_verify_finds_a_flipped_bit_and_repair_saves_the_rest(capsys, workplace) -> None:
    assert call(capsys, "verify", "labels.slc", "--json").json()["sound"]
    damaged = bytearray(Path("labels.slc").read_bytes())
    damaged[len(damaged) // 4] ^= 4
    Path("labels.slc").write_bytes(damaged)
    found = call(capsys, "verify", "labels.slc")
    assert found.status == 1
    assert found.err.count("\n") == 1
    assert "`labelcodec repair labels.slc` would recover 1 batch" in found.err
    saved = call(capsys, "repair", "labels.slc", "--out", "saved.slc", "--json").json()
    assert (saved["kept"], saved["kept_numbers"], saved["lost_numbers"]) == (1, [[1, 1]], [[0, 0]])
    assert sum(size for _, size in saved["damage"]) == saved["skipped_bytes"] > 1000
    assert call(capsys, "verify", "saved.slc").status == 0
    plain = call(capsys, "repair", "labels.slc")
    assert plain.out == "labels.slc: 1 intact batch, numbers 1\n"
    assert "1 batch lost, numbers 0" in plain.err
    (offset, size), *_ = saved["damage"]
    assert f"{size:,} at offset {offset}".replace(",", " ") in plain.err
    assert "the original is labels.slc.damaged" in plain.err


def test_verify_of_several_files(capsys, workplace) -> None:
    checked = call(capsys, "verify", "labels.slc", "shard-*.slc")
    assert checked.status == 0
    assert [line.split(": sound")[0] for line in checked.out.splitlines()] == [
        *("labels.slc", "shard-0.slc", "shard-1.slc"),
    ]
    assert "3 files, all sound" in checked.err
    data = bytearray((workplace / "shard-1.slc").read_bytes())
    data[len(data) // 2] ^= 1
    (workplace / "shard-1.slc").write_bytes(data)
    damaged = call(capsys, "verify", "shard-*.slc", "small.slc")
    assert damaged.status == 1
    assert "shard-0.slc: sound" in damaged.out and "error: 1 of 3 files not sound" in damaged.err
    facts = json.loads(call(capsys, "verify", "shard-*.slc", "small.slc", "--json").out)
    assert [own["sound"] for own in facts["files"]] == [True, False, True]
    assert facts["sound"] is False
    assert call(capsys, "verify", "small.slc", "--json").json()["file"] == "small.slc"
    assert "no file matches" in call(capsys, "verify", "none-*.slc").err


def test_a_thousand_arguments_are_not_all_repeated(capsys) -> None:
    refused = call(capsys, "repair", *(f"shard-{i:04d}.slc" for i in range(1000)))
    assert refused.status == 2
    assert "shard-0001.slc" in refused.err and "--help" in refused.err
    assert len(refused.err) < 600


def test_verify_does_not_recommend_a_useless_repair(capsys, workplace) -> None:
    whole = Path("labels.slc").read_bytes()
    Path("labels.slc").write_bytes(whole[:20] + b"\0" + whole[21:])
    found = call(capsys, "verify", "labels.slc")
    assert found.status == 1
    assert "`labelcodec repair` cannot recover any batch" in found.err
    assert "labelcodec repair" not in found.out


def test_repair_of_an_unfinished_file_says_that_it_can_be_resumed(capsys, workplace) -> None:
    whole = Path("labels.slc").read_bytes()
    Path("new.slc.partial").write_bytes(whole[:-40_000])
    found = call(capsys, "repair", "new.slc")
    assert found.out.startswith("new.slc: 1 intact batch, numbers 0")
    assert "new.slc.partial is unfinished" in found.err
    assert "--resume" in found.err
    again = call(capsys, "encode", "dump", "new.slc", "--resume", "--force")
    assert again.status == 0, again.err
    assert Path("new.slc").read_bytes() == whole


def test_merge_of_shards_is_the_whole(capsys, workplace) -> None:
    assert call(capsys, "merge", "all.slc", "shard-1.slc", "shard-0.slc").status == 0
    assert call(capsys, "compare", "all.slc", "dump").status == 0
    again = call(capsys, "merge", "all.slc", "shard-1.slc", "shard-0.slc")
    assert again.status == 1
    assert call(capsys, "merge", "twice.slc", "shard-1.slc", "shard-1.slc").status == 1
    assert not Path("twice.slc").exists()


def test_codecs_are_listed(capsys) -> None:
    plain = call(capsys, "codecs").out
    assert "dense" in plain
    assert "topk" in plain
    assert call(capsys, "codecs", "--json").json()


def test_demo_proves_itself(capsys, tmp_path, monkeypatch) -> None:
    from labelcodec.demo import whole_path

    monkeypatch.setattr(whole_path, "FULL", whole_path.Size(10, 3, 1, 20, 0.5, 10))
    picture = tmp_path / "a.png"
    found = call(capsys, "demo", "--json", "--plot", picture).json()
    assert picture.read_bytes().startswith(b"\x89PNG")
    students = found["students"]["codecs"]
    assert [row["codec"] for row in students] == list(whole_path.CODECS)
    plain = call(capsys, "demo", "--out", tmp_path / "demo").out
    lines = plain.splitlines()
    assert [line[0] for line in lines if line[1:3] == ". "] == list("123456789")
    assert lines.index("Result") > next(i for i, line in enumerate(lines) if line[:2] == "9.")
    assert f"{students[1]['bytes_per_label']:.1f}" in plain
    assert "SHA" not in plain and "sha" not in plain
    commands = [line.split()[1:] for line in lines if line.startswith("  labelcodec ")]
    assert len(commands) == 3
    for command in commands:
        assert call(capsys, *command).status == 0
    assert call(capsys, "demo", "--out", tmp_path / "demo").status == 2
    assert [stage["identical"] for stage in found["stages"]] == [True, True]
    for stage in found["stages"]:
        assert sum(stage["components"].values()) == stage["bytes_total"]
        assert stage["bytes_total"] < stage["source_bytes"]
    assert found["top_k"]["max_dz"] == 0


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["encode", "absent", "x.slc"], 1, "absent"),
        (["encode", "dump", "x.slc", "--codec", "nope"], 2, "nope"),
        (["encode", "dump", "x.slc", "--codec", "topk:k=0"], 2, "k"),
        (["encode", "dump", "x.slc", "--threads", "0"], 2, "--threads"),
        (["encode", "labels.slc", "x.slc"], 2, "--codec or --tables is required"),
        (["encode", "labels.slc", "x.slc", "--codec", "dense", "--epochs", "9"], 2, "--epochs"),
        (
            ["encode", "labels.slc", "x.slc", "--codec", "dense", "--loader-seed", "0"],
            2,
            "--loader",
        ),
        (["encode", "small.slc", "x.slc", "--codec", "dense"], 1, "topk"),
        (["encode", "absent-*.slc", "x.slc", "--codec", "dense"], 1, "absent-"),
        (["encode", "dump", "x.slc", "--layout", "zip"], 2, "--layout"),
        (["encode", "dump", "dump", "--force"], 1, "dump: is a folder"),
        (["encode", "dump", "dump/x.slc", "--force"], 1, "inside the dump"),
        (["decode", "labels.slc", "."], 1, "holds labels.slc, which is to be decoded"),
        (["decode", "labels.slc", ".", "--force"], 1, "holds labels.slc, which is to be decoded"),
        (["inspect", "dump"], 1, "dump: is a folder"),
        (["repair", "dump"], 1, "dump: is a folder"),
        (["inspect", "absent.slc"], 1, "absent.slc"),
        (["inspect", "dump/image_order.json"], 1, "image_order.json"),
        (["stats", "dump/image_order.json"], 1, "image_order.json"),
        (["verify", "absent.slc"], 1, "absent.slc"),
        (["repair", "absent.slc"], 1, "absent.slc"),
        (["merge", "x.slc", "absent.slc"], 1, "absent.slc"),
        (["decode", "absent.slc", "x"], 1, "absent.slc"),
        (["compare", "absent.slc", "dump"], 1, "absent.slc"),
        (["stats"], 2, "Missing argument"),
        (["encode", "dump", "x.slc", "--label-type", "MR"], 2, "--label-type"),
        (["encode", "dump", "x.slc", "--label-type", "hard"], 2, "--label-type"),
        (["encode", "dump", "x.slc", "--epochs-range", "3:1"], 2, "A below B"),
        (["encode", "dump", "x.slc", "--epochs-range", "1:2"], 1, "--epochs-range"),
        (["stats", "labels.slc", "--layout", "fkd"], 2, "--layout"),
        (["stats", "labels.slc", "--plot", "x.pdf"], 2, "x.pdf"),
        (["stats", "labels.slc", "--plot", "absent/x.png"], 2, "absent"),
        (["plan", "--classes", "10", "--ipc", "1", "--plot", "absent/x.png"], 2, "absent"),
        (["stats", "dump", "--plot", "x.png"], 2, "--plot draws containers"),
        (["compare", "labels.slc", "small.slc", "--classes", "1000"], 2, "--classes"),
    ],
)
def test_bad_calls_end_in_one_line(capsys, workplace, args, status: int, words: str) -> None:
    found = call(capsys, *args)
    assert found.status == status, found.err
    assert found.out == ""
    assert found.err.startswith("labelcodec: error: ")
    assert found.err.count("\n") == 1
    assert words in found.err
    assert not list(workplace.glob("x*"))


@pytest.mark.parametrize("kept", [False, True])
def test_interrupted_encode_says_how_to_go_on(capsys, workplace, monkeypatch, kept) -> None:
    def interrupted(*step: object, **__: object) -> None:
        if "fitting" not in str(step[-1]):
            raise KeyboardInterrupt

    @contextmanager
    def progress(what: str, shown: bool = True):
        yield interrupted

    if kept:  # a batch is written before progress is told
        monkeypatch.setattr(console, "progress", progress)
    else:
        monkeypatch.setattr("labelcodec.transcode.encode_batches._fitting_sample", interrupted)
    found = call(capsys, "encode", "dump", "x.slc")
    assert found.status == 130
    assert ("--resume" in found.err, "nothing is kept" in found.err) == (kept, not kept)
    assert list(workplace.glob("x*")) == [workplace / "x.slc.partial"] * kept
