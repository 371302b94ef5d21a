from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

import labelcodec
from labelcodec.errors import ConfigError, DataError, LabelcodecError, MismatchError
from labelcodec.merging import merge
from labelcodec.pipeline import checkpoint
from labelcodec.pipeline.callbacks import TrainingCallback
from labelcodec.pipeline.run_folder import digest, load_run, load_student
from labelcodec.pipeline.training import train
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.replay_batch import ReplayBatch
from tests.pipeline import scene
from tests.pipeline.runs import Stop, run, stop
from tests.replay import scene as replay

PHASES = [  # with boundaries after 6 and 12 of 24 batches
    {"share": 0.25, "loss": "kl"},
    {"share": 0.25, "loss": "hard", "smoothing": 0.8},
    {"share": 0.5, "loss": "kl"},
]


def test_a_run(world, tmp_path) -> None:
    reports = []
    report = run(
        world, tmp_path / "run", validate=world / "validation", validate_every=2,
        changes={"temperature": 2.0}, progress=lambda *step: reports.append(step),
    )  # fmt: skip
    assert report.student == tmp_path / "run/student.pt"
    assert report.epochs == 4
    lines = scene.logged(tmp_path / "run")
    top1 = f"top-1 {100 * lines[1]['validation']['top1']:.2f} %"
    assert [
        step for step in reports if step[2].startswith("epoch") and "validation" not in step[2]
    ] == [(i + 1, 24, f"epoch {i // 6 + 1}" + (f", {top1}" if i >= 12 else "")) for i in range(24)]
    assert [step for step in reports if "validation" in step[2]] == [
        (12, 24, "epoch 2, validation: 22 of 22 images"),
        (24, 24, f"epoch 4, {top1}, validation: 22 of 22 images"),
    ]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert ["validation" in line for line in lines] == [False, True, False, True]
    assert all(line["samples"] <= 24 for line in lines)  # six batches, partial ones as they come
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["validation"]["top1"] == report.scores.top1
    facts, model = load_student(tmp_path / "run")
    assert facts.classes == scene.CLASSES
    assert facts.normalisation == scene.NORMALISATION
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 6)


