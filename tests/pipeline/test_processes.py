"""Runs of several processes, and runs that are killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import labelcodec
from labelcodec.batch import Labels
from labelcodec.errors import MismatchError
from labelcodec.pipeline.class_statistics import load_statistics
from labelcodec.pipeline.run_folder import load_run
from labelcodec.pipeline.teacher import Teacher
from labelcodec.pipeline.training import train
from tests.codecs.content import same
from tests.pipeline import killed, ranks, scene

ROOT = Path(__file__).parents[2]


def call(*command: object, threads: int = 1) -> None:
    """Run Python; torch and BLAS have as many threads on any machine, however many cores it has."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    given = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MKL_DYNAMIC": "FALSE"}
    given |= dict.fromkeys(limits, str(threads))
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT, env=given, timeout=300, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def two(world, dead, tmp_path_factory) -> Path:
    """What two processes wrote, partly beside what a killed process had left."""
    out = tmp_path_factory.mktemp("two")
    for path in dead.iterdir():
        shutil.copy(path, out)
    scene.relabel(world / "images", world / "teacher.safetensors", out / "full.slc", keep=0.7)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    call(*torchrun, "-m", "tests.pipeline.ranks", world, out)
    return out


@pytest.fixture(scope="module")
def alone(world, tmp_path_factory) -> Path:
    """What one process wrote, with as many threads as each of two."""
    out = tmp_path_factory.mktemp("one")
    call("-m", "tests.pipeline.ranks", world, out)
    return out


@pytest.mark.parametrize("name", ranks.RELABEL)
def test_two_processes_write_the_labels_of_one(alone, two, name) -> None:
    options = ranks.RELABEL[name]
    with (
        labelcodec.open(alone / f"{name}.slc") as one,
        labelcodec.open(str(two / f"{name}-*.slc")) as several,
    ):
        assert len(several.paths) == 2
        assert not list(two.glob("*.fitting*"))
        assert len(one) == 6 * options["epochs"]
        for pair in zip(one, several, strict=True):
            assert same(*(replace(batch, labels=batch.labels.expanded()) for batch in pair))
        assert (one[0].labels.compact is not None) == (name == "transform")


def test_two_processes_share_the_labelling(two) -> None:
    """Each labels its half, once; what was labelled before an error is not labelled again."""
    for name, options in ranks.RELABEL.items():
        half = 3 * options["epochs"]
        for rank in range(2):
            first = 3 + rank if name == "resumed" else 1
            seen = json.loads((two / f"{name}-{rank}.json").read_text())
            assert seen == [[i, half] for i in range(first, half + 1)]


@pytest.mark.skipif(sys.platform != "linux", reason="threads are told by /proc")
def test_no_thread_of_a_group_outlives_it(two) -> None:
    """One that is at work when Python ends would abort its process."""
    for rank in range(2):
        names = json.loads((two / f"threads-{rank}.json").read_text())
        assert names
        assert not [name for name in names if "gloo" in name]


def test_two_processes_end_with_equal_weights(two) -> None:
    first, second = (torch.load(two / f"state-{rank}.pt", weights_only=True) for rank in range(2))
    for part in ("model", "average"):
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), name
    assert first["calibrated"] == second["calibrated"]


def test_two_processes_learn_what_one_does(world, two, tmp_path) -> None:
    """One process that takes two batches a step; the log counts what both saw."""
    recipe = scene.settings(**ranks.SHARED, batch_size=2 * scene.BATCH)
    train(two / "full.slc", world / "images", recipe, tmp_path / "one", device="cpu")
    one, both = (
        torch.load(run / "student.pt", weights_only=True)
        for run in (tmp_path / "one", two / "shared")
    )
    for name, value in one.items():
        torch.testing.assert_close(both[name], value, rtol=1e-4, atol=1e-6)
    alone, together = (scene.logged(run) for run in (tmp_path / "one", two / "shared"))
    assert [line["samples"] for line in together] == [24] * 4
    for line, other in zip(alone, together, strict=True):
        assert other == pytest.approx(line, rel=1e-4)


