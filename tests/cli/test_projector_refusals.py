"""Files of the codec projector where labels are needed, and encoders that are not theirs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import labelcodec
from labelcodec.codecs.projector.codec import Projector
from labelcodec.errors import NeedsImagesError
from labelcodec.pipeline.models import build
from spec.vector_cases.projector import RECIPE, tables, write
from tests.cli.call import call

ENCODER = ("--encoder", "resnet20", "--encoder-weights", "resnet20.safetensors")
STORE = ("encode", "tiny.slc", "out.slc", "--codec", "dense", "--images", "images")
TRAIN = ("train", "tiny.slc", "images", "run", "--recipe", "cifar10", "--set", "model=convnet")
PROJECT = ("project", "images", "new.slc", "--labels", "labels.slc", "--encoder-classes", 4)


@pytest.fixture
def tiny(capsys, schoolroom):
    """labels.slc of the schoolroom's images, and tiny.slc, the same as a function of them."""
    made = call(
        capsys, "relabel", "images", "labels.slc", "--teacher", "resnet20", "--weights",
        "resnet20.safetensors", "--image-size", 32, "--epochs", 5, "--batch-size", 4,
    )  # fmt: skip
    assert made.status == 0, made.err
    made = call(
        capsys, "project", "images", "tiny.slc", "--labels", "labels.slc", *ENCODER,
        "--encoder-classes", 4, "--steps", 1,
    )  # fmt: skip
    assert made.status == 0, made.err


def named(path: str, name: str) -> None:
    """A projector file that says this is its encoder."""
    made = tables("int8")
    write(Path(path), Projector(2), replace(made, encoder=replace(made.encoder, name=name)), RECIPE)


def refused(found, *parts: str) -> None:
    assert (found.status, found.out) == (1, "")
    assert found.err.count("\n") == 1 and "internal error" not in found.err
    for part in parts:
        assert part in found.err


@pytest.mark.parametrize(
    "args",
    [
        ("decode", "tiny.slc", "dump"),
        ("decode", "tiny.slc", "dump", "--layout", "sre2l"),
        ("compare", "tiny.slc", "labels.slc"),
        ("compare", "labels.slc", "tiny.slc"),
        ("stats", "tiny.slc", "--against", "labels.slc"),
        ("stats", "labels.slc", "--against", "tiny.slc"),
        ("encode", "tiny.slc", "out.slc", "--codec", "topk:k=2"),
        TRAIN,
    ],
)
def test_commands_that_need_labels_say_what_to_do(capsys, tiny, args):
    before = set(Path().iterdir())
    refused(
        call(capsys, *args),
        "error: tiny.slc: these labels are a function of their images",
        "the encoder 'resnet20'",
        "`labelcodec encode` with --images, --encoder and --encoder-weights",
    )
    assert set(Path().iterdir()) <= before | {Path("run")}


def test_labels_of_a_batch_say_what_to_do(tiny):
    with (
        labelcodec.open("tiny.slc") as reader,
        pytest.raises(NeedsImagesError, match="`labelcodec encode` with `images`, `encoder`"),
    ):
        reader[0].labels.dense()


@pytest.mark.parametrize("args", [STORE, TRAIN])
def test_another_encoder_is_refused(capsys, tiny, args):
    torch.manual_seed(1)
    save_file(build("resnet20", 4).state_dict(), "other.safetensors")
    found = call(capsys, *args, "--encoder", "resnet20", "--encoder-weights", "other.safetensors")
    refused(found, "made with the encoder 'resnet20', whose weights have SHA-256", "Pass that")


@pytest.mark.parametrize("args", [STORE, TRAIN])
def test_an_encoder_of_other_classes_is_refused(capsys, tiny, args):
    save_file(build("resnet20", 7).state_dict(), "seven.safetensors")
    found = call(capsys, *args, "--encoder", "resnet20", "--encoder-weights", "seven.safetensors")
    refused(found, "seven.safetensors: does not fit", "the encoder 'resnet20' of that many classes")
    assert "--encoder-classes" not in found.err  # these commands have no such option


def test_a_projection_from_an_encoder_of_other_classes_says_which_option(capsys, tiny):
    found = call(capsys, *PROJECT[:-1], 5, *ENCODER)
    refused(found, "built with 5 classes, see --encoder-classes")


def test_a_folder_of_other_classes_is_refused(capsys, tiny):
    Path("images/class03").rename("images/class02/more")
    for args in (STORE, TRAIN):
        refused(call(capsys, *args, *ENCODER), "images")
    assert not Path("out.slc").exists()


@pytest.mark.parametrize("args", [STORE, TRAIN, PROJECT])
@pytest.mark.parametrize(
    ("library", "needed"), [("torchvision", "labelcodec[vision]"), ("timm", "timm")]
)
def test_a_library_of_encoders_that_is_missing(capsys, tiny, monkeypatch, args, library, needed):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = call(
        capsys, *args, "--encoder", f"{library}/resnet18", "--encoder-weights",
        "resnet20.safetensors",
    )  # fmt: skip
    assert found.status == 2 and found.err.count("\n") == 1
    assert f"{library} is not installed: pip install '{needed}'" in found.err


@pytest.mark.parametrize(
    "args",
    [
        [
            "encode",
            "p.slc",
            "out.slc",
            "--codec",
            "dense",
            "--images",
            ".",
            "--encoder",
            "resnet20",
        ],
        ["project", ".", "p.slc", "--labels", "a.slc", "--encoder", "resnet20"],
        ["project", ".", "p.slc", "--teacher", "resnet20", "--encoder", "resnet20"],
    ],
)
def test_without_torch_the_extra_is_named(tmp_path, monkeypatch, args):
    monkeypatch.chdir(tmp_path)
    named("p.slc", "resnet20")
    code = "import sys; sys.modules['torch'] = None\n"
    code += f"from labelcodec_cli.main import main; main({args!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "needs torch, which is not installed: pip install 'labelcodec[torch]'" in done.stderr


def test_nothing_is_imported_because_a_file_names_it(capsys, schoolroom):
    Path("bomb.py").write_text("open('exploded', 'w')\n")
    named("bomb.slc", "bomb:go")
    for args in (
        ("inspect", "bomb.slc"),
        ("stats", "bomb.slc"),
        ("verify", "bomb.slc"),
        ("encode", "bomb.slc", "out.slc", "--codec", "dense"),
        ("encode", "bomb.slc", "out.slc", "--codec", "dense", "--images", "images", *ENCODER),
        ("train", "bomb.slc", "images", "run", "--recipe", "cifar10"),
    ):
        call(capsys, *args)
    assert "bomb" not in sys.modules and not Path("exploded").exists()


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "\u202egnp", "x" * 3900, ""])
def test_a_name_that_would_change_the_terminal(capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    named("p.slc", name)
    for args in (("inspect", "p.slc"), ("compare", "p.slc", "p.slc")):
        found = call(capsys, *args)
        shown = found.out + found.err
        assert all(char.isprintable() or char == "\n" for char in shown)
        assert "two\nlines" not in shown
    assert (
        json.loads(call(capsys, "inspect", "p.slc", "--json").out)["chosen"][0]["encoder"] == name
    )
    with labelcodec.open("p.slc") as reader, pytest.raises(NeedsImagesError) as caught:
        reader[0].labels.dense()
    assert str(caught.value).isprintable()
