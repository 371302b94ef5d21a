"""The commands around labels that are a function of their images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import labelcodec
from labelcodec_cli.labelling import NAMES
from labelcodec_cli.project import project
from labelcodec_cli.relabel import relabel
from tests.cli.call import call

ENCODER = ("--encoder", "resnet20", "--encoder-weights", "resnet20.safetensors")


@pytest.fixture
def projected(capsys, schoolroom):
    """labels.slc of the schoolroom's images, and tiny.slc, the same as a function of them."""
    made = call(
        capsys, "relabel", "images", "labels.slc", "--teacher", "resnet20", "--weights",
        "resnet20.safetensors", "--image-size", "32", "--epochs", "5", "--batch-size", "4",
    )  # fmt: skip
    assert made.status == 0, made.err
    found = call(
        capsys, "project", "images", "tiny.slc", "--labels", "labels.slc", *ENCODER,
        "--encoder-classes", "4", "--steps", "5", "--json",
    )  # fmt: skip
    assert found.status == 0, found.err
    return json.loads(found.out)


def test_project_reports_bytes_and_fidelity(projected):
    assert projected["labels"] == 40 and projected["file"] == "tiny.slc"
    assert set(projected["fidelity"]["kl"]) == {"1", "2", "4", "20"}
    assert projected["chosen"]["encoder"] == "resnet20"


def test_labels_are_stored_with_another_codec(capsys, projected):
    args = ("encode", "tiny.slc", "top.slc", "--codec", "topk:k=2")
    assert "NeedsImages" not in (plain := call(capsys, *args)).err
    assert plain.status == 1 and "--encoder" in plain.err and "resnet20" in plain.err
    missing = call(capsys, *args, *ENCODER)
    assert missing.status == 2 and "--images is required" in missing.err
    found = call(capsys, *args, *ENCODER, "--images", "images")
    assert found.status == 0, found.err
    compared = call(capsys, "compare", "top.slc", "tiny.slc")
    assert compared.status == 1 and "store the labels with another codec first" in compared.err


@pytest.mark.parametrize(
    "args",
    [
        ("inspect", "tiny.slc"),
        ("inspect", "tiny.slc", "--json"),
        ("inspect", "tiny.slc", "--batch", "0"),
        ("inspect", "tiny.slc", "--html", "tiny.html"),
        ("stats", "tiny.slc"),
        ("stats", "tiny.slc", "--json"),
        ("verify", "tiny.slc"),
        ("merge", "merged.slc", "tiny.slc"),
        ("annotate", "tiny.slc", "--note", "tiny"),
    ],
)
def test_commands_that_need_no_encoder(capsys, projected, args):
    found = call(capsys, *args)
    assert found.status == 0, found.err


def test_pictures_of_labels_that_are_computed(capsys, projected):
    replay = ("replay", "tiny.slc", "images", "--out", "tiny.png")
    refused = call(capsys, *replay)
    assert refused.status == 1 and "--encoder" in refused.err
    assert call(capsys, *replay, *ENCODER[:4]).status == 0


def test_what_the_labels_are(capsys, projected):
    assert "computed from the images by the encoder resnet20" in call(
        capsys, "inspect", "tiny.slc"
    ).out.replace("\n", " ")


TAUGHT = (
    "project", "images", "taught.slc", *ENCODER, "--encoder-classes", 4, "--steps", 2,
    "--teacher", "resnet20", "--weights", "resnet20.safetensors", "--image-size", 32,
    "--batch-size", 4, "--epochs", 5,
)  # fmt: skip


def test_options_of_a_teacher_reach_the_recipe(capsys, schoolroom):
    made = call(
        capsys, *TAUGHT, "--scale", 0.5, 1, "--ratio", 1, 2, "--flip", 0, "--mix", "mixup",
        "--alpha", 0.5, "--cutout", 0.25, "--randaugment", 2, 4.5, "--interpolation", "bicubic",
        "--mean", 0.1, 0.2, 0.3, "--std", 1, 1, 1, "--autocast", "bfloat16", "--keep", 0.5,
    )  # fmt: skip
    assert made.status == 0, made.err
    with labelcodec.open("taught.slc") as reader:
        header, batches = reader.header, len(reader)
    recipe = header.recipe
    assert (recipe.scale, recipe.ratio, recipe.flip) == ((0.5, 1), (1, 2), 0)
    assert (recipe.mix, recipe.alpha, recipe.cutout) == ("mixup", 0.5, 0.25)
    assert (recipe.operations, recipe.magnitude) == (2, 4.5)
    assert header.interpolation == "bicubic" and batches == 5
    assert header.normalisation == {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}
    assert header.teacher["autocast"] == "bfloat16"


def test_a_teacher_without_crops_and_mixing(capsys, schoolroom):
    made = call(capsys, *TAUGHT, "--no-crop", "--mix", "none")
    assert made.status == 0, made.err
    with labelcodec.open("taught.slc") as reader:
        recipe = reader.header.recipe
    assert (recipe.scale, recipe.mix) == (None, None)


def test_a_key_of_the_teachers_weights_and_outputs(capsys, schoolroom):
    keyed = call(capsys, *TAUGHT, "--weights-key", "ema")
    assert keyed.status == 1 and "'ema'" in keyed.err
    output = call(capsys, *TAUGHT, "--output", "5")
    assert output.status == 1 and "resnet20" in output.err


def test_a_teacher_of_another_number_of_classes(capsys, schoolroom):
    shutil.move("images/class03", "away")
    found = call(capsys, *TAUGHT)
    assert found.status == 1
    assert "images has 3 classes; pass --classes" in found.err
    encoder = call(capsys, *(3 if arg == 4 else arg for arg in TAUGHT), "--classes", 4)
    assert "--encoder-classes" in encoder.err and "images has" not in encoder.err


def test_both_commands_have_the_same_options_of_a_teacher():
    texts = [
        {option.name: option.help for option in command.params if option.name in NAMES}
        for command in (relabel, project)
    ]
    assert texts[0] == texts[1] and set(texts[0]) == set(NAMES)


def test_options_that_contradict_each_other(capsys, schoolroom):
    both = call(capsys, "project", "images", "x.slc", *ENCODER)
    assert both.status == 2 and "either --labels or --teacher" in both.err
    for option, *values in (("--epochs", 300), ("--no-crop",), ("--randaugment", 1, 3)):
        surplus = call(
            capsys, "project", "images", "x.slc", *ENCODER, "--labels", "y.slc", option, *values
        )
        assert surplus.status == 2 and f"{option} is for --teacher" in surplus.err


def test_parts_are_merged_to_what_one_run_writes(capsys, projected):
    args = ("encode", "tiny.slc", "top.slc", "--codec", "topk:k=2", *ENCODER, "--images", "images")
    whole = call(capsys, *args, "--json").json()
    parts = [call(capsys, *args, "--part", part, "--json").json() for part in ("2/3", "1/3", "3/3")]
    assert sum(part["batches"] for part in parts) == whole["batches"] == 10
    shards = [f"top-{rank}-of-3.slc" for rank in range(3)]
    assert sorted(part["file"] for part in parts) == shards
    assert call(capsys, "merge", "all.slc", *shards).status == 0
    assert Path("all.slc").read_bytes() == Path("top.slc").read_bytes()
    again = call(capsys, *args, "--part", "2/3")
    assert again.status == 1 and "top-1-of-3.slc: exists already" in again.err
