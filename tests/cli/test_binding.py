"""The options and the command that say what labels belong to and how they were made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import labelcodec
from tests.cli.call import call
from tests.pipeline import scene

FACTS = (
    *("--image-size", 224, "--mean", 0.5, 0.4, 0.3, "--std", 1, 1, 2, "--note", "text"),
    *("--interpolation", "bicubic", "--teacher-name", "resnet18", "--license", "CC0"),
)
NORMALISATION = {"mean": [0.5, 0.4, 0.3], "std": [1.0, 1.0, 2.0]}


def told(path: str) -> tuple[object, ...]:
    header = labelcodec.open(path).header
    names = ("image_size", "normalisation", "interpolation", "teacher", "license", "note")
    return tuple(getattr(header, name) for name in names)


ALL = ((224, 224), NORMALISATION, "bicubic", {"name": "resnet18"}, "CC0", "text")


def test_encode_records_every_fact(capsys, workplace) -> None:
    found = call(capsys, "encode", "dump", "new.slc", *FACTS, "--json").json()
    assert told("new.slc") == ALL
    assert found["header"]["license"] == "CC0"


def test_annotate_records_every_fact(capsys, workplace) -> None:
    found = call(capsys, "annotate", "labels.slc", *FACTS)
    assert found == (0, "labels.slc: annotated\n", "")
    assert told("labels.slc") == ALL
    assert call(capsys, "compare", "labels.slc", "dump").status == 0
    assert (
        call(capsys, "annotate", "labels.slc", *FACTS).out == "labels.slc: said all this already\n"
    )
    found = call(capsys, "annotate", "labels.slc", "--image-size", 9, "--json")
    assert (found.status, found.out) == (1, "")
    assert found.err.endswith(
        "says that image size is (224, 224), not (9, 9); pass --force to replace it\n"
    )
    assert call(capsys, "annotate", "labels.slc", "--image-size", 9, "--force", "--json").json()[
        "files"
    ] == ["labels.slc"]


def test_annotate_takes_shards(capsys, workplace) -> None:
    found = call(capsys, "annotate", "shard-*.slc", "--note", "text", "--json").json()
    assert found["files"] == ["shard-0.slc", "shard-1.slc"]
    assert labelcodec.open("shard-*.slc").header.note == "text"
    assert call(capsys, "annotate", *found["files"], "--note", "new").status == 0
    assert labelcodec.open("shard-*.slc").header.note == "new"


def test_annotate_refuses_some_shards_of_a_set(capsys, workplace) -> None:
    for i in range(2):
        Path(f"shard-{i}.slc").rename(f"shard-{i}-of-2.slc")
    refused = call(capsys, "annotate", "shard-0-of-2.slc", "--note", "text")
    assert refused.status == 1
    assert "pass all shards, as 'shard-*-of-2.slc'" in refused.err
    assert labelcodec.open("shard-*.slc").header.note is None


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        ((), 2, "there is nothing to add"),
        (("--mean", 0, 0, 0), 2, "--mean and --std go together"),
        (("--class-map", "none"), 2, "there is no such class map"),
        (("--images", "none"), 1, "none: no such image folder"),
    ],
)
def test_mistakes_of_annotate_end_in_one_line(capsys, workplace, args, status, message) -> None:
    found = call(capsys, "annotate", "labels.slc", *args)
    assert (found.status, found.out, found.err.count("\n")) == (status, "", 1)
    assert message in found.err


def test_facts_are_not_for_containers(capsys, workplace) -> None:
    found = call(capsys, "encode", "labels.slc", "b.slc", "--codec", "dense", "--teacher-name", "x")
    assert found.status == 2
    assert (
        "--teacher-name is for dumps, labels.slc is a file; see `labelcodec annotate`" in found.err
    )


def test_unbound_labels_are_told_with_flags(capsys, workplace) -> None:
    err = call(capsys, "encode", "dump", "new.slc").err
    assert "pass --images, or add the folder later with `labelcodec annotate new.slc`" in err
    assert "pass --image-size, --mean and --std, --interpolation, or add them later" in err


def test_a_class_map_from_relabel_to_evaluate(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    scene.images(Path("images"))
    scene.images(Path("validation"), seed=1)
    scene.weights(Path("teacher.safetensors"))
    for i in range(scene.CLASSES):  # the folders no longer sort as the teacher's classes do
        for root in ("images", "validation"):
            Path(root, f"class{i:02}").rename(Path(root, f"c{(5 * i + 3) % 6}"))
    Path("names.txt").write_text("".join(f"c{(5 * i + 3) % 6}\n" for i in range(scene.CLASSES)))
    teacher = ("--teacher", scene.SMALL, "--weights", "teacher.safetensors", "--image-size", 8)
    usual = ("--epochs", 8, "--batch-size", 4, "--mix", "none", "--no-crop", "--device", "cpu")
    mean, std = scene.NORMALISATION["mean"], scene.NORMALISATION["std"]
    relabel = (*teacher, *usual, "--mean", *mean, "--std", *std)
    wrong = call(capsys, "relabel", "images", "wrong.slc", *relabel)
    assert (
        "classes or images are in another order than the teacher's; pass --class-map" in wrong.err
    )
    right = call(capsys, "relabel", "images", "l.slc", *relabel, "--class-map", "names.txt")
    assert (right.status, right.err) == (0, "")
    model = ("--set", f"model={scene.SMALL}", "--set", "epochs=6", "--set", "learning_rate=0.03")
    found = call(
        capsys, "train", "l.slc", "images", "run", *model, "--device", "cpu", "--json"
    ).json()
    assert found["agreement"]["agreeing"] > 0.8 * found["agreement"]["labels"]
    scores = call(capsys, "evaluate", "validation", "run", "--json").json()["run"]
    assert scores["top1"] > 0.5
    Path("validation/c0").rename("validation/zero")
    found = call(capsys, "evaluate", "validation", "run")
    assert "has a class 'zero', the student none of that name" in found.err
    names = Path("names.txt").read_text().splitlines()
    Path("names.json").write_text(
        str([name.replace("c0", "zero") for name in names]).replace("'", '"')
    )
    again = call(capsys, "evaluate", "validation", "run", "--class-map", "names.json", "--json")
    assert again.json()["run"]["top1"] == scores["top1"]
    Path("names.txt").write_text("\n".join(reversed(names)))
    found = call(capsys, "evaluate", "images", "run", "--class-map", "names.txt")
    assert "in the class map it is class" in found.err


def test_changed_images_need_a_word(capsys, tmp_path, monkeypatch) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    scene.images(Path("images"))
    scene.weights(Path("teacher.safetensors"))
    scene.relabel(Path("images"), Path("teacher.safetensors"), Path("l.slc"))
    for path in Path("images").rglob("*.png"):
        Image.open(path).convert("P").convert("RGB").save(path)
    args = ("train", "l.slc", "images", "run", "--set", f"model={scene.SMALL}", "--set", "epochs=1")
    found = call(capsys, *args)
    assert found.status == 1
    assert "of 255 grey levels" in found.err
    found = call(capsys, *args, "--allow-changed-images")
    assert found.status == 0
    assert "images were changed: the colours of the pictures differ by up to" in found.err


def test_an_output_of_the_teacher_by_its_key(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    scene.images(Path("images"))
    Path("several_outputs.py").write_text(
        "from torch import nn\n"
        "class Two(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return {'a': x.new_zeros(len(x), 6), 'b': x.new_ones(len(x), 6)}\n"
        "def teacher(classes): return Two()\n"
    )
    args = ("relabel", "images", "l.slc", "--teacher", "several_outputs:teacher", "--epochs", 1)
    size = ("--image-size", 8, "--device", "cpu")
    found = call(capsys, *args, *size)
    assert found.status == 1
    assert "pass --output; the dict has a: (22, 6), b: (22, 6)" in found.err
    assert call(capsys, *args, *size, "--output", "b").status == 0
    with labelcodec.open("l.slc") as reader:
        assert (reader[0].labels.dense() == 1).all()


def test_several_teachers(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    scene.images(Path("images"))
    scene.weights(Path("teacher.safetensors"))
    one = ("--teacher", scene.SMALL, "--weights", "teacher.safetensors")
    args = ("relabel", "images", "l.slc", "--image-size", 8, "--epochs", 1, "--device", "cpu", *one)
    assert call(capsys, *args, *one, "--share", 1, "--share", 3).status == 0
    assert labelcodec.open("l.slc").header.teacher["shares"] == [0.25, 0.75]
    found = call(capsys, *args, *one, "--share", 1, "--force")
    assert found.status == 2
    assert "--share has 1 entry for 2 teachers, expected one for each" in found.err


def test_a_hidden_folder_is_told_where_it_makes_a_class_too_many(capsys, tmp_path, monkeypatch):
    scene.images(tmp_path / "images")
    shutil.copytree(tmp_path / "images/class00", tmp_path / "images/.cache")
    scene.weights(tmp_path / "small.safetensors")
    monkeypatch.chdir(tmp_path)
    of_teacher = ("--teacher", scene.SMALL, "--weights", "small.safetensors", "--image-size", "8")
    made = call(capsys, "relabel", "images", "new.slc", *of_teacher)
    assert made.status == 1 and "the hidden folder '.cache' holds an image" in made.err
