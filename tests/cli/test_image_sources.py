"""Commands on images that are in no folder."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from labelcodec.images import list_images
from tests.cli.call import Outcome, call
from tests.images import sources
from tests.pipeline import scene


def refused(capsys: Any, *args: object, status: int = 1) -> str:
    """What a command says that ends with this status."""
    done = call(capsys, *args)
    assert done.status == status
    return " ".join(done.err.split())


def accepted(capsys: Any, *args: object) -> Outcome:
    done = call(capsys, *args)
    assert done.status == 0, done.err
    return done


TEACHER = ("--teacher", scene.SMALL, "--weights", "w.safetensors", "--image-size", scene.SIDE)
NORMALISED = ("--mean", 0.5, 0.4, 0.3, "--std", 0.3, 0.3, 0.3)
FLOATS = ("--images-mean", *sources.MEAN, "--images-std", *sources.STD)


@pytest.fixture
def floats(tmp_path, monkeypatch) -> None:
    """Distilled floats, which no normalisation is recognised of, and the same as a folder."""
    monkeypatch.chdir(tmp_path)
    listing = list_images(scene.images(tmp_path / "images"))
    drawn = sources.floats_of(listing) + np.float32(0.0007)
    np.savez("set.npz", images=drawn, labels=listing.class_index)
    scene.weights(tmp_path / "w.safetensors")


def test_a_tensor_file_from_labels_to_student(capsys, floats) -> None:
    relabel = ("relabel", "set.npz", "a.slc", *TEACHER, *NORMALISED, "--epochs", 2, "--batch-size",
               4, "--classes", scene.CLASSES)  # fmt: skip
    told = refused(capsys, *relabel)
    assert "pass the mean and std of inputs in 0..1 with --images-mean and --images-std" in told
    done = accepted(capsys, *relabel, *FLOATS)
    assert "values move by 0.0" in " ".join(done.err.split())
    train = ("train", "a.slc", "set.npz", "run", "--recipe", "cifar10", "--set", "epochs=1")
    accepted(capsys, *train, "--set", f"model={scene.SMALL}", "--validate", "images", *FLOATS)
    by_folder = call(capsys, "evaluate", "images", "run", "--json").json()
    by_file = call(capsys, "evaluate", "set.npz", "run", *FLOATS, "--json").json()
    assert by_folder == by_file
    accepted(capsys, "annotate", "a.slc", "--images", "set.npz", *FLOATS, "--note", "x")
    other = ("--images-mean", 0.5, 0.5, 0.5, "--images-std", 0.2, 0.2, 0.2)
    told = refused(capsys, *train[:3], "other", *train[4:], *other)
    assert "the colours of the pictures differ" in told


def test_a_folder_has_no_normalisation(capsys, floats) -> None:
    told = refused(capsys, "relabel", "images", "b.slc", *TEACHER, *FLOATS, status=2)
    assert "only the floats of a tensor file have a normalisation" in told
    told = refused(capsys, "annotate", "b.slc", *FLOATS, "--note", "x", status=2)
    assert "--images-mean and --images-std go with --images" in told
    told = refused(capsys, "relabel", "set.npz", "b.slc", *TEACHER, *FLOATS[:4], status=2)
    assert "--images-mean and --images-std go together" in told


def test_plan_counts_the_bytes_of_images_in_a_tar(capsys, floats, tmp_path) -> None:
    tar = sources.folder_tar(tmp_path / "images", tmp_path / "tars")
    whole = call(capsys, "plan", "--images", "images", "--classes", 6, "--json").json()
    packed = call(capsys, "plan", "--images", tar, "--classes", 6, "--json").json()
    assert whole == packed


def test_a_missing_shard_and_a_damaged_one(capsys, floats, tmp_path) -> None:
    pattern = sources.tars(tmp_path / "images", tmp_path / "tars")
    (tmp_path / "tars/shard-0001.tar").write_bytes(b"x" * 600)
    told = refused(capsys, "relabel", pattern, "b.slc", *TEACHER)
    assert re.search(r"error: \S+shard-0001\.tar: not a tar", told)
    (tmp_path / "tars/shard-0001.tar").unlink()
    told = refused(capsys, "relabel", pattern, "b.slc", *TEACHER)
    assert "shard-0001.tar: there is no such shard" in told
