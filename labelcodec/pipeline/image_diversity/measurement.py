"""Diversity of one image folder, or of one against another."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from labelcodec.binding.class_map import folder_notes
from labelcodec.errors import ConfigError, DataError, ShapeError
from labelcodec.images import ImageListing, list_images
from labelcodec.pipeline.distributed import process
from labelcodec.pipeline.ensemble import settle
from labelcodec.pipeline.evaluation import EvaluationImages
from labelcodec.pipeline.image_diversity.features import Features, image_features
from labelcodec.pipeline.image_diversity.mmd import Discrepancy, check_bandwidth, discrepancy
from labelcodec.pipeline.image_diversity.similarity import class_similarities
from labelcodec.pipeline.preprocessing import USUAL, Preprocessing
from labelcodec.pipeline.teacher import load_teacher
from labelcodec.progress import Progress, named
from labelcodec.wording import counted


@dataclass(frozen=True)
class Similarity:
    """Cosine similarity of the images of a folder within their classes.

    Attributes:
        folder: the image folder.
        images: number of its images.
        by_class: similarity of each class of at least two images, -1..1, by its folder's name.
        single_image_classes: number of classes of one image, which have no similarity.
    """

    folder: Path
    images: int
    by_class: Mapping[str, float]
    single_image_classes: int

    @property
    def mean(self) -> float | None:
        """Mean over the classes of `by_class`; None if there is none."""
        return float(np.mean(list(self.by_class.values()))) if self.by_class else None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean over classes; None for fewer than two classes."""
        values = list(self.by_class.values())
        if len(values) < 2:
            return None
        return float(np.std(values, ddof=1)) / math.sqrt(len(values))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "folder": str(self.folder),
            "images": self.images,
            "classes": len(self.by_class),
            "single_image_classes": self.single_image_classes,
            "similarity": self.mean,
            "standard_error": self.standard_error,
            "by_class": dict(self.by_class),
        }


@dataclass(frozen=True)
class DiversityReport:
    """Diversity of one image folder, or of one against a reference.

    Attributes:
        model: name of the model that gives the features.
        layer: name of its linear layer whose input they are.
        dimensions: d, number of features of an image.
        similarities: of the folder and, if there is one, of the reference.
        mmd: MMD of the folder (A) and the reference (B); None without a reference.
    """

    model: str
    layer: str
    dimensions: int
    similarities: tuple[Similarity, ...]
    mmd: Discrepancy | None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        mmd = self.mmd
        return {
            "features": {
                "model": self.model, "layer": self.layer, "dimensions": self.dimensions,
            },
            "folders": [each.to_json() for each in self.similarities],
            "mmd": None if mmd is None else {
                "squared": mmd.squared, "within_a": mmd.within_a, "within_b": mmd.within_b,
                "between": mmd.between, "bandwidth": mmd.bandwidth,
            },
        }  # fmt: skip


