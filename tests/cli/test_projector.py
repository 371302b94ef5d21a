"""The commands around labels that are a function of their images."""

from __future__ import annotations

import json

import pytest

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


def test_what_the_labels_are(capsys, projected):
    assert "computed from the images by the encoder resnet20" in call(
        capsys, "inspect", "tiny.slc"
    ).out.replace("\n", " ")


def test_options_that_contradict_each_other(capsys, schoolroom):
    both = call(capsys, "project", "images", "x.slc", *ENCODER)
    assert both.status == 2 and "either --labels or --teacher" in both.err
    surplus = call(
        capsys, "project", "images", "x.slc", *ENCODER, "--labels", "y.slc", "--epochs", "3"
    )
    assert surplus.status == 2 and "--epochs is for --teacher" in surplus.err
