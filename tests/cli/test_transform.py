"""The lossy codec from the command line: what it says of its choice, and bad input."""

from __future__ import annotations

import json

import pytest

import labelcodec
from tests.cli.call import call

SPEC = "transform:rank=8,step=9,peaks=4"


def test_encode_inspect_and_stats_say_what_was_chosen(capsys, workplace) -> None:
    found = call(capsys, "encode", "dump", "a.slc", "--codec", SPEC, "--json").json()
    chosen = found["chosen"]
    assert chosen["rank"] == 8 and chosen["sample"] == chosen["sharing"] == 256
    assert 0 < chosen["tv"]["4"] < 0.5
    plain = call(capsys, "encode", "dump", "b.slc", "--codec", SPEC).out.splitlines()
    assert plain[1].startswith("chose rank 8, step ")
    assert f"{sum(chosen['bytes_per_label'].values()):.1f} B/label" in plain[1]
    assert plain[2].startswith("reached on 256 labels: TV at tau 1, 2, 4: ")
    for command in ("inspect", "stats"):
        assert call(capsys, command, "a.slc", "--json").json()["chosen"] == [chosen]
        shown = call(capsys, command, "a.slc").out.splitlines()
        assert plain[1] in shown and plain[2] in shown


def test_exact_codecs_have_nothing_to_say(capsys, workplace) -> None:
    assert call(capsys, "encode", "dump", "a.slc", "--json").json()["chosen"] == {}
    assert "chose" not in call(capsys, "stats", "labels.slc").out
    assert call(capsys, "inspect", "labels.slc", "--json").json()["chosen"] == []


def test_every_shard_of_a_merged_file_has_its_own_choice(capsys, workplace) -> None:
    with labelcodec.open("labels.slc") as reader:
        for i, batch in enumerate(reader):
            with labelcodec.Writer(f"part-{i}.slc", reader.header, SPEC) as writer:
                writer.add(batch)
    call(capsys, "merge", "all.slc", "part-0.slc", "part-1.slc")
    chosen = json.loads(call(capsys, "inspect", "all.slc", "--json").out)["chosen"]
    assert [one["sample"] for one in chosen] == [128, 128]


def test_stats_measures_fidelity_against_the_source(capsys, workplace) -> None:
    call(capsys, "encode", "dump", "a.slc", "--codec", SPEC)
    found = call(
        capsys, "stats", "a.slc", "small.slc", "dump", "--against", "dump", "--json"
    ).json()
    lossy, cut, itself = (one["fidelity"] for one in found)
    compared = json.loads(call(capsys, "compare", "dump", "a.slc", "--json").out)
    assert lossy == compared["fidelity"]
    assert lossy["tv"]["4"] < lossy["tv_max"]["4"] < 1 and lossy["infinite"] == 0
    assert lossy["tv"]["4"] == pytest.approx(found[0]["chosen"][0]["tv"]["4"], rel=2e-3)
    assert cut["infinite"] == 256 and cut["kl_max"]["20"] == "inf" and cut["tv"]["20"] > 0.9
    assert itself["kl_max"]["1"] == 0 and itself["top1_agreement"] == 1
    plain = call(capsys, "stats", "small.slc", "--against", "labels.slc").out
    assert "small.slc against labels.slc" in plain
    assert "KL is infinite for 256 labels" in plain


def test_fidelity_needs_the_same_samples(capsys, workplace) -> None:
    found = call(capsys, "stats", "shard-0.slc", "--against", "dump")
    assert found.status == 1 and found.err.count("\n") == 1
    assert "shard-0.slc does not label the samples of dump: 2 batches against 1" in found.err