def diversity(
    images: Path | str,
    reference: Path | str | None = None,
    *,
    features: nn.Module | str,
    weights: Path | str | None = None,
    weights_key: str | None = None,
    classes: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    interpolation: str | None = None,
    normalisation: Mapping[str, Any] | None = None,
    usual: Preprocessing = USUAL,
    resize: bool = True,
    bandwidth: float | None = None,
    workers: int = 0,
    device: str | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] = warnings.warn,
) -> DiversityReport:
    """Measure how alike the images of a class are, and how far two image folders are apart.

    Both are measured in the features of a model, the input of its last linear layer, as in LPLD:
    mean cosine similarity within classes (eq. 4; `class_similarities`), and MMD with a Gaussian
    kernel (eqs. 5 and 6; `discrepancy`). All features are held in memory, 4 bytes each.

    Args:
        images: image folder, one sub-folder per class, such as distilled images.
        reference: image folder that its images are compared with, such as the training images. Its
            classes need not be the same.
        features: a model name as in `labelcodec.pipeline.models.build`, or a torch module.
        weights: file of the model's weights.
        weights_key: where in that file the weights are, see `load_weights`.
        classes: C of the model; default: the number of classes of the larger folder.
        image_size: height and width of the model's input, in pixels; None takes that of the model's
            own configuration, or else of `usual`. The same holds for the next two.
        interpolation: 'bilinear' or 'bicubic' resizing.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        usual: settings for models without a configuration.
        resize: as in `EvaluationImages`.
        bandwidth: sigma of the kernel; None for the median distance of both folders' images. MMDs
            of several folders are comparable if they are of the same bandwidth.
        workers: processes that load images.
        device: 'cpu', 'cuda', ...; default: a GPU if there is one.
        progress: called with images done and total images, then with blocks of the kernel matrix.
        note: called in the first process with notes for the user.

    Raises:
        ConfigError: an invalid parameter or model name, or `bandwidth` without a reference.
        MismatchError: no image folder, an image cannot be read, the weights do not fit, or the
            model has no linear layer that gives its logits.
        DataError: no class of a single folder has two images, features are zero or not finite, or
            more than half of all pairs of images have equal features.
    """
    check_bandwidth(bandwidth)
    if bandwidth is not None and reference is None:
        raise ConfigError("`bandwidth` is that of the MMD of two image folders, and there is one")
    listings = [list_images(folder) for folder in (images, reference) if folder is not None]
    if reference is None:
        _check_pairs(listings[0])
    with process(device) as this_process:
        with _telling_classes(listings, classes):
            model = load_teacher(
                features,
                None if weights is None else Path(weights),
                classes or max(len(listing.classes) for listing in listings),
                this_process.device,
                weights_key=weights_key,
                normalisation=None,
                autocast=None,
                precision="float32",
            )
        stated = Preprocessing.stated(image_size, interpolation, normalisation)
        model, settings, notes = settle(model, stated, usual)
        for line in (*notes, *_folder_notes(listings)):
            this_process.told(note)(line)
        total = sum(map(len, listings))
        measured: list[Features] = []
        for listing in listings:
            shown = EvaluationImages(
                listing,
                settings.image_size or (224, 224),
                settings.interpolation or "bilinear",
                resize,
                len(listing.classes),
            )
            done = sum(len(each.values) for each in measured)
            measured.append(
                image_features(
                    model.model,
                    shown,
                    model.normalisation,
                    f"the model {model.facts['name']}",
                    this_process.device,
                    workers=workers,
                    progress=named(progress, f"features of {listing.root}", done, total),
                )
            )
        similarities = tuple(map(_similarity, listings, measured))
        mmd = None
        if reference is not None:
            mmd = discrepancy(
                measured[0].values,
                measured[1].values,
                bandwidth,
                device=_with_float64(this_process.device),
                progress=named(progress, "MMD"),
            )
    layer, dimensions = measured[0].layer, measured[0].values.shape[1]
    return DiversityReport(str(model.facts["name"]), layer, dimensions, similarities, mmd)


@contextmanager
def _telling_classes(listings: list[ImageListing], classes: int | None) -> Iterator[None]:
    """Say where the number of classes is from, if the model's weights are of another number."""
    try:
        yield
    except ShapeError as error:
        if classes is None:
            largest = max(listings, key=lambda listing: len(listing.classes))
            error.add_note(
                f"{largest.root} has {counted(len(largest.classes), 'class')}; pass `classes` if "
                "the model has another number"
            )
        raise


def _similarity(listing: ImageListing, features: Features) -> Similarity:
    values = class_similarities(features.values, listing.class_index, len(listing.classes))
    by_class = {
        name: value
        for name, value in zip(listing.classes, values.tolist(), strict=True)
        if not math.isnan(value)
    }
    single = len(listing.classes) - len(by_class)
    return Similarity(listing.root, len(listing), by_class, single)


def _check_pairs(listing: ImageListing) -> None:
    if _single_image_classes(listing) == len(listing.classes):
        raise DataError(
            f"{listing.root}: has no class of two images, between which similarity is measured"
        )


def _folder_notes(listings: list[ImageListing]) -> list[str]:
    notes: list[str] = []
    for listing in listings:
        notes += folder_notes(listing.classes, str(listing.root), mapped=True)
        single = _single_image_classes(listing)
        if single:
            notes.append(
                f"{listing.root}: left out of the similarity, with a single image: "
                f"{single} of its {counted(len(listing.classes), 'class')}"
            )
    return notes


def _single_image_classes(listing: ImageListing) -> int:
    return int((np.bincount(listing.class_index) == 1).sum())


def _with_float64(device: torch.device) -> torch.device:
    """The device, or the CPU in place of one without float64 (mps)."""
    return device if device.type in ("cpu", "cuda") else torch.device("cpu")
