from __future__ import annotations

import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import labelcodec
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.pipeline.study import running
from labelcodec.pipeline.study.planning import plan_study
from labelcodec.pipeline.study.results import summarised
from labelcodec.pipeline.study.stage_folder import StageFolder
from tests.pipeline import scene
from tests.pipeline.study.small_study import folders, run, study

GRID = {"recover.method": ["lpld", "sre2l"], "codec": ["dense", "topk:k=2"], "seed": [0, 1]}
STAGES = {"statistics": 1, "images": 2, "labels": 4, "runs": 8, "scores": 8}


@pytest.fixture(scope="module")
def whole(tables, tmp_path_factory) -> Path:
    """The folder of a study that ran without a break."""
    out = tmp_path_factory.mktemp("whole") / "out"
    report = run(study(tables, grid=GRID), out)
    assert (len(report.cells), len(report.results), report.failed) == (8, 8, {})
    return out


@pytest.fixture
def computed(monkeypatch) -> Counter[str]:
    """Counts the stages that are computed, by kind."""
    counts: Counter[str] = Counter()

    def counting(work: Any) -> dict[str, Any]:
        counts[work.stage.kind] += 1
        return compute(work)

    compute = running.compute
    monkeypatch.setattr(running, "compute", counting)
    return counts


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "small.jsonl").read_text().splitlines()]


def test_every_cell_has_a_line_with_all_that_was_measured(whole) -> None:
    results = lines(whole)
    assert len(results) == 8
    settings = [(line["settings"]["recover.method"], line["settings"]["codec"], line["seed"])
                for line in results]  # fmt: skip
    assert settings == [
        (method, codec, seed)
        for method in GRID["recover.method"]
        for codec in GRID["codec"]
        for seed in GRID["seed"]
    ]
    for line in results:
        assert (line["study"], line["row"], line["images"], line["epochs"]) == (
            *("small", None, 12, 2),
        )
        assert 0 <= line["top1"] <= line["top5"] <= 1 and line["loss"] > 0
        assert line["recovery_cross_entropy"] > 0 and line["recovery_norm"] > 0
        assert (line["similarity"], line["mmd"]) == (None, None)
        container = whole / line["folders"]["labels"] / "labels.slc"
        assert line["labels_bytes"] == container.stat().st_size
        stats = labelcodec.stats(container)
        assert line["labels"] == stats.labels == 24
        assert line["actual_rate"] == pytest.approx(stats.actual_rate_kept_epochs)
        assert line["theoretical_rate"] == stats.theoretical_rate
        pixels = list((whole / line["folders"]["images"]).rglob("*.png"))
        assert line["images_bytes"] == sum(path.stat().st_size for path in pixels)
    assert {line["theoretical_rate"] for line in results} == {1.0, 1.5}


def test_what_cells_share_is_computed_once_and_what_is_complete_never_again(
    tables, whole, computed, tmp_path
) -> None:
    grid = study(tables, grid=GRID)
    assert run(grid, whole).failed == {} and computed == {}
    out = tmp_path / "out"
    run(grid, out)
    assert computed == STAGES
    assert plan_study(grid, out).stages() == {kind: (n, 0) for kind, n in STAGES.items()}
    assert lines(out) == lines(whole)  # and the same seeds give the same students
    more = {**GRID, "codec": [*GRID["codec"], "topk:k=1"]}
    computed.clear()
    report = run(study(tables, name="more", grid=more), out)  # another study, in the same folder
    assert computed == {"labels": 2, "runs": 4, "scores": 4}
    assert report.file == out / "more.jsonl" and (out / "small.jsonl").exists()


class Stop(BaseException):
    """What no handler of the library takes for an error."""


def stopping(kind: str, calls: int, error: type[BaseException]) -> Callable[..., None]:
    left = [calls]

    def progress(done: int, total: int, doing: str | None = None) -> None:
        if doing is not None and kind in doing and done:
            left[0] -= 1
            if left[0] == 0:
                raise error

    return progress


