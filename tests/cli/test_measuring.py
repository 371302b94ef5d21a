"""Commands that show and measure label sets: compare, inspect, stats."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import labelcodec
from tests.cli.call import FIXTURE, call
from tests.formats.builders import LPQLD, edit, flat_dump, loader_order

SOURCE_BYTES = sum(path.stat().st_size for path in FIXTURE.rglob("*") if path.is_file())


def test_compare_measures_what_differs(capsys, workplace) -> None:
    found = call(capsys, "compare", "dump", "small.slc", "--json")
    assert found.status == 1
    distance = json.loads(found.out)
    assert not distance["identical"]
    assert distance["fidelity"]["labels"] == 256
    assert distance["fidelity"]["max_dz"] == 0
    assert distance["fidelity"]["kl"]["1"] is None
    assert 0.3 < distance["fidelity"]["tv"]["1"] < 0.45
    plain = call(capsys, "compare", "dump", "small.slc").out
    assert plain.startswith("different: batch 0: ")
    assert "same top class: 100.00 %" in plain


def test_compare_says_that_only_nan_differs(capsys, workplace) -> None:
    def broken(parts):
        parts[-1][5, 6:9] = torch.nan

    edit(Path("dump/epoch_0/batch_1.tar"), broken)
    found = call(capsys, "compare", "dump", "labels.slc")
    assert found.status == 1
    assert found.out.startswith("different: batch 1: label values differ\n")
    assert "largest |dz|: 0 of the finite logits\n" in found.out
    assert "NaN or infinite values in A or B, without a distance: 3" in found.out
    assert "NaN" not in call(capsys, "compare", "labels.slc", "small.slc").out.split("Over")[1]


def test_compare_says_that_float64_was_rounded(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    flat_dump(tmp_path / "dump", loader_order(40, 2), 16, replace(LPQLD, values="float64"))
    assert call(capsys, "encode", "dump", "a.slc").status == 0
    assert "bit for bit" in call(capsys, "compare", "a.slc", "a.slc").out
    found = call(capsys, "compare", "dump", "a.slc")
    assert (found.status, "bit for bit" in found.out) == (0, False)
    assert "as float32: labels of float64 were rounded" in found.out
    assert call(capsys, "compare", "a.slc", "dump", "--json").json()["rounded"]
    assert call(capsys, "encode", "dump", "b.slc", "--codec", "topk:k=2").status == 0
    assert "were rounded to float32" in call(capsys, "compare", "dump", "b.slc").out


@pytest.mark.parametrize("cutout", [False, True])
def test_compare_of_a_randaugment_dump(capsys, tmp_path, monkeypatch, cutout: bool) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = replace(LPQLD, operations=2, cutout=cutout)
    dump = flat_dump(tmp_path / "dump", loader_order(40, 2), 16, recipe)
    assert call(capsys, "encode", "dump", "a.slc").status == 0
    assert call(capsys, "decode", "a.slc", "copy").status == 0
    for one in ("a.slc", "copy"):
        assert call(capsys, "compare", "dump", one).out == "identical: 6 batches, bit for bit\n"

    def other(parts):
        parts[2][1][0][3] += 1  # the second operation of sample 3

    edit(dump / "batch_4.tar", other)
    found = call(capsys, "compare", "dump", "a.slc")
    assert found.status == 1
    assert found.out.startswith("different: batch 4: randaugment operations differ\n")
    assert "largest |dz|: 0\n" in found.out


def test_inspect_shows_header_index_and_a_batch(capsys, workplace) -> None:
    found = call(capsys, "inspect", "labels.slc", "--batch", 1, "--json").json()
    assert found["header"]["classes"] == 1000
    assert found["index"]["batches"] == 2
    assert found["index"]["labels"] == 256
    assert found["batch"]["number"] == 1
    order = json.loads((FIXTURE / "image_order.json").read_text())[0]
    assert [one["image"] for one in found["batch"]["first_samples"]] == order[128:132]
    plain = call(capsys, "inspect", "small.slc", "--batch", 0)
    assert "First samples" in plain.out
    assert "Batch" not in call(capsys, "inspect", "small.slc").out


def test_inspect_shows_nan_and_infinity(capsys, workplace) -> None:
    values = torch.full((128, 1000), torch.nan).half()
    values[:, 3] = torch.inf
    edit(Path("dump/epoch_0/batch_1.tar"), lambda parts: [*parts[:3], float("nan"), *parts[4:]])
    edit(Path("dump/epoch_0/batch_1.tar"), lambda parts: [*parts[:-1], values])
    assert call(capsys, "encode", "dump", "odd.slc").status == 0
    plain = call(capsys, "inspect", "odd.slc", "--batch", 1)
    assert plain.status == 0, plain.err
    assert "3: not finite  0: not finite" in plain.out
    batch = call(capsys, "inspect", "odd.slc", "--batch", 1, "--json").json()["batch"]
    assert batch["augmentation"]["mix"]["ratio"] is None
    assert batch["first_samples"][0]["largest"][:2] == [[3, None], [0, None]]


def test_what_a_header_says_does_not_steer_the_terminal(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = {"\x1b[2Jname": "\x1b]0;title\x07"}
    for name, teacher in (("a.slc", evil), ("b\x1b[2J.slc", None)):
        header = labelcodec.Header(12, teacher=teacher, interpolation="\x1b[31m")
        with labelcodec.Writer(name, header, "dense"):
            pass
    for args in (
        ["inspect", "a.slc"],
        ["inspect", "a.slc", "--json"],
        ["stats", "b\x1b[2J.slc"],
        ["verify", "b\x1b[2J.slc"],
        ["merge", "c\x1b[2J.slc", "a.slc"],
        ["merge", "d\x1b[2J.slc", "a.slc", "b\x1b[2J.slc"],
        ["verify", "absent\x1b[2J"],
    ):
        found = call(capsys, *args)
        assert "\x1b" not in found.out + found.err, args
        assert "\\x1b" in found.out + found.err or "\\u001b" in found.out, args


def test_inspect_of_a_batch_that_is_not_there(capsys, workplace) -> None:
    found = call(capsys, "inspect", "labels.slc", "--batch", 2)
    assert found.status == 2
    assert "there are 2 batches" in found.err


def test_stats_of_containers_account_for_every_byte(capsys, workplace) -> None:
    found = call(capsys, "stats", "labels.slc", "small.slc", "--json").json()
    assert [one["path"] for one in found] == ["labels.slc", "small.slc"]
    for one in found:
        assert one["bytes_total"] == Path(one["path"]).stat().st_size
        assert sum(one["components"].values()) == one["bytes_total"]
        assert one["source_bytes"] == SOURCE_BYTES
        assert one["raw_bytes"] == 2 * 261661
        assert one["actual_rate"] == one["raw_bytes"] / one["bytes_total"]
    assert found[0]["theoretical_rate"] == 1
    assert found[1]["theoretical_rate"] == 50
    assert found[1]["bytes_per_label"] < found[0]["bytes_per_label"] / 10


def test_stats_prints_the_same_numbers(capsys, workplace) -> None:
    found = call(capsys, "stats", "small.slc", "--json").json()
    plain = call(capsys, "stats", "small.slc").out
    assert f"{found['bytes_per_label']:.2f}" in plain
    assert f"{found['bytes_total']:,}".replace(",", " ") in plain
    values = f"{found['components']['label values']:,}".replace(",", " ")
    assert f"label values {values}" in " ".join(plain.split())
    assert "\x1b" not in plain


def test_stats_of_a_dump_is_table_vi(capsys, workplace) -> None:
    found = call(capsys, "stats", "dump", "--json").json()
    assert found["bytes_total"] == SOURCE_BYTES
    assert [row["component"] for row in found["parts"]][-1] == "label values"
    assert "F or z" in call(capsys, "stats", "dump").out


def test_stats_draws(capsys, workplace) -> None:
    assert call(capsys, "stats", "small.slc", "--plot", "a.png").status == 0
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_stats_of_an_empty_set(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with labelcodec.Writer("empty.slc", labelcodec.Header(12, epochs=3, images=5), "dense"):
        pass
    found = call(capsys, "stats", "empty.slc", "--json").json()
    assert found["labels"] == 0
    assert found["bytes_per_label"] is found["actual_rate"] is None
    assert sum(found["components"].values()) == Path("empty.slc").stat().st_size
    assert re.search(r"actual rate +-\n", call(capsys, "stats", "empty.slc").out)
    drawn = call(capsys, "stats", "empty.slc", "--plot", "a.png")
    assert (drawn.status, Path("a.png").exists()) == (2, False)
    assert "no label" in drawn.err
