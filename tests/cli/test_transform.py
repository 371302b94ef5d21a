"""The lossy codec from the command line: what it says of its choice, and bad input."""

from __future__ import annotations

import json

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