@pytest.mark.parametrize(
    ("kind", "calls"), [("statistics", 2), ("images", 3), ("labels", 4), ("runs", 9)]
)
def test_what_was_interrupted_is_continued(
    tables, whole, computed, tmp_path, kind: str, calls: int
) -> None:
    grid, out = study(tables, grid=GRID), tmp_path / "out"
    with pytest.raises(Stop):
        run(grid, out, progress=stopping(f", {kind}", calls, Stop))
    before = {path: path.stat().st_mtime_ns for path in sorted(out.glob("*/*/facts.json"))}
    assert computed[kind] >= 1
    begun = sum(computed.values())
    assert len(before) == begun - 1
    run(grid, out)
    assert sum(computed.values()) == sum(STAGES.values()) + 1  # only the one that was cut short
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert lines(out) == lines(whole)


def test_ctrl_c_says_how_to_continue(tables, tmp_path) -> None:
    third = stopping("cell 3 of 8, ", 1, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(study(tables, grid=GRID), tmp_path, progress=third)
    assert caught.value.__notes__ == [
        "2 of 8 cells are complete; run the same command again to continue"
    ]


def test_shares_are_the_whole_and_results_of_two_folders_merge(tables, whole, tmp_path) -> None:
    grid = study(tables, grid=GRID)
    for i in (1, 2):
        report = run(grid, tmp_path / str(i), only=(i, 2))
        assert len(report.results) == 4
    assert (tmp_path / "2/statistics").exists() is False  # sre2l is all that the second has
    report = run(grid, tmp_path / "2", only=(2, 2), merge=[tmp_path / "1"])
    assert len(report.results) == 8
    assert lines(tmp_path / "2") == lines(whole)
    run(grid, tmp_path / "3", only=(1, 2))
    run(grid, tmp_path / "3", only=(2, 2))
    assert lines(tmp_path / "3") == lines(whole)
    with pytest.raises(MismatchError, match="holds no results of a study"):
        run(grid, tmp_path / "2", merge=[tmp_path])


def test_processes_of_torchrun_work_alone(tables, whole, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        report = run(study(tables, grid=GRID), tmp_path)
    assert len(report.results) == 8
    assert lines(tmp_path) == lines(whole)


def test_a_cell_that_fails_does_not_stop_the_others(tables, tmp_path, computed) -> None:
    grid = {"relabel.keep": [0.01, 1.0], "codec": ["dense", "topk:k=2"]}
    notes: list[str] = []
    report = running.run_study(study(tables, grid=grid), tmp_path, device="cpu", note=notes.append)
    assert list(report.failed) == [
        f"relabel.keep=0.01, codec={codec}, seed=0" for codec in ("dense", "topk:k=2")
    ]
    assert all("of 6 full batches leaves none" in reason for reason in report.failed.values())
    assert [result.settings["relabel.keep"] for result in report.results] == [1.0, 1.0]
    assert computed["labels"] == 3  # what has failed is not tried again for the next cell
    assert any("relabel.keep=0.01, codec=dense" in line for line in notes)
    again = run(study(tables, grid=grid), tmp_path)
    assert len(again.failed) == 2


def test_stages_of_another_process_are_waited_for(tables, whole, tmp_path, monkeypatch) -> None:
    """A lock is held until the first pause; then the other process is done."""
    grid = study(tables)
    ((_, stages),) = plan_study(grid, tmp_path).cells
    statistics = stages.all[0]
    held = StageFolder(tmp_path / statistics.path).locked()
    held.__enter__()
    waits = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        shutil.copytree(whole / statistics.path, tmp_path / statistics.path, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("lock"))  # fmt: skip
        held.__exit__(None, None, None)

    monkeypatch.setattr(running.time, "sleep", pause)
    before = StageFolder(whole / statistics.path).facts
    assert len(run(grid, tmp_path).results) == 1
    assert len(waits) == 1 and StageFolder(tmp_path / statistics.path).facts == before


def test_a_stage_that_another_process_has_just_completed_is_taken(
    tables, whole, tmp_path, computed, monkeypatch
) -> None:
    @contextmanager
    def locked(folder: StageFolder) -> Iterator[None]:
        shutil.copytree(whole / folder.path.relative_to(tmp_path), folder.path)
        yield

    monkeypatch.setattr(StageFolder, "locked", locked)
    assert len(run(study(tables), tmp_path).results) == 1
    assert computed == {}


def test_images_can_be_compared_and_not_recovered(tables, tmp_path) -> None:
    rows = [
        {"name": "random", "recover.init": "images", "recover.iterations": 0},
        {"name": "patches", "recover.init": "patches", "recover.iterations": 0},
    ]
    report = run(study(tables, rows=rows, diversity={"bandwidth": 3.0}), tmp_path / "out")
    for result in report.results:
        assert result.figures["recovery_norm"] is None
        assert -1 <= result.figures["similarity"] <= 1 and result.figures["mmd"] is not None
    assert [summary.row for summary in summarised(report.results)] == ["random", "patches"]


def test_without_a_recover_table_the_training_images_are_labelled(tables, tmp_path) -> None:
    made = study(tables)
    plain = {key: value for key, value in made.shared.items() if key != "recover"}
    report = run(replace(made, shared=plain), tmp_path)
    (result,) = report.results
    assert result.figures["images"] is None and result.figures["labels"] == 44
    assert set(os.listdir(tmp_path)) >= {"labels", "runs", "scores"}
    assert not (tmp_path / "images").exists()


def test_mistakes_are_told_before_anything_is_computed(tables, tmp_path) -> None:
    with pytest.raises(ConfigError, match="unknown codec 'topkk'"):
        run(study(tables, grid={"codec": ["dense", "topkk:k=2"]}), tmp_path / "out")
    with pytest.raises(ConfigError, match="`only` is 3/2"):
        run(study(tables), tmp_path / "out", only=(3, 2))
    assert not (tmp_path / "out").exists()


def test_a_full_disk_stops_the_study(tables, tmp_path, monkeypatch) -> None:
    def full(work: object) -> None:
        calls.append(work)
        raise OSError(errno.ENOSPC, "No space left on device", "images.png")

    calls: list[object] = []
    monkeypatch.setattr(running, "compute", full)
    with pytest.raises(OSError, match="No space left"):
        run(study(tables, grid=GRID), tmp_path)
    assert len(calls) == 1


def test_damaged_results_are_computed_again(tables, tmp_path) -> None:
    whole = run(study(tables), tmp_path)
    (cell,) = (tmp_path / "cells").iterdir()
    (scores,) = (tmp_path / "scores").iterdir()
    for damaged in (cell, scores / "facts.json"):
        content = damaged.read_text()
        for text in ("{", "{}" if damaged == cell else "[]"):
            damaged.write_text(text)
            cell.unlink(missing_ok=damaged != cell)
            assert run(study(tables), tmp_path).results == whole.results
            assert damaged.read_text() == content


def test_a_folder_that_was_copied_goes_on(tables, tmp_path) -> None:
    run(study(tables), tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=shutil.copyfile)
    more = run(study(tables | {"seed": 5}), tmp_path / "copy")
    assert not more.failed and len(more.results) == 1


def test_folders_are_looked_at_anew_for_each_study(tmp_path) -> None:
    grid, keys = study(folders(tmp_path)), []
    for colour in ("red", "blue"):
        Image.new("RGB", (scene.SIDE, scene.SIDE), colour).save(tmp_path / "train/class00/000.png")
        ((_, stages),) = plan_study(grid, tmp_path / "out").cells
        keys.append(stages.all[0].key)
    assert keys[0] != keys[1]
