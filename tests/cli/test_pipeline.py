from __future__ import annotations

import json
import re
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

import labelcodec
from labelcodec.losses.phases import Phase
from labelcodec.pipeline.run_folder import load_run
from labelcodec_cli import console
from labelcodec_cli.options import setting
from tests.cli.call import call
from tests.pipeline import scene

SMALL = ("--teacher", scene.SMALL, "--weights", "teacher.safetensors", "--image-size", 8)
QUICK = ("--batch-size", 4, "--epochs", 2)
CPU = ("--device", "cpu")
AGREES = r"the teacher's top class is that of the folder for \d+\.\d % of \d+ labels"
STUDENT = ("--set", f"model={scene.SMALL}", "--set", "epochs=2")


@pytest.fixture
def room(tmp_path, monkeypatch) -> Path:
    """The current directory: images/, validation/, a teacher and its labels."""
    monkeypatch.chdir(tmp_path)
    scene.images(Path("images"))
    scene.images(Path("validation"), seed=1)
    scene.weights(Path("teacher.safetensors"))
    scene.relabel(Path("images"), Path("teacher.safetensors"), Path("labels.slc"))
    return tmp_path


def test_relabel(capsys, room) -> None:
    found = call(capsys, "relabel", "images", "new.slc", *SMALL, *QUICK, "--json").json()
    assert found.pop("agreement").keys() == {"labels", "agreeing"}
    assert found == {"files": ["new.slc"], "batches": 12, "labels": 44, "chosen": {}}
    plain = call(capsys, "relabel", "images", "newer.slc", *SMALL, *QUICK, "--keep", 0.5)
    first, second = plain.out.splitlines()
    assert first == "newer.slc: 20 labels in 5 batches"
    assert re.fullmatch(AGREES, second)


def test_options_of_relabel_reach_the_recipe(capsys, room) -> None:
    call(
        capsys, "relabel", "images", "new.slc", *SMALL, *QUICK, "--scale", 0.5, 1, "--ratio", 1, 2,
        "--flip", 0, "--mix", "mixup", "--alpha", 0.5, "--cutout", 0.25, "--randaugment", 2, 4.5,
        "--interpolation", "bicubic", "--mean", 0.1, 0.2, 0.3, "--std", 1, 1, 1, "--seed", 9,
        "--precision", "float32", "--codec", "topk:k=3",
    )  # fmt: skip
    with labelcodec.open("new.slc") as reader:
        header = reader.header
    recipe = header.recipe
    assert (recipe.scale, recipe.ratio, recipe.flip) == ((0.5, 1), (1, 2), 0)
    assert (recipe.mix, recipe.alpha, recipe.cutout) == ("mixup", 0.5, 0.25)
    assert (recipe.operations, recipe.magnitude, recipe.seed) == (2, 4.5, 9)
    assert header.interpolation == "bicubic"
    assert header.normalisation == {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}
    assert (header.precision, header.codec, header.k) == ("float32", "topk", 3)


def test_train_and_evaluate(capsys, room) -> None:
    found = call(
        capsys, "train", "labels.slc", "images", "run", *STUDENT, "--validate", "validation",
        "--no-resize", "--json",
    ).json()  # fmt: skip
    assert found["student"] == "run/student.pt"
    assert found["epochs"] == 2
    assert found["scores"]["images"] == scene.IMAGES
    plain = call(
        capsys, "train", "labels.slc", "images", "other", *STUDENT, "--set", "temperature.first=4",
        "--set", "temperature.kind=cosine", "--seed", 1, "--cache", "pixels", "--workers", 1,
    )  # fmt: skip
    first, second = plain.out.splitlines()
    assert first == "other/student.pt: 2 epochs"
    assert re.fullmatch(AGREES, second)
    teacher = ("--teacher", scene.SMALL, "--teacher-weights", "teacher.safetensors")
    several = call(
        capsys, "evaluate", "validation", "run", "other", *teacher, "--no-resize", "--json"
    ).json()
    assert set(several) == {"run", "other"}
    assert several["run"] | {"agreement": None} == found["scores"]
    by_default = call(capsys, "evaluate", "validation", "run", "other", *teacher, "--json").json()
    assert by_default == several  # these images have the input's size
    table = call(capsys, "evaluate", "validation", "run", "other", *teacher).out
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["run", "other"]


def test_settings_are_toml_or_strings() -> None:
    assert setting("epochs=10") == {"epochs": 10}
    assert setting("model=resnet20") == {"model": "resnet20"}
    assert setting("model='a=b'") == {"model": "a=b"}
    assert setting("temperature.kind=cosine") == {"temperature": {"kind": "cosine"}}
    assert setting("temperature={first=3}") == {"temperature": {"first": 3}}


