"""`evaluate --diversity` as the program runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labelcodec.pipeline.image_diversity.measurement import diversity
from tests.cli.call import call
from tests.pipeline import scene

MODEL = ("--features", scene.SMALL, "--weights", "w.safetensors", "--classes", scene.CLASSES)
ALONE = ("evaluate", "--diversity", "images", *MODEL, "--image-size", 8)
BOTH = ("evaluate", "--diversity", "images", "real", *MODEL, "--image-size", 8)


@pytest.fixture
def room(tmp_path, monkeypatch) -> Path:
    """The current directory: images/, real/ (one image of class02) and a model's weights."""
    monkeypatch.chdir(tmp_path)
    scene.images(Path("images"))
    scene.images(Path("real"), count=5, classes=3, seed=2)
    scene.weights(Path("w.safetensors"))
    return tmp_path


def test_json_is_the_librarys_report(capsys, room) -> None:
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    options = {"features": scene.SMALL, "weights": "w.safetensors", "classes": scene.CLASSES}
    options |= {"image_size": 8, "device": "cpu", "note": lambda _: None}
    by_default = diversity("images", "real", normalisation={"mean": mean, "std": std}, **options)
    assert call(capsys, *BOTH, "--json").json() == by_default.to_json()
    passed = call(
        capsys, *BOTH, "--mean", *scene.NORMALISATION["mean"], "--std", *scene.NORMALISATION["std"],
        "--bandwidth", 3.5, "--interpolation", "bicubic", "--no-resize", "--json",
    ).json()  # fmt: skip
    expected = diversity(
        "images", "real", normalisation=scene.NORMALISATION, bandwidth=3.5, resize=False,
        interpolation="bicubic", **options,
    )  # fmt: skip
    assert passed == expected.to_json()


def test_tables(capsys, room) -> None:
    printed = call(capsys, *BOTH)
    lines = printed.out.splitlines()
    assert lines[0] == "Diversity"
    assert [line.split()[:3] for line in lines[2:4]] == [["images", "22", "6"], ["real", "5", "2"]]
    assert lines[4].startswith("MMD² 0.")
    assert lines[5].startswith("features: 72 values per image, the input of the layer 4 of ")
    told = "real: left out of the similarity, with a single image: 1 of its 3 classes"
    assert told in printed.err
    alone = call(capsys, *ALONE).out.splitlines()
    assert alone[2] == lines[2] and not any("MMD" in line for line in alone)


def test_plot(capsys, room, monkeypatch) -> None:
    printed = call(capsys, *BOTH, "--plot", "d.png", "--json")
    assert printed.json()["mmd"]["bandwidth"] > 0
    assert "plot written to d.png" in printed.err
    assert Path("d.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    lacking = call(capsys, *ALONE, "--plot", "e.png")
    assert (lacking.status, lacking.out) == (2, "")
    assert "pip install 'labelcodec[plot]'" in lacking.err


FEATURES = ("--features", scene.SMALL)


@pytest.mark.parametrize(
    ("args", "status", "problem"),
    [
        (("images", "real", "images", *FEATURES), 2, "takes one or two image folders, not 3"),
        (("images",), 2, "--diversity needs --features"),
        (("images", *FEATURES, "--teacher", "x"), 2, "--teacher is for students, not"),
        (("images", *FEATURES, "--class-map", "x"), 2, "--class-map is for students, not"),
        (("images", *FEATURES, "--bandwidth", 1), 2, "--bandwidth is for two image folders"),
        (("images", "real", *FEATURES, "--bandwidth", 0), 2, "--bandwidth is 0.0, allowed"),
        (("images", *FEATURES, "--mean", 0, 0, 0), 2, "--mean and --std go together"),
        (("images", *FEATURES, "--plot", "x.pdf"), 2, "ends in .png"),
        (("nowhere", *FEATURES), 1, "nowhere: no such image folder"),
        (("images", "--features", "resnet20"), 2, "give its trained weights"),
        (("images", *FEATURES, "--weights", "no.pt"), 1, "no.pt: no such weights file"),
        (("images", *FEATURES, "--image-size", 9), 1, "fails on"),
    ],
)
def test_mistakes_end_in_one_line(capsys, room, args, status: int, problem: str) -> None:
    printed = call(capsys, "evaluate", "--diversity", *args)
    assert (printed.status, printed.out) == (status, "")
    assert problem in printed.err
    assert printed.err.count("\n") == 1 and "internal error" not in printed.err


def test_weights_of_another_number_of_classes(capsys, room) -> None:
    images = ("evaluate", "--diversity", "real", "real", *MODEL[:4], "--image-size", 8)
    printed = call(capsys, *images)
    assert printed.status == 1
    assert "4.weight is 6 x 72, not 3 x 72" in printed.err
    assert "real has 3 classes; pass --classes if the model has another number" in printed.err
    passed = call(capsys, *images, "--classes", 7)
    assert passed.status == 1 and "pass --classes" not in passed.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("features", "x"), ("weights", "x"), ("classes", 2), ("image-size", 8)),
        *(("interpolation", "bicubic"), ("bandwidth", 1), ("plot", "x.png")),
    ],
)
def test_options_of_the_other_form(capsys, room, option: str, value) -> None:
    printed = call(capsys, "evaluate", "images", "run", f"--{option}", value)
    assert (printed.status, printed.out) == (2, "")
    assert f"--{option} is for --diversity" in printed.err
    assert ("--teacher-weights" in printed.err) == (option == "weights")


def test_only_the_first_process_prints(capsys, room, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    module = "labelcodec.pipeline.image_diversity.measurement.diversity"
    monkeypatch.setattr(module, lambda *_, **__: None)
    for more in ((), ("--json",)):
        assert call(capsys, *ALONE, *more) == (0, "", "")
