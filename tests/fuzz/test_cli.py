"""A bounded run of the fuzz of the program; `python -m tests.fuzz.cli` is the long one."""

from __future__ import annotations

import json
import shlex
import sys

import numpy as np
import pytest

from tests.fuzz import cli
from tests.fuzz.cli_cases import AWAY, FIFO, LOOP, CliCase, cli_case, contents
from tests.fuzz.cli_world import ENCODER, LINES, NORMED, TEACHER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_every_outcome_is_a_status_and_a_message() -> None:
    report = cli.fuzz(150, seed=3, per_child=75)
    assert report.failures == [], "\n".join(report.lines())
    assert report.cases == 150
    statuses = {status for _, status in report.outcomes}
    assert {"status 0", "status 1", "status 2"} <= statuses


@pytest.mark.parametrize("line", LINES)
def test_lines_succeed_before_they_are_changed(line) -> None:
    assert cli.use(CliCase(tuple(shlex.split(line)), {})) == "status 0"


def test_a_case_can_be_made_again() -> None:
    assert cli_case(5, 7) == cli_case(5, 7) != cli_case(5, 8)


@pytest.mark.parametrize("kind", [LOOP, FIFO, AWAY])
def test_what_is_no_file_is_refused(kind) -> None:
    files = {"labels.slc": kind}
    assert cli.use(CliCase(("verify", "labels.slc"), files)) == "status 1"


@pytest.mark.parametrize(
    "line",
    [
        f"evaluate --diversity images --features x --image-size {10**30}",
        "train labels.slc images new --recipe one.toml --device meta",
        f"squeeze images new.safetensors {NORMED} --workers {10**9}",
        f"recover new {NORMED} --method sre2l --classes 6 --threads {10**6}",
    ],
)
def test_numbers_and_devices_that_nothing_can_be_done_with(line) -> None:
    assert cli.use(CliCase(tuple(shlex.split(line)), {})) == "status 2"


@pytest.mark.parametrize(
    "changes",
    [
        {"normalisation": {"mean": [0.5, 0.4, 0.3]}},
        {"normalisation": {"mean": [0.5, 0.4], "std": [0.3, 0.3, 0.3]}},
        {"normalisation": {"mean": [0.5, 0.4, 0.3], "std": 4}},
        {"interpolation": 3},
        {"classes": -1},
        {"image_size": [10**30, 8]},
        {"class_names": [1, 2, 3, 4, 5, 6]},
    ],
)
def test_a_damaged_description_of_a_run(changes) -> None:
    damaged = json.loads(contents()["trained/run.json"]) | changes
    files = {"trained/run.json": json.dumps(damaged).encode()}
    assert cli.use(CliCase(("evaluate", "images", "trained"), files)) == "status 1"


PROJECT = f"project images new.slc {ENCODER} --encoder-classes 6"
NESTED = b"[" * 100_000


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("evaluate images trained", "trained/run.json"),
        (f"recover stats.safetensors new {NORMED}", "stats.safetensors"),
        ("study study.toml new --images images --dry-run", "study.toml"),
        ("train labels.slc images new --recipe one.toml", "one.toml"),
        ("encode answers.jsonl new.slc --classes 300", "answers.jsonl"),
        ("encode dump0 new.slc --class-map names.json --images images", "names.json"),
    ],
)
def test_lists_in_lists(line, changed) -> None:
    content = b"x = " + NESTED if changed.endswith(".toml") else NESTED
    case = CliCase(tuple(shlex.split(line)), {changed: content})
    assert cli.use(case) in ("status 1", "status 2")


@pytest.mark.parametrize("value", ["[" * 9000, "9" * 5000])
def test_settings_that_are_no_toml(value) -> None:
    line = "train labels.slc images new --recipe one.toml --set"
    assert cli.use(CliCase((*line.split(), f"epochs={value}"), {})) == "status 2"


@pytest.mark.parametrize("name", ["run.json", "log.jsonl", "checkpoint.pt", "student.pt"])
def test_a_fifo_in_a_runs_folder_is_not_waited_for(name) -> None:
    line = next(line for line in LINES if line.startswith("train labels.slc images trained"))
    case = CliCase(tuple(shlex.split(line)), {f"trained/{name}": FIFO})
    assert cli.use(case) in ("status 0", "status 1")


def test_a_damaged_log_does_not_stop_a_finished_run() -> None:
    line = next(line for line in LINES if line.startswith("train labels.slc images trained"))
    line = line.replace("--set loss=kl", "--validate images")
    case = CliCase(tuple(shlex.split(line)), {"trained/log.jsonl": b"{\n"})
    assert cli.use(case) == "status 0"


@pytest.mark.parametrize("option", ["--epochs", "--randaugment", "--ipc", "--batch-size"])
def test_a_plan_of_more_than_there_is(option) -> None:
    line = f"plan --classes 10 --ipc 10 --plot new.png {option} {10**30}"
    assert cli.use(CliCase(tuple(line.split()), {})) == "status 2"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_shard_needs_a_name(name) -> None:
    args = ("encode", "labels.slc", name, "--part", "1/2", "--tables", "labels.slc")
    assert cli.use(CliCase(args, {})) == "status 1"


@pytest.mark.parametrize("command", ["relabel images new.slc", PROJECT])
def test_more_batches_than_are_stored(command) -> None:
    line = f"{command} {TEACHER} --epochs {10**9} --batch-size 4"
    assert cli.use(CliCase(tuple(shlex.split(line)), {})) == "status 2"


def test_a_loop_of_links_is_not_annotated() -> None:
    case = CliCase(("annotate", "labels.slc", "--note", "x", "--force"), {"labels.slc": LOOP})
    assert cli.use(case) == "status 1"


def test_an_internal_error_fails(monkeypatch) -> None:
    def broken() -> None:
        raise KeyError("x")

    monkeypatch.setattr("labelcodec.codecs.registry.describe", broken)
    with pytest.raises(AssertionError, match="please report it"):
        cli.use(CliCase(("codecs",), {}))


def test_much_memory_fails(monkeypatch) -> None:
    def large() -> list[object]:
        np.ones(300 << 20, np.uint8)
        return []

    monkeypatch.setattr("labelcodec.codecs.registry.describe", large)
    with pytest.raises(AssertionError, match="grown by"):
        cli.use(CliCase(("codecs",), {}))


def test_a_run_that_goes_on_is_interrupted(monkeypatch) -> None:
    monkeypatch.setattr(cli, "LONG", -1.0)
    line = next(line for line in LINES if line.startswith("squeeze"))
    assert cli.use(CliCase(tuple(shlex.split(line)), {})) == "status 130"
