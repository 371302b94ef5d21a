"""The `study` command as the program runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelcodec_cli.console import INTERRUPTED
from tests.cli.call import call
from tests.pipeline import scene

FILE = scene.study_text(epochs=2) + "seed = [0, 1]\n"
FOLDERS = ("--images", "train", "--test", "test")
ARGS = (*FOLDERS, "--teacher", scene.SMALL, "--weights", "w.safetensors")


@pytest.fixture
def room(tmp_path, monkeypatch) -> Path:
    """The current directory: train/, test/, a teacher's weights and a study."""
    monkeypatch.chdir(tmp_path)
    scene.images(Path("train"))
    scene.images(Path("test"), count=6, seed=5)
    scene.weights(Path("w.safetensors"))
    Path("two.toml").write_text(FILE)
    return tmp_path


def test_a_study_from_plan_to_table_and_plot(capsys, room) -> None:
    planned = call(capsys, "study", "two.toml", "out", *ARGS, "--dry-run", "--json").json()
    assert planned["stages"]["labels"] == {"number": 2, "to_compute": 2}
    assert [cell["complete"] for cell in planned["cells"]] == [False] * 4
    sizes = [cell["predicted_bytes"] for cell in planned["cells"]]
    assert sizes[0] == sizes[1] > sizes[2] > 0
    assert not Path("out").exists()
    table = call(capsys, "study", "two.toml", "out", *ARGS, "--dry-run")
    assert "codec=topk:k=2, seed=1" in table.out and table.out.count("to do") == 4
    made = call(capsys, "study", "two.toml", "out", *ARGS, "--plot", "p.png", "--device", "cpu")
    assert made.status == 0, made.err
    rows = made.out.splitlines()
    assert rows[0] == "two: 4 cells of 4"
    assert [line.split()[:2] for line in rows[2:4]] == [["dense", "2"], ["topk:k=2", "2"]]
    assert rows[-1] == "one line per cell: out/two.jsonl"
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    lines = [json.loads(line) for line in Path("out/two.jsonl").read_text().splitlines()]
    again = call(capsys, "study", "two.toml", "out", *ARGS, "--json").json()
    assert again["cells"] == 4 and again["failed"] == {}
    top1 = [line["top1"] for line in lines[:2]]
    assert again["summary"][0]["mean"]["top1"] == pytest.approx(sum(top1) / 2)
    assert "done" in call(capsys, "study", "two.toml", "out", *ARGS, "--dry-run").out


def test_shares_and_merging(capsys, room) -> None:
    half = call(capsys, "study", "two.toml", "a", *ARGS, "--only", "1/2", "--json").json()
    assert len(half["summary"]) == 1 and half["summary"][0]["seeds"] == 2
    both = call(capsys, "study", "two.toml", "b", *ARGS, "--only", "2/2", "--merge", "a").out
    assert both.startswith("two: 4 cells of 4")


def test_under_torchrun_the_first_process_prints_what_is_there(capsys, room, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, cells in (("1", None), ("0", 4)):
        monkeypatch.setenv("RANK", rank)
        printed = call(capsys, "study", "two.toml", "out", *ARGS)
        assert printed.status == 0, printed.err
        assert printed.out.startswith(f"two: {cells} cells of 4") if cells else not printed.out
    for rank, cells in (("0", 2), ("1", 4)):  # the last one prints them all, too
        monkeypatch.setenv("RANK", rank)
        printed = call(capsys, "study", "two.toml", "other", *ARGS)
        assert printed.out.startswith(f"two: {cells} cells of 4")
        assert ("2 of 4 cells are complete" in printed.err) == (rank == "0")
    assert not call(capsys, "study", "two.toml", "other", *ARGS, "--json").out  # of rank 1


def test_set_changes_a_setting_or_goes_through_several(capsys, room) -> None:
    more = ("--set", "seed=3", "--set", 'codec=["dense","topk:k=1"]', "--set", "train.epochs=1")
    planned = call(capsys, "study", "two.toml", "out", *ARGS, *more, "--dry-run", "--json").json()
    cells = [(cell["settings"]["codec"], cell["seed"]) for cell in planned["cells"]]
    assert cells == [("dense", 3), ("topk:k=1", 3)]
    schedule = ("--set", "train.temperature.first=4", "--dry-run")
    assert call(capsys, "study", "two.toml", "out", *ARGS, *schedule).status == 0


def test_failed_cells_are_told_and_the_others_are_in_the_table(capsys, room) -> None:
    more = ("--set", "relabel.keep=[1.0,0.001]", "--set", "seed=0")
    printed = call(capsys, "study", "two.toml", "out", *ARGS, *more)
    assert printed.status == 1 and printed.out.startswith("two: 2 cells of 4")
    assert "codec=dense, relabel.keep=0.001, seed=0" in printed.err
    assert "leaves none" in printed.err and "internal error" not in printed.err


@pytest.mark.parametrize(
    ("args", "status", "problem"),
    [
        (("ablations", "out"), 2, "unknown study 'ablations'; there are ablation-cifar10"),
        (("no.toml", "out"), 2, "no.toml: no such study file"),
        (("two.toml", "out"), 2, "the study does not say teacher.model"),
        (("two.toml", "out", *ARGS, "--set", "relabel.kep=1"), 2, "unknown setting 'relabel.kep'"),
        (("two.toml", "out", *ARGS, "--set", "codec=no"), 2, "unknown codec 'no'"),
        (("two.toml", "out", *ARGS, "--only", "3/2"), 2, "'3/2' is not I/N"),
        (("two.toml", "out", *ARGS, "--merge", "train"), 1, "train: holds no results"),
        (("two.toml", "out", *ARGS, "--plot", "x.pdf"), 2, "ends in .png"),
        (("two.toml", "out", *ARGS[2:], "--images", "no"), 1, "no: no such image folder"),
        (("two.toml", "w.safetensors", *ARGS), 1, "w.safetensors"),
    ],
)
def test_mistakes_end_in_one_line(capsys, room, args, status: int, problem: str) -> None:
    printed = call(capsys, "study", *args)
    assert (printed.status, printed.out) == (status, "")
    assert problem in printed.err
    assert printed.err.count("\n") == 1 and "internal error" not in printed.err


def test_ctrl_c_says_how_to_continue(capsys, room, monkeypatch) -> None:
    def interrupted(work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("labelcodec.pipeline.study.running.compute", interrupted)
    printed = call(capsys, "study", "two.toml", "out", *ARGS)
    assert printed.status == INTERRUPTED
    assert "0 of 4 cells are complete; run the same command again to continue" in printed.err
