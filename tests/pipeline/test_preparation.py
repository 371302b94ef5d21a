from __future__ import annotations

import numpy as np
import pytest
import torch

from labelcodec.errors import MismatchError
from labelcodec.images import list_images
from labelcodec.pipeline.preparation import prepare
from labelcodec.pipeline.preprocessing import USUAL, Preprocessing
from labelcodec.pipeline.teacher import load_teacher
from tests.replay import scene


@pytest.fixture
def listing(tmp_path):
    return list_images(scene.folder(tmp_path / "images"))


UNSTATED = Preprocessing()


def prepared(listing, stated=UNSTATED, **more):
    teacher = load_teacher(
        torch.nn.Identity(), None, 5, torch.device("cpu"), normalisation=None, autocast=None,
        precision="float32",
    )  # fmt: skip
    return prepare(teacher, listing, stated, USUAL, **{"skip_bad": False, "progress": None} | more)


def test_images_are_measured_and_what_nobody_states_is_usual(listing) -> None:
    seen = []
    ready = prepared(listing, progress=lambda *done: seen.append(done))
    assert (ready.image_size, ready.interpolation) == ((224, 224), "bilinear")
    assert ready.sizes.shape == (len(listing), 2) and (ready.sizes > 0).all()
    assert {doing for _, _, doing in seen} == {"images checked", "image sizes"}


def test_what_is_stated_counts(listing) -> None:
    mean = {"mean": [0.5] * 3, "std": [1.0] * 3}
    ready = prepared(listing, Preprocessing.stated(32, "bicubic", mean))
    assert (ready.image_size, ready.interpolation) == ((32, 32), "bicubic")
    assert ready.teacher.normalisation == mean
    assert Preprocessing.stated((8, 9), None, None).image_size == (8, 9)


def test_images_that_cannot_be_read(listing) -> None:
    (listing.root / listing.paths[3]).write_bytes(b"broken")
    with pytest.raises(MismatchError, match="skip_bad=True"):
        prepared(listing)
    ready = prepared(listing, skip_bad=True)
    assert len(ready.listing) == len(ready.sizes) == len(listing) - 1
    assert "left out 1 image that" in ready.left_out[0]
    assert not np.isin(listing.paths[3], ready.listing.paths)