def test_phases_of_the_command_line(capsys, room) -> None:
    phases = 'phases=[{share=0.5, loss="hard", smoothing=0.1}, {share=0.5, loss="kl"}]'
    call(capsys, "train", "labels.slc", "images", "run", *STUDENT, "--set", phases)
    assert load_run(Path("run")).recipe.phases == (Phase(0.5, "hard", 0.1), Phase(0.5, "kl"))


RELABEL = ("relabel", "images", "new.slc", *QUICK)
TRAIN = ("train", "labels.slc", "images", "run")


@pytest.mark.parametrize(
    ("args", "status", "problem"),
    [
        (("relabel", "nowhere", "new.slc", *SMALL), 1, "nowhere: no such image folder"),
        ((*RELABEL, "--teacher", "resnet19"), 2, "unknown model 'resnet19'"),
        ((*RELABEL, "--teacher", "resnet20"), 2, "random weights"),
        ((*RELABEL, "--teacher", "resnet20", "--weights", "x.pth"), 1, "x.pth: no such weights"),
        ((*RELABEL, *SMALL, "--codec", "zip"), 2, "zip"),
        ((*RELABEL, *SMALL, "--keep", 0), 2, "keep=0: allowed"),
        ((*RELABEL, *SMALL, "--classes", 7), 1, "4.weight is 6 x 72, not 7 x 72"),
        ((*RELABEL, *SMALL, "--device", "abacus"), 2, "device 'abacus'"),
        ((*RELABEL, *SMALL, "--mix", "shake"), 2, "shake"),
        ((*RELABEL, *SMALL, "--alpha", 9), 2, "alpha is 9.0"),
        (("relabel", "images", "labels.slc", *SMALL, *QUICK), 1, "labels.slc: exists already"),
        (("train", "no.slc", "images", "run", *STUDENT), 1, "no.slc: No such file"),
        (("train", "labels.slc", "validation2", "run", *STUDENT), 1, "no such image folder"),
        ((*TRAIN, "--recipe", "none"), 2, "unknown recipe 'none'"),
        ((*TRAIN, "--set", "epochs"), 2, "'epochs' is not KEY=VALUE"),
        ((*TRAIN, "--set", "=3"), 2, "'=3' is not KEY=VALUE"),
        ((*TRAIN, "--set", "epoch=3"), 2, "unknown setting 'epoch'"),
        ((*TRAIN, *STUDENT, "--image-size", 9), 1, "recorded with image size (8, 8), not (9, 9)"),
        ((*TRAIN, "--recipe", "lpld-in1k", "--set", "temperature.last=1"), 2, "set the kind"),
        ((*TRAIN, "--set", "phases=hard"), 2, "phases='hard' must be a list of tables, such as [{"),
        ((*TRAIN, "--recipe", "hald-in1k", "--set", "loss=kl"), 2, "loss changes nothing"),
        ((*TRAIN, "--set", "temperature=nan"), 2, "first=nan is not finite"),
        (("train", "labels.slc", "images", "labels.slc", *STUDENT), 1, "labels.slc: is a file"),
        ((*TRAIN, *STUDENT, "--cache", "labels.slc"), 1, "labels.slc: not a cache"),
        ((*TRAIN, *STUDENT, "--mean", 0, 0, 0), 2, "--mean and --std go together"),
        ((*TRAIN, *STUDENT, "--mean", 0, 0, 0, "--std", 1, 1, 1), 1, "recorded with normalisation"),
        ((*TRAIN, *STUDENT, "--interpolation", "bicubic"), 1, "recorded with interpolation"),
        ((*TRAIN, *STUDENT, "--std", 1, 1, 0), 2, "1.0 1.0 0.0: these have to be numbers above 0"),
        ((*RELABEL, *SMALL, "--std", 0, 0, 0), 2, "0.0 0.0 0.0: these have to be numbers above 0"),
        ((*RELABEL, *SMALL, "--mean", "nan", 0, 0), 2, "nan 0.0 0.0: these have to be numbers"),
        ((*RELABEL, *SMALL, "--std", "inf", 1, 1), 2, "these have to be numbers above 0"),
        (("evaluate", "validation"), 2, "RUN"),
        (("evaluate", "validation", "images"), 1, "not the folder of a training run"),
    ],
)
def test_mistakes_end_in_one_line(capsys, room, args, status: int, problem: str) -> None:
    found = call(capsys, *args)
    assert (found.status, found.out) == (status, "")
    assert problem in found.err
    assert found.err.count("\n") == 1
    assert "mistake in labelcodec" not in found.err


