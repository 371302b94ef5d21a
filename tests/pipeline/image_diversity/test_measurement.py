"""Diversity of image folders: figures, notes and errors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import labelcodec.pipeline
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.pipeline.evaluation import EvaluationImages
from labelcodec.pipeline.image_diversity.features import image_features
from labelcodec.pipeline.image_diversity.measurement import Similarity, diversity
from labelcodec.pipeline.image_diversity.mmd import discrepancy
from labelcodec.pipeline.image_diversity.similarity import class_similarities
from tests.pipeline import scene

FEW = 3  # classes of the reference, which has larger images


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Path:
    """Images, a reference of other sizes, images one per class, and a model's weights."""
    root = tmp_path_factory.mktemp("diversity")
    scene.images(root / "images")
    scene.images(root / "reference", count=9, classes=FEW, seed=4, side=12)
    scene.images(root / "single", count=4, classes=4)
    scene.images(root / "mixed", count=4, classes=3)
    scene.weights(root / "weights.safetensors")
    return root


def measure(room: Path, images: str, reference: str | None = None, **more):
    options = {"features": scene.SMALL, "weights": room / "weights.safetensors", "device": "cpu"}
    options |= {"classes": scene.CLASSES, "image_size": scene.SIDE}
    options |= {"normalisation": scene.NORMALISATION, **more}
    second = None if reference is None else room / reference
    return diversity(room / images, second, **options)


def features_of(room: Path, folder: str, resize: bool = True) -> tuple[np.ndarray, np.ndarray]:
    model = scene.teacher(room / "weights.safetensors").model
    shown = EvaluationImages(room / folder, (8, 8), "bilinear", resize, scene.CLASSES)
    return image_features(model, shown, scene.NORMALISATION, "m").values, shown.listing.class_index


def test_a_folder_alone(room) -> None:
    notes: list[str] = []
    report = measure(room, "images", note=notes.append)
    values, index = features_of(room, "images")
    direct = class_similarities(values, index, scene.CLASSES)
    (measured,) = report.similarities
    assert list(measured.by_class.values()) == direct.tolist()
    assert list(measured.by_class) == [f"class{i:02}" for i in range(scene.CLASSES)]
    assert measured.mean == pytest.approx(direct.mean())
    assert measured.standard_error == pytest.approx(direct.std(ddof=1) / math.sqrt(scene.CLASSES))
    assert (measured.images, measured.single_image_classes) == (scene.IMAGES, 0)
    assert (report.model, report.layer, report.dimensions) == (scene.SMALL, "4", 72)
    assert report.mmd is None and notes == []


@pytest.mark.parametrize("resize", [True, False])
def test_a_folder_against_a_reference(room, resize: bool) -> None:
    seen = []
    report = measure(
        room, "images", "reference", resize=resize, progress=lambda *step: seen.append(step)
    )
    values, index = features_of(room, "reference", resize)
    assert report.mmd == discrepancy(features_of(room, "images")[0], values)
    direct = class_similarities(values, index, FEW)
    assert list(report.similarities[1].by_class.values()) == direct.tolist()
    assert seen[0] == (22, 31, f"features of {room / 'images'}")
    assert seen[1] == (31, 31, f"features of {room / 'reference'}")
    assert seen[-1] == (3, 3, "MMD")
    fixed = measure(room, "images", "reference", bandwidth=7.5).mmd
    assert fixed.bandwidth == 7.5 and fixed.squared != report.mmd.squared


def test_a_module_and_the_facade(room) -> None:
    assert labelcodec.pipeline.diversity is diversity
    torch.manual_seed(0)
    model = scene.small(9).train()
    report = measure(room, "images", features=model, weights=None, classes=None)
    assert report.model == "torch.nn.modules.container.Sequential"
    assert report == measure(room, "images", features=model, weights=None)  # no dropout


def test_classes_of_one_image(room) -> None:
    notes: list[str] = []
    report = measure(room, "mixed", note=notes.append)
    (measured,) = report.similarities
    assert list(measured.by_class) == ["class00"] and measured.single_image_classes == 2
    assert measured.standard_error is None
    assert notes == [
        f"{room / 'mixed'}: left out of the similarity, with a single image: 2 of its 3 classes"
    ]
    with pytest.raises(DataError, match="single: has no class of two images"):
        measure(room, "single", features="no such model")
    first, second = measure(room, "single", "images", note=notes.append).similarities
    assert first == Similarity(room / "single", 4, {}, 4)
    assert first.mean is None and second.mean is not None


def test_reports_as_json(room) -> None:
    report = measure(room, "images", "single", note=lambda _: None)
    measured = report.to_json()
    assert measured["features"] == {"model": scene.SMALL, "layer": "4", "dimensions": 72}
    assert [each["classes"] for each in measured["folders"]] == [6, 0]
    assert measured["folders"][0]["similarity"] == report.similarities[0].mean
    assert measured["folders"][1]["similarity"] is None
    assert measured["mmd"]["squared"] == report.mmd.squared
    assert measure(room, "images").to_json()["mmd"] is None


@pytest.mark.parametrize(
    ("images", "options", "error", "problem"),
    [
        ("nowhere", {}, MismatchError, "nowhere: no such image folder"),
        ("images", {"bandwidth": 1.0}, ConfigError, "`bandwidth` is that of the MMD of two"),
        ("images", {"bandwidth": 0.0}, ConfigError, "`bandwidth` is 0.0"),
        ("images", {"classes": 7}, MismatchError, "4.weight is 6 x 72, not 7 x 72"),
        ("images", {"weights": None, "features": "resnet20"}, ConfigError, "random weights"),
        ("images", {"image_size": 9}, MismatchError, f"the model {scene.SMALL} fails on"),
    ],
)
def test_mistakes(room, images: str, options, error, problem: str) -> None:
    with pytest.raises(error, match=problem):
        measure(room, images, **options)


def test_folder_of_more_classes_than_the_model(room) -> None:
    """Classes need not be the model's: features are of any image."""
    report = measure(room, "images", features=scene.still(2), weights=None, classes=2)
    assert len(report.similarities[0].by_class) == scene.CLASSES
