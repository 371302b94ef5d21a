"""The lossy codec from the command line: what it says of its choice, and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import labelcodec
from labelcodec.container import RecordReader
from tests.attacks.codecs import CASES
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
    found = call(capsys, "inspect", "labels.slc", "--json").json()
    assert (found["chosen"], found["damage"]) == ([], None)


def test_dense2_says_its_rank(capsys, workplace) -> None:
    found = call(capsys, "encode", "dump", "a.slc", "--codec", "dense2:rank=3", "--json").json()
    assert found["chosen"] == {"rank": 3}
    for command in ("inspect", "stats"):
        assert "chose rank 3" in call(capsys, command, "a.slc").out.splitlines()


@pytest.mark.parametrize(
    ("keys", "tau", "expected"),
    [
        ("codes=2", 1, ", 2 codes of 32 codewords searched at tau 1: "),
        ("codes=3,tau=4", 4, ", 3 codes of 32 codewords searched at tau 4: "),
    ],
)
def test_vq_says_its_codes_and_their_temperature(capsys, workplace, keys, tau, expected) -> None:
    made = ("encode", "dump", "a.slc", "--codec", f"vq:{keys}")
    chosen = call(capsys, *made, "--json").json()["chosen"]
    assert (chosen["codewords"], chosen["tau"]) == (32, tau)
    assert "peaks" not in chosen and chosen["sample"] == 256
    shown = call(capsys, *made, "--force").out.splitlines()
    line = next(line for line in shown if line.startswith("chose"))
    assert line.startswith(f"chose rank {chosen['rank']}{expected}")
    size = chosen["bytes_per_label"]
    assert line.split(": ")[1].startswith(f"{sum(size.values()):.1f} B/label, ")
    reached = shown[shown.index(line) + 1]
    assert reached.startswith("reached on 256 labels: TV at tau 1, 2, 4: ")
    for command in ("inspect", "stats"):
        again = call(capsys, command, "a.slc").out.splitlines()
        assert line in again and reached in again


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
    assert cut["infinite"] == 256 and cut["kl_max"]["20"] is None and cut["tv"]["20"] > 0.9
    assert itself["kl_max"]["1"] == 0 and itself["top1_agreement"] == 1
    plain = call(capsys, "stats", "small.slc", "--against", "labels.slc").out
    assert "small.slc against labels.slc" in plain
    assert "KL is infinite for 256 labels" in plain


def test_fidelity_needs_the_same_samples(capsys, workplace) -> None:
    found = call(capsys, "stats", "shard-0.slc", "--against", "dump")
    assert found.status == 1 and found.err.count("\n") == 1
    assert "shard-0.slc does not label the samples of dump: 2 batches against 1" in found.err


def change_logits(batch: int, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change the labels of a batch of the dump."""
    path = Path("dump/epoch_0") / f"batch_{batch}.tar"
    parts = torch.load(path, weights_only=False)
    torch.save([*parts[:-1], change(parts[-1])], path)


def with_nan(logits: torch.Tensor) -> torch.Tensor:
    logits[7, 3] = torch.nan
    return logits


BAD_LABELS = {
    "nan": (1, with_nan, SPEC, "batch 1: sample 7 has a logit of nan"),
    "nan in the sample": (
        0,
        with_nan,
        "transform:bytes=40",
        "batch 0: sample 7 has a logit of nan",
    ),
    "other classes": (1, lambda z: z[:, :900].clone(), SPEC, "900"),
    "other type": (1, lambda z: z.float(), SPEC, "float32"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels_end_in_one_line_and_no_file(capsys, workplace, name: str) -> None:
    batch, change, spec, words = BAD_LABELS[name]
    change_logits(batch, change)
    refused(capsys, workplace, spec, words)


def refused(capsys, workplace, spec: str, words: str) -> None:
    found = call(capsys, "encode", "dump", "x.slc", "--codec", spec)
    assert (found.status, found.out) == (1, ""), found
    assert found.err.startswith("labelcodec: error: ") and found.err.count("\n") == 1
    assert words in found.err
    assert not list(workplace.glob("x*"))


def test_constant_labels(capsys, workplace) -> None:
    for batch in (0, 1):
        change_logits(batch, lambda z: torch.full_like(z, 2.5))
    for spec in (SPEC, "transform:bytes=40", "transform:kl1=0.1"):
        refused(capsys, workplace, spec, "the labels do not differ")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("rank=300,step=9,peaks=4", "rank 300 is above 256, the highest for 256 labels"),
        ("bytes=0.3", "bytes=0.3 cannot be met where 256 labels share"),
        ("tv4=0.000001", "can be"),
        ("tv4=0.05,bytes=9", "more than bytes=9"),
    ],
)
def test_what_cannot_be_met_says_what_can(capsys, workplace, spec: str, words: str) -> None:
    refused(capsys, workplace, f"transform:{spec}", words)


@pytest.mark.parametrize("case", ["basis_ones", "rank_0", "price_nan", "place_above_classes"])
def test_damaged_tables_and_streams(capsys, workplace, case: str) -> None:
    CASES[f"transform_{case}"][0]().write(Path("bad.slc"))
    for args in (["decode", "bad.slc", "x", "--layout", "sre2l"], ["stats", "bad.slc"]):
        found = call(capsys, *args)
        assert (found.status, found.out) == (1, ""), found
        assert found.err.count("\n") == 1 and "bad.slc" in found.err
    assert call(capsys, "verify", "bad.slc").status == 1
    assert call(capsys, "inspect", "bad.slc").status == 0
    assert not list(workplace.glob("x*"))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["small.slc", "--loader-seed", 3], "--loader-seed is for a dump in --against"),
        (["small.slc", "--against", "labels.slc", "--layout", "fkd"], "--layout is for dumps"),
    ],
)
def test_options_that_mean_nothing_are_refused(capsys, workplace, args, words: str) -> None:
    found = call(capsys, "stats", *args)
    assert found.status == 2 and words in found.err


def test_inspect_says_that_tables_are_damaged(capsys, workplace) -> None:
    call(capsys, "encode", "labels.slc", "a.slc", "--codec", SPEC)
    with RecordReader("a.slc") as records:
        at = records.index.of(b"S")[0].offset + 20
    data = bytearray(Path("a.slc").read_bytes())
    data[at] ^= 1
    Path("a.slc").write_bytes(data)
    assert (
        "checksum of the 'S' record" in call(capsys, "inspect", "a.slc", "--json").json()["damage"]
    )
    assert "damage" in call(capsys, "inspect", "a.slc").out