def test_a_folder_of_other_classes_than_the_teachers(capsys, room) -> None:
    """Such as one above the folder that was meant."""
    Path("above").mkdir()
    Path("images").rename("above/train")
    Path("validation").rename("above/test")
    found = call(capsys, "relabel", "above", "new.slc", *SMALL, *QUICK)
    assert found.status == 1
    for part in ("teacher.safetensors: does not fit", "of 2 classes", "is 6 x 72, not 2 x 72",
                 "above has 2 classes; pass --classes"):  # fmt: skip
        assert part in found.err
    missing = call(capsys, "relabel", "above", "new.slc", *SMALL[:2], "--weights", "x.pth", *QUICK)
    assert "--classes" not in missing.err


def test_warnings_of_libraries_are_not_the_users(capsys, room) -> None:
    image = Image.new("P", (8, 8))
    image.putpalette(list(range(256)) * 3)
    image.save(next(Path("images").rglob("*.png")), transparency=bytes([0, 128] * 128))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert call(capsys, *RELABEL, *SMALL).status == 0
    assert seen == []


def test_an_image_too_large_to_decode(capsys, room) -> None:
    name = next(Path("images").rglob("*.png"))
    Image.new("1", (20001, 10000)).save(name)
    found = call(capsys, *RELABEL, *SMALL)
    assert found.status == 1
    assert f"{name}: cannot read this image (Image size (200010000 pixels)" in found.err
    assert found.err.count("\n") == 1


def test_a_damaged_image_ends_in_one_line(capsys, room) -> None:
    name = next(Path("images").rglob("*.png"))
    name.write_bytes(name.read_bytes()[:50])
    found = call(capsys, *TRAIN, *STUDENT)
    assert found.status == 1
    assert f"{name}: cannot read this image" in found.err
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "calls", "kept"),
    [
        ((*RELABEL, *SMALL), 1, None),
        ((*RELABEL, *SMALL), 4, "new.slc.fitting.partial keeps the 3 batches"),
        ((*TRAIN, *STUDENT), 2, None),
        ((*TRAIN, *STUDENT), 7, "run/checkpoint.pt is kept"),
    ],
)
def test_ctrl_c_says_how_to_go_on(capsys, room, monkeypatch, args, calls: int, kept) -> None:
    @contextmanager
    def progress(what: str, shown: bool = True):
        yield lambda *step: None if step[2].startswith("image") else hook(*step)

    def interrupt() -> None:
        raise KeyboardInterrupt

    hook = scene.after(calls, interrupt)
    monkeypatch.setattr(console, "progress", progress)
    found = call(capsys, *args)
    assert found.status == 130
    assert found.err.count("\n") == 1
    assert (kept or "interrupted; nothing is kept") in found.err
    assert ("--resume" in found.err) == (kept is not None)
    monkeypatch.undo()
    monkeypatch.chdir(room)
    assert call(capsys, *args, *(("--resume",) if kept else ())).status == 0


def test_resume_without_a_run_starts_one(capsys, room) -> None:
    assert call(capsys, *TRAIN, *STUDENT, "--resume").status == 0
    assert call(capsys, *RELABEL, *SMALL, "--resume").status == 0
    assert call(capsys, *TRAIN, *STUDENT).status == 1


def test_a_run_of_other_threads_is_gone_on_with_and_told(capsys, room, monkeypatch) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    again = (*TRAIN, *STUDENT, *CPU, "--resume", "--threads", 2)
    with monkeypatch.context() as patch:
        patch.setattr("labelcodec.pipeline.training.amend", interrupt)
        more = ("--validate", "validation", "--validate-every", 1)
        assert call(capsys, *TRAIN, *STUDENT, *CPU, *more, "--threads", 1).status == 130
    found = call(capsys, *again, "--json")
    assert (found.status, found.json()["epochs"]) == (0, 2)
    said = "torch had threads=1 and has threads=2 now; the run continues"
    assert found.err.startswith(f"labelcodec: run/checkpoint.pt: {said}")
    assert "resume with --threads 1 on as many cores" in found.err
    assert found.err.count("\n") == 1
    found = call(capsys, *again)
    assert (found.status, found.err) == (0, "")
    assert found.out.startswith("run/student.pt: 2 epochs\n")


def test_a_relabel_of_other_threads_is_gone_on_with_and_told(capsys, room, monkeypatch) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    given = (*RELABEL, *SMALL)
    with monkeypatch.context() as patch:
        patch.setattr("labelcodec.writer.Writer.adopt", interrupt)
        assert call(capsys, *given, "--threads", 1).status == 130
    found = call(capsys, *given, "--resume", "--threads", 2)
    assert found.status == 0
    assert found.out.startswith("new.slc: 44 labels in 12 batches\n")
    assert found.err.startswith("labelcodec: new.slc: torch had threads=1 and has threads=2 now")