@pytest.mark.parametrize("calls", [2, 7, 9, 24])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd", "ema": 0.8, "batch_size": 3, "order": "recorded"},
        {"loss": "cosine"},
        {"phases": PHASES, "order": "epoch"},
    ],
    ids=["plain", "more", "cosine", "phases"],
)
def test_resumed_is_uninterrupted(world, tmp_path, changes, calls) -> None:
    """Dropout included, and however images are loaded and accuracy is measured."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(world, whole, changes)
    with pytest.raises(Stop):
        run(world, stopped, changes, progress=scene.after(calls, stop))
    more = {"validate": world / "validation", "workers": 2} if calls == 9 else {}
    run(world, stopped, changes, resume=True, **more)
    for name in ("student.pt", "checkpoint.pt"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    assert [line | {"validation": 0} for line in scene.logged(stopped)] == [
        line | {"validation": 0} for line in scene.logged(whole)
    ]


def test_a_run_of_an_earlier_version_goes_on(world, tmp_path) -> None:
    """It recorded no phases."""
    whole, old = tmp_path / "whole", tmp_path / "old"
    run(world, whole)
    with pytest.raises(Stop):
        run(world, old, progress=scene.after(9, stop))
    state = torch.load(old / "checkpoint.pt", weights_only=True)
    assert state["run"]["recipe"].pop("phases") == []
    checkpoint.save(old / "checkpoint.pt", state)
    with pytest.raises(MismatchError, match=r"another run: 'recipe\.phases' is \[\] there and \["):
        run(world, old, {"phases": PHASES}, resume=True)
    run(world, old, resume=True)
    assert (old / "student.pt").read_bytes() == (whole / "student.pt").read_bytes()


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_are_replayed_whole(world, tmp_path, monkeypatch, workers: int) -> None:
    """Two stored epochs of six batches: every pair of epochs has both."""
    positions: list[int] = []
    finish = ReplayDataset.finish

    def watched(dataset: ReplayDataset, batch: ReplayBatch, *device: torch.device) -> ReplayBatch:
        positions.append(batch.position)
        return finish(dataset, batch, *device)

    monkeypatch.setattr(ReplayDataset, "finish", watched)
    run(world, tmp_path / "run", {"order": "epoch"}, workers=workers)
    epochs = [positions[first : first + 6] for first in range(0, 24, 6)]
    stored = [list(range(6)), list(range(6, 12))]
    assert sorted(epochs[:2]) == sorted(epochs[2:]) == stored


def test_an_epoch_without_its_checkpoint_is_written_again(world, tmp_path, monkeypatch) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(world, whole)
    with monkeypatch.context() as patch, pytest.raises(Stop):
        save = checkpoint.save
        later = scene.after(2, stop)
        patch.setattr(checkpoint, "save", lambda *given: [later(), save(*given)])
        run(world, stopped)
    assert len(scene.logged(stopped)) == 2
    run(world, stopped, resume=True)
    assert scene.logged(stopped) == scene.logged(whole)


def test_workers_and_the_cache_change_nothing(world, tmp_path) -> None:
    run(world, tmp_path / "plain")
    run(world, tmp_path / "other", workers=2, cache=tmp_path / "cache")
    plain, other = ((tmp_path / name / "student.pt").read_bytes() for name in ("plain", "other"))
    assert plain == other


def test_a_validation_folder_that_does_not_do(world, tmp_path) -> None:
    """It is told before anything is written."""
    scene.images(tmp_path / "more", count=8, classes=8)
    for name in ("more", "missing"):
        with pytest.raises(MismatchError, match=name):
            run(world, tmp_path / "run", validate=tmp_path / name)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("every", [1, 10])
def test_a_damaged_validation_image_costs_no_epoch(world, tmp_path, every) -> None:
    validation = scene.images(tmp_path / "validation", seed=5)
    name = next(validation.rglob("*.png"))
    good = name.read_bytes()
    name.write_bytes(good[:60])
    given = {"validate": validation, "validate_every": every}
    with pytest.raises(MismatchError, match=name.name):
        run(world, tmp_path / "run", **given)
    name.write_bytes(good)
    jobs = []
    scores = run(
        world, tmp_path / "run", resume=True, progress=lambda *step: jobs.append(step[2]), **given
    ).scores
    trained = sum(job.startswith("epoch") and "validation" not in job for job in jobs)
    assert trained == (18 if every == 1 else 0)
    assert ("decoding images" in jobs) == (every == 1)
    lines = scene.logged(tmp_path / "run")
    assert all("validation" in line for line in lines[every - 1 :: every])
    assert lines[-1]["validation"]["top1"] == scores.top1
    again = run(world, tmp_path / "run", resume=True, **given)
    assert again.scores == scores


def test_seeds_differ(world, tmp_path) -> None:
    for seed in (0, 1):
        run(world, tmp_path / f"{seed}", seed=seed)
    one, other = ((tmp_path / f"{seed}/student.pt").read_bytes() for seed in (0, 1))
    assert one != other


@pytest.mark.parametrize(
    ("changes", "more", "what"),
    [
        ({"learning_rate": 0.1}, {}, r"'recipe\.learning_rate' is 0\.01 there and 0\.1 now"),
        ({"epochs": 5}, {"seed": 3}, r"'recipe\.epochs' is 4 there and 5 now, and 'seed' differ"),
        ({}, {"seed": 3}, "'seed' is 0 there and 3 now"),
    ],
)
def test_another_runs_checkpoint_is_refused(world, tmp_path, changes, more, what) -> None:
    run(world, tmp_path / "run")
    with pytest.raises(MismatchError, match=f"another run: {what}"):
        run(world, tmp_path / "run", changes, resume=True, **more)


def test_a_checkpoint_of_other_labels_is_refused(world, tmp_path) -> None:
    """As many batches of the same images, yet stored otherwise."""
    run(world, tmp_path / "run")
    given = world / "images", world / "teacher.safetensors", tmp_path / "labels.slc"
    scene.relabel(*given, codec="topk:k=4")
    with pytest.raises(MismatchError, match="another run: 'labels' is"):
        train(
            tmp_path / "labels.slc", world / "images", scene.settings(), tmp_path / "run",
            device="cpu", resume=True,
        )  # fmt: skip


def test_a_digest_tells_label_sets_of_equal_headers_apart(tmp_path) -> None:
    def digest_of(name: str, *batches) -> str:
        with labelcodec.open(replay.write(tmp_path / name, batches)) as reader:
            return digest(reader)

    one, other = replay.batch(0, [1, 2, 3]), replay.batch(1, [1, 2, 3])
    noise = replace(other.labels, value=np.random.default_rng(0).normal(size=(3, 5)).astype("f4"))
    found = [
        digest_of("a.slc", one),
        digest_of("b.slc", other),
        digest_of("c.slc", replace(other, labels=noise)),
        digest_of("d.slc", one, other),
    ]
    assert len(set(found)) == 4
    assert digest_of("e.slc", one) == found[0]


def test_shards_are_the_same_labels(world, tmp_path) -> None:
    shards = [tmp_path / f"{part}.slc" for part in range(2)]
    with labelcodec.open(world / "labels.slc") as reader:
        for part, path in enumerate(shards):
            with labelcodec.Writer(path, reader.header, "dense") as writer:
                writer.fit([reader[0]])
                for i in range(part, len(reader), 2):
                    writer.add(reader[i])
    merge(shards, tmp_path / "all.slc")
    given = world / "images", scene.settings(), tmp_path / "run"
    train(tmp_path / "all.slc", *given, device="cpu")
    train(shards[::-1], *given, device="cpu", resume=True)


@pytest.mark.parametrize("gone", [[], ["checkpoint.pt"], ["checkpoint.pt", "log.jsonl"]])
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_is_not_overwritten(world, tmp_path, gone, resume) -> None:
    """Without its checkpoint it cannot go on, either."""
    run(world, tmp_path / "run", {"epochs": 1})
    before = (tmp_path / "run/student.pt").read_bytes()
    for name in gone:
        os.unlink(tmp_path / "run" / name)
    what = r"run: holds .*; .*name another folder"
    if resume and not gone:  # it can; but not as another one
        what = "is of another run: 'seed' is 0 there and 1 now"
    with pytest.raises(MismatchError, match=what):
        run(world, tmp_path / "run", {"epochs": 1}, seed=1, resume=resume)
    assert (tmp_path / "run/student.pt").read_bytes() == before


def test_a_log_alone_is_a_run(world, tmp_path) -> None:
    run(world, tmp_path / "run", {"epochs": 1})
    for name in ("checkpoint.pt", "student.pt"):
        os.unlink(tmp_path / "run" / name)
    with pytest.raises(MismatchError, match=r"holds a run already \(log\.jsonl\)"):
        run(world, tmp_path / "run", {"epochs": 1})
    run(world, tmp_path / "run", {"epochs": 1}, resume=True)
    assert len(scene.logged(tmp_path / "run")) == 1


def test_a_run_that_came_to_nothing_is_started_again(world, tmp_path) -> None:
    with pytest.raises(Stop):
        run(world, tmp_path / "run", progress=scene.after(2, stop))
    run(world, tmp_path / "run", {"epochs": 1})
    assert len(scene.logged(tmp_path / "run")) == 1


def test_one_process_has_the_folder(world, tmp_path) -> None:
    tried = []

    def again(done: int, total: int, doing: str) -> None:
        if not doing.startswith("epoch"):
            return
        with pytest.raises(MismatchError, match=r"log\.jsonl: another process is writing it"):
            run(world, tmp_path / "run", {"epochs": 1}, resume=True)
        tried.append(1)

    run(world, tmp_path / "run", {"epochs": 1, "batches_per_epoch": 2}, progress=again)
    assert len(tried) == 2


def test_a_file_is_no_folder(world, tmp_path) -> None:
    (tmp_path / "run").write_text("precious")
    with pytest.raises(MismatchError, match="run: is a file; a run needs a folder"):
        run(world, tmp_path / "run")
    assert (tmp_path / "run").read_text() == "precious"


def test_resuming_a_finished_run_gives_its_student_again(world, tmp_path) -> None:
    run(world, tmp_path / "run")
    before = (tmp_path / "run/student.pt").read_bytes()
    os.unlink(tmp_path / "run/student.pt")
    run(world, tmp_path / "run", resume=True)
    assert (tmp_path / "run/student.pt").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"hello", [1], {"run": 3}, {"run": [1, 2]}])
def test_a_damaged_checkpoint(world, tmp_path, content) -> None:
    run(world, tmp_path / "run", {"epochs": 1})
    path = tmp_path / "run/checkpoint.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(MismatchError, match="not a checkpoint"):
        run(world, tmp_path / "run", {"epochs": 1}, resume=True)


@pytest.mark.parametrize(
    "change",
    [{"student": {}}, {"epochs": None}, {"student": None}, {"threads": 1}, {"threads": ["x"]}],
)
def test_a_checkpoint_that_does_not_fit(world, tmp_path, change) -> None:
    run(world, tmp_path / "run", {"epochs": 1})
    path = tmp_path / "run/checkpoint.pt"
    state = torch.load(path, weights_only=True)
    (state["run"] if "threads" in change else state).update(change)
    torch.save(state, path)
    with pytest.raises(MismatchError, match="does not fit the student"):
        run(world, tmp_path / "run", {"epochs": 1}, resume=True)


def test_a_diverged_run_keeps_its_last_checkpoint(world, tmp_path) -> None:
    changes = {"optimizer": "sgd", "learning_rate": 1e30, "momentum": 0.0, "loss": "mse"}
    with pytest.raises(DataError, match="try a lower learning_rate"):
        run(world, tmp_path / "run", changes)
    assert not (tmp_path / "run/student.pt").exists()


def test_the_labels_batches_make_an_epoch(world, tmp_path) -> None:
    reports = []
    changes = {"batches_per_epoch": 2}
    run(world, tmp_path / "run", changes, progress=lambda *step: reports.append(step))
    epochs = [step[:2] for step in reports if step[2].startswith("epoch")]
    assert epochs == [(i, 8) for i in range(1, 9)]


def test_another_folder_of_the_same_names(world, tmp_path) -> None:
    other = scene.images(tmp_path / "images", seed=8)
    with pytest.raises(MismatchError, match="same names, but other content"):
        train(world / "labels.slc", other, scene.settings(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_student_from_a_file(world, tmp_path) -> None:
    with pytest.raises(ConfigError, match="has to be a model by name"):
        run(world, tmp_path / "run", {"model": "student.pt"})


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("nothing", "unknown model 'nothing'"),
        ("torchvision/resnet18", r"torchvision.* is not installed: .*labelcodec\[vision\]"),
        ("timm/x", "timm is not installed"),
        ("a.b:c", "a.b:c: ModuleNotFoundError"),
    ],
)
def test_students_that_cannot_be_built(world, tmp_path, model, what) -> None:
    if (module := model.partition("/")[0]) != model and _installed(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(ConfigError, match=what):
        run(world, tmp_path / "run", {"model": model})


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


@pytest.mark.parametrize("device", ["cuda", "tpu"])
def test_a_device_that_is_not_there(world, tmp_path, device) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ConfigError, match=f"device '{device}'"):
        train(world / "labels.slc", world / "images", scene.settings(), tmp_path, device=device)


def test_run_json(world, tmp_path) -> None:
    run(world, tmp_path / "run")
    facts = load_run(tmp_path / "run")
    assert facts.recipe == scene.settings()
    assert (facts.seed, facts.processes, facts.image_size) == (0, 1, (8, 8))
    assert facts.threads == (1,)
    odd = json.loads((tmp_path / "run/run.json").read_text()) | {"threads": 1}
    for text in (
        "", "[]", '{"recipe": {}}', '{"recipe": {"x": 1}, "image_size": [1, 2]}', json.dumps(odd),
    ):  # fmt: skip
        (tmp_path / "run/run.json").write_text(text)
        with pytest.raises(MismatchError, match=r"run\.json"):
            load_run(tmp_path / "run")
    with pytest.raises(LabelcodecError, match="not the folder of a training run"):
        load_run(tmp_path)


class Telling(TrainingCallback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple] = []

    def on_start(self, run, first) -> None:
        self.told.append(("start", run["recipe"]["epochs"], first))

    def on_epoch(self, facts) -> None:
        self.told.append(("epoch", facts.epoch, facts.samples))

    def on_scores(self, epoch, scores) -> None:
        self.told.append(("scores", epoch, scores.images))

    def on_end(self) -> None:
        self.told.append(("end",))


def test_callbacks_are_told_what_the_log_holds(world, tmp_path) -> None:
    telling, again = Telling(), Telling()
    more = {"validate": world / "validation", "validate_every": 2}
    with pytest.raises(Stop):
        run(
            world, tmp_path / "run", progress=scene.after(15, stop),
            callbacks=[telling, TrainingCallback()], **more,
        )  # fmt: skip
    run(world, tmp_path / "run", resume=True, callbacks=[again], **more)
    lines = scene.logged(tmp_path / "run")
    epochs = [("epoch", line["epoch"], line["samples"]) for line in lines]
    scores = [("scores", epoch, scene.IMAGES) for epoch in (1, 3)]
    assert telling.told == [("start", 4, 0), *epochs[:2], scores[0]]
    assert again.told == [("start", 4, 2), scores[0], *epochs[2:], scores[1], ("end",)]