def test_one_process_goes_on_with_what_two_began(world, two, tmp_path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(two / "shared-2.pt", out / "checkpoint.pt")
    lines = (two / "shared/log.jsonl").read_text().splitlines(keepends=True)
    (out / "log.jsonl").write_text("".join(lines[:2]))
    notes: list[str] = []
    settings = scene.settings(**ranks.SHARED)
    labels, images = two / "full.slc", world / "images"
    train(labels, images, settings, out, device="cpu", resume=True, note=notes.append)
    assert "trained on 2 processes and goes on on 1" in notes[0]
    ours, theirs = (
        torch.load(run / "student.pt", weights_only=True) for run in (out, two / "shared")
    )
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-6)
    assert len((out / "log.jsonl").read_text().splitlines()) == 4
    assert load_run(out).processes == 2


def test_two_processes_squeeze_what_one_does(alone, two) -> None:
    one, both = (load_statistics(out / "statistics") for out in (alone, two))
    assert one.facts == both.facts and (one.images == both.images).all()
    for name, layer in one.layers.items():
        np.testing.assert_allclose(both.layers[name].mean, layer.mean, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(both.layers[name].variance, layer.variance, rtol=1e-6)
    assert not list(two.glob("statistics.*"))


@pytest.mark.parametrize("method", ["lpld", "sre2l"])
def test_two_processes_recover_the_same_files(alone, two, method: str) -> None:
    left, right = (out / f"recovered-{method}" for out in (alone, two))
    names = {path.relative_to(left) for path in left.rglob("*") if path.is_file()}
    assert names == {path.relative_to(right) for path in right.rglob("*") if path.is_file()}
    assert len(names) == 2 * scene.CLASSES + 1
    assert all((left / name).read_bytes() == (right / name).read_bytes() for name in names)


def test_two_processes_train(two) -> None:
    lines = [json.loads(line) for line in (two / "run/log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert all(line["validation"]["images"] == scene.IMAGES for line in lines)
    assert (two / "run/student.pt").is_file()


@pytest.fixture(scope="module")
def dead(world, tmp_path_factory) -> Path:
    """What killed processes left."""
    out = tmp_path_factory.mktemp("dead")
    call("-m", "tests.pipeline.killed", "relabel", world, out)
    return out


@pytest.mark.parametrize("name", ["early", "late"])
def test_a_killed_relabel_goes_on(world, dead, tmp_path, monkeypatch, name) -> None:
    """Killed while it labels what tables are fitted to, or thereafter."""
    if name == "late":
        for patch in scene.fit_to(killed.FIT_LABELS):
            monkeypatch.setattr(*patch)
    given = world / "images", world / "teacher.safetensors"
    scene.relabel(*given, tmp_path / "whole.slc", epochs=killed.EPOCHS)
    seen: list[tuple[int, int]] = []
    scene.relabel(
        *given, dead / f"{name}.slc", epochs=killed.EPOCHS, resume=True,
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    assert [step for step in seen if len(step) == 2] == [(i, 24) for i in range(9, 25)]
    assert [path.name for path in dead.glob(f"{name}*")] == [f"{name}.slc"]
    assert (dead / f"{name}.slc").read_bytes() == (tmp_path / "whole.slc").read_bytes()


@pytest.fixture
def whole(world, tmp_path, monkeypatch) -> Path:
    """What one process writes without being interrupted."""
    for patch in scene.fit_to(killed.FIT_LABELS):
        monkeypatch.setattr(*patch)
    given = world / "images", world / "teacher.safetensors"
    scene.relabel(*given, tmp_path / "whole.slc", epochs=killed.EPOCHS)
    return tmp_path / "whole.slc"


@pytest.mark.parametrize("name", ["early", "late"])
def test_two_processes_go_on_with_what_one_began(two, whole, name) -> None:
    files = sorted(path.name for path in two.glob(f"{name}*"))
    assert files == [f"{name}-{rank}-of-2.slc" for rank in range(2)]
    with labelcodec.open(whole) as one, labelcodec.open(str(two / f"{name}-*.slc")) as several:
        for pair in zip(one, several, strict=True):
            assert same(*pair)


@pytest.mark.parametrize("name", ["begun/resumed.slc", "half/a.slc"])
def test_one_process_goes_on_with_labels_that_two_began(
    world, two, alone, whole, tmp_path, monkeypatch, name
) -> None:
    """Interrupted while they labelled what tables are fitted to, or thereafter."""
    target, notes, labelled = tmp_path / name, [], []
    shutil.copytree((two / name).parent, target.parent)
    options, expected = {"epochs": killed.EPOCHS}, whole
    if target.name == "resumed.slc":
        monkeypatch.undo()
        options, expected = ranks.RELABEL["resumed"], alone / "resumed.slc"
    label = Teacher.label

    def counted(teacher: Teacher, *images: object) -> Labels:
        labelled.append(1)
        return label(teacher, *images)

    monkeypatch.setattr(Teacher, "label", counted)
    given = world / "images", world / "teacher.safetensors", target
    with pytest.raises(MismatchError, match="of other labels on another number of processes"):
        scene.relabel(*given, **options | {"epochs": 9}, resume=True)
    scene.relabel(*given, **options, resume=True, note=notes.append)
    taken = re.search(r"another number of processes; taken over from it: (\d+) batch", notes[0])
    assert taken is not None and int(taken[1]) > 3
    assert len(labelled) == 6 * options["epochs"] - int(taken[1])
    assert target.read_bytes() == expected.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_complete_run_on_other_processes_is_left_alone(world, two, tmp_path) -> None:
    shutil.copytree(two, tmp_path / "two")
    files = sorted((tmp_path / "two").glob("late-*"))
    given = world / "images", world / "teacher.safetensors", tmp_path / "two/late.slc"
    with pytest.raises(MismatchError, match=r"another number of processes \(2\) is complete"):
        scene.relabel(*given, epochs=killed.EPOCHS, resume=True)
    assert sorted((tmp_path / "two").glob("late*")) == files


RESUMED = """
import sys
import time
from pathlib import Path
from labelcodec.pipeline.training import train
from tests.pipeline import killed, scene


def die():
    time.sleep(0.5)  # a worker at work would end with its parent, an idle one seconds later
    killed.die()


world, out = Path(sys.argv[1]), Path(sys.argv[2])
if out.name == "a.slc":
    job, given = scene.relabel, (world / "images", world / "teacher.safetensors", out)
else:
    job, given = train, (world / "labels.slc", world / "images", scene.settings(), out)
killed.dies(lambda: job(*given, workers=1, progress=scene.after(2, die)))
job(*given, resume=True)
"""


@pytest.mark.parametrize("name", ["a.slc", "run"])
def test_what_was_killed_goes_on_at_once(world, tmp_path, name) -> None:
    """Its workers, which find out later, hold none of its files."""
    call("-c", RESUMED, world, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_killed_training_goes_on(world, tmp_path, threads) -> None:
    """To the same bits, whatever the number of threads is that all of it has."""
    call("-m", "tests.pipeline.killed", "train", world, tmp_path, threads=threads)
    assert len((tmp_path / "left/log.jsonl").read_text().splitlines()) == 2
    assert not (tmp_path / "left/student.pt").exists()
    run, whole = tmp_path / "run", tmp_path / "whole"
    for file in ("student.pt", "run.json"):
        assert (run / file).read_bytes() == (whole / file).read_bytes()
    assert scene.logged(run) == scene.logged(whole)
    assert load_run(tmp_path / "run").threads == (threads,)