def test_progress_tells_the_accuracy(capsys, room, monkeypatch) -> None:
    seen: list[tuple[object, ...]] = []

    @contextmanager
    def progress(what: str, shown: bool = True):
        yield lambda *step: seen.append(step)

    monkeypatch.setattr(console, "progress", progress)
    more = ("--validate", "validation", "--validate-every", 1, "--cache", "pixels")
    assert call(capsys, *TRAIN, *STUDENT, *more).status == 0
    assert seen[:2] == [(1, 22, "image cache"), (2, 22, "image cache")]
    assert seen[22] == (1, 12, "epoch 1")
    assert seen[-1][:2] == (12, 12)
    assert str(seen[-1][2]).startswith("epoch 2, top-1 ")


def test_only_the_first_process_speaks(capsys, room, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("labelcodec.pipeline.training.train", lambda *_, **__: None)
    assert call(capsys, *TRAIN, *STUDENT) == (0, "", "")
    monkeypatch.setattr("labelcodec.pipeline.evaluate_runs.evaluate_runs", lambda *_, **__: [])
    for more in ((), ("--json",)):
        assert call(capsys, "evaluate", "validation", "run", *more) == (0, "", "")


def test_help_stays_light() -> None:
    import subprocess

    code = "import sys, labelcodec_cli.main as m; m.cli.main(['--help'], standalone_mode=False)"
    code += "; assert not {'torch', 'PIL', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


RECIPE = """
model = "convnet"

[squeeze]
batch_size = 3

[recover]
ipc = 1
iterations = 2
learning_rate = 0.05

[relabel]
epochs = 2
mix = "none"
batch_size = 4
"""


def test_stages_take_their_settings_from_a_recipe(capsys, schoolroom) -> None:
    Path("mine.toml").write_text(RECIPE)
    teacher = ("--teacher", "resnet20", "--weights", "resnet20.safetensors")
    recipe = ("--recipe", "mine.toml", *teacher)
    assert call(capsys, "squeeze", "images", "stats", *recipe, "--image-size", "32").status == 0
    assert call(capsys, "recover", "stats", "distilled", *recipe, "--seed", "3").status == 0
    made = json.loads(Path("distilled/recipe.json").read_text())["run"]["settings"]
    keys = ("ipc", "iterations", "learning_rate", "seed")
    assert [made[key] for key in keys] == [1, 2, 0.05, 3]
    relabelled = call(
        capsys, "relabel", "distilled", "labels.slc", *recipe, "--image-size", "32",
        "--batch-size", "2", "--json",
    )  # fmt: skip
    assert json.loads(relabelled.out)["batches"] == 2 * 2  # the option overrides the recipe
    trained = call(
        capsys, "train", "labels.slc", "distilled", "run", "--recipe", "mine.toml", "--set",
        "epochs=1",
    )  # fmt: skip
    assert trained.status == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = 'convnet'", "has no table [recover]"),
        ("[recover]\nspeed = 3", "[recover] has an unknown setting 'speed'"),
        ("[recover]\nipc = 'many'", "'many' is not a valid integer"),
        ("[recover", "not TOML"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused(capsys, schoolroom, text, message) -> None:
    Path("mine.toml").write_text(text)
    refused = call(
        capsys, "recover", "out", "--recipe", "mine.toml", "--teacher", "resnet20", "--classes", "4"
    )
    assert refused.status == 2
    assert message in refused.err


def test_recipes_list_the_stages_they_have_tables_for(capsys) -> None:
    listed = call(capsys, "recipes", "--json").json()
    assert listed["lpqld-in1k"]["recover"]["iterations"] == 4000
    assert "recover" not in listed["cifar10"]
    (line,) = (line for line in call(capsys, "recipes").out.splitlines() if "lpqld-in1k" in line)
    assert line.endswith("squeeze, recover, relabel")
    refused = call(capsys, "recover", "out", "--recipe", "cifar10", "--teacher", "resnet20")
    assert "built-in ones with it are" in refused.err and "lpqld-in1k" in refused.err


def test_folders_taken_as_the_first_classes_are_told(capsys, schoolroom) -> None:
    teacher = ("--teacher", "my.models:teacher", "--classes", "9", "--image-size", "32")
    Path("images/classes.txt").write_text("\n".join("abcdefghi"))
    quick = ("--batch-size", "4", "--epochs", "1")
    told = call(capsys, "relabel", "images", "labels.slc", *teacher, *quick)
    assert told.status == 0
    assert "4 class folders are taken as the first of the teacher's 9 classes" in told.err
    assert "pass --class-map, such as images/classes.txt" in told.err
